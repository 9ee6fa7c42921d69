// SPDX-License-Identifier: Apache-2.0
// Several network namespaces of one tree: descriptors of them, and which process is in which.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "dsl/commands.h"
#include "restorer/schedule.h"

namespace crgen::restorer {

/// By id, all that a tree has; none: it has one at most, or the caller's.
using NetDescriptors = std::map<std::uint64_t, int>;

/// In which of them the process is that executes each command; empty: there is one only.
std::vector<std::uint64_t> FindNetSpaces(const Program& program, const Schedule& schedule);

/// The one that a file says it is to be in.
std::optional<std::uint64_t> NetOf(const File& file);

/// While it lives, this process is in another network namespace of the tree than the root's.
class NetVisit {
 public:
  /// Absent, or the root's: this process stays where it is. `nets` must outlive this.
  NetVisit(const NetDescriptors& nets, const NetNamespace* own, std::optional<std::uint64_t> there);
  ~NetVisit() { Leave(); }
  NetVisit(const NetVisit&) = delete;
  NetVisit& operator=(const NetVisit&) = delete;
  /// Empty, or what failed so far.
  const std::string& problem() const { return problem_; }
  /// Back, before it dies. Empty, or what failed.
  std::string Leave();

 private:
  std::string Enter(int fd);

  int own_ = -1;  ///< where to go back to; -1: it is there
  std::string problem_;
};

}  // namespace crgen::restorer
