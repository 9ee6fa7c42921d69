// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "dsl/describe.h"
#include "model/files/eventfd.h"

namespace crgen {

template <>
struct Describe<Eventfd> {
  static constexpr auto kFields =
      std::tuple{Required("counter", &Eventfd::counter, "at most 0xfffffffffffffffe"),
                 Optional("semaphore", &Eventfd::semaphore, "EFD_SEMAPHORE; absent: not known")};
};

}  // namespace crgen
