// SPDX-License-Identifier: Apache-2.0
// The commands of memory for real.
#pragma once

#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "checker/kernel/kernel.h"
#include "dsl/commands.h"
#include "tests/support/kernel_files.h"
#include "tests/support/kernel_maps.h"

namespace crgen::test {

inline constexpr int kMadvGuardInstall = 102;

/// What not every kernel has, or not in every configuration.
struct MemoryFeatures {
  std::vector<std::uint64_t> advice;  ///< bits of Madvise
  bool droppable = false;
  std::string missing;  ///< in words

  MemoryFeatures() {
    constexpr int kFlags = MAP_PRIVATE | MAP_ANONYMOUS;
    void* page = mmap(nullptr, kPageSize, PROT_READ, kFlags, -1, 0);
    for (const int it :
         {MADV_NORMAL, MADV_RANDOM, MADV_SEQUENTIAL, MADV_DONTFORK, MADV_DOFORK, MADV_MERGEABLE,
          MADV_UNMERGEABLE, MADV_HUGEPAGE, MADV_NOHUGEPAGE, MADV_DONTDUMP, MADV_DODUMP,
          MADV_WIPEONFORK, MADV_KEEPONFORK, MADV_DONTNEED, kMadvGuardInstall}) {
      if (madvise(page, kPageSize, it) == 0) {
        advice.push_back(it == kMadvGuardInstall ? kGuardInstall : MadviseBit(it));
      } else {
        missing += " advice " + std::to_string(it);
      }
    }
    munmap(page, kPageSize);
    page =
        mmap(nullptr, kPageSize, PROT_READ, MAP_ANONYMOUS | static_cast<int>(kMapDroppable), -1, 0);
    droppable = page != MAP_FAILED;
    if (droppable) munmap(page, kPageSize);
    if (!droppable) missing += " MAP_DROPPABLE";
  }
};

/// Page n of the images that programs load from; its first eight bytes are n + 1.
inline constexpr std::uint64_t kSourcePages = 64;
inline int MakePageSource() {
  const int fd = memfd_create("source", 0);
  if (fd < 0 || ftruncate(fd, kSourcePages * kPageSize) < 0) return -1;
  for (std::uint64_t page = 0; page < kSourcePages; ++page) {
    const std::uint64_t word = page + 1;
    if (pwrite(fd, &word, sizeof word, static_cast<off_t>(page * kPageSize)) < 0) return -1;
  }
  return fd;
}

inline void* Address(std::uint64_t at) { return reinterpret_cast<void*>(at); }
inline int MapAt(AddressRange at, int prot, int flags, int fd, std::uint64_t offset) {
  void* mapped = mmap(Address(at.start), at.size(), prot, flags, fd, static_cast<off_t>(offset));
  return mapped == MAP_FAILED ? errno : 0;
}

inline bool IsMapped(std::uint64_t page) {
  unsigned char resident;
  return mincore(Address(page), kPageSize, &resident) == 0;
}
inline bool AnyMapped(AddressRange range) {
  for (std::uint64_t at = range.start; at < range.end; at += kPageSize) {
    if (IsMapped(at)) return true;
  }
  return false;
}

/// The file behind a mapping of the caller, opened anew; -1: there is none.
inline int OpenMapping(int proc, AddressRange range) {
  char path[80];
  std::snprintf(path, sizeof path, "self/map_files/%lx-%lx", range.start, range.end);
  return Aside(openat(proc, path, O_RDWR | O_CLOEXEC));
}

/// The object of a shmem, created or found through the caller's views; -1: errno.
inline int OpenShmem(const ShmemView& view, int proc, SharedObjects* objects) {
  std::atomic<std::uint64_t>& inode = objects->shmem_inode[view.id.value];
  if (inode.load() != 0) {
    for (const Vma& vma : ReadArena(proc, "self")) {
      if (IsShmem(vma, inode.load())) return OpenMapping(proc, vma.range);
    }
  } else if (view.size) {
    void* whole =
        mmap(nullptr, *view.size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (whole == MAP_FAILED) return -1;
    const auto start = reinterpret_cast<std::uint64_t>(whole);
    const int fd = OpenMapping(proc, {start, start + *view.size});
    struct stat it;
    if (fd >= 0 && fstat(fd, &it) == 0) inode.store(it.st_ino);
    munmap(whole, *view.size);
    return fd;
  }
  errno = ENOENT;
  return -1;
}

inline int MapShmemForReal(const MapRegion& map, int proc, SharedObjects* objects) {
  const AddressRange range = {map.start.value, map.end.value};
  const int kPlaceholder = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;
  if (const int error = MapAt(range, PROT_NONE, kPlaceholder, -1, 0); error != 0) return error;
  const int fd = OpenShmem(*map.shmem, proc, objects);
  int error = fd < 0 ? errno : 0;
  if (error == 0) {
    const int flags = static_cast<int>(map.flags.bits & ~std::uint64_t{MAP_ANONYMOUS}) | MAP_FIXED;
    error = MapAt(range, static_cast<int>(map.prot.bits), flags, fd, map.shmem->offset);
    close(fd);
  }
  if (error != 0) munmap(Address(range.start), range.size());
  return error;
}

inline int Advise(AddressRange range, std::uint64_t bits) {
  for (int advice = 0; advice < 64; ++advice) {
    if ((bits >> advice & 1) == 0) continue;
    const int number = MadviseBit(advice) == kGuardInstall ? kMadvGuardInstall : advice;
    if (madvise(Address(range.start), range.size(), number) < 0) return errno;
  }
  return 0;
}

inline int MapForReal(const MapRegion& map, int proc, SharedObjects* objects) {
  const AddressRange range = {map.start.value, map.end.value};
  int error = 0;
  if (map.shmem) {
    error = MapShmemForReal(map, proc, objects);
  } else {
    error = MapAt(range, static_cast<int>(map.prot.bits),
                  static_cast<int>(map.flags.bits) | MAP_FIXED_NOREPLACE, map.fd.value_or(-1),
                  map.offset.value_or(0));
    // A program does not say which end of a pipe is for reading, nor how its file system is
    // mounted: what is no regular file cannot be mapped, whatever the kernel has against it before.
    struct stat it;
    const bool mappable = !map.fd || fstat(*map.fd, &it) != 0 || S_ISREG(it.st_mode);
    if (!mappable && (error == EACCES || error == EPERM)) error = ENODEV;
  }
  if (error != 0) return error;
  error = Advise(range, map.madvise.bits);
  if (error == 0) return 0;
  munmap(Address(range.start), range.size());
  // What the command has created it has not.
  if (map.shmem && map.shmem->size) objects->shmem_inode[map.shmem->id.value].store(0);
  return error;
}

inline int UnmapForReal(const UnmapRegion& unmap) {
  const AddressRange range = {unmap.start.value, unmap.end.value};
  if (range.start % kPageSize == 0 && !AnyMapped(range)) return EINVAL;
  return munmap(Address(range.start), range.size()) < 0 ? errno : 0;
}

/// The mappings that make up `range`, cut to it; none if it is not one region or a part of one.
inline std::vector<AddressRange> PiecesOfRegion(int proc, AddressRange range) {
  std::vector<AddressRange> pieces;
  std::optional<Vma> last;
  for (const Vma& vma : ReadArena(proc, "self")) {
    if (!vma.range.Overlaps(range)) continue;
    if (last && !Continues(*last, vma)) return {};
    last = vma;
    pieces.push_back({std::max(vma.range.start, range.start), std::min(vma.range.end, range.end)});
  }
  const bool whole = last && pieces.front().start == range.start && pieces.back().end == range.end;
  return whole ? pieces : std::vector<AddressRange>();
}

inline int MovePiece(AddressRange piece, std::uint64_t to) {
  void* moved = mremap(Address(piece.start), piece.size(), piece.size(),
                       MREMAP_MAYMOVE | MREMAP_FIXED, Address(to));
  return moved == MAP_FAILED ? errno : 0;
}

inline int MoveForReal(const MoveRegion& move, int proc) {
  const AddressRange from = {move.start.value, move.end.value};
  const AddressRange to = {move.to.value, move.to.value + from.size()};
  const bool aligned = from.start % kPageSize == 0 && to.start % kPageSize == 0;
  const bool user =
      from.end <= kDefaultUserEnd && to.start < kDefaultUserEnd && to.end <= kDefaultUserEnd;
  // Here the kernel looks at the addresses alone.
  if (!aligned || !user || from.size() == 0 || from.Overlaps(to)) {
    return MovePiece(from, to.start);
  }
  const std::vector<AddressRange> pieces = PiecesOfRegion(proc, from);
  if (pieces.empty()) return EFAULT;
  if (AnyMapped(to)) return EEXIST;
  for (const AddressRange& piece : pieces) {
    const int error = MovePiece(piece, piece.start - from.start + to.start);
    if (error != 0) return error;
  }
  return 0;
}

inline int ProtectForReal(const ProtectRegion& protect) {
  const AddressRange range = {protect.start.value, protect.end.value};
  if (!protect.prot) return Advise(range, protect.madvise.bits);
  const int prot = static_cast<int>(protect.prot->bits);
  return mprotect(Address(range.start), range.size(), prot) < 0 ? errno : 0;
}

/// read(2) of an image into place, after a look whether all of it can be written.
inline int LoadForReal(const LoadPages& load, int source) {
  const std::size_t size = load.pages * kPageSize;
  void* const start = Address(load.start.value);
  if (load.start.value % kPageSize != 0) return EINVAL;
  if (madvise(start, size, MADV_POPULATE_WRITE) < 0) {
    // Not mapped, or not writable: what read(2) calls a bad address.
    return errno == ENOMEM || errno == EINVAL ? EFAULT : errno;
  }
  const ssize_t loaded = pread(source, start, size, static_cast<off_t>(load.source.offset));
  return loaded < 0 ? errno : static_cast<std::size_t>(loaded) == size ? 0 : EIO;
}

}  // namespace crgen::test
