// SPDX-License-Identifier: Apache-2.0
#include "restorer/network.h"

#include <fcntl.h>
#include <linux/netlink.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <sstream>
#include <utility>
#include <vector>

#include "preflight/question.h"
#include "restorer/conntrack.h"
#include "restorer/problem.h"
#include "restorer/saved_network.h"
#include "restorer/supervisor_calls.h"
#include "restorer/sysctl.h"
#include "restorer/tools.h"

namespace crgen::restorer {
namespace {

/// Written last: forwarding changes it.
constexpr std::string_view kLast = "accept_redirects";

template <typename Conf, std::size_t kCount>
std::string WriteConf(const ConfRow<Conf> (&rows)[kCount], const std::string& folder,
                      const Conf& conf) {
  std::string problem;
  const auto write = [&](const ConfRow<Conf>& row) {
    const std::optional<std::int32_t>& value = conf.*row.member;
    if (!value || !problem.empty()) return;
    problem = WriteSysctl(folder + "/" + std::string(row.name), std::to_string(*value));
  };
  for (const ConfRow<Conf>& row : rows) {
    if (row.name != kLast && row.name != "mtu") write(row);
  }
  for (const ConfRow<Conf>& row : rows) {
    if (row.name == kLast) write(row);
  }
  return problem;
}

/// `folder`: "all", "default", or the name of a device.
std::string WriteConf(const std::string& folder, const Ipv4Conf& conf) {
  return WriteConf(kIpv4Conf, "net/ipv4/conf/" + folder, conf);
}
std::string WriteConf(const std::string& folder, const Ipv6Conf& conf) {
  const std::string path = "net/ipv6/conf/" + folder;
  std::string problem = WriteConf(kIpv6Conf, path, conf);
  if (!problem.empty() || !conf.stable_secret) return problem;
  return WriteSysctl(path + "/stable_secret", *conf.stable_secret);
}
/// It follows the device's when that is changed, or comes up.
std::string WriteMtu(const std::string& folder, const Ipv6Conf& conf) {
  if (!conf.mtu) return "";
  return WriteSysctl("net/ipv6/conf/" + folder + "/mtu", std::to_string(*conf.mtu));
}

}  // namespace

TablesPrograms TablesProgramsOf(bool six) {
  const TablesPrograms legacy =
      six ? TablesPrograms{"ip6tables-legacy-save", "ip6tables-legacy-restore"}
          : TablesPrograms{"iptables-legacy-save", "iptables-legacy-restore"};
  if (preflight::IsInPath(legacy.restore)) return legacy;
  return six ? TablesPrograms{"ip6tables-save", "ip6tables-restore"}
             : TablesPrograms{"iptables-save", "iptables-restore"};
}

NetworkMaker::NetworkMaker(const NetNamespace& net, const HostFiles& files,
                           const RestoreOptions& options, const OutsideIds& ids)
    : net_(net), files_(files), options_(options), ids_(ids) {
  if (std::ranges::any_of(net.devices, &NetDevice::NeedsOutside)) {
    outside_ = std::make_unique<NetlinkChannel>(NETLINK_ROUTE);
    if (!outside_->is_open()) problem_ = ErrorText("netlink(7) of the caller's network");
  }
}

std::span<const NetworkMaker::Step> NetworkMaker::Steps() {
  static constexpr Step kSteps[] = {&NetworkMaker::Begin,
                                    &NetworkMaker::SetSysctls,
                                    &NetworkMaker::Make,
                                    &NetworkMaker::Join,
                                    &NetworkMaker::SetDeviceSysctls,
                                    &NetworkMaker::SetRules,
                                    &NetworkMaker::StopAsking,
                                    &NetworkMaker::HoldBackGenerated,
                                    &NetworkMaker::SetFlags,
                                    &NetworkMaker::SetRouting,
                                    &NetworkMaker::AwaitAddresses,
                                    &NetworkMaker::SetMtus,
                                    &NetworkMaker::ReleaseGenerated,
                                    &NetworkMaker::AskAgain,
                                    &NetworkMaker::SetConntrack};
  return kSteps;
}

void NetworkMaker::Meet(const NetDescriptors& nets,
                        const std::vector<const NetNamespace*>& others) {
  nets_ = &nets;
  for (const NetDevice& device : net_.devices) {
    if (!device.link_net) continue;
    const auto net = std::ranges::find(others, *device.link_net, &NetNamespace::id);
    const auto other = std::ranges::find((*net)->devices, *device.link, &NetDevice::ifindex);
    far_[device.ifindex] = {&*other, nets.at((*net)->id), (*net)->id < net_.id};
  }
}

DeviceSurroundings NetworkMaker::Around() const {
  return {outside_.get(), options_.namespaces.devices, far_};
}

std::string NetworkMaker::Begin() {
  return problem_.empty() && nets_ != nullptr ? SetNetNumbers(net_, *nets_) : problem_;
}
std::string NetworkMaker::Make() { return MakeDevices(net_.devices, Around()); }
std::string NetworkMaker::Join() { return JoinDevices(net_.devices, Around()); }
std::string NetworkMaker::SetFlags() { return SetDeviceFlags(net_.devices); }
std::string NetworkMaker::HoldBackGenerated() {
  return net_.addresses ? generated_.HoldBack(net_.devices) : "";
}
std::string NetworkMaker::ReleaseGenerated() { return generated_.Release(); }
std::string NetworkMaker::SetConntrack() { return RestoreConntrack(net_, files_); }

std::string NetworkMaker::SetSysctls() {
  const NetSysctls& it = net_.sysctls;
  std::string problem = WriteConf("all", it.ipv4_all);
  if (problem.empty()) problem = WriteConf("default", it.ipv4_default);
  if (problem.empty()) problem = WriteConf("all", it.ipv6_all);
  if (problem.empty()) problem = WriteMtu("all", it.ipv6_all);
  if (problem.empty()) problem = WriteConf("default", it.ipv6_default);
  if (problem.empty()) problem = WriteMtu("default", it.ipv6_default);
  if (problem.empty() && it.max_dgram_qlen) {
    problem = WriteSysctl("net/unix/max_dgram_qlen", std::to_string(*it.max_dgram_qlen));
  }
  if (problem.empty() && it.ping_group_range) {
    problem = WriteSysctl("net/ipv4/ping_group_range", GroupRange());
  }
  return problem;
}

/// Of groups as they are outside, where this process writes it; "1 0" is nobody anywhere.
std::string NetworkMaker::GroupRange() const {
  std::uint32_t first = 0, last = 0;
  std::istringstream(*net_.sysctls.ping_group_range) >> first >> last;
  if (first > last) return *net_.sysctls.ping_group_range;
  return std::to_string(ids_.Gid(first)) + " " + std::to_string(ids_.Gid(last));
}

std::string NetworkMaker::SetDeviceSysctls() {
  for (const NetDevice& device : net_.devices) {
    std::string problem = WriteConf(device.name.bytes, device.conf4);
    if (problem.empty()) problem = WriteConf(device.name.bytes, device.conf6);
    if (!problem.empty()) return problem;
  }
  return "";
}

/// Of IPv6. A device that has a carrier now comes up once more when the kernel gets to it, and its
/// sysctl with it; asked for the device alone it does that first (rtnl_getlink()).
std::string NetworkMaker::SetMtus() {
  for (const NetDevice& device : net_.devices) {
    const std::string& name = device.name.bytes;
    if (std::cmp_not_equal(device.conf6.mtu.value_or(0), device.mtu)) {
      const ToolOutcome shown =
          RunTool({"ip", "link", "show", "dev", name.c_str()}, "", options_.timeout);
      const std::string problem = ToolComplaint("ip link", shown);
      if (!problem.empty()) return "the network namespace: " + problem;
    }
    std::string problem = WriteMtu(name, device.conf6);
    if (!problem.empty()) return problem;
  }
  return "";
}

/// Nobody else has taken the addresses, and a socket can be bound to them at once: while they are
/// set, the kernel does not ask. `finally`: as the plan says.
std::string NetworkMaker::WriteAcceptDad(bool finally) const {
  const std::optional<std::int32_t>& usual = net_.sysctls.ipv6_default.accept_dad;
  const auto write = [&](const std::string& folder, std::optional<std::int32_t> value) {
    if (!net_.addresses || value.value_or(0) <= 0) return std::string();
    return WriteSysctl("net/ipv6/conf/" + folder + "/accept_dad",
                       std::to_string(finally ? *value : 0));
  };
  std::string problem = write("all", net_.sysctls.ipv6_all.accept_dad);
  for (const NetDevice& device : net_.devices) {
    if (!problem.empty()) break;
    problem = write(device.name.bytes, device.conf6.accept_dad ? device.conf6.accept_dad : usual);
  }
  return problem;
}

/// Until those of IPv6 can be used. Some may take longer, if somebody has them after all.
std::string NetworkMaker::AwaitAddresses() {
  constexpr int kTries = 100;
  constexpr useconds_t kNap = 10'000;
  if (!net_.addresses) return "";
  for (int i = 0; i < kTries; ++i) {
    const ToolOutcome shown =
        RunTool({"ip", "-6", "address", "show", "tentative"}, "", options_.timeout);
    const std::string problem = ToolComplaint("ip address", shown);
    if (!problem.empty()) return "the network namespace: " + problem;
    if (shown.output.empty()) break;
    usleep(kNap);
  }
  return "";
}

std::string NetworkMaker::SetRules() {
  std::string problem = Run({TablesProgramsOf(false).restore, "-w"}, net_.iptables);
  if (problem.empty()) problem = Run({TablesProgramsOf(true).restore, "-w"}, net_.ip6tables);
  if (problem.empty()) problem = Run({"nft", "-f", "-"}, net_.nftables);
  return problem;
}

/// Its addresses of this host, which it got when it came up, but for ::1 if that is in the image:
/// set anew it would have a route beside it.
std::string NetworkMaker::ClearLoopback(const NetDevice& device) {
  const int image = Reopen(files_.image(net_.addresses->image), O_RDONLY);
  const std::optional<bool> saved =
      image < 0 ? std::nullopt : SavesAddress(image, device.ifindex, in6addr_loopback);
  const int error = errno;
  if (image >= 0) close(image);
  errno = error;
  if (!saved) return ErrorText(net_.addresses->image);
  for (const char* family : {"-4", "-6"}) {
    if (family == std::string_view("-6") && *saved) continue;
    const ToolOutcome outcome = RunTool(
        {"ip", family, "address", "flush", "dev", device.name.bytes.c_str()}, "", options_.timeout);
    const std::string problem = ToolComplaint("ip address", outcome);
    if (!problem.empty()) return "the network namespace: " + problem;
  }
  return "";
}

/// As CRIU does it, with the addresses and the rules that every namespace begins with gone first.
std::string NetworkMaker::SetRouting() {
  std::string problem;
  const auto loopback = std::ranges::find(net_.devices, kLoopbackDevice, &NetDevice::type);
  if (net_.addresses && loopback != net_.devices.end()) problem = ClearLoopback(*loopback);
  if (!problem.empty()) return problem;
  problem = Run({"ip", "address", "restore"}, net_.addresses);
  if (problem.empty()) problem = RestoreRoutes(net_.routes);
  if (problem.empty()) problem = RestoreRoutes(net_.routes6);
  if (!problem.empty() || !net_.rules) return problem;
  for (const std::vector<const char*>& words :
       {std::vector<const char*>{"ip", "rule", "flush"},
        std::vector<const char*>{"ip", "rule", "delete", "table", "local"}}) {
    problem = ToolComplaint("ip rule", RunTool(words, "", options_.timeout));
    if (!problem.empty()) return "the network namespace: " + problem;
  }
  return Run({"ip", "rule", "restore"}, net_.rules);
}

std::string NetworkMaker::RestoreRoutes(const std::optional<ImageBytes>& image) const {
  if (!image) return "";
  const int file = Reopen(files_.image(image->image), O_RDONLY);
  const int input = file < 0 ? -1 : RestorableRoutes(file);
  const int error = errno;
  if (file >= 0) close(file);
  errno = error;
  if (input < 0) return ErrorText(image->image);
  return RunWith({"ip", "route", "restore"}, input, *image);
}

std::string NetworkMaker::Run(const std::vector<const char*>& words,
                              const std::optional<ImageBytes>& image) const {
  if (!image) return "";
  const int input = Reopen(files_.image(image->image), O_RDONLY);
  if (input < 0) return ErrorText("open of " + image->image);
  return RunWith(words, input, *image);
}

/// Closes `input`.
std::string NetworkMaker::RunWith(const std::vector<const char*>& words, int input,
                                  const ImageBytes& image) const {
  const ToolOutcome outcome = RunConfinedTool(words, input, options_.timeout);
  close(input);
  const std::string problem = ToolComplaint(words.front(), outcome);
  return problem.empty() ? "" : "the network namespace, " + image.image + ": " + problem;
}

}  // namespace crgen::restorer
