// SPDX-License-Identifier: Apache-2.0
#include "preflight/descriptors.h"

#include <algorithm>

#include "dsl/references.h"

namespace crgen::preflight {

Fd FirstUnusedFd(const Program& program) {
  Fd first = 0;
  const auto use = [&](Fd fd) { first = std::max(first, fd + 1); };
  for (const Command& command : program) {
    if (const auto* open = std::get_if<OpenFile>(&command.body)) {
      ForEachOpened(*open, [&](Fd fd, const File&, bool) { use(fd); });
    } else if (const auto* dup = std::get_if<DupFd>(&command.body)) {
      use(dup->new_fd);
    }
  }
  return first;
}

std::uint64_t SpareDescriptors(const Program& program) {
  // The service descriptors, and while a socket is made, two ends, a place, and the way back.
  constexpr std::uint64_t kOwn = 8;
  std::uint64_t mounts = 0;  // the root holds all while it makes them
  for (const Command& command : program) {
    if (const auto* set = std::get_if<SetAttr>(&command.body)) {
      mounts += set->attributes->mounts.size();
    }
  }
  return kOwn + mounts;
}

}  // namespace crgen::preflight
