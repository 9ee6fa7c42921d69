// OPEN_FILE, with the objects that stand behind memfds.
#pragma once

#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "generator/creation_tree.h"
#include "generator/emitter.h"
#include "generator/memory/spare_addresses.h"
#include "model/diagnostics.h"
#include "model/snapshot.h"

namespace crgen {

/// Opens files. The first opening of a memfd creates its object, and sees to it that its pages get
/// there: through a view of the snapshot that can write them, which one process will map
/// (FillerOf), else through a view for the moment, before seals forbid it.
class FileOpener {
 public:
  /// The arguments must outlive the opener.
  FileOpener(const Snapshot& snapshot, const CreationTree& tree, SpareAddresses& spare,
             Emitter& out);

  /// Opens the description `file` of the snapshot at `fd`, a free number of `pid`; `other_fd` is
  /// another one. Errors: no room for a view.
  Result Open(Pid pid, Fd fd, Fd other_fd, const std::shared_ptr<const File>& file, bool cloexec,
              Diagnostics& diag);

  /// Opens what backs `region` in order to map it: a description of its own, with an id above all
  /// of the dump's.
  Result OpenToMap(Pid pid, Fd fd, Fd other_fd, const Region& region, Diagnostics& diag);

  /// Whether `node` fills the memfd behind `region` through that region.
  bool Fills(std::int32_t node, const Region& region) const;

 private:
  struct Object {
    std::int32_t filler = -1;  ///< node; -1: none
    std::uint64_t filler_start = 0;
    bool created = false;
    bool sealed = false;
  };

  void ChooseFillers(const CreationTree& tree);
  Memfd Describe(std::int32_t index, OpenFlags flags, bool with_seals);
  Result Emit(Pid pid, Fd fd, Fd other_fd, std::shared_ptr<File> file, bool cloexec,
              std::int32_t memfd, Diagnostics& diag);
  Result FillNow(Pid pid, Fd fd, std::int32_t memfd, Diagnostics& diag);

  const Snapshot& snapshot_;
  SpareAddresses& spare_;
  Emitter& out_;
  std::uint64_t next_file_id_;
  std::vector<Object> objects_;  // beside Snapshot::memfds
  std::unordered_map<std::uint64_t, std::int32_t> by_inode_;
};

/// Fills a shared object through a view that is there only for the moment: maps the part that has
/// pages with `mapping` (its place and protection are set here) and loads them. The caller unmaps
/// `*view`, once something else keeps the object alive.
Result FillThroughSpareView(Pid pid, MapRegion mapping, const std::vector<PageRun>& pages,
                            const Snapshot& snapshot, SpareAddresses& spare, Emitter& out,
                            AddressRange* view, Diagnostics& diag);

/// LOAD_PAGES for each run; `shift` is added to the addresses.
void EmitLoads(Pid pid, const std::vector<PageRun>& runs, std::uint64_t shift,
               const Snapshot& snapshot, Emitter& out);

}  // namespace crgen
