// SPDX-License-Identifier: Apache-2.0
// Random programs about unix sockets, legal and illegal commands mixed, and what the checker says
// of each command. One process executes them all.
#pragma once

#include <fcntl.h>
#include <sys/socket.h>

#include <string>
#include <utility>
#include <vector>

#include "checker/kernel/kernel.h"
#include "tests/support/check_support.h"
#include "tests/support/choice.h"

namespace crgen::test {

inline constexpr Fd kSocketFds = 12;  ///< descriptors 0 to 11 are the program's
inline constexpr Pid kSocketPid = 5;

inline Command LateOf(Pid pid, Fd fd, LateState state) {
  Attributes attributes;
  attributes.descriptors.push_back({fd, std::move(state)});
  return AttrOf(pid, attributes);
}

inline std::shared_ptr<const File> SocketFile(std::uint64_t id, UnixSocket body,
                                              std::uint64_t flags = O_RDWR) {
  body.socket_id.value = id;
  return std::make_shared<const File>(File{{id}, {flags}, std::move(body)});
}

class SocketProgramMaker : private Choice {
 public:
  explicit SocketProgramMaker(unsigned seed) : Choice(seed) {}

  void Make(std::size_t length) {
    Try(ForkOf(0, kSocketPid));
    for (std::size_t i = 0; i < length; ++i) Try(OneEarly());
    for (std::size_t i = 0; i < length / 2; ++i) Try(OneIn(5) ? CloseAny() : AnyQueue());
    for (std::size_t i = 0; i < length / 4; ++i) Try(OneIn(3) ? CloseAny() : AnyShutdown());
  }

  const Program& program() const { return program_; }
  const std::vector<std::string>& errors() const { return errors_; }
  const check::Kernel& kernel() const { return *state_.kernel(); }

 private:
  template <typename Value>
  Value Any(std::initializer_list<Value> list) {
    return *(list.begin() + Below(static_cast<std::uint32_t>(list.size())));
  }
  Fd AnyFd() { return static_cast<Fd>(Below(kSocketFds)); }

  void Try(const Command& command) {
    program_.push_back(command);
    Diagnostics diag;
    SimulatedState state;
    (void)CheckProgram(program_, &state, diag);
    std::string error;
    for (const Diagnostic& entry : diag.entries()) {
      if (entry.command != program_.size() - 1 || entry.severity != Severity::kError) continue;
      error = entry.what.substr(0, entry.what.find(':'));
    }
    errors_.push_back(error);
    state_ = std::move(state);
  }

  UnixSocket AnyBody() {
    UnixSocket body;
    body.socket_type = SocketType{
        static_cast<std::uint32_t>(Any({SOCK_STREAM, SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET}))};
    body.state = kUnconnected;
    return body;
  }
  void AddName(UnixSocket* body) {
    const std::string number = std::to_string(Below(3));
    body->name = Text{OneIn(2) ? std::string("\0name", 5) + number : "/tmp/socket" + number};
  }
  /// The body of a socket that is there; a new one, if there is none. Not that of an accepted one,
  /// whose name is its listener's.
  UnixSocket There() {
    for (int i = 0; i < 8; ++i) {
      const check::Description* one = At(AnyFd());
      if (one == nullptr || one->socket == nullptr || one->socket->opened.accept_from) continue;
      return one->socket->opened;
    }
    return AnyBody();
  }
  const check::Description* At(Fd fd) const {
    for (const check::Task& task : kernel().tasks) {
      if (task.pid != kSocketPid) continue;
      const auto* slot = task.table->slots.Find(fd);
      return slot == nullptr ? nullptr : slot->value.description.get();
    }
    return nullptr;
  }
  Fd FdOf(SocketId id) {
    for (Fd fd = 0; fd < kSocketFds; ++fd) {
      const check::Description* one = At(fd);
      if (one != nullptr && one->socket != nullptr && one->socket->opened.socket_id == id)
        return fd;
    }
    return AnyFd();
  }

  Command OneEarly() {
    switch (Below(8)) {
      case 0:
        return CloseAny();
      case 1:
        return DupOf(kSocketPid, AnyFd(), AnyFd());
      case 2:
      case 3:
        return AnyPair();
      case 4:
        return AnyAccepted();
      default:
        return AnySingle();
    }
  }
  Command CloseAny() { return CloseOf(kSocketPid, AnyFd()); }
  Command AnySingle() {
    UnixSocket body = AnyBody();
    if (!OneIn(4)) AddName(&body);
    if (OneIn(2)) {
      body.state = kListening;
      body.backlog = Below(3);
      if (body.socket_type.value == SOCK_DGRAM) body.name.reset();  // not two faults in one command
    } else if (OneIn(2)) {
      const UnixSocket target = There();
      if (!OneIn(6)) body.socket_type = target.socket_type;
      if (OneIn(2)) body.name.reset();
      body.state = kConnected;
      body.connect_to = SocketReference{target.socket_id.value};
    }
    return OpenOf(kSocketPid, AnyFd(), SocketFile(++files_, body));
  }
  Command AnyPair() {
    UnixSocket one = AnyBody(), other = one;
    one.state = other.state = kConnected;
    if (OneIn(4)) AddName(&one);
    if (OneIn(4)) AddName(&other);
    if (one.socket_type.value == SOCK_DGRAM && OneIn(3)) other.state = kUnconnected;
    const std::uint64_t id = ++files_;
    return OpenPair(kSocketPid, AnyFd(), SocketFile(id, one), AnyFd(), SocketFile(++files_, other));
  }
  Command AnyAccepted() {
    const UnixSocket listener = There();
    if (listener.socket_type.value == SOCK_DGRAM) return AnySingle();
    UnixSocket one, other;
    one.socket_type = other.socket_type = listener.socket_type;
    one.state = other.state = kConnected;
    if (OneIn(4)) AddName(&one);
    if (OneIn(4)) one.shutdown_before = Shutdown{1 + Below(3)};
    one.connect_to = SocketReference{listener.socket_id.value};
    other.name = listener.name;
    other.accept_from = OneIn(8) ? AnyFd() : FdOf(listener.socket_id);
    const std::uint64_t id = ++files_;
    return OpenPair(kSocketPid, AnyFd(), SocketFile(id, one), AnyFd(), SocketFile(++files_, other));
  }

  Command AnyQueue() {
    QueueSetting setting;
    for (std::uint32_t i = 0; i <= Below(3); ++i) {
      SentMessage message{{"sk-queues.img", Below(5000)}, 1 + Below(200), {}};
      for (std::uint32_t r = Below(4); r > 1; --r) message.rights.push_back(AnyFd());
      setting.queue.push_back(std::move(message));
    }
    return LateOf(kSocketPid, AnyFd(), std::move(setting));
  }
  Command AnyShutdown() {
    return LateOf(kSocketPid, AnyFd(), ShutdownSetting{Shutdown{1 + Below(3)}});
  }

  std::uint64_t files_ = 0;
  Program program_;
  std::vector<std::string> errors_;
  SimulatedState state_;
};

}  // namespace crgen::test
