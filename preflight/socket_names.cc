// SPDX-License-Identifier: Apache-2.0
#include "preflight/socket_names.h"

#include <algorithm>

#include "model/hidden_folder.h"
#include "model/printable.h"
#include "preflight/held_mounts.h"
#include "preflight/socket_holder.h"

namespace crgen::preflight {
namespace {

/// As a path of this process: the last part of `path`, in a folder that is held.
std::string InFolder(int folder, const std::string& path) {
  return "/proc/self/fd/" + std::to_string(folder) + path.substr(path.rfind('/'));
}

}  // namespace

void SocketNames::Look(const UnixSocket& socket, bool elsewhere, bool later,
                       const std::function<bool(const Facts&, const std::string&)>& can_make) {
  const std::string path = socket.Path();
  const bool hidden = socket.mount && context_.mounts != nullptr && IsHidden(*socket.mount, path);
  if (hidden || elsewhere || later) return;  // where nobody has looked
  const Facts& folder = look_.LookAtSocketFolder(path.substr(0, path.rfind('/') + 1));
  if (!can_make(folder, "the socket " + path)) return;
  if (context_.user) CheckWay(path, folder);
  const NameState state = StateOf(path, folder);
  if (state == NameState::kFree && path == socket.name->bytes && free_names_.insert(path).second) {
    for (const std::string& root : roots_) CheckBelow(root, path);
  }
  CheckState(socket, path, state);
}

void SocketNames::LookBelow(const std::string& root) {
  if (!roots_.insert(root).second) return;
  for (const std::string& name : free_names_) CheckBelow(root, name);
}

void SocketNames::CheckState(const UnixSocket& socket, const std::string& path, NameState state) {
  if (state == NameState::kInUse) {
    const auto who = context_.host.Text(FactKind::kSockets, "who has the name " + path,
                                        [&] { return PathHolder(socket.name->bytes); });
    context_.findings.Wrong(path + " is the socket of somebody who runs" + who.value_or(""),
                            "end who has it");
  } else if (state == NameState::kUnknown) {
    context_.findings.Wrong("whether somebody has the socket " + path +
                                " cannot be seen: this process has too many files open",
                            "raise RLIMIT_NOFILE");
  } else if (state != NameState::kFree && state != NameState::kStale) {
    context_.findings.Wrong(
        path + " is " + std::string(NameOf(state)) + ": the plan has a socket of that name",
        "move it away");
  }
}

/// By mounts that come later: what is there is not looked at.
bool SocketNames::IsHidden(std::uint64_t mount, const std::string& path) {
  const std::string folder = path.substr(0, std::max<std::size_t>(path.rfind('/'), 1));
  if (!HiddenIn(MountNamespaces(*context_.mounts), mount, folder)) return false;
  if (!CanCopyUnmounted(context_.host)) {
    context_.findings.Wrong(
        "this kernel mounts nothing on what is mounted nowhere: mounts hide the socket " + path,
        "restore on Linux 6.15 or later");
  }
  return true;
}

void SocketNames::CheckWay(const std::string& path, const Facts& folder) {
  const auto uid =
      StrangerOnWay(root_.IsOwn() ? path.substr(0, path.rfind('/') + 1) : InFolder(folder.fd, "/"),
                    context_.user->uid_map);
  if (!uid) return;
  context_.findings.Unsupported("the socket " + path + " below a directory of uid " +
                                std::to_string(*uid) +
                                ", who is nobody in the plan's user namespace");
}

NameState SocketNames::StateOf(const std::string& path, const Facts& folder) {
  const auto found = context_.host.Number(FactKind::kSockets, "the name " + path, [&] {
    return LookAtName(root_.IsOwn() ? path : InFolder(folder.fd, path));
  });
  return static_cast<NameState>(found.value_or(0));
}

/// The plan has a socket `name`, which is not there, below the first root: it may have been bound
/// below that of a process.
void SocketNames::CheckBelow(const std::string& root, const std::string& name) {
  const std::string path = root + name;
  if (root_.IsMadeLater(path)) return;
  if (looked_below_++ == kMostBelow) {
    context_.findings.Warn("names of sockets are looked for below other roots " +
                           std::to_string(kMostBelow) + " times: not below all");
  }
  if (looked_below_ > kMostBelow) return;
  const Facts& folder = look_.LookAtSocketFolder(path.substr(0, path.rfind('/') + 1));
  if (!folder.there() || StateOf(path, folder) != NameState::kStale) return;
  context_.findings.Wrong(
      "the socket file of " + name + " is not there, but " + path +
          " is: it was bound below that root, and would come back outside of it",
      "give the sockets of that name \"name_root\": \"" + Printable(root) +
          "\" in the plan, or remove " + path + " if it is of another socket");
}

}  // namespace crgen::preflight
