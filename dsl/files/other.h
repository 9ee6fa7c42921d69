// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "dsl/describe.h"
#include "model/files/other.h"

namespace crgen {

template <>
struct Describe<OtherFile> {
  static constexpr auto kFields = std::tuple{};
};

}  // namespace crgen
