// SPDX-License-Identifier: Apache-2.0
#include "preflight/outside_devices.h"

#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <string_view>

#include "model/printable.h"

namespace crgen::preflight {
namespace {

constexpr const char* kNoDevice = " is no network device of this network namespace";

/// netdevice(7) of the device `name`; false: nobody can say.
bool AskDevice(const std::string& name, unsigned long request, ifreq* answer) {
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  name.copy(answer->ifr_name, sizeof answer->ifr_name - 1);
  const bool told = ioctl(fd, request, answer) == 0;
  close(fd);
  return told;
}

/// Each of these names its driver.
bool IsBridge(const std::string& name) {
  ethtool_drvinfo driver = {};
  driver.cmd = ETHTOOL_GDRVINFO;
  ifreq request = {};
  request.ifr_data = reinterpret_cast<char*>(&driver);
  return AskDevice(name, SIOCETHTOOL, &request) &&
         std::string_view(driver.driver) == std::string_view("bridge");
}

/// macvlan_port_create() of the kernel: of Ethernet, and not the loopback device.
bool CarriesMacvlan(const std::string& name) {
  ifreq address = {}, flags = {};
  return (!AskDevice(name, SIOCGIFHWADDR, &address) ||
          address.ifr_hwaddr.sa_family == ARPHRD_ETHER) &&
         (!AskDevice(name, SIOCGIFFLAGS, &flags) || (flags.ifr_flags & IFF_LOOPBACK) == 0);
}

}  // namespace

void CheckOutsideDevice(Context& context, const NetDevice& device) {
  Findings& findings = context.findings;
  const std::string key = device.OutsideKey();
  const auto& devices = context.options.namespaces.devices;
  const auto given = devices.find(key);
  if (given == devices.end()) {
    return findings.Wrong("the network device " + Printable(device.name.bytes) +
                              (device.type == kVethDevice ? " has its other end outside"
                                                          : " is on a device outside") +
                              ", which is not given",
                          "--external " + Printable(key) + ":DEVICE");
  }
  const OutsideDevice& outside = given->second;
  const std::string option =
      "--external " + Printable(outside.moves ? "netdev[" + device.name.bytes + "]" : key) + ": ";
  const std::string name = Printable(outside.name);
  const bool is_made = device.type == kVethDevice && !outside.moves;
  const bool is_there = if_nametoindex(outside.name.c_str()) != 0;
  if (is_made == is_there) {
    findings.Wrong(option + name + (is_there ? " is there already, and would be made" : kNoDevice));
  } else if (device.type == kMacvlanDevice && !CarriesMacvlan(outside.name)) {
    findings.Wrong(option + name + " is no device of Ethernet, on which a macvlan could be");
  }
  const auto same = std::ranges::find_if(devices, [&](const auto& other) {
    return other.second.name == outside.name && other.first != key;
  });
  if (same != devices.end() && (outside.moves || is_made)) {
    findings.Wrong(option + name + " is given for " + Printable(same->first) + " too");
  }
  if (outside.bridge.empty()) return;
  const std::string bridge = Printable(outside.bridge);
  if (if_nametoindex(outside.bridge.c_str()) == 0) {
    findings.Wrong(option + bridge + kNoDevice);
  } else if (!IsBridge(outside.bridge)) {
    findings.Wrong(option + bridge + " is no bridge");
  }
}

}  // namespace crgen::preflight
