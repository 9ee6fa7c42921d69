// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

#include "model/values.h"

namespace crgen {

/// tunfile_entry: a descriptor of /dev/net/tun that no device is attached to.
struct TunFile {
  static constexpr std::string_view kType = "TUNF";
  Text path;
  friend bool operator==(const TunFile&, const TunFile&) = default;
};

}  // namespace crgen
