// SPDX-License-Identifier: Apache-2.0
// What is in an IPC namespace of the tree's own: sysvipc(7).
#pragma once

#include <string>
#include <vector>

#include "model/namespaces.h"
#include "preflight/host_files.h"
#include "restorer/outside_ids.h"

namespace crgen::restorer {

/// Makes it in the namespace in which the supervisor is, and keeps what is to go with the last
/// attachment until the tree has its own.
class SystemV {
 public:
  /// Leaves limits of the namespace that are wide enough: the plan's are set afterwards. Empty, or
  /// what failed.
  std::string Make(const IpcNamespace& ipc, const HostFiles& files, const OutsideIds& ids);

  /// The tree has attached what it wants. Empty, or what failed.
  std::string Release();

 private:
  std::vector<void*> held_;
};

}  // namespace crgen::restorer
