// SPDX-License-Identifier: Apache-2.0
#include "restorer/saved_network.h"

#include <linux/rtnetlink.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>

#include "model/net_namespace.h"
#include "model/netlink_bytes.h"

namespace crgen::restorer {
namespace {

using Bytes = std::span<char>;
constexpr unsigned kLinkState = RTNH_F_DEAD | RTNH_F_LINKDOWN;
constexpr std::int32_t kClockTicks = 100;  ///< in a second, of what the kernel tells: USER_HZ

/// Of `Head`, which a body of a message begins with: that, and the attributes. False: it is cut.
template <typename Head>
bool Split(Bytes body, Head* head, Bytes* attributes) {
  if (body.size() < sizeof *head) return false;
  std::memcpy(head, body.data(), sizeof *head);
  *attributes = body.subspan(sizeof *head);
  return true;
}

void ClearNextHops(Bytes hops) {
  while (true) {
    const Bytes hop = TakeNetlink(&hops, &rtnexthop::rtnh_len);
    if (hop.empty()) return;
    hop[offsetof(rtnexthop, rtnh_flags)] &= static_cast<char>(~kLinkState);
  }
}

/// What RTA_CACHEINFO says of the end, as RTA_EXPIRES, with an attribute without meaning behind it.
void SayEnd(Bytes cache) {
  rta_cacheinfo info;
  if (cache.size() != sizeof info) return;
  std::memcpy(&info, cache.data(), sizeof info);
  if (info.rta_expires <= 0) return;
  const std::uint32_t seconds = (info.rta_expires + kClockTicks - 1) / kClockTicks;
  const rtattr end = {RTA_LENGTH(sizeof seconds), RTA_EXPIRES};
  const rtattr rest = {sizeof info - sizeof seconds, RTA_PAD};
  std::ranges::fill(cache, 0);
  char* at = cache.data() - sizeof end;
  std::memcpy(at, &end, sizeof end);
  std::memcpy(at + sizeof end, &seconds, sizeof seconds);
  std::memcpy(at + sizeof end + sizeof seconds, &rest, sizeof rest);
}

void MendRoute(Bytes body) {
  rtmsg route;
  Bytes attributes;
  if (!Split(body, &route, &attributes)) return;
  route.rtm_flags &= ~kLinkState;
  std::memcpy(body.data(), &route, sizeof route);
  ForEachNetlink(attributes, &rtattr::rta_len, [&](const rtattr& attribute, Bytes value) {
    if (attribute.rta_type == RTA_MULTIPATH) ClearNextHops(value);
    if (attribute.rta_type == RTA_CACHEINFO && route.rtm_family == AF_INET6) SayEnd(value);
  });
}

/// False, with errno: it cannot be read, or is too large.
bool ReadAll(int file, std::string* text) {
  char part[1 << 16];
  while (true) {
    const ssize_t size = pread(file, part, sizeof part, static_cast<off_t>(text->size()));
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return size == 0;
    text->append(part, static_cast<std::size_t>(size));
    if (text->size() > kNetImageAtMost) return errno = EFBIG, false;
  }
}

/// Calls `use(body)` of each message of `type` in what ip(8) has saved.
template <typename Use>
void ForEachMessage(std::string* text, std::uint16_t type, Use&& use) {
  const std::size_t magic = std::min(sizeof(std::uint32_t), text->size());
  ForEachNetlink(Bytes(*text).subspan(magic), &nlmsghdr::nlmsg_len,
                 [&](const nlmsghdr& header, Bytes body) {
                   if (header.nlmsg_type == type) use(body);
                 });
}

}  // namespace

int RestorableRoutes(int image) {
  std::string text;
  if (!ReadAll(image, &text)) return -1;
  ForEachMessage(&text, RTM_NEWROUTE, MendRoute);
  const int copy = memfd_create("routes", MFD_CLOEXEC);
  if (copy < 0) return -1;
  if (pwrite(copy, text.data(), text.size(), 0) == static_cast<ssize_t>(text.size())) return copy;
  const int error = errno;
  close(copy);
  errno = error;
  return -1;
}

std::optional<bool> SavesAddress(int image, std::uint32_t ifindex, const in6_addr& address) {
  std::string text;
  if (!ReadAll(image, &text)) return std::nullopt;
  bool saved = false;
  ForEachMessage(&text, RTM_NEWADDR, [&](Bytes body) {
    ifaddrmsg head;
    Bytes attributes;
    if (!Split(body, &head, &attributes)) return;
    if (head.ifa_family != AF_INET6 || head.ifa_index != ifindex) return;
    ForEachNetlink(attributes, &rtattr::rta_len, [&](const rtattr& attribute, Bytes value) {
      saved = saved || (attribute.rta_type == IFA_ADDRESS && value.size() == sizeof address &&
                        std::memcmp(value.data(), &address, sizeof address) == 0);
    });
  });
  return saved;
}

}  // namespace crgen::restorer
