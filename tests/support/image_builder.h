// SPDX-License-Identifier: Apache-2.0
// Dumps made in memory, message by message.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "images/dump.h"
#include "images/image_table.h"
#include "images/proto/cgroup.pb.h"
#include "images/proto/core.pb.h"
#include "images/proto/files.pb.h"
#include "images/proto/inventory.pb.h"
#include "images/proto/memory.pb.h"
#include "images/proto/namespaces.pb.h"
#include "images/proto/pstree.pb.h"
#include "images/proto/seccomp.pb.h"
#include "tests/support/image_support.h"

namespace crgen::test {

// vma_entry.status.
inline constexpr std::uint32_t kRegular = 0x1, kVsyscall = 0x4, kVdso = 0x8, kHeap = 0x20;
inline constexpr std::uint32_t kFilePrivate = 0x40, kFileShared = 0x80, kAnonShared = 0x100;
inline constexpr std::uint32_t kAnonPrivate = 0x200, kSysvIpc = 0x400, kSocket = 0x800;
inline constexpr std::uint32_t kVvar = 0x1000, kAioRing = 0x2000, kMemfd = 0x4000;
inline constexpr std::uint32_t kShadowStack = 0x8000, kGuard = 0x10000, kExtPlugin = 0x8000000;
inline constexpr std::uint32_t kUnsupportedArea = 0x80000000;
// pagemap_entry.flags.
inline constexpr std::uint32_t kInParent = 1, kLazy = 2, kPresent = 4;

inline constexpr std::uint64_t kPage = 4096;
inline constexpr std::uint32_t kMapShared = 1, kMapPrivate = 2, kMapAnonymous = 0x20;
inline constexpr std::uint32_t kRead = 1, kReadWrite = 3;

/// Sets all required fields that are not set, to 0.
void FillRequired(google::protobuf::Message* message);

void AppendWord(std::uint32_t word, std::string* out);

/// Both magics of a kind, or the one of the inventory.
std::string MagicsOf(std::string_view kind_name);

void AppendEntry(std::string_view bytes, std::string* out);

/// Missing required fields become 0.
std::string BytesOf(const google::protobuf::Message& message);

std::string ImageOf(std::string_view kind_name, const google::protobuf::Message& message);

template <typename Messages>
std::string ImageOfAll(std::string_view kind_name, const Messages& messages) {
  std::string out = MagicsOf(kind_name);
  for (const auto& message : messages) AppendEntry(BytesOf(message), &out);
  return out;
}

std::string NameOf(std::string_view head, std::uint64_t number);

struct Pagemap {
  std::uint32_t pages_id = 0;
  std::vector<pb::pagemap_entry> runs;
};

pb::pagemap_entry PagesAt(std::uint64_t start, std::uint64_t pages, std::uint32_t flags = kPresent);

/// A dump: one running process, pid 10, with
///   fd 0       file 3, /dev/null
///   cwd, root  file 2, /
///   exe        file 1, /bin/program
///   memory     0x10000-0x12000, private anonymous, both pages in pages-10.img
class Dump {
 public:
  Dump();

  /// A running process with its own table, {0 -> file 3}, and memory like the first one's.
  void AddProcess(std::uint32_t pid, std::uint32_t ppid);

  void AddThread(std::uint32_t pid, std::uint32_t tid);

  void AddZombie(std::uint32_t pid, std::uint32_t ppid, std::uint32_t status = 0);

  pb::file_entry& AddFile(std::uint32_t id, const std::string& path);

  /// A file of a type that is known by name only.
  pb::file_entry& AddOther(std::uint32_t id, std::uint32_t type);

  /// A memfd object and a file that is an opening of it.
  pb::memfd_inode_entry& AddMemfd(std::uint32_t id, std::uint32_t inode, std::uint32_t shmid,
                                  const std::string& name, std::uint64_t pages);

  /// What is queued in a pipe (PIPES_DATA) or FIFO (FIFO_DATA): `bytes` times 'x'.
  void AddQueue(const std::string& kind, std::uint32_t pipe, std::uint32_t bytes,
                std::optional<std::uint32_t> capacity);

