// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "checker/files/rules.h"

namespace crgen::check {

/// signalfd(2).
template <>
class FileRules<Signalfd> : public PlainRules<Signalfd> {
 public:
  std::optional<Refusal> Check(const File& file, const Signalfd& signalfd) const;
};

}  // namespace crgen::check
