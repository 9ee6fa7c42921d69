// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "checker/files/rules.h"

namespace crgen::check {

/// eventfd(2).
template <>
class FileRules<Eventfd> : public PlainRules<Eventfd> {
 public:
  std::optional<Refusal> Check(const File& file, const Eventfd& eventfd) const;
};

}  // namespace crgen::check
