// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

#include "checker/kernel/kernel.h"

namespace crgen::check {

/// The first value that no network namespace can have.
std::optional<Refusal> RefusedNetwork(const NetNamespace& net);

/// Likewise of all that a tree has, each and together.
std::optional<Refusal> RefusedNetworks(const Attributes& attributes);

/// Why the process that executes cannot enter the `net` of `entered`.
std::optional<Refusal> RefusedEnteringNet(const Kernel& kernel, const EnteredNamespaces& entered);

}  // namespace crgen::check
