// SPDX-License-Identifier: Apache-2.0
#include "checker/files/pidfd.h"

#include "checker/kernel/kernel.h"

namespace crgen::check {

std::optional<Refusal> FileRules<Pidfd>::Check(const File& file, const Pidfd& pidfd) const {
  if (auto refused = RefusedAnonymousFlags(file.flags)) return refused;
  if (pidfd.target.has_value() != pidfd.dead.has_value()) return std::nullopt;
  return Refusal{"EINVAL", "it has either `target` or `dead`"};
}

std::optional<Refusal> FileRules<Pidfd>::CheckOpening(const Kernel& kernel, const File&,
                                                      const Pidfd& pidfd, const File*) const {
  if (!pidfd.target) return std::nullopt;
  const Pid number = pidfd.target->value;
  const auto use = kernel.numbers.find(number);
  const bool process = use != kernel.numbers.end() && use->second.task != kNoTask;
  const bool thread = use != kernel.numbers.end() && use->second.thread_of != kNoTask;
  if (process || (thread && pidfd.thread)) return std::nullopt;
  // pidfd_prepare() tells the two apart.
  return Refusal{
      thread ? "ENOENT" : "ESRCH",
      "there is no " + std::string(pidfd.thread ? "thread " : "process ") + std::to_string(number)};
}

void FileRules<Pidfd>::Opened(const Kernel& kernel, Description& description, const Pidfd& pidfd,
                              Description*) {
  if (!pidfd.target) return;
  const NumberUse& use = kernel.numbers.at(pidfd.target->value);
  description.referent = use.task != kNoTask ? use.task : use.thread_of;
}

}  // namespace crgen::check
