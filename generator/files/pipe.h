// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <unordered_set>
#include <vector>

#include "generator/files/planner.h"

namespace crgen {

/// pipe(2) makes the two descriptions that were not opened through /proc/PID/fd; those that were
/// come after them. The first OPEN_FILE of a pipe says what is in it.
template <>
class FilePlanner<Pipe> {
 public:
  explicit FilePlanner(PlannerContext& context) : context_(context) {}

  void PlanOpenings(Openings& openings);
  Result Open(const OpeningSite& site, const std::shared_ptr<const File>& file, const Pipe& pipe,
              Diagnostics& diag);

 private:
  struct Ends {
    FileIndex plain[2];  ///< what pipe(2) made: to read, to write
    std::vector<FileIndex> reopened;
  };

  std::map<PipeId, Ends> FindEnds() const;

  PlannerContext& context_;
  std::unordered_set<PipeId> made_;
};

/// The first OPEN_FILE of a FIFO says what is in it.
template <>
class FilePlanner<Fifo> {
 public:
  explicit FilePlanner(PlannerContext& context) : context_(context) {}

  void PlanOpenings(Openings& openings);
  Result Open(const OpeningSite& site, const std::shared_ptr<const File>& file, const Fifo& fifo,
              Diagnostics& diag);

 private:
  PlannerContext& context_;
  std::unordered_set<FifoId> opened_;
};

}  // namespace crgen
