// SPDX-License-Identifier: Apache-2.0
#include "restorer/net_devices.h"

#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/net_namespace.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <linux/veth.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "model/printable.h"
#include "restorer/problem.h"
#include "restorer/supervisor_calls.h"

namespace crgen::restorer {
namespace {

std::string Failed(const NetDevice& device, const std::string& call, int error) {
  errno = error;
  return "the network device " + Printable(device.name.bytes) + ": " + ErrorText(call);
}

/// "02:00:00:00:00:01" as six bytes.
std::string AddressBytes(const std::string& text) {
  std::string bytes;
  for (std::size_t at = 0; at < text.size(); at += 3) {
    bytes += static_cast<char>(std::strtoul(text.substr(at, 2).c_str(), nullptr, 16));
  }
  return bytes;
}

void PutName(NetlinkMessage& message, const std::string& name) {
  message.Put(IFLA_IFNAME, {name.c_str(), name.size() + 1});
}

/// What both ends of a VETH have. `index`: of the device that the message is about.
void PutDevice(NetlinkMessage& message, const NetDevice& device, std::uint32_t index) {
  message.Add<ifinfomsg>().ifi_index = static_cast<int>(index);
  PutName(message, device.name.bytes);
  message.PutNumber(IFLA_MTU, device.mtu);
  if (!device.address.empty()) message.Put(IFLA_ADDRESS, AddressBytes(device.address));
}

class DeviceMaker {
 public:
  explicit DeviceMaker(const DeviceSurroundings& around)
      : inside_(NETLINK_ROUTE), outside_(around.outside), names_(around.names), far_(around.far) {}

  std::string Make(const std::vector<NetDevice>& devices) {
    if (!inside_.is_open()) return ErrorText("socket of netlink(7)");
    for (const NetDevice& device : devices) by_index_.emplace(device.ifindex, &device);
    for (const NetDevice& device : devices) {
      if (device.type == kMacvlanDevice || device.type == kLoopbackDevice) continue;
      if (std::string problem = MakeOne(device); !problem.empty()) return problem;
    }
    return "";
  }

  std::string Join(const std::vector<NetDevice>& devices) {
    if (!inside_.is_open()) return ErrorText("socket of netlink(7)");
    for (const NetDevice& device : devices) {
      if (!(device.type == kMacvlanDevice)) continue;
      if (std::string problem = MakeMacvlan(device); !problem.empty()) return problem;
    }
    for (const NetDevice& device : devices) {
      if (!device.master) continue;
      NetlinkMessage message(RTM_SETLINK, 0);
      message.Add<ifinfomsg>().ifi_index = static_cast<int>(device.ifindex);
      message.PutNumber(IFLA_MASTER, *device.master);
      const int error = inside_.Send(message);
      if (error != 0) return Failed(device, "becoming a port", error);
    }
    return "";
  }

 private:
  static constexpr std::uint16_t kNew = NLM_F_CREATE | NLM_F_EXCL;

  std::string MakeOne(const NetDevice& device) {
    if (device.type == kTunDevice) return MakeTun(device);
    const FarEnd* far = device.link_net ? &far_.at(device.ifindex) : nullptr;
    if (far != nullptr && far->is_made) return "";
    if (far == nullptr && device.type == kVethDevice && device.link &&
        *device.link < device.ifindex) {
      return "";
    }
    const OutsideDevice* outside =
        device.NeedsOutside() ? &names_.at(device.OutsideKey()) : nullptr;
    if (outside != nullptr && outside->moves) return Move(device, outside->name);
    NetlinkMessage message(RTM_NEWLINK, kNew);
    PutDevice(message, device, device.ifindex);
    nlattr* info = message.Begin(IFLA_LINKINFO);
    if (device.type == kVethDevice) {
      message.Put(IFLA_INFO_KIND, "veth");
      PutPeer(device, message);
    } else {
      message.Put(IFLA_INFO_KIND, "bridge");
    }
    message.End(info);
    const int error = inside_.Send(message);
    if (error != 0) return Failed(device, "RTM_NEWLINK", error);
    return outside == nullptr || outside->bridge.empty() ? "" : AddPort(device, *outside);
  }

