// SPDX-License-Identifier: Apache-2.0
// netns-<id>.img, netdev-<id>.img, and what programs of the system have saved beside them.
#include <arpa/inet.h>
#include <linux/if.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <set>

#include "images/load/loader.h"
#include "images/load/place.h"
#include "images/namespaces/network_lock.h"
#include "images/namespaces/saved_network.h"
#include "images/proto/namespaces.pb.h"
#include "model/printable.h"

namespace crgen {
namespace {

using SysctlList = google::protobuf::RepeatedPtrField<pb::sysctl_entry>;

constexpr std::uint32_t kText = 5, kNumber = 6;  // SysctlType

/// What a rule has that its text alone does not bring back.
struct Beyond {
  std::string_view text;
  std::string_view what;
};
constexpr Beyond kBeyond[] = {
    {" --match-set ", "a rule with a set of ipset(8), which no image has"},
    {" -j SET ", "a rule that changes a set of ipset(8), which no image has"},
    {"xt match ", "a rule of iptables(8) that nft(8) cannot read"},
    {"xt target ", "a rule of iptables(8) that nft(8) cannot read"},
    {"# xt_", "a rule of iptables(8) of which nft(8) has not said all"}};

/// Names of types that no command makes, and of all others that CRIU has.
std::string TypeText(std::uint32_t type) {
  if (type == 4) return "EXTLINK, which CRIU does not make either";
  if (type == 5) return "VENET";
  if (type == 8) return "SIT, a tunnel";
  return std::to_string(type);
}

class NetworkLoader {
 public:
  NetworkLoader(Loader& loader, std::uint32_t id)
      : loader_(loader), diag_(loader.diag), id_(id), net_{id} {}

  /// What is there of one that CRIU has dumped as an empty one. nullopt: reported.
  std::optional<NetNamespace> LoadEmpty() {
    const std::size_t before = Findings();
    for (const NetImageRow& row : kNetImages) {
      if (row.kind.starts_with("NETNF_")) LoadSaved(row);
    }
    return Findings() == before ? std::optional(std::move(net_)) : std::nullopt;
  }

  /// nullopt: reported.
  std::optional<NetNamespace> Load(const pb::netns_entry& entry, const std::string& where) {
    const std::size_t before = Findings();
    LoadSysctls(entry, where);
    LoadDevices();
    for (const NetImageRow& row : kNetImages) LoadSaved(row);
    return Findings() == before ? std::optional(std::move(net_)) : std::nullopt;
  }

 private:
  std::size_t Findings() const {
    return diag_.Count(Severity::kError) + diag_.Count(Severity::kUnsupported);
  }
  /// Whatever is in the namespace means another thing without.
  void Refuse(const std::string& where, const std::string& what) {
    loader_.UnsupportedContainer(where, what);
  }

  void LoadSysctls(const pb::netns_entry& entry, const std::string& where) {
    if (entry.def_conf_size() != 0 || entry.all_conf_size() != 0) {
      Refuse(where + ".def_conf", "sysctls as a CRIU before 3.17 has them");
    }
    TakeNumbers(entry, where);
    NetSysctls& to = net_.sysctls;
    TakeConf(entry.all_conf4(), where + ".all_conf4", &to.ipv4_all);
    TakeConf(entry.def_conf4(), where + ".def_conf4", &to.ipv4_default);
    TakeConf(entry.all_conf6(), where + ".all_conf6", &to.ipv6_all);
    TakeConf(entry.def_conf6(), where + ".def_conf6", &to.ipv6_default);
    if (IsKnownCount(entry.unix_conf_size(), 1, where + ".unix_conf") &&
        entry.unix_conf_size() == 1) {
      to.max_dgram_qlen = NumberOf(entry.unix_conf(0), where + ".unix_conf[0]");
    }
    if (IsKnownCount(entry.ipv4_sysctl_size(), 1, where + ".ipv4_sysctl") &&
        entry.ipv4_sysctl_size() == 1) {
      TakeGroupRange(entry.ipv4_sysctl(0), where + ".ipv4_sysctl[0]");
    }
  }

  bool IsOfTree(std::uint32_t id) const {
    return id == id_ || std::ranges::count(loader_.net_namespaces, id) != 0;
  }

