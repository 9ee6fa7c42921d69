// SPDX-License-Identifier: Apache-2.0
// The kernel as judge of what the checker says of unix sockets: random programs run for real, each
// in a process of its own. How each command ends, who can still send, and all that is received must
// be what the checker says. Needs root. CRGEN_SEED=n or =random makes another random choice.
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include <cstdio>
#include <cstdlib>
#include <map>
#include <set>

#include "dsl/json/program_json.h"
#include "tests/support/kernel_sockets.h"
#include "tests/support/seed.h"
#include "tests/support/socket_programs.h"

namespace crgen {
namespace {

using test::RealSockets;
using test::SocketProgramMaker;

constexpr unsigned kPrograms = 4000;

std::string NameOfError(int error) { return error == 0 ? "" : strerrorname_np(error); }

class Run {
 public:
  explicit Run(const SocketProgramMaker& maker) : maker_(maker) {}

  /// Empty, or where kernel and checker differ. In a process that is good for nothing else.
  std::string Execute() {
    if (unshare(CLONE_NEWNET | CLONE_NEWNS) != 0) return "unshare";
    mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr);
    if (mount("none", "/tmp", "tmpfs", 0, nullptr) != 0) return "mount";
    if (close_range(0, 63, 0) != 0) return "close_range";
    const Program& program = maker_.program();
    for (std::size_t i = 1; i < program.size(); ++i) {
      const std::string error = NameOfError(One(program[i]));
      if (error == maker_.errors()[i]) continue;
      return "commands[" + std::to_string(i) + "]: " + (error.empty() ? "success" : error) +
             ", the checker says " + (maker_.errors()[i].empty() ? "success" : maker_.errors()[i]);
    }
    return Compare();
  }

 private:
  int One(const Command& command) {
    if (const auto* open = std::get_if<OpenFile>(&command.body)) return real_.Open(*open);
    if (const auto* dup = std::get_if<DupFd>(&command.body)) {
      if (fcntl(dup->old_fd, F_GETFD) < 0) return EBADF;
      return dup2(dup->old_fd, dup->new_fd) < 0 ? errno : 0;
    }
    if (const auto* closed = std::get_if<CloseFd>(&command.body)) {
      return close(closed->fd) < 0 ? errno : 0;
    }
    const DescriptorState& late = std::get<SetAttr>(command.body).attributes->descriptors.front();
    if (fcntl(late.fd, F_GETFD) < 0) return EBADF;
    if (const auto* sent = std::get_if<QueueSetting>(&late.state)) return Queue(late.fd, *sent);
    return Shutdown(late.fd, std::get<ShutdownSetting>(late.state));
  }

  /// Each state is set once in a program.
  int Queue(Fd fd, const QueueSetting& setting) {
    if (!queued_.insert(Inode(fd)).second) return EEXIST;
    const int error = real_.Send(fd, setting);
    for (const SentMessage& message : setting.queue) {
      for (const Fd right : message.rights) in_flight_.insert(Inode(right));
    }
    if (error != 0) queued_.erase(Inode(fd));
    // A datagram socket forgets a peer that is gone when it is told, and a program knows of that no
    // more than of any other command that fails.
    if (error == ECONNREFUSED) forgotten_.insert(Inode(fd));
    return error == ENOTCONN && forgotten_.contains(Inode(fd)) ? ECONNREFUSED : error;
  }
  int Shutdown(Fd fd, const ShutdownSetting& setting) {
    if (!shut_.insert(Inode(fd)).second) return EEXIST;
    return RealSockets::Shut(fd, setting);
  }
  static ino_t Inode(Fd fd) {
    struct stat status;
    fstat(fd, &status);
    return status.st_ino;
  }

  /// Linux 6.10 to 6.18 may throw away the queue of a socket in flight though somebody holds it,
  /// and ends its peer with that ("af_unix: Initialise scc_index in unix_add_edge()" mends it).
  bool MayBeCollected(const check::SocketObject& socket) {
    const auto was_in_flight = [this](const check::SocketObject& it) {
      return in_flight_.contains(real_.inode_of[it.opened.socket_id.value]);
    };
    if (in_flight_.empty()) return false;
    const auto peer = socket.peer.lock();
    return was_in_flight(socket) || peer == nullptr || was_in_flight(*peer);
  }

  std::string Compare() {
    const check::Table* table = nullptr;
    for (const check::Task& task : maker_.kernel().tasks) {
      if (task.pid == test::kSocketPid) table = task.table.get();
    }
    for (Fd fd = 0; fd < test::kSocketFds; ++fd) {
      const auto* slot = table->slots.Find(fd);
      if ((slot != nullptr) != (fcntl(fd, F_GETFD) >= 0)) return "fd " + std::to_string(fd);
    }
    // First who can send, then what there is: receiving changes it.
    for (Fd fd = 0; fd < test::kSocketFds; ++fd) {
      const auto* slot = table->slots.Find(fd);
      if (slot == nullptr) continue;
      if (MayBeCollected(*slot->value.description->socket)) continue;
      const std::string difference = CompareSocket(fd, *slot->value.description);
      if (!difference.empty()) return "fd " + std::to_string(fd) + ": " + difference;
    }
    for (Fd fd = 0; fd < test::kSocketFds; ++fd) {
      const auto* slot = table->slots.Find(fd);
      if (slot == nullptr) continue;
      const check::SocketObject& socket = *slot->value.description->socket;
      const bool stream = socket.opened.socket_type.value == SOCK_STREAM;
      if (!drained_.insert(Inode(fd)).second || MayBeCollected(socket)) continue;
      const std::string found = test::Drain(fd, stream), expected = Queue(socket, stream);
      if (found != expected) {
        return "fd " + std::to_string(fd) + " has received " + std::to_string(found.size()) +
               " bytes of text, the checker says " + std::to_string(expected.size());
      }
    }
    return "";
  }

