// SPDX-License-Identifier: Apache-2.0
#include "images/files/netlink_socket.h"

#include <linux/netlink.h>

#include "images/load/file_checks.h"
#include "images/load/loader.h"
#include "images/load/socket_options.h"

namespace crgen {
namespace {

constexpr std::uint32_t kNew = 7;  // TCP_CLOSE: sock_init_data(), until connect(2) says otherwise
constexpr int kGroupsInWord = 32, kMostWords = 512;

/// Bit n of word w is group 32 w + n + 1.
std::vector<std::uint32_t> GroupsOf(const pb::netlink_sk_entry& from, const Place& at) {
  std::vector<std::uint32_t> groups;
  if (from.groups_size() > kMostWords) {
    at.Error(".groups", std::to_string(from.groups_size()) + " words, expected at most " +
                            std::to_string(kMostWords));
    return groups;
  }
  for (int word = 0; word < from.groups_size(); ++word) {
    for (int bit = 0; bit < kGroupsInWord; ++bit) {
      if ((from.groups(word) >> bit & 1) == 0) continue;
      groups.push_back(static_cast<std::uint32_t>(word * kGroupsInWord + bit + 1));
    }
  }
  return groups;
}

/// connect(2) binds who is not bound.
void TakeDestination(const pb::netlink_sk_entry& from, const Place& at, NetlinkSocket* to) {
  const bool connected = from.state() == kNetlinkConnected.value;
  if (!connected && from.state() != kNetlinkUnconnected.value && from.state() != kNew) {
    at.Error(".state", std::to_string(from.state()) + ": no netlink socket is in such a state");
  }
  at.AtMost(".dst_group", from.dst_group(), kGroupsInWord);
  if (connected) {
    to->state = kNetlinkConnected;
    to->destination = NetlinkDestination{from.dst_portid(), from.dst_group()};
    if (from.portid() == 0) at.Error(".portid", "0 of a connected socket");
  } else if (from.dst_portid() != 0 || from.dst_group() != 0) {
    at.Error(".dst_portid", "of a socket that is not connected");
  }
}

}  // namespace

Result FileLoaderOf<NetlinkSocket>::Convert(const pb::file_entry& entry, const ImageReader& at,
                                            Loader& loader, ConvertedFile* file) {
  if (!entry.has_nlsk()) return MissingMessage(at, kType, loader.diag);
  const pb::netlink_sk_entry& from = entry.nlsk();
  const Place place(at, loader.diag, "nlsk");
  TakeDescription("nlsk", from, file);
  CheckAnonymousFlags(from.flags(), place);
  place.AtMost(".protocol", from.protocol(), MAX_LINKS - 1);
  namespaces_.emplace_back(from.ns_id(), at.Where("nlsk"));
  NetlinkSocket to;
  to.net = loader.NetOf(from.ns_id());
  to.protocol.value = from.protocol();
  if (from.portid() != 0) {
    to.port_id = from.portid();
    const auto [first, is_new] =
        ports_.try_emplace({from.ns_id(), from.protocol(), from.portid()}, entry.id());
    if (!is_new) {
      place.Error(".portid", std::to_string(from.portid()) + " is bound by file " +
                                 std::to_string(first->second) + " too");
    }
  }
  to.groups = GroupsOf(from, place);
  TakeDestination(from, place, &to);
  to.options = LocalSocketOptionsOf(from.opts(), place);
  file->body = std::move(to);
  return Result::kOk;
}

void FileLoaderOf<NetlinkSocket>::Finish(Loader& loader) {
  if (namespaces_.empty()) return;
  for (const auto& [id, where] : namespaces_) loader.CheckSocketNamespace(id, where);
  loader.diag.NotRestorable(
      "files.img", std::to_string(namespaces_.size()) +
                       " of type NETLINKSK: no image has their type, which is SOCK_RAW when they "
                       "come back, and their options of netlink(7), which are off");
}

}  // namespace crgen
