// SPDX-License-Identifier: Apache-2.0
#include "checker/files/owner.h"

#include <fcntl.h>
#include <signal.h>

#include "checker/kernel/kernel.h"

namespace crgen::check {
namespace {

/// Who F_SETOWN_EX of that type finds by the number: f_setown_ex().
bool IsThere(const Kernel& kernel, std::uint32_t type, Pid pid) {
  const auto use = kernel.numbers.find(pid);
  if (use == kernel.numbers.end()) return false;
  const bool process = use->second.task != kNoTask;
  switch (type) {
    case F_OWNER_TID:
      return process || use->second.thread_of != kNoTask;
    case F_OWNER_PID:
      return process;
    default:
      return use->second.head[kGroupList] != kNoTask;
  }
}

}  // namespace

std::optional<Refusal> LateRules<OwnerSetting>::Check(const Kernel& kernel,
                                                      const Description& description,
                                                      const OwnerSetting& setting) {
  const FileOwner& owner = setting.owner;
  if (description.file->flags.Has(O_PATH)) {
    return Refusal{"EBADF", "the description is opened with O_PATH"};
  }
  if (owner.signal && (owner.signal->value < 1 || owner.signal->value > 64)) {
    return Refusal{"EINVAL", "a signal is 1 to 64"};
  }
  const int members = owner.type.has_value() + owner.pid.has_value() + owner.uid.has_value() +
                      owner.euid.has_value();
  if (members == 0) return std::nullopt;
  if (members != 4) return Refusal{"EINVAL", "type, pid, uid and euid stand together"};
  if (owner.type->value > F_OWNER_PGRP) {
    return Refusal{"EINVAL", "there is no owner of type " + ValueText(*owner.type)};
  }
  if (IsThere(kernel, owner.type->value, owner.pid->value)) return std::nullopt;
  return Refusal{"ESRCH", "there is no " + ValueText(*owner.type) + " " +
                              std::to_string(owner.pid->value) + " that could own it"};
}

}  // namespace crgen::check