  void TakeNumbers(const pb::netns_entry& entry, const std::string& where) {
    std::set<std::int32_t> numbers;
    std::set<std::uint32_t> known;
    for (int i = 0; i < entry.nsids_size(); ++i) {
      const pb::netns_id& from = entry.nsids(i);
      const std::string at = where + ".nsids[" + std::to_string(i) + "]";
      if (!IsOfTree(from.target_ns_id())) {
        Refuse(at, "a number by which it knows a network namespace that is not the tree's");
      } else if (from.netnsid_value() < 0) {
        diag_.Error(at + ".netnsid_value", "is below 0");
      } else if (!numbers.insert(from.netnsid_value()).second ||
                 !known.insert(from.target_ns_id()).second) {
        diag_.Error(at, "stands twice");
      } else {
        net_.nsids.push_back({from.target_ns_id(), from.netnsid_value()});
      }
    }
    std::ranges::sort(net_.nsids, {}, &NetNumber::number);
  }

  bool IsKnownCount(int count, std::size_t known, const std::string& where) {
    if (static_cast<std::size_t>(count) <= known) return true;
    Refuse(where,
           std::to_string(count) + " entries, of which this crgen knows " + std::to_string(known));
    return false;
  }
  std::optional<std::int32_t> NumberOf(const pb::sysctl_entry& from, const std::string& where) {
    if (from.type() != kNumber) diag_.Error(where + ".type", "expected 6: a number");
    return from.has_iarg() ? std::optional(from.iarg()) : std::nullopt;
  }
  /// Without white space at its end.
  std::optional<std::string> TextOf(const pb::sysctl_entry& from, const std::string& where) {
    if (from.type() != kText) diag_.Error(where + ".type", "expected 5: a text");
    if (!from.has_sarg()) return std::nullopt;
    const std::string& text = from.sarg();
    return text.substr(0, text.find_last_not_of(" \t\n") + 1);
  }

  void TakeConf(const SysctlList& from, const std::string& where, Ipv4Conf* to) {
    if (!IsKnownCount(from.size(), std::size(kIpv4Conf), where)) return;
    for (int i = 0; i < from.size(); ++i) {
      to->*kIpv4Conf[i].member = NumberOf(from[i], where + "[" + std::to_string(i) + "]");
    }
  }
  void TakeConf(const SysctlList& from, const std::string& where, Ipv6Conf* to) {
    if (!IsKnownCount(from.size(), std::size(kIpv6Conf) + 1, where)) return;
    for (int i = 0; i < from.size(); ++i) {
      const std::string at = where + "[" + std::to_string(i) + "]";
      const auto index = static_cast<std::size_t>(i);
      if (index != kStableSecretAt) {
        to->*kIpv6Conf[index < kStableSecretAt ? index : index - 1].member = NumberOf(from[i], at);
        continue;
      }
      to->stable_secret = TextOf(from[i], at);
      in6_addr address;
      if (to->stable_secret && to->stable_secret->empty()) to->stable_secret.reset();
      if (to->stable_secret && inet_pton(AF_INET6, to->stable_secret->c_str(), &address) != 1) {
        diag_.Error(at + ".sarg", "is no address of IPv6");
      }
    }
  }
  void TakeGroupRange(const pb::sysctl_entry& from, const std::string& where) {
    std::optional<std::string> text = TextOf(from, where);
    if (!text) return;
    std::ranges::replace(*text, '\t', ' ');
    if (!IsGroupRange(*text)) {
      diag_.Error(where + ".sarg", Printable(*text) + ", expected two numbers of groups");
    }
    net_.sysctls.ping_group_range = std::move(text);
  }

  void LoadDevices() {
    const ImageKind& kind = ImageKindNamed("NETDEV");
    ImageReader reader{"", ""};
    std::string_view bytes;
    pb::net_device_entry entry;
    if (Failed(loader_.images.Open(kind, id_, &reader, diag_))) return;
    while (!reader.AtEnd()) {
      if (Failed(reader.Next(&bytes, diag_)) ||
          Failed(ParseMessage(bytes, reader, &entry, diag_))) {
        return;
      }
      if (net_.devices.size() == kNetDevicesAtMost) {
        return Refuse(reader.Where(),
                      "one more network device than " + std::to_string(kNetDevicesAtMost));
      }
      LoadDevice(entry, reader);
    }
    std::ranges::sort(net_.devices, {}, &NetDevice::ifindex);
    CheckReferences(ImageSet::NameOf(kind, id_));
  }

