// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "model/flags.h"

namespace crgen {

/// Methods that leave rules behind, inventory_entry.network_lock_method.
inline constexpr NetworkLockMethod kIptables = {0}, kNftables = {1};

/// How the dumper has stopped the packets of connections: rules that whoever restores removes.
struct NetworkLock {
  NetworkLockMethod method;
  std::string table;  ///< nftables: name of the table in the family inet
  friend bool operator==(const NetworkLock&, const NetworkLock&) = default;
};

}  // namespace crgen
