// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "dsl/describe.h"
#include "model/files/signalfd.h"

namespace crgen {

template <>
struct Describe<Signalfd> {
  static constexpr auto kFields =
      std::tuple{Required("mask", &Signalfd::mask, "bit n-1: signal n is taken")};
};

}  // namespace crgen
