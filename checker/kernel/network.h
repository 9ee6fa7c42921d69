// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

#include "checker/kernel/kernel.h"

namespace crgen::check {

/// The first value that no network namespace can have.
std::optional<Refusal> RefusedNetwork(const NetNamespace& net);

}  // namespace crgen::check
