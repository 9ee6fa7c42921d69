// SPDX-License-Identifier: Apache-2.0
// What the parts of the loader share. Private to images/.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "images/dump.h"
#include "images/files/registry.h"
#include "images/image_reader.h"
#include "images/image_table.h"
#include "images/load/cgroups.h"
#include "images/load/unknown_fields.h"
#include "images/proto/core.pb.h"
#include "images/proto/files.pb.h"
#include "images/proto/inventory.pb.h"
#include "images/proto/memory.pb.h"
#include "images/proto/pstree.pb.h"
#include "images/proto/seccomp.pb.h"
#include "images/source/image_source.h"
#include "images/source/read_ahead.h"
#include "model/diagnostics.h"
#include "model/snapshot.h"

namespace crgen {

/// How many sets an incremental dump may have behind it.
inline constexpr int kMaxParents = 1024;

/// Parses one entry into `*message` (cleared first). Fields that are unknown are reported, a
/// missing required one is an error. Errors name the entry that `at` gave last, in the set that
/// `prefix` leads to.
template <typename Message>
Result ParseMessage(std::string_view entry, const ImageReader& at, Message* message,
                    Diagnostics& diag, const std::string& prefix = "") {
  if (!message->ParsePartialFromArray(entry.data(), static_cast<int>(entry.size()))) {
    return diag.Fail(prefix + at.Where(), "is not a valid " + message->GetDescriptor()->name());
  }
  if (!message->IsInitialized()) {
    return diag.Fail(prefix + at.Where(), message->GetDescriptor()->name() + " lacks required " +
                                              message->InitializationErrorString());
  }
  ReportUnknownFields(*message, entry, at, prefix, diag);
  return Result::kOk;
}

/// The image files of one set: which there are, and which have been read.
class ImageSet {
 public:
  struct Image {
    const ImageKind* kind;
    std::uint64_t number;
    std::string name;
    bool used = false;
    std::int32_t ahead = -1;  ///< index among the files that are read ahead; -1: none of them
  };

  explicit ImageSet(ImageSource& source) : source_(source) {}

  /// Lists the folder and sorts its files into kinds.
  Result Index(Diagnostics& diag);

  bool Has(const ImageKind& kind, std::uint64_t number = 0) const {
    return const_cast<ImageSet*>(this)->Find(kind, number) != nullptr;
  }

  /// Marks an image as used without reading it. False: it is not there.
  bool Use(const ImageKind& kind, std::uint64_t number);

  /// Reads an image whole and checks its magic; the content stays valid until the next Open().
  Result Open(const ImageKind& kind, std::uint64_t number, ImageReader* reader, Diagnostics& diag);

  /// Reads the one entry of an image. kError: not there, or not valid.
  template <typename Message>
  Result ReadSingle(const ImageKind& kind, std::uint64_t number, Message* message,
                    Diagnostics& diag) {
    ImageReader reader{"", ""};
    std::string_view entry;
    if (Failed(Open(kind, number, &reader, diag))) return Result::kError;
    if (reader.AtEnd()) return diag.Fail(NameOf(kind, number), "has no entry");
    if (Failed(reader.Next(&entry, diag)) || Failed(ParseMessage(entry, reader, message, diag))) {
      return Result::kError;
    }
    if (!reader.AtEnd()) return diag.Fail(reader.Where(), "more follows, expected one entry");
    return Result::kOk;
  }

  /// From now on `threads` threads read `order` before Open() asks for them.
  void ReadAhead(const std::vector<Image*>& order, unsigned threads);
  void StopReadingAhead() { ahead_.reset(); }

  /// nullptr: there is no such image.
  Image* Find(const ImageKind& kind, std::uint64_t number);

  static std::string NameOf(const ImageKind& kind, std::uint64_t number);

  ImageSource& source() { return source_; }
  std::vector<Image>& images() { return images_; }
  /// Files `*.img` that no row of the table matches.
  const std::vector<std::string>& strangers() const { return strangers_; }

