// SPDX-License-Identifier: Apache-2.0
// Commands of the caller's, at the stages of a restore.
#pragma once

#include <sys/types.h>

#include <initializer_list>
#include <string>
#include <vector>

namespace crgen::restorer {

/// `--action-script` of criu(8), with its stages and environment: CRTOOLS_SCRIPT_ACTION,
/// CRTOOLS_IMAGE_DIR, CRTOOLS_INIT_PID.
class ActionScripts {
 public:
  /// `commands`: for sh(1). `images`: their folder. `timeout`: seconds, 0: none.
  ActionScripts(std::vector<std::string> commands, const std::string& images, unsigned timeout);

  /// Runs each command at each of `stages`, with the rights of this process; what they print goes
  /// to standard error. `init`: a process in the tree's namespaces, later the tree's root; 0: none.
  /// Empty; or the first that has not ended with 0, after which none is run.
  std::string Run(std::initializer_list<const char*> stages, pid_t init) const;

 private:
  std::vector<std::string> commands_;
  std::string images_;  ///< absolute
  unsigned timeout_;
};

}  // namespace crgen::restorer
