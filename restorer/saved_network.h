// SPDX-License-Identifier: Apache-2.0
// What `ip route save` and `ip address save` have written. Each takes an open file, which is read
// from its beginning.
#pragma once

#include <netinet/in.h>

#include <cstdint>
#include <optional>

namespace crgen::restorer {

/// A copy of `image` that `ip route restore` takes as it is meant. No route and no next hop says
/// that its device has no carrier: the kernel tells that (RTNH_F_DEAD, RTNH_F_LINKDOWN) and does
/// not take it (fib_frontend.c: rtm_to_fib_config). A route of IPv6 that ends has the seconds that
/// were left to it: the kernel tells them in RTA_CACHEINFO (rt6_fill_node()) and takes them in
/// RTA_EXPIRES. What is no such message is as it was. The new descriptor; negative, with errno, if
/// it cannot be read or written.
int RestorableRoutes(int image);

/// Whether `image` has that address of the device `ifindex`. Nothing, with errno: it cannot be
/// read.
std::optional<bool> SavesAddress(int image, std::uint32_t ifindex, const in6_addr& address);

}  // namespace crgen::restorer
