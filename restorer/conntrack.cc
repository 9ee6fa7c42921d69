// SPDX-License-Identifier: Apache-2.0
#include "restorer/conntrack.h"

#include <fcntl.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "restorer/netlink.h"
#include "restorer/problem.h"

namespace crgen::restorer {
namespace {

struct Search {
  std::uint16_t type;
  const nlattr* found = nullptr;
};
int Look(const nlattr* attribute, void* search) {
  auto* wanted = static_cast<Search*>(search);
  if (mnl_attr_get_type(attribute) == wanted->type) wanted->found = attribute;
  return MNL_CB_OK;
}

/// The attribute `type` in `inside`; nullptr: there is none, nor if there is nothing to look in.
const nlattr* Find(const nlattr* inside, std::uint16_t type) {
  Search search = {type};
  if (inside != nullptr) mnl_attr_parse_nested(inside, Look, &search);
  return search.found;
}

/// IP_CT_TCP_FLAG_BE_LIBERAL in both directions: packets that were sent meanwhile belong to it.
void BeLiberal(nlmsghdr* message) {
  Search protocol = {CTA_PROTOINFO};
  mnl_attr_parse(message, sizeof(nfgenmsg), Look, &protocol);
  const nlattr* tcp = Find(protocol.found, CTA_PROTOINFO_TCP);
  for (const std::uint16_t type :
       {CTA_PROTOINFO_TCP_FLAGS_ORIGINAL, CTA_PROTOINFO_TCP_FLAGS_REPLY}) {
    const nlattr* flags = Find(tcp, type);
    if (flags == nullptr || mnl_attr_get_payload_len(flags) < sizeof(nf_ct_tcp_flags)) continue;
    auto* both = static_cast<nf_ct_tcp_flags*>(mnl_attr_get_payload(flags));
    both->flags |= IP_CT_TCP_FLAG_BE_LIBERAL;
    both->mask |= IP_CT_TCP_FLAG_BE_LIBERAL;
  }
}

/// Whether it makes an entry of connection tracking, and lies within `left` bytes.
bool IsEntry(const nlmsghdr& head, std::size_t left) {
  const int system = NFNL_SUBSYS_ID(head.nlmsg_type), type = NFNL_MSG_TYPE(head.nlmsg_type);
  return (system == NFNL_SUBSYS_CTNETLINK || system == NFNL_SUBSYS_CTNETLINK_EXP) &&
         type == IPCTNL_MSG_CT_NEW && head.nlmsg_len >= sizeof(nlmsghdr) + sizeof(nfgenmsg) &&
         head.nlmsg_len <= left;
}

std::string Replay(const ImageBytes& image, const HostFiles& files, const NetlinkChannel& socket) {
  const int fd = Reopen(files.image(image.image), O_RDONLY);
  if (fd < 0) return ErrorText("open of " + image.image);
  std::string bytes(image.bytes, '\0');
  const ssize_t got = pread(fd, bytes.data(), bytes.size(), static_cast<off_t>(image.offset));
  close(fd);
  if (got != static_cast<ssize_t>(bytes.size())) return image.image + ": is cut";
  for (std::size_t at = 0; at < bytes.size();) {
    nlmsghdr head = {};
    if (bytes.size() - at >= sizeof head) std::memcpy(&head, bytes.data() + at, sizeof head);
    if (!IsEntry(head, bytes.size() - at)) {
      return image.image + ": no entry of connection tracking at byte " + std::to_string(at);
    }
    NetlinkMessage message(std::string_view(bytes).substr(at, head.nlmsg_len), NLM_F_CREATE);
    BeLiberal(message.head());
    errno = socket.Send(message);
    if (errno != 0) return ErrorText(image.image + ": the entry at byte " + std::to_string(at));
    at += NLMSG_ALIGN(head.nlmsg_len);
  }
  return "";
}

}  // namespace

std::string RestoreConntrack(const NetNamespace& net, const HostFiles& files) {
  if (!net.conntrack && !net.expectations) return "";
  const NetlinkChannel socket(NETLINK_NETFILTER);
  if (!socket.is_open()) return ErrorText("socket of netlink(7)");
  std::string problem;
  for (const std::optional<ImageBytes>& image : {net.conntrack, net.expectations}) {
    if (image && problem.empty()) problem = Replay(*image, files, socket);
  }
  return problem;
}

}  // namespace crgen::restorer