 private:
  ImageSource& source_;
  std::vector<Image> images_;  // by kind, then number
  std::vector<std::string> strangers_;
  std::string content_;
  std::unique_ptr<crgen::ReadAhead> ahead_;
};

/// task_core_entry.task_state: TASK_DEAD, or TASK_ZOMBIE of some writers.
inline bool IsZombieState(std::uint32_t state) { return state == 2 || state == 6; }

/// "PIPE", or "type 99" if the number has no name.
std::string TypeName(std::uint32_t type);

/// The thread list of a live process begins with its pid; a zombie's is undefined. Keeps the
/// other tids in `node`, adds them to `taken`, and reports those that cannot be.
void KeepThreads(ProcessIndex index, std::unordered_set<Pid>& taken, TreeNode& node,
                 Diagnostics& diag);

/// A zombie has no children (kernel/exit.c, forget_original_parent).
Result CheckZombies(const TreeSnapshot& tree, Diagnostics& diag);

/// The numbers of a tree that name an owner of descriptions, one set for each F_OWNER_ type.
struct PossibleOwners {
  std::unordered_set<Pid> processes;
  std::unordered_set<Pid> threads;  ///< leaders too
  std::unordered_set<Pid> groups;
};

/// The state of one load.
struct Loader {
  Loader(ImageSource& source, Snapshot* out, Diagnostics& d, const LoadOptions& o = {})
      : images(source), snapshot(*out), diag(d), options(o) {}

  ImageSet images;
  Snapshot& snapshot;
  Diagnostics& diag;
  LoadOptions options;
  pb::inventory_entry inventory;

  // The parts, in the order in which they run.
  Result LoadInventory();
  Result LoadProcessTree();
  void LoadFiles();
  void ReadAhead(unsigned threads);
  void LoadProcesses(const LoadProgress& progress);
  void LoadCgroups();
  void FinishSharedMemory();
  /// An object of the dump that nothing refers to; silent where something has been refused, which
  /// may be what does.
  void ReportUnused(const std::string& where, const std::string& what);
  void FinishCgroups();
  void AccountForTheRest();

  // Parts of LoadProcesses, for process `index`.
  void LoadCore(ProcessIndex index);
  void LoadIds(ProcessIndex index);
  void LoadDescriptorTable(ProcessIndex index, std::uint32_t files_id);
  void LoadMemory(ProcessIndex index, Attributes* attributes);
  /// Those of `mm`, which is that image.
  void LoadRegions(ProcessIndex index, const std::string& image);
  void LoadFs(ProcessIndex index, Attributes* attributes);
  void LoadAioRing(const std::vector<PageRun>& runs, const std::string& image, Region* ring);
  /// What a plan relies on beside its own commands.
  void LoadVdso(const std::vector<PageRun>& runs, const AddressSpace& memory);
  void LoadDumpId();
  void LoadCpu();
  void LoadClocks(Attributes* attributes);
  Result ReadCgroups();
  /// Where a process or thread is; none: where the dumper was.
  std::optional<CgroupMembership> CgroupOf(const pb::core_entry& core, const std::string& where);
  bool HasCgroupNamespace(const pb::core_entry& root);
  bool SharesCgroupNamespace(const Attributes& attributes) const;
  void CheckThreadCgroups(ProcessIndex index);
  /// Those of the root's own, which all others inherit.
  void LoadNamespaces(Attributes* attributes);
  void LoadUts(std::uint32_t id, Attributes* attributes);
  void LoadIpc(std::uint32_t id, Attributes* attributes);
  void LoadPidNamespace(std::uint32_t id);
  void WarnOfOuterZombies();
  void LoadUser(std::uint32_t id);
  void CheckMappedIds();
  void LoadSystemV(std::uint32_t id, IpcNamespace* to);
  void FinishSegments();
  void LoadNet(std::uint32_t id, Attributes* attributes);
  void CheckNetLinks(const Attributes& attributes);
  /// Before all else: sockets say which network namespace they are in.
  void FindNetNamespaces();
  /// What of `id`, which an image says of a socket, is said of it in a program.
  Rare<std::uint64_t> NetOf(std::uint32_t id) const;
  /// Of a process; absent: the root's.
  std::optional<std::uint64_t> NetNamespaceOf(ProcessIndex index) const;
  void LoadMounts(std::uint32_t id, Attributes* attributes);
  /// Before all else: files say which mount they are in.
  void FindMountNamespaces();
  /// The one of the tree that has mount `id`; absent: the root's, or none.
  std::optional<std::uint64_t> MountNamespaceOf(std::uint64_t id) const;
  /// What of `mount`, which an image says of a file, is said of it in a program.
  Rare<std::uint64_t> MountOf(std::int64_t mount) const;
  /// Likewise of a process; absent: the root's.
  std::optional<std::uint64_t> MountNamespaceOf(ProcessIndex index) const;
  enum class NamespaceKind { kPid, kUts, kIpc, kNet, kMount, kUser };
  /// The id of the root's; 0: it is the dumper's, or is to be the caller's.
  std::uint32_t OwnNamespace(NamespaceKind kind) const;
  std::uint32_t TimeNamespace() const;
  void LoadThread(ProcessIndex index, Pid tid);
  void ShareFilters(const std::string& where, Process& process);

