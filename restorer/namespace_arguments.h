// SPDX-License-Identifier: Apache-2.0
// What the command line says of namespaces, with the options and the syntax of CRIU.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "preflight/namespace_options.h"

namespace crgen::restorer {

/// As they stand there, each as often as it was given.
struct NamespaceArguments {
  std::vector<std::string> external;  ///< mnt[KEY]:PATH, net[PATH]:KEY, pid[PATH]:KEY, unix[INODE]
  std::vector<std::string> join;      ///< net:PATH, ipc:PATH, uts:PATH, or a pid for the path
  std::vector<std::string> empty;     ///< net
};

/// The keys of the sockets that "unix[INODE]" names: "socket:[INODE]".
std::set<std::string> ReadUnixSockets(const std::vector<std::string>& external);

/// Adds the others to `*options`. Empty, or what is wrong with one of them.
std::string ReadNamespaceArguments(const NamespaceArguments& arguments, NamespaceOptions* options);

}  // namespace crgen::restorer
