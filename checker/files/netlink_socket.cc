// SPDX-License-Identifier: Apache-2.0
#include "checker/files/netlink_socket.h"

#include <linux/netlink.h>

#include <algorithm>
#include <functional>
#include <limits>

#include "checker/files/socket_options.h"
#include "checker/kernel/kernel.h"

namespace crgen::check {
namespace {

constexpr std::uint32_t kMostGroup = std::numeric_limits<std::int32_t>::max();
constexpr std::uint32_t kMostDestination = 32;  // a bit of sockaddr_nl

Refusal Invalid(std::string fact) { return {"EINVAL", std::move(fact)}; }

/// netlink_setsockopt(). How many groups there are is known to the protocol alone.
std::optional<Refusal> RefusedGroups(const NetlinkSocket& socket) {
  const auto& groups = socket.groups;
  if (groups.empty()) return std::nullopt;
  if (groups.front() == 0 || groups.back() > kMostGroup)
    return Invalid("groups have the numbers 1 to 2147483647");
  if (std::ranges::adjacent_find(groups, std::greater_equal()) == groups.end()) return std::nullopt;
  return Invalid("the groups do not ascend");
}

std::optional<Refusal> RefusedState(const NetlinkSocket& socket) {
  const bool connected = socket.state == kNetlinkConnected;
  if (!connected && socket.state != kNetlinkUnconnected) {
    return Invalid("no netlink socket is in state " + ValueText(socket.state));
  }
  if (socket.port_id == 0u) return Invalid("port 0 stands for any that is free");
  if (connected != socket.destination.has_value()) {
    return Invalid("a connected socket, and no other, has `destination`");
  }
  if (!connected) return std::nullopt;
  if (!socket.port_id) return Invalid("connect(2) binds it: a connected socket has `port_id`");
  if (socket.destination->group <= kMostDestination) return std::nullopt;
  return Invalid("what it sends goes to one of the groups 1 to 32, or to none");
}

}  // namespace

std::optional<Refusal> FileRules<NetlinkSocket>::Check(const File& file,
                                                       const NetlinkSocket& socket) const {
  if (auto refused = RefusedAnonymousFlags(file.flags)) return refused;
  if (socket.protocol.value >= MAX_LINKS) {
    return Refusal{"EPROTONOSUPPORT", "netlink has no protocol " + ValueText(socket.protocol)};
  }
  if (auto refused = RefusedState(socket)) return refused;
  if (auto refused = RefusedLocalOptions(*socket.options)) return refused;
  if (!socket.port_id) return RefusedGroups(socket);
  const auto known = bound_.find(KeyOf(socket));
  const auto there = known == bound_.end() ? nullptr : known->second.lock();
  if (there == nullptr) return RefusedGroups(socket);  // after bind(2)
  return Refusal{"EADDRINUSE", "port " + std::to_string(*socket.port_id) + " of " +
                                   ValueText(socket.protocol) + " is bound by file " +
                                   std::to_string(there->file->id.value) + " (commands[" +
                                   std::to_string(there->command) + "])"};
}

void FileRules<NetlinkSocket>::Opened(const Kernel&, Description& description,
                                      const NetlinkSocket& socket, Description*) {
  if (socket.port_id) bound_[KeyOf(socket)] = description.weak_from_this();
}

}  // namespace crgen::check
