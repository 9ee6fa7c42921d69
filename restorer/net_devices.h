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

/// The other end of a VETH, in another network namespace of the tree.
struct FarEnd {
  const NetDevice* device = nullptr;
  int network = -1;      ///< a descriptor of that namespace
  bool is_made = false;  ///< by who makes that one, and this one with it
};
using FarEnds = std::map<std::uint32_t, FarEnd>;  ///< by ifindex of the near one

/// Where devices have to do with other network namespaces than their own.
struct DeviceSurroundings {
  const NetlinkChannel* outside;  ///< where others' devices are; nullptr: nothing comes from there
  const OutsideDevices& names;
  const FarEnds& far;
};

/// All of `devices` but the loopback device, which is there, and those that are made on others:
/// with their names, numbers and addresses, none of them up. Empty, or what failed.
std::string MakeDevices(const std::vector<NetDevice>& devices, const DeviceSurroundings& around);

/// Those that are made on others, and ports of bridges. Empty, or what failed.
std::string JoinDevices(const std::vector<NetDevice>& devices, const DeviceSurroundings& around);

/// RTM_NEWNSID: the numbers by which the network namespace knows others. Empty, or what failed.
std::string SetNetNumbers(const NetNamespace& net, const std::map<std::uint64_t, int>& nets);

/// Gives all of them their MTU and flags: those that are to be are up then. Empty, or what failed.
std::string SetDeviceFlags(const std::vector<NetDevice>& devices);

}  // namespace crgen::restorer