  void LoadDevice(const pb::net_device_entry& entry, const ImageReader& reader) {
    const std::string where = reader.Where();
    NetDevice device;
    device.ifindex = entry.ifindex();
    device.name.bytes = entry.name();
    device.type.value = entry.type();
    device.mtu = entry.mtu();
    if (!IsNamed<NetDeviceTypeKind>(entry.type())) {
      return Refuse(where, "the network device " + Printable(entry.name()) + " of type " +
                               TypeText(entry.type()));
    }
    CheckNumbers(device, where);
    TakeFlags(entry, where, &device);
    TakeAddress(entry, where, &device);
    if (entry.has_master()) device.master = entry.master();
    TakeLink(entry, where, &device);
    if (device.type == kTunDevice) TakeTun(entry, where, &device);
    if (entry.conf_size() != 0) Refuse(where + ".conf", "sysctls as a CRIU before 3.17 has them");
    TakeConf(entry.conf4(), where + ".conf4", &device.conf4);
    TakeConf(entry.conf6(), where + ".conf6", &device.conf6);
    if (device.type != kLoopbackDevice) LeaveOutDefaults(&device);
    net_.devices.push_back(std::move(device));
  }

  void CheckNumbers(const NetDevice& device, const std::string& where) {
    constexpr std::uint32_t kMost = 0x7fffffff;
    const Place place(where, diag_);
    if (device.ifindex == 0) diag_.Error(where + ".ifindex", "is 0");
    place.AtMost(".ifindex", device.ifindex, kMost);
    place.AtMost(".mtu", device.mtu, kMost);
    if (!IsDeviceName(device.name.bytes)) {
      diag_.Error(where + ".name", Printable(device.name.bytes) + ": no device has that name");
    }
    if (!names_.insert(device.name.bytes).second) {
      diag_.Error(where + ".name", Printable(device.name.bytes) + " is the name of another one");
    }
    if (!numbers_.insert(device.ifindex).second) {
      diag_.Error(where + ".ifindex", std::to_string(device.ifindex) + " is that of another one");
    }
    constexpr std::uint32_t kLoopbackIndex = 1;
    if ((device.type == kLoopbackDevice) !=
        (device.ifindex == kLoopbackIndex && device.name.bytes == "lo")) {
      diag_.Error(where + ".type", "LOOPBACK is the device 1 with the name lo, and no other");
    }
  }

  /// What cannot be set follows from the device, and from whether there is a carrier.
  void TakeFlags(const pb::net_device_entry& entry, const std::string& where, NetDevice* device) {
    constexpr std::uint32_t kKnown = 0x7ffff;  // IFF_ECHO and below
    if ((entry.flags() & ~kKnown) != 0) {
      Refuse(where + ".flags", "bits " + HexText(entry.flags() & ~kKnown) + ", which have no name");
    }
    device->flags.bits = entry.flags() & ~UnknownBits<NetDeviceFlagKind>(entry.flags());
  }

  void TakeAddress(const pb::net_device_entry& entry, const std::string& where, NetDevice* device) {
    if (!entry.has_address() || entry.address().empty()) return;
    for (const char byte : entry.address()) {
      char text[4];
      std::snprintf(text, sizeof text, "%s%02x", device->address.empty() ? "" : ":",
                    static_cast<unsigned char>(byte));
      device->address += text;
    }
    if (device->type != kLoopbackDevice && IsDeviceAddress(device->address)) return;
    diag_.Error(where + ".address", "is no address of one device of Ethernet");
  }

  void TakeLink(const pb::net_device_entry& entry, const std::string& where, NetDevice* device) {
    const bool has_link = device->type == kVethDevice || device->type == kMacvlanDevice;
    if (has_link && entry.has_peer_nsid()) {
      device->link = entry.peer_ifindex();
      if (entry.peer_nsid() != id_ && IsOfTree(entry.peer_nsid()) && device->type == kVethDevice) {
        device->link_net = entry.peer_nsid();
      } else if (entry.peer_nsid() != id_) {
        Refuse(where + ".peer_nsid",
               device->type == kVethDevice
                   ? "a device whose other end is in another network namespace of the tree"
                   : "a device on one in another network namespace of the tree");
      }
    }
    if (device->type != kMacvlanDevice) return;
    if (!entry.has_macvlan()) return diag_.Error(where + ".macvlan", "is missing");
    device->macvlan = MacvlanLink{{entry.macvlan().mode()}, entry.macvlan().flags()};
    if (!IsNamed<MacvlanModeKind>(entry.macvlan().mode())) {
      Refuse(where + ".macvlan.mode", "mode " + std::to_string(entry.macvlan().mode()) +
                                          ", whose list of addresses no image has");
    }
    Place(where, diag_).AtMost(".macvlan.flags", entry.macvlan().flags(), 0xffff);
  }

