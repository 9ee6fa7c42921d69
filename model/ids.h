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

using FileId = ObjectId<struct FileIdTag>;    ///< an open file description, file_entry.id
using InodeId = ObjectId<struct InodeIdTag>;  ///< a memfd object, memfd_inode_entry.inode_id
using ShmemId = ObjectId<struct ShmemIdTag>;  ///< a shared anonymous object, vma_entry.shmid

inline constexpr std::uint64_t kPageSize = 4096;

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
struct std::hash<crgen::ObjectId<Tag>> {
  std::size_t operator()(const crgen::ObjectId<Tag>& id) const noexcept {
    return std::hash<std::uint64_t>{}(id.value);
  }
};
