// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string_view>

#include "model/values.h"

namespace crgen {

/// tunfile_entry: a descriptor of /dev/net/tun.
struct TunFile {
  static constexpr std::string_view kType = "TUNF";
  Text path;
  std::optional<Text> device = {};  ///< name of what it is attached to
  bool detached = false;            ///< IFF_DETACH_QUEUE: its queue of the device is out of use
  friend bool operator==(const TunFile&, const TunFile&) = default;
};

}  // namespace crgen
