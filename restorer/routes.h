// SPDX-License-Identifier: Apache-2.0
// Routes as `ip route save` writes them, and `ip route restore` takes them.
#pragma once

namespace crgen::restorer {

/// A copy of `image`, an open file that is read from its beginning, in which no route and no next
/// hop says that its device has no carrier: the kernel tells that (RTNH_F_DEAD, RTNH_F_LINKDOWN)
/// and does not take it (fib_frontend.c: rtm_to_fib_config). What is no such message is as it was.
/// The new descriptor; negative, with errno, if it cannot be read or written.
int RoutesWithoutLinkState(int image);

}  // namespace crgen::restorer
