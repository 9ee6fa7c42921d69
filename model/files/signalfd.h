// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

#include "model/values.h"

namespace crgen {

/// signalfd_entry: signalfd(2).
struct Signalfd {
  static constexpr std::string_view kType = "SIGNALFD";
  Hex mask;  ///< bit n-1: signal n is taken
  friend bool operator==(const Signalfd&, const Signalfd&) = default;
};

}  // namespace crgen
