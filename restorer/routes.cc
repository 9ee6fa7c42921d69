// SPDX-License-Identifier: Apache-2.0
#include "restorer/routes.h"

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
#include <utility>

namespace crgen::restorer {
namespace {

using Bytes = std::span<char>;
constexpr std::size_t kMostBytes = 64 << 20;
constexpr unsigned kLinkState = RTNH_F_DEAD | RTNH_F_LINKDOWN;

/// The first `Header` of `bytes`, whose member `length` says how long it is with all that belongs
/// to it: that part, which is taken off `bytes`, padded to four bytes. Empty: it does not fit.
template <typename Header, typename Length>
Bytes Take(Bytes* bytes, Length Header::*length) {
  Header header;
  if (bytes->size() < sizeof header) return {};
  std::memcpy(&header, bytes->data(), sizeof header);
  const std::size_t size = header.*length, padded = (size + 3) / 4 * 4;
  if (size < sizeof header || size > bytes->size()) return {};
  const Bytes taken = bytes->first(size);
  *bytes = bytes->subspan(std::min(padded, bytes->size()));
  return taken;
}

void ClearNextHops(Bytes hops) {
  while (true) {
    const Bytes hop = Take(&hops, &rtnexthop::rtnh_len);
    if (hop.empty()) return;
    hop[offsetof(rtnexthop, rtnh_flags)] &= static_cast<char>(~kLinkState);
  }
}

void ClearRoute(Bytes message) {
  rtmsg route;
  if (message.size() < sizeof(nlmsghdr) + sizeof route) return;
  const Bytes body = message.subspan(sizeof(nlmsghdr));
  std::memcpy(&route, body.data(), sizeof route);
  route.rtm_flags &= ~kLinkState;
  std::memcpy(body.data(), &route, sizeof route);
  Bytes attributes = body.subspan(sizeof route);
  while (true) {
    const Bytes attribute = Take(&attributes, &rtattr::rta_len);
    if (attribute.empty()) return;
    rtattr header;
    std::memcpy(&header, attribute.data(), sizeof header);
    if (header.rta_type == RTA_MULTIPATH) ClearNextHops(attribute.subspan(sizeof header));
  }
}

/// False, with errno: it cannot be read, or is too large.
bool ReadAll(int file, std::string* text) {
  char part[1 << 16];
  while (true) {
    const ssize_t size = pread(file, part, sizeof part, static_cast<off_t>(text->size()));
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return size == 0;
    text->append(part, static_cast<std::size_t>(size));
    if (text->size() > kMostBytes) return errno = EFBIG, false;
  }
}

}  // namespace

int RoutesWithoutLinkState(int image) {
  std::string text;
  if (!ReadAll(image, &text)) return -1;
  Bytes rest(text);
  rest = rest.subspan(std::min(sizeof(std::uint32_t), rest.size()));  // the magic of iproute2
  while (true) {
    const Bytes message = Take(&rest, &nlmsghdr::nlmsg_len);
    if (message.empty()) break;
    nlmsghdr header;
    std::memcpy(&header, message.data(), sizeof header);
    if (header.nlmsg_type == RTM_NEWROUTE) ClearRoute(message);
  }
  const int copy = memfd_create("routes", MFD_CLOEXEC);
  if (copy < 0) return -1;
  if (pwrite(copy, text.data(), text.size(), 0) == static_cast<ssize_t>(text.size())) return copy;
  const int error = errno;
  close(copy);
  errno = error;
  return -1;
}

}  // namespace crgen::restorer
