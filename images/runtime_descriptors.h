// SPDX-License-Identifier: Apache-2.0
// A file beside the images that is not CRIU's.
#pragma once

#include <string_view>

namespace crgen {

/// What a runtime says that the first descriptors of the root were.
inline constexpr std::string_view kRuntimeDescriptors = "descriptors.json";

}  // namespace crgen
