// SPDX-License-Identifier: Apache-2.0
#include "restorer/outside_sockets.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <set>
#include <unordered_map>
#include <vector>

#include "dsl/references.h"
#include "model/files/key_spelling.h"
#include "model/printable.h"
#include "preflight/socket_holder.h"
#include "restorer/cleanup.h"
#include "restorer/namespaces.h"
#include "restorer/outside_bind.h"
#include "restorer/outside_connect.h"
#include "restorer/problem.h"
#include "restorer/supervisor_calls.h"

namespace crgen::restorer {
namespace {

std::string NameOf(const UnixSocket& socket) {
  return socket.IsAbstract() ? socket.name->bytes : socket.Path();
}

/// The ids that processes are to have, by the command with which a process opens something.
class Openers {
 public:
  explicit Openers(const Program& program) {
    std::unordered_map<Pid, std::size_t> living;  // numbers are used again
    for (std::size_t i = 0; i < program.size(); ++i) {
      const Command& command = program[i];
      if (const auto* fork = std::get_if<Fork>(&command.body)) {
        living[fork->child_pid] = creds_.size();
        creds_.push_back(nullptr);
      }
      const auto known = living.find(command.pid);
      if (known == living.end()) continue;
      if (std::holds_alternative<OpenFile>(command.body)) opener_[i] = known->second;
      const auto* set = std::get_if<SetAttr>(&command.body);
      if (set == nullptr || (set->tid && *set->tid != command.pid)) continue;
      if (set->attributes->creds) creds_[known->second] = &*set->attributes->creds;
    }
  }

  /// Null: it keeps those of this process.
  const Creds* Of(std::size_t command) const {
    const auto opener = opener_.find(command);
    return opener == opener_.end() ? nullptr : creds_[opener->second];
  }

