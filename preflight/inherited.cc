// SPDX-License-Identifier: Apache-2.0
// Descriptors that the caller hands over: `external`.
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <map>
#include <set>
#include <unordered_set>

#include "dsl/references.h"
#include "dsl/value_text.h"
#include "model/one_of.h"
#include "model/printable.h"
#include "preflight/doing.h"
#include "preflight/question.h"

namespace crgen::preflight {
namespace {

/// Whether what stat(2) says is of the type.
bool IsOfKind(const RegularFile&, mode_t mode) { return !S_ISSOCK(mode) && !S_ISFIFO(mode); }
bool IsOfKind(const Tty&, mode_t mode) { return S_ISCHR(mode); }
template <OneOf<Pipe, Fifo> Body>
bool IsOfKind(const Body&, mode_t mode) {
  return S_ISFIFO(mode);
}
template <OneOf<UnixSocket, InetSocket, NetlinkSocket, PacketSocket> Body>
bool IsOfKind(const Body&, mode_t mode) {
  return S_ISSOCK(mode);
}
/// Nobody hands them over.
template <OneOf<Memfd, Eventfd, Signalfd, Timerfd, Eventpoll, Inotify, Fanotify, Pidfd,
                NamespaceFile, TunFile, BpfMap, OtherFile>
              Body>
bool IsOfKind(const Body&, mode_t) {
  return false;
}

class InheritedQuestion : public QuestionOn<InheritedQuestion> {
 public:
  explicit InheritedQuestion(Context& context) : QuestionOn(context) {
    for (const Command& command : context.program) {
      const auto* open = std::get_if<OpenFile>(&command.body);
      if (open == nullptr || !open->file->external || As<Pipe>(*open->file) == nullptr) continue;
      pipe_modes_[*open->file->external].insert(open->file->flags.bits & O_ACCMODE);
    }
  }

  template <typename Body>
  void On(const Body&) {}

  void On(const OpenFile& open) {
    ForEachOpened(open, [&](Fd, const File& file, bool) {
      if (file.external) Check(file);
    });
  }

  void On(const Fork& fork) {  // namespaces.cc
    if (fork.pid_namespace) known_.insert(fork.pid_namespace->external.bytes);
  }

  void On(const SetAttr& set) {
    if (set.attributes->net && set.attributes->net->external) {
      known_.insert(set.attributes->net->external->bytes);  // namespaces.cc
    }
  }

  void Finish() override {
    for (const auto& [key, fd] : context_.options.inherited) {
      if (known_.contains(key)) continue;
      // Engines hand over all standard streams, also those that the tree has closed.
      findings_.Warn("--inherit-fd fd[" + std::to_string(fd) + "]:" + Printable(key) +
                     ": nothing in the plan has that key");
    }
  }

 private:
  void Check(const File& file) {
    const std::string& key = *file.external;
    const std::string name = Printable(key);
    known_.insert(key);
    const auto handed_over = context_.options.inherited.find(key);
    if (handed_over == context_.options.inherited.end()) {
      const auto* socket = As<UnixSocket>(file);
      const bool named = socket != nullptr && socket->peer_name;
      return findings_.Wrong(name + " comes from outside, and is not handed over",
                             "--inherit-fd fd[N]:" + name +
                                 (named ? ", or --ext-unix-sk, which connects it to " +
                                              Printable(socket->peer_name->bytes)
                                        : ""));
    }
    const int fd = handed_over->second;
    if (fd < 0) return;
    const std::string at = "descriptor " + std::to_string(fd) + ", handed over as " + name + ", ";
    struct stat status;
    const Doing doing("looking at it", fd);
    const int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fstat(fd, &status) != 0) {
      return findings_.Wrong(at + "is not open: " + std::strerror(errno));
    }
    if (!std::visit([&](const auto& body) { return IsOfKind(body, status.st_mode); }, file.body)) {
      return findings_.Wrong(at + "is no " + std::string(TypeOf(file)));
    }
    if (!CheckSocket(file, fd, at)) return;
    const auto access = static_cast<std::uint64_t>(flags) & O_ACCMODE;
    const std::uint64_t wanted = file.flags.bits & O_ACCMODE;
    if (!Serves(file, access)) {
      findings_.Wrong(at + "is not open for " +
                      (wanted == O_RDONLY   ? "reading"
                       : wanted == O_WRONLY ? "writing"
                                            : "both"));
    }
  }

  /// False: it is a socket of another kind, and a finding says so.
  bool CheckSocket(const File& file, int fd, const std::string& at) {
    const auto* local = As<UnixSocket>(file);
    const auto* inet = As<InetSocket>(file);
    if (local == nullptr && inet == nullptr) return true;
    const auto option = [&](int name) {
      int value = -1;
      socklen_t size = sizeof value;
      return getsockopt(fd, SOL_SOCKET, name, &value, &size) == 0 ? value : -1;
    };
    const int family = option(SO_DOMAIN);
    const std::uint32_t wanted_family = local != nullptr ? AF_UNIX : inet->family.value;
    if (family != static_cast<int>(wanted_family)) {
      findings_.Wrong(at + "is of the family " + std::to_string(family) + ", expected " +
                      (local != nullptr ? "AF_UNIX" : ValueText(inet->family)));
      return false;
    }
    const SocketType type{static_cast<std::uint32_t>(option(SO_TYPE))};
    const SocketType wanted_type = local != nullptr ? local->socket_type : inet->socket_type;
    if (!(type == wanted_type)) {
      findings_.Wrong(at + "is of the type " + ValueText(type) + ", expected " +
                      ValueText(wanted_type));
      return false;
    }
    const int protocol = option(SO_PROTOCOL);
    if (inet == nullptr || protocol == static_cast<int>(inet->protocol.value)) return true;
    findings_.Wrong(at + "is of the protocol " + std::to_string(protocol) + ", expected " +
                    ValueText(inet->protocol));
    return false;
  }

  /// Descriptions of a pipe are opened through what is handed over, be it the other end; but one
  /// that is none of the plan's is a mistake.
  bool Serves(const File& file, std::uint64_t access) const {
    if (access == O_RDWR || access == (file.flags.bits & O_ACCMODE)) return true;
    const auto modes = pipe_modes_.find(*file.external);
    return modes != pipe_modes_.end() &&
           (modes->second.contains(access) || modes->second.contains(O_RDWR));
  }

  std::unordered_set<std::string> known_;                      ///< keys that the program has
  std::map<std::string, std::set<std::uint64_t>> pipe_modes_;  ///< of each key
};

}  // namespace

std::unique_ptr<Question> AskForInherited(Context& context) {
  return std::make_unique<InheritedQuestion>(context);
}

}  // namespace crgen::preflight
