// SPDX-License-Identifier: Apache-2.0
// A network namespace of the tree's own, as it was in the dump.
#pragma once

#include <memory>
#include <string>

#include "model/net_namespace.h"
#include "preflight/host_files.h"
#include "restorer/netlink.h"
#include "restorer/restore.h"

namespace crgen::restorer {

/// Made in the network namespace of the caller of a restore, where the other ends of devices are
/// that come from outside; all arguments stay as long as this does.
class NetworkMaker {
 public:
  NetworkMaker(const NetNamespace& net, const HostFiles& files, const RestoreOptions& options);

  /// Of the new network namespace that this process is in by now. What stops packets (iptables,
  /// nftables) is there before any device is up. Empty, or what failed: then whatever has been made
  /// ends with the namespace.
  std::string Fill() const;

 private:
  std::string SetSysctls() const;
  std::string SetDeviceSysctls() const;
  std::string SetRules() const;
  std::string WriteAcceptDad(bool finally) const;
  std::string AwaitAddresses() const;
  std::string SetMtus() const;
  std::string SetRouting() const;
  std::string Run(const std::vector<const char*>& words,
                  const std::optional<ImageBytes>& image) const;
  std::string RunWith(const std::vector<const char*>& words, int input,
                      const ImageBytes& image) const;
  std::string RestoreRoutes(const std::optional<ImageBytes>& image) const;

  const NetNamespace& net_;
  const HostFiles& files_;
  const RestoreOptions& options_;
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