  void TakeTun(const pb::net_device_entry& entry, const std::string& where, NetDevice* device) {
    if (!entry.has_tun()) return diag_.Error(where + ".tun", "is missing");
    const pb::tun_link_entry& from = entry.tun();
    device->tun =
        TunLink{{from.flags()}, from.owner(), from.group(), from.vnethdr(), from.sndbuf()};
    const std::uint64_t unknown = UnknownBits<TunFlagKind>(from.flags());
    if (unknown != 0) {
      Refuse(where + ".tun.flags", "bits " + HexText(unknown) + ", which have no name");
    }
    constexpr std::uint32_t kTunOrTap = 3;
    const std::uint32_t type = from.flags() & kTunOrTap;
    if (type == 0 || type == kTunOrTap) {
      diag_.Error(where + ".tun.flags", "expected either of IFF_TUN and IFF_TAP");
    }
  }

  /// A new device begins with the defaults; the MTU of IPv6 follows that of the device.
  void LeaveOutDefaults(NetDevice* device) const {
    for (const auto& row : kIpv4Conf) {
      auto& value = device->conf4.*row.member;
      if (value == net_.sysctls.ipv4_default.*row.member) value.reset();
    }
    for (const auto& row : kIpv6Conf) {
      auto& value = device->conf6.*row.member;
      if (row.name != "mtu" && value == net_.sysctls.ipv6_default.*row.member) value.reset();
    }
    auto& secret = device->conf6.stable_secret;
    if (secret == net_.sysctls.ipv6_default.stable_secret) secret.reset();
  }

  void CheckReferences(const std::string& image) {
    std::map<std::uint32_t, const NetDevice*> by_index;
    for (const NetDevice& device : net_.devices) by_index.emplace(device.ifindex, &device);
    for (const NetDevice& device : net_.devices) {
      const std::string where = image + ", device " + Printable(device.name.bytes);
      const auto found = [&](std::uint32_t ifindex) {
        const auto it = by_index.find(ifindex);
        return it == by_index.end() ? nullptr : it->second;
      };
      if (device.master) {
        const NetDevice* master = found(*device.master);
        if (master == nullptr || !(master->type == kBridgeDevice) || master == &device) {
          diag_.Error(where, "master " + std::to_string(*device.master) + " is no bridge");
        }
      }
      if (!device.link || device.link_net) continue;
      const NetDevice* other = found(*device.link);
      const bool is_there = device.type == kVethDevice
                                ? other != nullptr && other->type == kVethDevice &&
                                      other != &device && other->link == device.ifindex
                                : other != nullptr && !(other->type == kLoopbackDevice) &&
                                      !(other->type == kMacvlanDevice);
      if (!is_there) {
        diag_.Error(where, "peer_ifindex " + std::to_string(*device.link) +
                               (device.type == kVethDevice ? " is not its other end"
                                                           : " is no device below it"));
      }
    }
  }

  void LoadSaved(const NetImageRow& row) {
    const ImageKind& kind = ImageKindNamed(row.kind);
    if (!loader_.images.Use(kind, id_)) return;
    const std::string name = ImageSet::NameOf(kind, id_);
    ImageSource& source = loader_.images.source();
    std::uint64_t size = 0;
    std::string content;
    if (Failed(source.Size(name, &size, diag_)) || size == 0) return;
    if (size > kNetImageAtMost) {
      return diag_.Error(name, std::to_string(size) + " bytes, expected at most " +
                                   std::to_string(kNetImageAtMost));
    }
    if (Failed(source.Read(name, &content, diag_)) ||
        Failed(CheckSavedNetwork(row.kind, content, name, diag_))) {
      return;
    }
    for (const Beyond& it : kBeyond) {
      if (content.find(it.text) != content.npos && row.kind.ends_with("TABLES")) {
        return Refuse(name, std::string(it.what));
      }
    }
    net_.*row.image = ImageBytes{name, 0, size};
  }

