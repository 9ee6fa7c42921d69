// SPDX-License-Identifier: Apache-2.0
// The resource limits of who restores: getrlimit(2).
#pragma once

#include <sys/resource.h>

#include <cstdint>
#include <string>
#include <unordered_map>

#include "preflight/host.h"

namespace crgen::preflight {

/// "RLIMIT_NOFILE"; "limit 99": it has no name.
std::string LimitName(std::uint64_t resource);

/// Not known: without limit.
rlimit LimitOf(Host& host, std::uint64_t resource);

/// Those of `host`, which is asked once for each.
class Limits {
 public:
  explicit Limits(Host& host) : host_(host) {}
  const rlimit& Of(std::uint64_t resource) {
    const auto [known, fresh] = known_.try_emplace(resource);
    if (fresh) known->second = LimitOf(host_, resource);
    return known->second;
  }

 private:
  Host& host_;
  std::unordered_map<std::uint64_t, rlimit> known_;
};

}  // namespace crgen::preflight