 private:
  std::vector<const Creds*> creds_;
  std::unordered_map<std::size_t, std::size_t> opener_;
};

/// What the program has beside: names that are not to be taken from it, and where they are.
struct Surroundings {
  std::set<std::string> names;  ///< of sockets that it binds itself
  bool own_mounts = false;
};

Surroundings LookAround(const Program& program) {
  Surroundings found;
  found.own_mounts = OwnMounts(program) != nullptr;
  for (const Command& command : program) {
    const auto* open = std::get_if<OpenFile>(&command.body);
    if (open == nullptr) continue;
    ForEachOpened(*open, [&](Fd, const File& file, bool) {
      const auto* socket = As<UnixSocket>(file);
      if (socket == nullptr || file.external || socket->accept_from || !socket->name) return;
      if (!socket->unlinked_name) found.names.insert(NameOf(*socket));
    });
  }
  return found;
}

/// What is wrong, and what to do about it.
struct Problem {
  std::string what;  ///< empty: nothing
  std::string advice = {};
};

/// Its own name, where it is a path, before it connects.
Problem Bind(const UnixSocket& socket, int fd, bool connects, const Surroundings& around,
             NameRecord* record) {
  if (!socket.name) return {};
  if (!socket.unlinked_name && around.names.contains(NameOf(socket))) {
    return {"its own name " + Printable(NameOf(socket)) +
            " is that of a socket of the tree, which has accepted it: nobody can make it anew"};
  }
  if (socket.IsAbstract()) {  // bound by who connects
    const std::string user = connects ? "" : preflight::AbstractNameUser(socket);
    if (user.empty()) return {};
    return {
        "its own name @" + Printable(socket.name->bytes.substr(1)) + " is taken" + user.substr(1),
        "end who has it"};
  }
  if (socket.HasFile() && around.own_mounts) {
    return {"its own name " + Printable(socket.Path()) +
            " is in a mount namespace of the plan's own, which is made later"};
  }
  if (connects && FailsOnPurpose()) return {ErrorText("bind(2)")};
  if (connects) BlockStop();  // what has been made is removed by who is asked to stop
  return {BindPath(socket, fd, connects, record), "make the name free"};
}

bool IsThere(SocketType type, const std::string& abstract_name) {
  UnixSocket peer;
  peer.socket_type = type;
  peer.name = Text{abstract_name};
  return !preflight::AbstractNameUser(peer).empty();
}

/// A descriptor; -1: `*problem` says what failed.
int Make(const File& file, const UnixSocket& socket, const Creds* process, bool connects,
         const Surroundings& around, NameRecord* record, Problem* problem) {
  const std::string& peer = socket.peer_name->bytes;
  if (!peer.starts_with('/') && !peer.starts_with('\0')) {
    *problem = {"its peer has the relative name \"" + Printable(peer) +
                "\", and where that begins is not known"};
    return -1;
  }
  const auto fails = [&](const char* call, int fd) {
    *problem = {ErrorText(call)};
    if (fd >= 0) close(fd);
    return -1;
  };
  // It fails where it would wait.
  const int type = static_cast<int>(socket.socket_type.value) | SOCK_CLOEXEC | SOCK_NONBLOCK;
  const int fd = FailsOnPurpose() ? -1 : ::socket(AF_UNIX, type, 0);
  if (fd < 0) return fails("socket(2)", -1);
  // Where messages are answered to.
  const std::string own = socket.IsAbstract() ? socket.name->bytes : "";
  if (connects && (FailsOnPurpose() || (!own.empty() && FailsOnPurpose()))) {
    return fails("connect(2)", fd);
  }
  const bool owned = process != nullptr && connects;
  if (owned && (process->fsuid != geteuid() || process->fsgid != getegid()) &&
      fchown(fd, process->fsuid, process->fsgid) != 0) {
    return fails("fchown(2)", fd);
  }
  const auto connect_to = [&](bool now) -> Problem {
    if (!now && peer.starts_with('\0') && !IsThere(socket.socket_type, peer)) {
      return {"no socket has the name @" + Printable(peer.substr(1)), "start who listens there"};
    }
    return {ConnectTo({fd, own, peer, process}, now), "start who listens there"};
  };
  const bool has_path = socket.name && !socket.IsAbstract();
  if (has_path || !connects) *problem = connect_to(false);  // before a file is made
  if (problem->what.empty()) *problem = Bind(socket, fd, connects, around, record);
  if (problem->what.empty() && connects) *problem = connect_to(true);
  if (!problem->what.empty()) {
    close(fd);
    return -1;
  }
  if (fcntl(fd, F_SETFL, static_cast<int>(file.flags.bits)) != 0) return fails("F_SETFL", fd);
  return fd;
}

}  // namespace

void ConnectOutside(const Program& program, const OutsideSockets& allowed, bool connects, int names,
                    std::map<std::string, int>* inherited, Diagnostics& diag) {
  if (!allowed.all && allowed.keys.empty()) return;
  const Openers openers(program);
  const Surroundings around = LookAround(program);
  NameRecord record(names);
  for (std::size_t i = 0; i < program.size(); ++i) {
    const auto* open = std::get_if<OpenFile>(&program[i].body);
    const auto* socket = open == nullptr ? nullptr : As<UnixSocket>(*open->file);
    if (socket == nullptr || !open->file->external || !socket->peer_name) continue;
    const std::string& key = *open->file->external;
    if ((!allowed.all && !allowed.keys.contains(PlainKey(key))) || inherited->contains(key))
      continue;
    Problem problem;
    const int fd = Make(*open->file, *socket, openers.Of(i), connects, around, &record, &problem);
    inherited->emplace(key, fd);
    if (fd >= 0) continue;
    const std::string instead = "hand over a descriptor: --inherit-fd fd[N]:" + key;
    diag.Add({Severity::kError, CommandPlace(program[i], i), key + ": " + problem.what, i,
              (problem.advice.empty() ? "" : problem.advice + ", or ") + instead});
  }
}

}  // namespace crgen::restorer