  Loader& loader_;
  Diagnostics& diag_;
  const std::uint32_t id_;
  NetNamespace net_;
  std::set<std::string> names_;
  std::set<std::uint32_t> numbers_;
};

}  // namespace

/// Without an image it is empty (--empty-ns of CRIU). nullopt: reported.
static std::optional<NetNamespace> LoadOne(Loader& loader, std::uint32_t id, bool is_own) {
  const ImageKind& kind = ImageKindNamed("NETNS");
  pb::netns_entry entry;
  if (!loader.images.Has(kind, id)) return NetworkLoader(loader, id).LoadEmpty();
  if (Failed(loader.images.ReadSingle(kind, id, &entry, loader.diag))) return std::nullopt;
  const std::string where = ImageSet::NameOf(kind, id) + "[0]";
  if (!entry.has_ext_key()) {
    std::optional<NetNamespace> net = NetworkLoader(loader, id).Load(entry, where);
    if (net && is_own) TakeNetworkLock(loader);
    return net;
  }
  for (const NetImageRow& row : kNetImages) loader.images.Use(ImageKindNamed(row.kind), id);
  loader.images.Use(ImageKindNamed("NETDEV"), id);
  if (entry.ext_key().empty()) {
    loader.diag.Error(where + ".ext_key", "is empty");
    return std::nullopt;
  }
  if (!is_own) {
    loader.UnsupportedContainer(where + ".ext_key",
                                "a further network namespace that the caller of a restore has");
    return std::nullopt;
  }
  return NetNamespace{id, Text{entry.ext_key()}};
}

void Loader::LoadNet(std::uint32_t id, Attributes* attributes) {
  std::optional<NetNamespace> own = LoadOne(*this, id, true);
  const bool known = own.has_value();
  if (known) attributes->net = std::move(*own);
  for (const std::uint32_t further : net_namespaces) {
    if (further == id) continue;
    std::optional<NetNamespace> net = LoadOne(*this, further, false);
    if (net && known) attributes->further_nets.push_back(std::move(*net));
  }
  if (!known || attributes->further_nets.size() + 1 < net_namespaces.size()) return;
  CheckNetLinks(*attributes);
}

/// Both ends of what lies in two of the tree's.
void Loader::CheckNetLinks(const Attributes& attributes) {
  std::map<std::pair<std::uint64_t, std::uint32_t>, const NetDevice*> devices;
  ForEachNet(attributes, [&](const NetNamespace& net) {
    for (const NetDevice& device : net.devices) devices[{net.id, device.ifindex}] = &device;
  });
  ForEachNet(attributes, [&](const NetNamespace& net) {
    for (const NetDevice& device : net.devices) {
      if (!device.link_net) continue;
      const auto other = devices.find({*device.link_net, *device.link});
      if (other != devices.end() && other->second->type == kVethDevice &&
          other->second->link == device.ifindex && other->second->link_net == net.id) {
        continue;
      }
      diag.Error(ImageSet::NameOf(ImageKindNamed("NETDEV"), net.id) + ", device " +
                     Printable(device.name.bytes),
                 "peer_ifindex " + std::to_string(*device.link) + " of network namespace " +
                     std::to_string(*device.link_net) + " is not its other end");
    }
  });
}

void Loader::FindNetNamespaces() {
  const ImageKind &kind = ImageKindNamed("NETNS"), &task = ImageKindNamed("IDS");
  if (options.caller_namespaces || snapshot.tree.nodes.empty()) return;
  std::vector<std::uint32_t> found;
  for (const ImageSet::Image& image : images.images()) {
    if (image.kind == &kind) found.push_back(static_cast<std::uint32_t>(image.number));
  }
  if (found.size() < 2 || found.size() > kNetNamespacesAtMost) return;
  Diagnostics reported_later;
  pb::task_kobj_ids_entry entry;
  const auto pid = static_cast<std::uint64_t>(snapshot.tree.nodes.front().pid);
  if (!images.Has(task, pid) || Failed(images.ReadSingle(task, pid, &entry, reported_later))) {
    return;
  }
  const std::uint32_t own = entry.net_ns_id();
  if (!inventory.has_root_ids() || inventory.root_ids().net_ns_id() == own) return;
  if (std::erase(found, own) != 1) return;
  std::ranges::sort(found);
  net_namespaces = {own};
  net_namespaces.insert(net_namespaces.end(), found.begin(), found.end());
}

Rare<std::uint64_t> Loader::NetOf(std::uint32_t id) const {
  if (id == 0 && !net_namespaces.empty()) return net_namespaces.front();
  if (std::ranges::count(net_namespaces, id) == 0) return {};
  return id;
}

std::optional<std::uint64_t> Loader::NetNamespaceOf(ProcessIndex index) const {
  if (net_namespaces.empty()) return {};
  const std::uint32_t id = ids[index].net_ns_id();
  if (id == net_namespaces.front() || !NetOf(id)) return {};
  return id;
}

}  // namespace crgen
