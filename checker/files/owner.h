// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "checker/files/rules.h"

namespace crgen::check {

/// F_SETOWN_EX and F_SETSIG of fcntl(2).
template <>
struct LateRules<OwnerSetting> {
  static std::optional<Refusal> Check(const Kernel& kernel, const Description& description,
                                      const OwnerSetting& setting);
};

}  // namespace crgen::check