  // Conversions of core messages.
  void TaskAttributes(const pb::task_core_entry& task, const std::string& where,
                      Attributes* attributes);
  void ThreadAttributes(const pb::core_entry& core, const std::string& where,
                        Attributes* attributes);
  /// A timer goes on when the thread that it notifies has ended; no timer_create(2) makes it again.
  /// Leaves out those of clocks that have no name, and says which may be another thread's.
  void AdjustTimers(const TreeNode& node, const std::string& where,
                    std::vector<PosixTimer>& timers);
  void LoadExitStatus(const pb::task_core_entry& task, const std::string& where,
                      ExitStatus* status);
  bool MachineSupported(const pb::core_entry& core, const std::string& where);
  std::optional<Seccomp> SeccompOf(const pb::thread_core_entry& thread, const std::string& where);

  /// An entry of files.img. `file`: its index in Snapshot::files, -1 if it is not supported;
  /// whoever refers to it leaves it out, since the entry itself is reported.
  struct FileEntry {
    std::uint32_t type = 0;
    FileIndex file;
    ObjectIndex memfd;
  };
  struct UnsupportedFile {
    std::string what;
    std::string where;
    std::uint32_t type = 0;
    std::string holders = {};  ///< which descriptors refer to it
  };
  struct Remap {
    std::string where;
    std::uint32_t type = 0;
    std::uint32_t id = 0;  ///< of a ghost, of a file entry, or a pid
  };
  /// ghost-file-<number>.img, read once.
  struct Ghost {
    std::uint64_t device = 0, inode = 0;  ///< where it lay; 0: no image says it
    std::optional<Unlinked> file;         ///< absent: reported, or `unsupported`
    std::string unsupported;
    std::map<std::string, std::uint64_t> names;  ///< ids by path
  };
  const Ghost& GhostOf(const Remap& remap);
  void ReadGhost(std::uint32_t number, const std::string& where, Ghost* ghost);
  /// The name `path` of the file without a name; its first one carries what is known of it.
  Unlinked NameUnlinked(const Remap& remap, const std::string& path);
  /// The file without a name that is that inode, if some OPEN_FILE makes it: when all processes
  /// are read.
  std::optional<UnlinkedId> UnlinkedInode(const InodeHandle& handle);
  void ResolveLinks();
  void LoadRemaps();
  void AddRemap(const pb::remap_file_path_entry& entry, const ImageReader& at);
  void AddFile(const pb::file_entry& entry, const ImageReader& at);
  std::optional<OwnerSetting> OwnerOf(const ConvertedFile& file, const ImageReader& at);
  void FinishFiles();
  /// By file, then in the order in which a program sets the kinds.
  void SortLate();
  void LoadLocks();
  /// All numbers of the tree.
  const PossibleOwners& Numbers();
  /// The processes of all pids and tids of the tree. Known before any core image is read.
  const std::unordered_map<Pid, Pid>& ProcessesOf();
  void AddDescriptor(const pb::fdinfo_entry& entry, const ImageReader& at, Pid pid,
                     std::vector<Descriptor>* slots);
  /// For whoever looks at the dump: a descriptor of the last table that is left out.
  void KeepUnplanned(const pb::fdinfo_entry& entry, const std::string& what);
  /// Something that others lie in is unsupported: a namespace, a root.
  void UnsupportedContainer(const std::string& where, const std::string& what);
  void CheckNamespaces(ProcessIndex index, const std::string& where);
  /// A socket stays in the network namespace of who made it; `where`: the socket's message. False:
  /// reported. When all processes are read.
  bool CheckSocketNamespace(std::uint32_t namespace_id, const std::string& where);
  void ReportUnsupportedFiles();
  /// nullptr: no such entry (reported at `where()`).
  template <typename Where>
  const FileEntry* FindFile(std::uint32_t id, Where&& where) {
    auto found = files.find(id);
    if (found != files.end()) return &found->second;
    diag.Error(where(), "no file " + std::to_string(id) + " in files.img");
    return nullptr;
  }
  /// The path of a REG entry; empty and reported if it is none. Sets `*file` if not null.
  bool RegularPath(std::uint32_t id, const std::string& where, Text* path, FileIndex* file);
  /// The same of a directory, which may have lost its name.
  bool DirectoryPath(std::uint32_t id, const std::string& where, Text* path,
                     std::optional<UnlinkedId>* unlinked);

