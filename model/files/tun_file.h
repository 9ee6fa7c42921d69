// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "model/rare.h"
#include "model/values.h"

namespace crgen {

/// tunfile_entry: a descriptor of /dev/net/tun.
struct TunFile {
  static constexpr std::string_view kType = "TUNF";
  Text path;
  std::optional<Text> device = {};  ///< name of what it is attached to
  bool detached = false;            ///< IFF_DETACH_QUEUE: its queue of the device is out of use
  Rare<std::uint64_t> net = {};     ///< as InetSocket::net
  friend bool operator==(const TunFile&, const TunFile&) = default;
};

}  // namespace crgen
