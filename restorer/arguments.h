// SPDX-License-Identifier: Apache-2.0
// What the user asks crrestore for.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "restorer/namespace_arguments.h"
#include "restorer/outside_sockets.h"
#include "restorer/restore.h"

namespace crgen::restorer {

struct Arguments {
  std::string plan;
  RestoreOptions options;
  std::string images;  ///< the folder of page images
  std::vector<std::string> inherit;
  std::string cgroup_mode = "soft";
  std::vector<std::string> cgroup_roots;
  NamespaceArguments namespaces;
  OutsideSockets outside_sockets;
  std::string oci;                 ///< the configuration of a container; empty: none
  std::string callers_namespaces;  ///< "caller", or empty
  bool images_outside = false;
  bool partial = false;
  bool shell_job = false;
  bool file_locks = false;
  bool tcp_established = false;
  bool orphan_master = false;
  bool dry_run = false;
  bool preflight = false;
  bool json = false;
  bool verbose = false;
  std::string trace;  ///< the file of that name gets the times of the steps; empty: none
  std::string gantt;
};

/// `*arguments` must outlive `app`.
void AddOptions(CLI::App& app, Arguments* arguments);

/// What follows from the words that were given. False: one is wrong, which has been said.
bool FinishArguments(Arguments* arguments);

}  // namespace crgen::restorer
