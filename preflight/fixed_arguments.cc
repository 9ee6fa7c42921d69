// SPDX-License-Identifier: Apache-2.0
#include "preflight/fixed_arguments.h"

#include <fcntl.h>

#include <algorithm>

namespace crgen {
namespace {

constexpr std::uint64_t kFlags[] = {0, O_DIRECTORY, O_NOFOLLOW, O_DIRECTORY | O_NOFOLLOW};
constexpr std::uint64_t kResolve[] = {0,
                                      RESOLVE_NO_MAGICLINKS,
                                      RESOLVE_NO_SYMLINKS,
                                      RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
                                      RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
                                      RESOLVE_IN_ROOT | RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS};
static_assert(std::size(kFlags) * std::size(kResolve) == FixedArguments::kWays);

constexpr FixedArguments All() {
  FixedArguments all = {{}, "tmpfs", "cgroup", "cgroup2", "name"};
  std::size_t next = 0;
  for (const std::uint64_t flags : kFlags) {
    for (const std::uint64_t resolve : kResolve) {
      all.ways[next++] = {flags | O_PATH | O_CLOEXEC, 0, resolve};
    }
  }
  return all;
}

}  // namespace

constinit const FixedArguments kFixedArguments = All();

const open_how* FixedWay(const open_how& how) {
  const auto found = std::ranges::find_if(kFixedArguments.ways, [&](const open_how& way) {
    return way.flags == how.flags && way.mode == how.mode && way.resolve == how.resolve;
  });
  return found == kFixedArguments.ways.end() ? &how : &*found;
}

}  // namespace crgen
