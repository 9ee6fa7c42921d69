// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "generator/files/planner.h"

namespace crgen {

/// The first opening of a memfd creates its object, and sees to it that its pages get there:
/// through a view of the snapshot that can write them, which one process will map (Fills), else
/// through a view for the moment, before seals forbid it.
template <>
class FilePlanner<Memfd> {
 public:
  explicit FilePlanner(PlannerContext& context);

  void PlanOpenings(Openings&) {}

  /// Errors: no room for a view.
  Result Open(const OpeningSite& site, const std::shared_ptr<const File>& file, const Memfd& memfd,
              Diagnostics& diag);

  /// Opens the memfd behind `region` in order to map it: a description of its own.
  Result OpenToMap(const OpeningSite& site, const Region& region, Diagnostics& diag);

  /// Whether `node` fills the memfd behind `region` through that region.
  bool Fills(NodeIndex node, const Region& region) const;

 private:
  struct Object {
    NodeIndex filler;
    std::uint64_t filler_start = 0;
    bool created = false;
    bool sealed = false;
  };

  void ChooseFillers();
  Memfd Describe(ObjectIndex index, bool with_seals);
  std::shared_ptr<File> NewFile(OpenFlags flags, Memfd body);
  Result Emit(const OpeningSite& site, std::shared_ptr<File> file, ObjectIndex index,
              Diagnostics& diag);
  Result FillNow(Pid pid, Fd fd, ObjectIndex index, Diagnostics& diag);

  PlannerContext& context_;
  std::vector<Object> objects_;  // beside Snapshot::memfds
  std::unordered_map<InodeId, ObjectIndex> by_inode_;
};

}  // namespace crgen