  std::string CompareSocket(Fd fd, const check::Description& description) {
    const check::SocketObject& socket = *description.socket;
    if (Inode(fd) != real_.inode_of[socket.opened.socket_id.value]) return "another socket";
    int listening = 0;
    socklen_t size = sizeof listening;
    getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size);
    if ((listening != 0) != (socket.opened.state == kListening)) return "SO_ACCEPTCONN";
    sockaddr_un name = {};
    size = sizeof name;
    getsockname(fd, reinterpret_cast<sockaddr*>(&name), &size);
    std::string text(name.sun_path, size - offsetof(sockaddr_un, sun_path));
    if (!text.empty() && text.front() != '\0') text.pop_back();
    const std::string expected = socket.opened.name ? socket.opened.name->bytes : "";
    if (text != expected) return "name " + text + ", the checker says " + expected;
    const bool datagram = socket.opened.socket_type.value == SOCK_DGRAM;
    if (datagram || !(socket.opened.state == kConnected)) return "";
    // Whether the other end receives no more, or is gone.
    pollfd end = {fd, POLLRDHUP, 0};
    poll(&end, 1, 0);
    const bool pending = socket.listener.lock() != nullptr;
    const bool gone = !pending && socket.peer.lock() == nullptr;
    const bool receives = !gone && (socket.shutdown & 1) == 0;
    if (receives == ((end.revents & (POLLRDHUP | POLLHUP)) != 0)) {
      return std::string("poll says ") + (receives ? "the end" : "no end");
    }
    return "";
  }

  std::string Queue(const check::SocketObject& socket, bool stream) {
    std::string text, carried;
    for (const check::SocketMessage& message : socket.queue) {
      for (const auto& right : message.rights) {
        (stream ? carried : text) +=
            "[" + std::to_string(real_.inode_of[right->socket->opened.socket_id.value]) + "]";
      }
      for (std::uint64_t i = 0; i < message.bytes; ++i) {
        text.push_back(test::ByteOfImage(message.source.offset + i));
      }
      if (!stream) text += "|";
    }
    return text + carried;
  }

  const SocketProgramMaker& maker_;
  RealSockets real_;
  std::set<ino_t> in_flight_;
  std::set<ino_t> queued_, shut_, drained_, forgotten_;
};

struct Counts {
  std::size_t commands = 0, refused = 0, sent = 0;
  std::map<std::string, std::size_t> errors;
};

std::string RunInChild(const SocketProgramMaker& maker) {
  int channel[2];
  if (pipe2(channel, O_CLOEXEC) != 0) return "pipe";
  const pid_t child = fork();
  if (child == 0) {
    const int out = fcntl(channel[1], F_DUPFD_CLOEXEC, 100);
    alarm(20);
    const std::string difference = Run(maker).Execute();
    [[maybe_unused]] const ssize_t done = write(out, difference.data(), difference.size());
    _exit(0);
  }
  close(channel[1]);
  std::string text;
  char buffer[1024];
  for (ssize_t got; (got = read(channel[0], buffer, sizeof buffer)) > 0;) {
    text.append(buffer, static_cast<std::size_t>(got));
  }
  close(channel[0]);
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? text : "killed by signal " + std::to_string(WTERMSIG(status));
}

TEST(CheckSocketsKernelTest, Agrees) {
  if (geteuid() != 0) GTEST_SKIP() << "not root: no network namespaces";
  const unsigned first = test::FirstSeed();
  Counts counts;
  std::size_t shown = 0;
  for (unsigned i = 0; i < kPrograms && shown < 5; ++i) {
    SocketProgramMaker maker(first + i);
    maker.Make(10 + i % 20);
    const std::string difference = RunInChild(maker);
    if (!difference.empty()) {
      ++shown;
      ADD_FAILURE() << "seed " << first + i << ": " << difference << "\n"
                    << WriteProgram(maker.program(), Layout::kLines);
      for (std::size_t k = 0; k < maker.errors().size(); ++k) {
        std::printf("%s%zu %s", k == 0 ? "" : ", ", k, maker.errors()[k].c_str());
      }
      std::printf("\n");
    }
    for (const std::string& error : maker.errors()) ++counts.errors[error];
  }
  std::printf("seed %u:", first);
  for (const auto& [error, count] : counts.errors) {
    std::printf(" %s %zu", error.empty() ? "success" : error.c_str(), count);
    counts.commands += count;
  }
  std::printf("; %zu commands\n", counts.commands);
  EXPECT_GT(counts.errors["EADDRINUSE"], 0u);
  EXPECT_GT(counts.errors["ECONNREFUSED"], 0u);
  EXPECT_GT(counts.errors["EPIPE"], 0u);
}

}  // namespace
}  // namespace crgen
