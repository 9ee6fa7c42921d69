// SPDX-License-Identifier: Apache-2.0
// Network devices: rtnetlink(7), tun(4).
#pragma once

#include <map>
#include <string>
#include <vector>

#include "model/net_namespace.h"
#include "preflight/namespace_options.h"
#include "restorer/netlink.h"

namespace crgen::restorer {

/// By key: "veth[eth0]".
using OutsideDevices = std::map<std::string, OutsideDevice>;

/// All of `devices` but the loopback device, which is there: with their names, numbers and
/// addresses, as ports of their bridges, none of them up. `outside`: a socket of the network
/// namespace in which others' devices are; nullptr: nothing comes from there. Empty, or what
/// failed.
std::string MakeDevices(const std::vector<NetDevice>& devices, const NetlinkChannel* outside,
                        const OutsideDevices& names);

/// Gives all of them their MTU and flags: those that are to be are up then. Empty, or what failed.
std::string SetDeviceFlags(const std::vector<NetDevice>& devices);

}  // namespace crgen::restorer
