// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "checker/files/rules.h"

namespace crgen::check {

/// timerfd_create(2).
template <>
class FileRules<Timerfd> : public PlainRules<Timerfd> {
 public:
  std::optional<Refusal> Check(const File& file, const Timerfd& timerfd) const;
};

/// timerfd_settime(2), TFD_IOC_SET_TICKS of ioctl(2).
template <>
struct LateRules<TimerfdSetting> {
  static std::optional<Refusal> Check(const Kernel& kernel, const Description& description,
                                      const TimerfdSetting& setting);
};

}  // namespace crgen::check
