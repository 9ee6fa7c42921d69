// SPDX-License-Identifier: Apache-2.0
// Who has what in common with whom in a snapshot, looked up from either side.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "model/snapshot.h"
#include "model/unplanned.h"

namespace crgen {

/// Counts pages of an object in O(log n).
class PageCounter {
 public:
  /// `runs` must outlive it.
  explicit PageCounter(const std::vector<PageRun>& runs);
  /// Pages in [from, to).
  std::uint64_t Between(std::uint64_t from, std::uint64_t to) const {
    return Before(to) - Before(from);
  }

 private:
  std::uint64_t Before(std::uint64_t end) const;
  const std::vector<PageRun>& runs_;
  std::vector<std::uint64_t> before_;  // of each run
};

/// Made once, in time and memory linear in the snapshot.
class Relations {
 public:
  struct Holder {
    TableIndex table;
    Fd fd = 0;
  };

  /// Both must outlive it.
  Relations(const Snapshot& snapshot, const Unplanned& unplanned);

  const std::vector<ProcessIndex>& ProcessesOf(TableIndex table) const { return users_[table]; }
  const std::vector<Holder>& HoldersOf(FileIndex file) const { return holders_[file]; }
  /// Of what is unsupported.
  const std::vector<Holder>& HoldersOf(FileId file) const;
  /// Left out of a table, or of a process's regions.
  std::span<const UnplannedDescriptor> LeftOutOf(TableIndex table) const;
  std::span<const UnplannedRegion> LeftOutOf(ProcessIndex process) const;
  /// Who maps the object of a shared region, or the file; each once, in their order.
  const std::vector<ProcessIndex>& ViewersOf(const Region& region) const;
  /// "shmem 3": names the object of a shared region in the dump; empty: it is not shared.
  std::string ObjectName(const Region& region) const;
  /// How many pages of its object the region shows.
  std::uint64_t ObjectPages(const Region& region) const;
  std::span<const LateEntry> LateOf(FileIndex file) const;
  /// The other end of a connection or pair; none: it is not in the tree.
  FileIndex PeerOf(FileIndex file) const;
  /// What is queued in it.
  const SocketQueue* QueueOf(FileIndex file) const;
  const MemfdObject* MemfdOf(const File& file) const;

  /// "fd 4 of 31101, fd 5 of 31102 and 7 more": the holders but `fd` of `table`, which is one of
  /// them; empty: there are no others.
  std::string OthersText(const std::vector<Holder>& holders, TableIndex table, Fd fd) const;
  /// "fd 3 of 31100, fd 4 of 31101 and 7 more": all of them.
  std::string AllText(const std::vector<Holder>& holders) const;
  /// AllText() of who holds a file; of what nobody holds, where else it is: in flight in a socket,
  /// mapped, a working directory. Empty: not in this dump.
  std::string HeldText(FileIndex file) const;
  /// A memfd in the image that is a region of shared anonymous memory, for CRIU opens it so.
  bool IsSharedMemory(const File& file) const {
    return As<Memfd>(file) != nullptr && MemfdOf(file) == nullptr;
  }
  /// "31101, 31102 and 7 more": likewise the processes but `self`.
  std::string OthersText(const std::vector<ProcessIndex>& processes, ProcessIndex self) const;
  /// What the object behind a description has beside what FileText() says.
  std::string ObjectText(const File& file) const;

 private:
  // For each type that has an object.
  std::string ObjectText(const File&, const Pipe& pipe) const;
  std::string ObjectText(const File&, const Fifo& fifo) const;
  std::string ObjectText(const File& file, const Memfd&) const;
  std::string ObjectText(const File&, const Tty& tty) const;
  std::string ObjectText(const File&, const BpfMap& map) const;
  std::string ObjectText(const File&, const RegularFile&) const { return ""; }  // FileText()
  void AddTables(const Unplanned& unplanned);
  void AddRegions();
  void AddPeers();
  void AddTcpPeers();
  void AddUsers();

  const Snapshot& snapshot_;
  std::vector<std::vector<ProcessIndex>> users_;  // by table
  std::vector<std::vector<Holder>> holders_;      // by file
  std::unordered_map<FileId, std::vector<Holder>> unsupported_;
  std::unordered_map<TableIndex, std::span<const UnplannedDescriptor>> left_out_;
  std::unordered_map<ProcessIndex, std::span<const UnplannedRegion>> left_out_regions_;
  using Object = std::pair<int, std::int32_t>;  // kind and index
  Object ObjectOf(const Region& region) const;
  void FindSameFiles();
  std::map<Object, std::vector<ProcessIndex>> viewers_;
  std::unordered_map<FileIndex, FileIndex> same_file_;  // the first entry of that file
  std::vector<PageCounter> shmem_pages_, memfd_pages_;
  std::unordered_map<FileIndex, FileIndex> peers_;
  std::unordered_map<InodeId, const MemfdObject*> memfds_;
  struct Use {
    const char* as = "";  ///< "mapped by "
    std::vector<ProcessIndex> users;
  };
  std::unordered_map<FileIndex, Use> uses_;            // of files without a descriptor
  std::unordered_map<FileIndex, FileIndex> carriers_;  // of files in flight: the socket
};

}  // namespace crgen