  /// The set `depth` links behind the dump's own parent; nullptr: there is none.
  ImageSet* Parent(std::size_t depth);
  static std::string ParentPrefix(std::size_t depth);

  /// The present pages of a pagemap, ascending; addresses below `limit`.
  Result LoadPageRuns(const ImageKind& kind, std::uint64_t number, std::uint64_t limit,
                      std::vector<PageRun>* runs);

  /// Whether a descriptor of an unsupported file is at that number.
  bool IsLeftOut(std::size_t table, Fd fd) const { return left_out.contains(SlotKey(table, fd)); }
  static std::uint64_t SlotKey(std::size_t table, Fd fd) {
    return std::uint64_t{table} << 32 | static_cast<std::uint32_t>(fd);
  }

  FileLoaders file_loaders;
  std::unordered_set<std::uint64_t> left_out;  // descriptors of unsupported files
  std::map<std::uint32_t, FileEntry> files;
  std::map<std::uint32_t, UnsupportedFile> unsupported_files;
  std::vector<bool> has_descriptor;      // beside Snapshot::files
  std::optional<PossibleOwners> owners;  // made for the first file that has one
  /// The mount of the tree's own namespace in which an entry of files.img says that its path lies.
  struct PathPlace {
    std::uint64_t mount;
    std::string path;
    std::string where;
  };
  std::vector<PathPlace> path_places;
  /// Of the tree, the root's first. One: none has to be said.
  std::vector<std::uint32_t> mount_namespaces;
  std::vector<std::uint32_t> net_namespaces;                            ///< likewise
  std::unordered_map<std::uint64_t, std::uint32_t> namespace_of_mount;  ///< where there are several
  void CheckPathPlaces();
  std::map<std::uint32_t, Remap> remaps;  // by file id
  std::map<std::uint32_t, Ghost> ghosts;  // by number
  std::uint64_t unlinked_names = 0;       // ids given out
  std::set<Pid> gone;                     // of which files below /proc are open
  /// FIFOs that a link of the dumper stands for, and their REG entries.
  std::vector<std::pair<std::uint32_t, std::uint32_t>> linked_fifos;
  /// By device and inode; made for the first watch.
  std::optional<std::map<std::pair<std::uint64_t, std::uint64_t>, UnlinkedId>> unlinked_inodes;
  std::unordered_set<Pid> taken;  // all pids, and the tids of processes whose core is read
  std::optional<std::unordered_map<Pid, Pid>> processes_of;  // made for the first file in /proc
  std::unordered_map<std::uint32_t, TableIndex> tables;      // files_id -> index
  std::unordered_map<std::uint64_t, ObjectIndex> shmems;     // ANON_SHARED shmid -> index
  std::unordered_map<InodeId, ObjectIndex> memfds;           // -> index
  std::vector<std::uint64_t> memfd_shmids;                   // beside Snapshot::memfds
  /// A System V segment of the root's own IPC namespace.
  struct Segment {
    std::string where;
    std::uint64_t size = 0;  ///< bytes
    bool attached = false;   ///< by a process of the tree
  };
  std::unordered_map<std::uint64_t, Segment> segments;  // by id
  std::unordered_map<std::string, std::uint32_t> page_image_index;
  std::vector<pb::task_kobj_ids_entry> ids;                            // beside Snapshot::processes
  std::unordered_map<std::uint64_t, Pid> vm_ids, fs_ids, sighand_ids;  // id -> its one user
  pb::seccomp_entry seccomp;
  CgroupImage cgroups;
  bool cgroups_invalid = false;
  std::set<std::uint32_t> missing_cgroup_sets;  ///< reported
  /// An area that the kernel provides, as the first process has it.
  struct KernelArea {
    std::uint64_t size = 0;  ///< 0: no process had one so far
    std::uint32_t prot = 0;
    Pid pid = 0;
  };
  std::map<RegionKind, KernelArea> kernel_areas;
  struct ParentSet {
    std::unique_ptr<ImageSource> source;
    std::unique_ptr<ImageSet> images;
  };
  std::vector<ParentSet> parents;
  // Reused: parsing into them again does not allocate.
  pb::core_entry core;
  pb::mm_entry mm;
  pb::fdinfo_entry fdinfo;
  bool vdso_sought = false;  ///< in the pages of the first process that has one
};

}  // namespace crgen
