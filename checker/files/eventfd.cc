// SPDX-License-Identifier: Apache-2.0
#include "checker/files/eventfd.h"

#include <fcntl.h>

#include <limits>

namespace crgen::check {

std::optional<Refusal> FileRules<Eventfd>::Check(const File& file, const Eventfd& eventfd) const {
  if (auto refused = RefusedAnonymousFlags(file.flags)) return refused;
  // eventfd_write(): the highest value is no count.
  if (eventfd.counter == std::numeric_limits<std::uint64_t>::max()) {
    return Refusal{"EINVAL", "the counter is 0xffffffffffffffff"};
  }
  return std::nullopt;
}

}  // namespace crgen::check