  pb::fdinfo_entry& AddDescriptor(std::uint32_t table, std::uint32_t fd, std::uint32_t file,
                                  std::uint32_t type = pb::FD_REG);

  pb::vma_entry& AddArea(std::uint32_t pid, std::uint64_t start, std::uint64_t pages,
                         std::uint32_t status);

  pb::pstree_entry& Node(std::uint32_t pid);

  /// The images, then changed by `edits`. A pages image has the size that its pagemap asks for;
  /// its first byte tells which page it is.
  Files Build() const;

  pb::inventory_entry inventory;
  std::vector<pb::pstree_entry> tree;
  std::map<std::uint32_t, pb::core_entry> cores;
  std::map<std::uint32_t, pb::task_kobj_ids_entry> ids;
  std::map<std::uint32_t, pb::mm_entry> mms;
  std::map<std::uint32_t, pb::fs_entry> fs;
  std::map<std::uint32_t, std::vector<pb::fdinfo_entry>> tables;  // by files_id
  std::vector<pb::file_entry> files;
  std::vector<pb::memfd_inode_entry> memfds;
  std::vector<pb::remap_file_path_entry> remaps;
  std::vector<pb::file_lock_entry> locks;
  std::vector<pb::tty_info_entry> terminals;
  std::vector<pb::tty_data_entry> unread;  ///< in terminals
  struct Ghost {
    pb::ghost_file_entry entry;
    std::string rest;  ///< raw, or chunks
  };
  std::map<std::uint32_t, Ghost> ghosts;  // by number
  // By the id of the namespace.
  std::map<std::uint32_t, pb::pidns_entry> pids;
  std::map<std::uint32_t, pb::utsns_entry> uts;
  std::map<std::uint32_t, pb::ipc_var_entry> ipcs;
  std::map<std::uint32_t, pb::netns_entry> nets;
  std::map<std::uint32_t, pb::userns_entry> users;
  std::map<std::uint32_t, std::vector<pb::net_device_entry>> devices;
  std::map<std::uint32_t, std::vector<pb::mnt_entry>> mounts;
  std::optional<pb::seccomp_entry> seccomp;
  std::optional<pb::cgroup_entry> cgroup;
  std::map<std::string, std::string> queues;  // by kind: entries and bytes
  std::map<std::string, Pagemap> pagemaps;    // by file name, "parent/" in front if it is one
  std::vector<std::function<void(Files&)>> edits;

 private:
  void AddNode(std::uint32_t pid, std::uint32_t ppid, std::uint32_t thread);

  static void FillThread(pb::core_entry* core);

  static void AddPagemap(const std::string& name, const Pagemap& pagemap, Files* out);
};

/// What came of reading a dump.
struct Loaded {
  Result result;
  Snapshot snapshot;
  Diagnostics diag;
};

Loaded Load(ImageSource& source);

inline Loaded Load(const Files& files) { return Load(*OpenMemory(files)); }
inline Loaded Load(const Dump& dump) { return Load(dump.Build()); }

/// A dump that was changed, and all that is to be said of it.
struct DumpCase {
  std::string name;
  std::function<void(Dump&)> change;
  std::vector<std::string> expected;
};

void RunCases(const std::vector<DumpCase>& cases);

/// start, pages and offset in the pages image of each run.
using Numbers = std::vector<std::uint64_t>;
std::vector<Numbers> RunsOf(const std::vector<PageRun>& runs);
std::vector<Numbers> PagesOf(const Snapshot& snapshot, std::size_t process = 0);

/// What a dump is read as, and that there is nothing wrong with it.
Snapshot LoadGood(const Dump& dump);

/// Edits of files, for Dump::edits.
std::function<void(Files&)> Drop(std::string name);
std::function<void(Files&)> CutTo(std::string name, std::size_t size);
std::function<void(Files&)> CutBy(std::string name, std::size_t bytes);
std::function<void(Files&)> Put(std::string name, std::string content);
std::function<void(Files&)> Append(std::string name, std::string bytes);
std::function<void(Files&)> Word(std::string name, std::size_t at, std::uint32_t word);
std::string Entry(std::string_view bytes);

}  // namespace crgen::test