  /// The device `name` of the caller, which gets the name and the number of `device` on its way.
  std::string Move(const NetDevice& device, const std::string& name) {
    const std::uint32_t number = outside_->DeviceNumber(name);
    if (number == 0) return Failed(device, name + " outside", errno);
    NetlinkMessage message(RTM_NEWLINK, 0);
    PutDevice(message, device, number);
    message.PutNumber(IFLA_NEW_IFINDEX, device.ifindex);
    message.PutNumber(IFLA_NET_NS_FD, static_cast<std::uint32_t>(inside_.network()));
    const int error = outside_->Send(message);
    return error == 0 ? "" : Failed(device, "moving " + name + " over", error);
  }

  /// The other end of `device` becomes a port of the caller's bridge, and is up.
  std::string AddPort(const NetDevice& device, const OutsideDevice& outside) {
    const std::uint32_t port = outside_->DeviceNumber(outside.name);
    const std::uint32_t bridge = port == 0 ? 0 : outside_->DeviceNumber(outside.bridge);
    if (bridge == 0) return Failed(device, outside.name + " and " + outside.bridge, errno);
    NetlinkMessage message(RTM_NEWLINK, 0);
    ifinfomsg& head = message.Add<ifinfomsg>();
    head.ifi_index = static_cast<int>(port);
    head.ifi_flags = head.ifi_change = IFF_UP;
    message.PutNumber(IFLA_MASTER, bridge);
    const int error = outside_->Send(message);
    return error == 0 ? "" : Failed(device, outside.name + " becoming a port", error);
  }

  void PutPeer(const NetDevice& device, NetlinkMessage& message) {
    nlattr* data = message.Begin(IFLA_INFO_DATA);
    nlattr* peer = message.Begin(VETH_INFO_PEER);
    if (device.link_net) {
      const FarEnd& far = far_.at(device.ifindex);
      PutDevice(message, *far.device, *device.link);
      message.PutNumber(IFLA_NET_NS_FD, static_cast<std::uint32_t>(far.network));
    } else if (device.link) {
      PutDevice(message, *by_index_.at(*device.link), *device.link);
    } else {
      message.Add<ifinfomsg>();
      PutName(message, names_.at(device.OutsideKey()).name);
      message.PutNumber(IFLA_NET_NS_FD, static_cast<std::uint32_t>(outside_->network()));
    }
    message.End(peer);
    message.End(data);
  }

  std::string MakeMacvlan(const NetDevice& device) {
    NetlinkMessage message(RTM_NEWLINK, kNew);
    PutDevice(message, device, device.ifindex);
    const NetlinkChannel* socket = &inside_;
    if (device.link) {
      message.PutNumber(IFLA_LINK, *device.link);
    } else {
      socket = outside_;
      const std::uint32_t below = outside_->DeviceNumber(names_.at(device.OutsideKey()).name);
      if (below == 0) return Failed(device, "its device outside", errno);
      message.PutNumber(IFLA_LINK, below);
      message.PutNumber(IFLA_NET_NS_FD, static_cast<std::uint32_t>(inside_.network()));
    }
    nlattr* info = message.Begin(IFLA_LINKINFO);
    message.Put(IFLA_INFO_KIND, "macvlan");
    nlattr* data = message.Begin(IFLA_INFO_DATA);
    message.PutNumber(IFLA_MACVLAN_MODE, static_cast<std::uint32_t>(device.macvlan->mode.value));
    const auto flags = static_cast<std::uint16_t>(device.macvlan->flags);
    message.Put(IFLA_MACVLAN_FLAGS, {reinterpret_cast<const char*>(&flags), sizeof flags});
    message.End(data);
    message.End(info);
    const int error = socket->Send(message);
    return error == 0 ? "" : Failed(device, "RTM_NEWLINK", error);
  }

