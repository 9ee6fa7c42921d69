// SPDX-License-Identifier: Apache-2.0
#include "preflight/limits.h"

#include "model/flags.h"

namespace crgen::preflight {

std::string LimitName(std::uint64_t resource) {
  for (const FlagName& row : ResourceKind::Names()) {
    if (row.value == resource) return std::string(row.name);
  }
  return "limit " + std::to_string(resource);
}

rlimit LimitOf(Host& host, std::uint64_t resource) {
  rlimit own = {RLIM_INFINITY, RLIM_INFINITY};
  const auto ask = [&](const char* which, rlim_t rlimit::*member) {
    const auto limit = host.Number(FactKind::kLimits, LimitName(resource) + which, [&] {
      getrlimit(static_cast<__rlimit_resource>(resource), &own);
      return own.*member;
    });
    return limit.value_or(RLIM_INFINITY);
  };
  const rlim_t soft = ask(", soft", &rlimit::rlim_cur);
  return {soft, ask(", hard", &rlimit::rlim_max)};
}

}  // namespace crgen::preflight
