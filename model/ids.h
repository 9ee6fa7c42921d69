// SPDX-License-Identifier: Apache-2.0
// The numbers that name things in a snapshot, one type for each number space.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>

namespace crgen {

/// A pid number as the dumped pid namespace sees it. Pids, tids, pgids and sids are one number
/// space in the kernel (struct pid), so they are one type here: comparing a pgid with a pid is
/// what the rules of setsid(2) and setpgid(2) do. 0 means "outside the pid namespace".
using Pid = std::int32_t;

/// PID_MAX_LIMIT of 64-bit kernels (include/linux/threads.h): pids are below it.
inline constexpr Pid kPidLimit = 4 * 1024 * 1024;

/// A descriptor number, 0 … kFdLimit-1.
using Fd = std::int32_t;

/// NR_OPEN's largest possible value (fs/file.c, sysctl_nr_open_max) rounded down to what fits.
inline constexpr Fd kFdLimit = 1 << 30;

/// Identifier of one kind of object; the tag keeps kinds apart at compile time.
template <typename Tag>
struct ObjectId {
  std::uint64_t value = 0;
  friend auto operator<=>(const ObjectId&, const ObjectId&) = default;
};

/// A process, group or thread that something else names; walks over what a command refers to find
/// it by this type.
struct PidReference {
  Pid value = 0;
  friend bool operator==(const PidReference&, const PidReference&) = default;
};

using FileId = ObjectId<struct FileIdTag>;      ///< an open file description, file_entry.id
using InodeId = ObjectId<struct InodeIdTag>;    ///< a memfd object, memfd_inode_entry.inode_id
using BpfMapId = ObjectId<struct BpfMapIdTag>;  ///< a map, bpfmap_file_entry.map_id
using PipeId = ObjectId<struct PipeIdTag>;      ///< a pipe, pipe_entry.pipe_id
using FifoId = ObjectId<struct FifoIdTag>;      ///< what a FIFO holds, fifo_entry.pipe_id
using TtyId = ObjectId<struct TtyIdTag>;        ///< a terminal: tty_info_entry.id / 2
using DeadId = ObjectId<struct DeadIdTag>;      ///< a process that is gone, pidfd_entry.ino
/// A name of an unlinked file, remap_file_path_entry.
using UnlinkedId = ObjectId<struct UnlinkedIdTag>;
using ShmemId = ObjectId<struct ShmemIdTag>;  ///< a shared anonymous object, vma_entry.shmid

using SocketId = ObjectId<struct SocketIdTag>;  ///< a socket: its inode
/// The id of a socket that something else refers to.
using SocketReference = ObjectId<struct SocketReferenceTag>;

inline constexpr std::uint64_t kPageSize = 4096;

/// The end of user space (arch/x86, TASK_SIZE_MAX): with five-level page tables, the most that any
/// address space has; and with four levels, behind which the kernel maps nothing unasked
/// (DEFAULT_MAP_WINDOW).
inline constexpr std::uint64_t kUserEnd = (std::uint64_t{1} << 56) - kPageSize;
inline constexpr std::uint64_t kDefaultUserEnd = (std::uint64_t{1} << 47) - kPageSize;

/// The place of something in one list. Each list has a tag of its own, so that the index of a file
/// is not taken for that of a table. Becomes a number by itself, for the list; a number becomes an
/// index only where that is said. Below 0: nothing.
template <typename Tag>
struct Index {
  std::int32_t value = -1;
  constexpr Index() = default;
  template <typename Integer>
  constexpr explicit Index(Integer number) : value(static_cast<std::int32_t>(number)) {}
  constexpr operator std::int32_t() const { return value; }
  constexpr Index& operator++() {
    ++value;
    return *this;
  }
};

using FileIndex = Index<struct FileIndexTag>;    ///< in Snapshot::files
using TableIndex = Index<struct TableIndexTag>;  ///< in Snapshot::tables
using ProcessIndex =
    Index<struct ProcessIndexTag>;                 ///< in Snapshot::processes, TreeSnapshot::nodes
using ObjectIndex = Index<struct ObjectIndexTag>;  ///< in Snapshot::memfds or Snapshot::shmems

/// A half-open range of addresses [start, end).
struct AddressRange {
  std::uint64_t start = 0;
  std::uint64_t end = 0;
  std::uint64_t size() const { return end - start; }
  bool Contains(const AddressRange& other) const {
    return start <= other.start && other.end <= end;
  }
  bool Overlaps(const AddressRange& other) const { return start < other.end && other.start < end; }
  friend auto operator<=>(const AddressRange&, const AddressRange&) = default;
};

}  // namespace crgen

template <typename Tag>
struct std::hash<crgen::Index<Tag>> {
  std::size_t operator()(crgen::Index<Tag> index) const noexcept {
    return std::hash<std::int32_t>{}(index.value);
  }
};

template <typename Tag>
struct std::hash<crgen::ObjectId<Tag>> {
  std::size_t operator()(const crgen::ObjectId<Tag>& id) const noexcept {
    return std::hash<std::uint64_t>{}(id.value);
  }
};
