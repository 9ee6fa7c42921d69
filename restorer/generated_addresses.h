// SPDX-License-Identifier: Apache-2.0
// Addresses that the kernel gives devices of its own: of IPv6 a link-local one
// (addrconf_addr_gen()), of the loopback device those of this host.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "model/net_namespace.h"

namespace crgen::restorer {

/// In the network namespace of the caller. While it holds them back, devices come up without any,
/// so that they have those of an image alone: a bridge has the address of its first MAC address,
/// and what has been deleted does not come again.
class GeneratedAddresses {
 public:
  /// Before a device is up. Empty, or what failed.
  std::string HoldBack(const std::vector<NetDevice>& devices);
  /// As it was. A device that is up gets none for it.
  std::string Release() const;

 private:
  std::map<std::uint32_t, std::uint8_t> modes_;  ///< by device: IN6_ADDR_GEN_MODE_
};

}  // namespace crgen::restorer
