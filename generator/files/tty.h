// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <unordered_map>
#include <unordered_set>

#include "generator/files/planner.h"

namespace crgen {

/// The first OPEN_FILE of a terminal says what it is like, and the first one of an end of a pty
/// what that end has. A session gets its terminal by a description that is closed at once.
template <>
class FilePlanner<Tty> {
 public:
  explicit FilePlanner(PlannerContext& context);

  void PlanOpenings(Openings& openings);
  Result Open(const OpeningSite& site, const std::shared_ptr<const File>& file, const Tty& tty,
              Diagnostics& diag);
  /// The controlling terminal of the session that `pid` has made, if it has one. `fd`: a free
  /// number.
  void TakeTerminal(Pid pid, Fd fd);

 private:
  void Describe(Tty* tty);
  bool HasTerminal(Pid pid) const;

  PlannerContext& context_;
  std::unordered_map<Pid, TtyId> terminal_of_;  ///< by leader
  std::unordered_set<TtyId> opened_;
  std::unordered_set<std::uint64_t> ends_;  ///< twice the id, and one more for a master
};

}  // namespace crgen
