// SPDX-License-Identifier: Apache-2.0
// A network namespace of the tree's own, as it was in the dump.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "model/net_namespace.h"
#include "preflight/host_files.h"
#include "restorer/generated_addresses.h"
#include "restorer/net_devices.h"
#include "restorer/net_spaces.h"
#include "restorer/netlink.h"
#include "restorer/outside_ids.h"
#include "restorer/restore.h"

namespace crgen::restorer {

/// Made in the network namespace of the caller of a restore, where the other ends of devices are
/// that come from outside; all arguments stay as long as this does.
class NetworkMaker {
 public:
  NetworkMaker(const NetNamespace& net, const HostFiles& files, const RestoreOptions& options,
               const OutsideIds& ids);

  const NetNamespace& net() const { return net_; }

  /// What fills the new network namespace that this process is in by then, in this order; of
  /// several each in all of them, for devices have their ends in two. What stops packets (iptables,
  /// nftables) is there before any device is up. Empty, or what failed: then whatever has been made
  /// ends with the namespace.
  using Step = std::string (NetworkMaker::*)();
  static std::span<const Step> Steps();

  /// Before the first step: the tree has others, of all of which `nets` has a descriptor. Stays as
  /// long as this does.
  void Meet(const NetDescriptors& nets, const std::vector<const NetNamespace*>& others);

 private:
  std::string Begin();
  std::string Make();
  std::string Join();
  std::string StopAsking() { return WriteAcceptDad(false); }
  std::string AskAgain() { return WriteAcceptDad(true); }
  std::string HoldBackGenerated();
  std::string ReleaseGenerated();
  std::string SetFlags();
  std::string SetConntrack();
  DeviceSurroundings Around() const;
  std::string SetSysctls();
  std::string GroupRange() const;
  std::string SetDeviceSysctls();
  std::string SetRules();
  std::string WriteAcceptDad(bool finally) const;
  std::string AwaitAddresses();
  std::string SetMtus();
  std::string SetRouting();
  std::string ClearLoopback(const NetDevice& device);
  std::string Run(const std::vector<const char*>& words,
                  const std::optional<ImageBytes>& image) const;
  std::string RunWith(const std::vector<const char*>& words, int input,
                      const ImageBytes& image) const;
  std::string RestoreRoutes(const std::optional<ImageBytes>& image) const;

  const NetNamespace& net_;
  const HostFiles& files_;
  const RestoreOptions& options_;
  const OutsideIds& ids_;
  const NetDescriptors* nets_ = nullptr;
  FarEnds far_;
  GeneratedAddresses generated_;
  std::unique_ptr<NetlinkChannel> outside_;  ///< none: nothing comes from there
  std::string problem_;                      ///< with that
};

/// iptables(8) as CRIU uses it: that of the kernel's older interface.
struct TablesPrograms {
  const char* save;
  const char* restore;
};
TablesPrograms TablesProgramsOf(bool six);

}  // namespace crgen::restorer
