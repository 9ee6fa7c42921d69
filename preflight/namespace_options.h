// SPDX-License-Identifier: Apache-2.0
// What the caller of a restore says of namespaces.
#pragma once

#include <map>
#include <string>

namespace crgen {

/// What the caller has of a network device of the plan, in its own network namespace.
struct OutsideDevice {
  std::string name;    ///< of a VETH's other end, which is made; of the device below a MACVLAN
  std::string bridge;  ///< of which that other end becomes a port; empty: of none
  bool moves = false;  ///< instead: the device itself, which is there and moves over
};

struct NamespaceOptions {
  std::string root;                             ///< the root file system of a mount namespace
  std::map<std::string, std::string> mounts;    ///< external mounts: paths, by key
  std::map<std::string, std::string> networks;  ///< external namespaces: paths, by key
  std::map<std::string, std::string> joined;    ///< paths, by kind: net, ipc, uts, pid
  bool empty_net = false;  ///< a new network namespace in the place of an external one
  bool lo_up = false;      ///< its loopback device is brought up
  std::map<std::string, OutsideDevice> devices = {};  ///< by key: "veth[eth0]"
  /// As `mounts`, which come first, of an OCI configuration. The plan need not have them.
  std::map<std::string, std::string> configured = {};
  bool found_by_dumper =
      false;  ///< mounts that the dumper has found are here where they were there
  std::map<std::string, std::string> pid_namespaces =
      {};  ///< external pid namespaces: paths, by key
};

/// Where HostFiles has what the caller has named.
inline std::string RootPlace() { return "root"; }
inline std::string MountPlace(const std::string& key) { return "mnt[" + key + "]"; }
inline std::string NetworkPlace(const std::string& key) { return "net[" + key + "]"; }
inline std::string PidPlace(const std::string& key) { return "pid[" + key + "]"; }
inline std::string JoinPlace(const std::string& kind) { return "join " + kind; }

}  // namespace crgen
