// SPDX-License-Identifier: Apache-2.0
// The resource limits of who restores: getrlimit(2).
#pragma once

#include <sys/resource.h>

#include <cstdint>
#include <string>

#include "preflight/host.h"

namespace crgen::preflight {

/// "RLIMIT_NOFILE"; "limit 99": it has no name.
std::string LimitName(std::uint64_t resource);

/// Not known: without limit.
rlimit LimitOf(Host& host, std::uint64_t resource);

}  // namespace crgen::preflight