  /// It stays when the descriptor is closed.
  std::string MakeTun(const NetDevice& device) {
    const int fd = FailsOnPurpose() ? -1 : open("/dev/net/tun", O_RDWR | O_CLOEXEC);
    if (fd < 0) return Failed(device, "/dev/net/tun", errno);
    std::string problem;
    const auto set = [&](unsigned long request, auto argument, const char* name) {
      if (!problem.empty() || (!FailsOnPurpose() && ioctl(fd, request, argument) == 0)) return;
      problem = Failed(device, name, errno);
    };
    const TunLink& tun = *device.tun;
    const auto index = static_cast<unsigned>(device.ifindex);
    ifreq request = {};
    device.name.bytes.copy(request.ifr_name, sizeof request.ifr_name - 1);
    request.ifr_flags = static_cast<short>(tun.flags.bits & ~std::uint64_t{IFF_PERSIST});
    set(TUNSETIFINDEX, &index, "TUNSETIFINDEX");
    set(TUNSETIFF, &request, "TUNSETIFF");
    const auto header = static_cast<int>(tun.vnethdr), buffer = static_cast<int>(tun.sndbuf);
    if (tun.owner != -1) set(TUNSETOWNER, static_cast<long>(tun.owner), "TUNSETOWNER");
    if (tun.group != -1) set(TUNSETGROUP, static_cast<long>(tun.group), "TUNSETGROUP");
    set(TUNSETVNETHDRSZ, &header, "TUNSETVNETHDRSZ");
    set(TUNSETSNDBUF, &buffer, "TUNSETSNDBUF");
    set(TUNSETPERSIST, 1l, "TUNSETPERSIST");
    close(fd);
    if (!problem.empty() || device.address.empty()) return problem;
    NetlinkMessage message(RTM_SETLINK, 0);
    message.Add<ifinfomsg>().ifi_index = static_cast<int>(device.ifindex);
    message.Put(IFLA_ADDRESS, AddressBytes(device.address));
    const int error = inside_.Send(message);
    return error == 0 ? "" : Failed(device, "RTM_SETLINK", error);
  }

  const NetlinkChannel inside_;
  const NetlinkChannel* outside_;
  const OutsideDevices& names_;
  const FarEnds& far_;
  std::map<std::uint32_t, const NetDevice*> by_index_;
};

}  // namespace

std::string MakeDevices(const std::vector<NetDevice>& devices, const DeviceSurroundings& around) {
  return DeviceMaker(around).Make(devices);
}

std::string JoinDevices(const std::vector<NetDevice>& devices, const DeviceSurroundings& around) {
  return DeviceMaker(around).Join(devices);
}

std::string SetNetNumbers(const NetNamespace& net, const std::map<std::uint64_t, int>& nets) {
  if (net.nsids.empty()) return "";
  const NetlinkChannel socket(NETLINK_ROUTE);
  if (!socket.is_open()) return ErrorText("socket of netlink(7)");
  for (const NetNumber& it : net.nsids) {
    NetlinkMessage message(RTM_NEWNSID, 0);
    message.Add<rtgenmsg>();
    message.PutNumber(NETNSA_NSID, static_cast<std::uint32_t>(it.number));
    message.PutNumber(NETNSA_FD, static_cast<std::uint32_t>(nets.at(it.net)));
    const int error = socket.Send(message);
    if (error == 0) continue;
    errno = error;
    return ErrorText("RTM_NEWNSID of network namespace " + std::to_string(it.net));
  }
  return "";
}

/// That it has no carrier must be known before it is up, or it gets addresses and routes of IPv6:
/// the kernel's own look at new devices comes some time later (link_watch.c).
static void SettleCarrier(const NetlinkChannel& socket, const NetDevice& device) {
  ethtool_value link = {ETHTOOL_GLINK, 0};
  ifreq request = {};
  device.name.bytes.copy(request.ifr_name, sizeof request.ifr_name - 1);
  request.ifr_data = reinterpret_cast<char*>(&link);
  socket.Ask(SIOCETHTOOL, &request);
}

std::string SetDeviceFlags(const std::vector<NetDevice>& devices) {
  const NetlinkChannel socket(NETLINK_ROUTE);
  if (!socket.is_open()) return ErrorText("socket of netlink(7)");
  constexpr unsigned kAll =
      IFF_UP | IFF_DEBUG | IFF_NOARP | IFF_PROMISC | IFF_ALLMULTI | IFF_MULTICAST | IFF_DYNAMIC;
  for (const NetDevice& device : devices) {
    SettleCarrier(socket, device);
    NetlinkMessage message(RTM_SETLINK, 0);
    ifinfomsg& head = message.Add<ifinfomsg>();
    head.ifi_index = static_cast<int>(device.ifindex);
    head.ifi_flags = static_cast<unsigned>(device.flags.bits);
    head.ifi_change = kAll;
    message.PutNumber(IFLA_MTU, device.mtu);
    const int error = socket.Send(message);
    if (error != 0) return Failed(device, "RTM_SETLINK", error);
  }
  return "";
}

}  // namespace crgen::restorer
