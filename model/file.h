// Open file descriptions, the objects behind them, and the tables that refer to them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "model/flags.h"
#include "model/ids.h"
#include "model/values.h"

namespace crgen {

/// fown_entry: fcntl(2) F_SETOWN_EX, F_SETSIG, and the ids that the owner's signal is sent with.
struct FileOwner {
  OwnerType type;
  Pid pid = 0;
  Signal signal;
  std::uint32_t uid = 0;
  std::uint32_t euid = 0;
  friend bool operator==(const FileOwner&, const FileOwner&) = default;
};

/// reg_file_entry: anything that open(2) reaches by a path.
struct RegularFile {
  static constexpr std::string_view kType = "REG";
  Text path;
  OpenFlags flags;
  std::optional<std::uint64_t> pos;   ///< bytes; absent: do not seek
  std::optional<std::uint64_t> size;  ///< bytes; a restorer checks it
  std::optional<std::uint32_t> mode;  ///< st_mode; a restorer checks it
  std::optional<FileOwner> owner;
  std::optional<Bytes> build_id;  ///< of an ELF file; a restorer checks it
  friend bool operator==(const RegularFile&, const RegularFile&) = default;
};

/// memfd_file_entry with the memfd_inode_entry behind it; the part from `name` on stands at the
/// first opening, which creates the object.
struct Memfd {
  static constexpr std::string_view kType = "MEMFD";
  std::uint64_t inode_id = 0;
  OpenFlags flags;
  std::optional<std::uint64_t> pos;
  std::optional<FileOwner> owner;
  std::optional<Text> name;
  std::optional<std::uint64_t> size;  ///< bytes
  std::optional<Seals> seals;         ///< at a later opening: seals to add
  std::optional<MemfdHuge> huge;
  std::optional<std::uint32_t> mode;
  std::optional<std::uint32_t> uid;
  std::optional<std::uint32_t> gid;
  friend bool operator==(const Memfd&, const Memfd&) = default;
};

/// A type that is known by name only.
struct OtherFile {
  std::string type;
  friend bool operator==(const OtherFile&, const OtherFile&) = default;
};

/// An open file description (open(2), NOTES).
struct File {
  FileId id;
  std::variant<RegularFile, Memfd, OtherFile> body;
  friend bool operator==(const File&, const File&) = default;
};

/// All types of file_entry, by CRIU's names; the index is the number in the image.
inline constexpr std::string_view kFileTypes[] = {
    "UND",       "REG",     "PIPE",     "FIFO",     "INETSK", "UNIXSK",   "EVENTFD",
    "EVENTPOLL", "INOTIFY", "SIGNALFD", "PACKETSK", "TTY",    "FANOTIFY", "NETLINKSK",
    "NS",        "TUNF",    "EXT",      "TIMERFD",  "MEMFD",  "BPFMAP",   "PIDFD"};

/// One slot of a descriptor table.
struct Descriptor {
  Fd fd = 0;
  bool cloexec = false;
  std::int32_t file = -1;  ///< index in Snapshot::files
  friend bool operator==(const Descriptor&, const Descriptor&) = default;
};

/// Ascending by fd. One table may serve several processes (CLONE_FILES).
struct DescriptorTable {
  std::vector<Descriptor> slots;
};

}  // namespace crgen
