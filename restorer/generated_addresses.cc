// SPDX-License-Identifier: Apache-2.0
#include "restorer/generated_addresses.h"

#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#include <cerrno>
#include <fstream>

#include "restorer/netlink.h"
#include "restorer/problem.h"

namespace crgen::restorer {
namespace {

/// Not by sysctl, for that gives a device an address at once (addrconf_sysctl_addr_gen_mode()).
std::string SetMode(const NetlinkChannel& socket, std::uint32_t device, std::uint8_t mode) {
  NetlinkMessage message(RTM_SETLINK, 0);
  message.Add<ifinfomsg>().ifi_index = static_cast<int>(device);
  nlattr* families = message.Begin(IFLA_AF_SPEC);
  nlattr* six = message.Begin(AF_INET6);
  message.Put(IFLA_INET6_ADDR_GEN_MODE, {reinterpret_cast<const char*>(&mode), sizeof mode});
  message.End(six);
  message.End(families);
  errno = socket.Send(message);
  return errno == 0 ? ""
                    : ErrorText("IFLA_INET6_ADDR_GEN_MODE of device " + std::to_string(device));
}

}  // namespace

std::string GeneratedAddresses::HoldBack(const std::vector<NetDevice>& devices) {
  const NetlinkChannel socket(NETLINK_ROUTE);
  if (!socket.is_open()) return ErrorText("socket of netlink(7)");
  for (const NetDevice& device : devices) {
    // Without it the device, or the kernel, has no IPv6.
    std::ifstream sysctl("/proc/sys/net/ipv6/conf/" + device.name.bytes + "/addr_gen_mode");
    int mode = 0;
    if (!(sysctl >> mode)) continue;
    std::string problem = SetMode(socket, device.ifindex, IN6_ADDR_GEN_MODE_NONE);
    if (!problem.empty()) return problem;
    modes_[device.ifindex] = static_cast<std::uint8_t>(mode);
  }
  return "";
}

std::string GeneratedAddresses::Release() const {
  const NetlinkChannel socket(NETLINK_ROUTE);
  if (!socket.is_open()) return ErrorText("socket of netlink(7)");
  for (const auto& [device, mode] : modes_) {
    std::string problem = SetMode(socket, device, mode);
    if (!problem.empty()) return problem;
  }
  return "";
}

}  // namespace crgen::restorer
