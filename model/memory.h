// SPDX-License-Identifier: Apache-2.0
// Address spaces: regions, the pages that each has, and the objects that regions share.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "model/flags.h"
#include "model/ids.h"
#include "model/values.h"

namespace crgen {

enum class RegionKind : std::uint8_t {
  kPrivateAnonymous,
  kPrivateFile,      ///< `file` is REG
  kSharedFile,       ///< `file` is REG
  kPrivateMemfd,     ///< `memfd` names the object
  kSharedMemfd,      ///< likewise
  kSharedAnonymous,  ///< `shmem` names the object
  kSysvShm,          ///< `shmid`
  kVdso,
  kVvar,
  kVsyscall,
  kAioRing,
  kPacketRing,  ///< `file` is PACKETSK: the rings of that very description
};

/// What is in an AIO ring (struct aio_ring, fs/aio.c) behind its kernel's own part.
struct AioRing {
  static constexpr std::uint64_t kHeaderSize = 32, kEventSize = 32;  ///< bytes

  std::uint32_t head = 0;          ///< the first event that nobody has collected
  std::uint32_t tail = 0;          ///< where the next event goes; equal to `head`: there are none
  std::uint32_t image = 0;         ///< of all slots, if there are events: in Snapshot::page_images
  std::uint64_t image_offset = 0;  ///< bytes
  friend bool operator==(const AioRing&, const AioRing&) = default;
};

/// How many slots a ring of that many bytes has.
inline std::uint64_t AioSlots(std::uint64_t ring) {
  return (ring - AioRing::kHeaderSize) / AioRing::kEventSize;
}

/// A page-aligned range of an address space with one backing (a kernel vma, vma_entry).
inline constexpr std::uint64_t kMapDroppable = 0x8;  ///< MAP_DROPPABLE, since Linux 6.11

struct Region {
  AddressRange range;
  RegionKind kind = RegionKind::kPrivateAnonymous;
  Prot prot;
  MapFlags flags;
  Madvise madvise;
  std::uint64_t offset = 0;  ///< bytes into the file or object
  FileIndex file;            ///< a REG: its path is mapped; a PACKETSK
  OpenFlags open_flags;      ///< how the file or memfd is opened to be mapped
  ObjectIndex object;
  std::uint32_t nr_req = 0;  ///< kAioRing: io_setup(2)
  AioRing aio;               ///< kAioRing
  std::uint64_t shmid = 0;   ///< kSysvShm

  /// Has pages of its own, which fork(2) shares copy-on-write.
  bool IsPrivate() const {
    return kind == RegionKind::kPrivateAnonymous || kind == RegionKind::kPrivateFile ||
           kind == RegionKind::kPrivateMemfd;
  }
};

/// Consecutive pages with consecutive contents in one pages image. `start` is an address, or an
/// offset in a shared object; both multiples of kPageSize.
struct PageRun {
  std::uint64_t start = 0;
  std::uint64_t nr_pages = 0;
  std::uint32_t image = 0;         ///< index in Snapshot::page_images
  std::uint64_t image_offset = 0;  ///< bytes
  std::uint64_t end() const { return start + nr_pages * kPageSize; }
  /// What of it is inside [from, to), which it overlaps; multiples of kPageSize.
  PageRun Part(std::uint64_t from, std::uint64_t to) const {
    PageRun part = *this;
    part.start = std::max(start, from);
    part.image_offset += part.start - start;
    part.nr_pages = (std::min(end(), to) - part.start) / kPageSize;
    return part;
  }
};

struct AddressSpace {
  std::vector<Region> regions;       ///< ascending, without overlap
  std::vector<AddressRange> guards;  ///< MADV_GUARD_INSTALL ranges inside regions, ascending
  std::vector<PageRun> pages;        ///< ascending, without overlap, each run inside one region
  FileIndex exe;
};

/// Whether `region`, a view of a shared object, shows all `pages` of it; false if there are none.
inline bool ShowsAll(const Region& region, const std::vector<PageRun>& pages) {
  return !pages.empty() && region.offset <= pages.front().start &&
         region.offset + region.range.size() >= pages.back().end();
}

/// Memory shared by mappings alone: MAP_SHARED|MAP_ANONYMOUS.
struct Shmem {
  ShmemId id;              ///< unique among the program's shmem ids
  std::uint64_t size = 0;  ///< bytes
  std::vector<PageRun> pages;
};

/// A memfd object (memfd_inode_entry).
struct MemfdObject {
  InodeId inode_id;
  Text name;
  std::uint64_t size = 0;  ///< bytes
  Seals seals;
  std::optional<MemfdHuge> huge;
  std::optional<std::uint32_t> mode;
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::vector<PageRun> pages;
};

/// Neighbours of ascending `ranges` become one.
inline std::vector<AddressRange> Joined(const std::vector<AddressRange>& ranges) {
  std::vector<AddressRange> joined;
  for (const AddressRange& range : ranges) {
    if (!joined.empty() && joined.back().end == range.start) {
      joined.back().end = range.end;
    } else {
      joined.push_back(range);
    }
  }
  return joined;
}

}  // namespace crgen
