// SPDX-License-Identifier: Apache-2.0
#include "checker/files/signalfd.h"

#include <signal.h>

namespace crgen::check {

std::optional<Refusal> FileRules<Signalfd>::Check(const File& file,
                                                  const Signalfd& signalfd) const {
  if (auto refused = RefusedAnonymousFlags(file.flags)) return refused;
  constexpr std::uint64_t kNever = std::uint64_t{1} << (SIGKILL - 1) | std::uint64_t{1}
                                                                           << (SIGSTOP - 1);
  if ((signalfd.mask.value & kNever) != 0) {
    // do_signalfd4() takes them off in silence, so no description has them.
    return Refusal{"EINVAL", "the mask has SIGKILL or SIGSTOP"};
  }
  return std::nullopt;
}

}  // namespace crgen::check
