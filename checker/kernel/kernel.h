// SPDX-License-Identifier: Apache-2.0
// What the simulated kernel of the checker consists of. Internal to checker/.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "checker/files/files.h"
#include "checker/kernel/locks.h"
#include "checker/kernel/range_map.h"
#include "dsl/commands.h"
#include "model/diagnostics.h"
#include "model/snapshot.h"

namespace crgen::check {

using TaskIndex = Index<struct TaskIndexTag>;      ///< in Kernel::tasks
using FamilyIndex = Index<struct FamilyIndexTag>;  ///< in Kernel::families
inline constexpr TaskIndex kNoTask;
inline constexpr TaskIndex kRestorer(0);  ///< pid 0; never in a list of tasks

// ---- memory

/// Where consecutive pages have their bytes. `image` is an index in Kernel::images.
struct PageSource {
  std::uint32_t image = 0;
  std::uint64_t offset = 0;
  void Advance(std::uint64_t bytes) { offset += bytes; }
};
using PageMap = RangeMap<PageSource>;

struct NoValue {
  void Advance(std::uint64_t) {}
};

/// Lives while a mapping may write to a memfd: what F_ADD_SEALS F_SEAL_WRITE finds busy.
struct WritableView {};

/// A memfd or a shared anonymous object. Lives while a descriptor or a region refers to it.
struct MemoryObject {
  bool memfd = false;
  std::uint64_t id = 0;
  std::uint64_t size = 0;
  Memfd created;  ///< a memfd's first opening
  Seals seals;
  PageMap pages;
  std::weak_ptr<const WritableView> writable_view;
};

/// What is mapped, common to all pieces and inherited copies of one MAP_REGION.
struct Backing {
  RegionKind kind = RegionKind::kPrivateAnonymous;
  std::shared_ptr<const File> file;           ///< the opening that was mapped
  std::shared_ptr<const Description> opened;  ///< lives as long as the mapping
  std::shared_ptr<MemoryObject> object;
  std::shared_ptr<const WritableView> writable_view;
  bool may_write = true;  ///< VM_MAYWRITE
  std::uint32_t nr_req = 0;
  std::uint32_t head = 0, tail = 0;  ///< of an AIO ring
  ImageBytes events;                 ///< of an AIO ring; no image: none
  std::uint64_t shmid = 0;

  bool HasOffset() const {
    return file != nullptr || object != nullptr || kind == RegionKind::kSysvShm;
  }
  bool IsPrivate() const;
  bool IsSpecial() const;  ///< provided by the kernel, no pages loaded
};

struct MappedRegion {
  Prot prot;
  MapFlags flags;
  Madvise madvise;
  std::uint64_t offset = 0;
  std::shared_ptr<const Backing> backing;
  void Advance(std::uint64_t bytes) {
    if (backing->HasOffset()) offset += bytes;
  }
};

/// True if `next`, which lies directly behind `first` (`size` bytes), could be one region with it.
bool Continues(const MappedRegion& first, std::uint64_t size, const MappedRegion& next);

struct Space {
  RangeMap<MappedRegion> regions;
  PageMap pages;  ///< private ones
  RangeMap<NoValue> guards;
  /// Bytes of views of each shared anonymous object.
  PersistentMap<std::uint64_t, std::uint64_t> shmem_views;
  /// Bytes of regions that fork(2) does not just copy; 0 spares it the search.
  std::uint64_t bytes_changed_by_fork = 0;
};

// ---- files

struct Description : std::enable_shared_from_this<Description> {
  std::shared_ptr<const File> file;
  std::shared_ptr<MemoryObject> object;   ///< MEMFD
  std::shared_ptr<PipeObject> pipe;       ///< PIPE, FIFO
  std::shared_ptr<SocketObject> socket;   ///< UNIXSK
  std::shared_ptr<BpfMapObject> bpf_map;  ///< BPFMAP
  std::size_t command = 0;                ///< that opened it
  TaskIndex referent = kNoTask;           ///< of a PIDFD: the process of its target
  /// Set so far, each kind once. Descriptors share the description itself, so it alone may change.
  mutable std::vector<LateState> late;
  /// Of an EVENTPOLL.
  struct Epoll {
    std::vector<std::weak_ptr<const Description>> watched;  ///< beside its EpollTargets
    int watchers = 0;                                       ///< how often other sets watch it
    int height = 0;  ///< how many sets are below each other in what it watches
  };
  const Epoll& epoll() const { return *std::as_const(epoll_); }  ///< makes none
  Epoll& ChangeEpoll() const { return *epoll_; }

 private:
  mutable Seldom<Epoll> epoll_;
};

/// How a file is open, in descriptors and mappings.
struct Openings {
  std::size_t writers = 0;
  std::size_t readers = 0;  ///< that do not write
  bool executed = false;
};

struct Slot {
  std::shared_ptr<const Description> description;
  bool cloexec = false;
};

struct Table {
  PersistentMap<Fd, Slot> slots;
};

/// "file 3 is a REG, no TIMERFD": EINVAL for late state of another type. Absent: it is that type.
template <typename Body>
std::optional<Refusal> RefusedForType(const Description& description) {
  if (std::holds_alternative<Body>(description.file->body)) return std::nullopt;
  return Refusal{"EINVAL", "file " + std::to_string(description.file->id.value) + " is a " +
                               std::string(TypeOf(*description.file)) + ", no " +
                               std::string(Body::kType)};
}

// ---- processes

enum class TaskState : std::uint8_t {
  kExecuting,  ///< in the restorer's hands
  kResumed,
  kZombie,
  kGone,
};

/// Cwd, root and umask, as something that processes share.
struct FsView {
  std::shared_ptr<const Attributes> set_by;  ///< the last SET_ATTR with `fs`; null: none yet
};

struct SimulatedThread {
  Pid tid = 0;
  std::shared_ptr<const Attributes> attributes;  ///< as those of a Task
  bool creds_said = false;                       ///< set, or inherited by that word
};

struct ListLink {
  TaskIndex previous = kNoTask;
  TaskIndex next = kNoTask;
};
enum ListKind { kGroupList = 0, kSessionList = 1 };

struct Task {
  Pid pid = 0;
  Pid pgid = 0;
  Pid sid = 0;
  TaskState state = TaskState::kExecuting;
  bool subreaper = false;
  bool reported = false;   ///< that it cannot execute any more
  std::size_t born = 0;    ///< command
  std::size_t joined = 0;  ///< the group: command
  std::size_t ended = 0;   ///< command: RESUME, EXIT
  std::size_t sealed = 0;  ///< command of SET_ATTR creds or seccomp, if `is_sealed`
  bool is_sealed = false;
  bool creds_said = false;    ///< of the leader: set, or inherited by that word
  bool rlimits_said = false;  ///< likewise
  ExitStatus exit_status;
  std::optional<Signal> stopped;
  std::optional<TtyId> terminal;  ///< the controlling one, if the program has set it
  std::shared_ptr<Table> table;
  std::unique_ptr<Space> space;
  std::shared_ptr<FsView> fs;  ///< several with CLONE_FS
  CloneFlags namespaces;       ///< CLONE_NEW flags of those that are not the restorer's
  std::vector<SimulatedThread> threads;
  /// Copied before a change if others have it too: relatives, or the program.
  std::shared_ptr<const Attributes> attributes;
  /// What children and threads get of `attributes`; null: not made yet.
  std::shared_ptr<const Attributes> for_children;
  std::shared_ptr<const Attributes> for_threads;
  std::vector<PendingSignal> leader_signal_queue;
  Pid filters_from = 0;  ///< the thread whose seccomp filters all others have; 0: none

  FamilyIndex family;     ///< of its children
  FamilyIndex in_family;  ///< of its parent
  std::size_t place = 0;  ///< in families[in_family].children
  ListLink links[2];
};

/// The children of one process. They change parents together, so that an exit costs no search.
struct Family {
  TaskIndex parent = kRestorer;
  std::vector<TaskIndex> children;
  std::vector<TaskIndex> zombies;  ///< of the children; some may be gone
  /// How many living children are in each group that has stopped members; likewise zombies.
  std::map<Pid, std::int64_t> living_in;
  std::map<Pid, std::int64_t> zombies_in;
};

/// Who uses a pid number (struct pid).
struct NumberUse {
  TaskIndex task = kNoTask;       ///< live or zombie
  TaskIndex thread_of = kNoTask;  ///< as a tid other than the leader's
  std::size_t thread_index = 0;   ///< in Task::threads
  TaskIndex head[2] = {kNoTask, kNoTask};
  TaskIndex stopped = kNoTask;  ///< of the group's stopped members the one that joined first
  /// If there is one: members of the group that live and have a parent in another group of the
  /// session. Without any the group is orphaned.
  std::int64_t links = 0;
};

using CgroupKey = std::pair<std::string, std::string>;  ///< controllers, path

/// Executes commands one after another. Members are open to the comparison and the description of
/// the final state, which only read them.
class Kernel {
 public:
  Kernel();
  /// Both must outlive the calls of RunTo() and Finish().
  void Begin(const Program& program, Diagnostics& diag);
  void RunTo(std::size_t end);
  void Finish();

  std::vector<Task> tasks;  ///< in order of birth, gone ones too; [0] is the restorer
  std::vector<Family> families;
  std::unordered_map<Pid, NumberUse> numbers;
  AllFileRules files;
  FileLocks locks;
  std::unordered_map<ShmemId, std::weak_ptr<MemoryObject>> shmems;
  std::vector<std::string> images;
  bool new_pid_namespace = false;               ///< the root was born with CLONE_NEWPID
  std::optional<PidNamespace> pid_namespace;    ///< or in this one of outside
  std::optional<UserNamespace> user_namespace;  ///< likewise with CLONE_NEWUSER
  std::map<CgroupKey, CgroupDirectory> cgroup_directories;

  TaskIndex FindTask(Pid pid) const;  ///< live or zombie; kNoTask
  /// `*user` says who has the number.
  bool IsFree(Pid number, std::string* user) const;
  TaskIndex ParentOf(const Task& task) const { return families[task.in_family].parent; }
  TaskIndex root() const { return root_; }
  /// Who executes the command.
  const Task& executor() const { return tasks[self_]; }
  /// Whether a PIDFD's target is there no more: reaped, or a thread that ended with its process.
  bool HasLostTarget(const Description& pidfd) const {
    if (pidfd.referent == kNoTask) return false;
    const Task& task = tasks[pidfd.referent];
    const bool leader = std::get<Pidfd>(pidfd.file->body).target->value == task.pid;
    return task.state == TaskState::kGone || (task.state == TaskState::kZombie && !leader);
  }
  /// In the table of the process that executes a command now; nullptr: not open.
  std::shared_ptr<const Description> SharedDescriptionAt(Fd fd) const {
    const auto* slot = tasks[self_].table->slots.Find(fd);
    return slot == nullptr ? nullptr : slot->value.description;
  }
  const Description* DescriptionAt(Fd fd) const { return SharedDescriptionAt(fd).get(); }

  /// FileRules::Inode() of a file.
  std::optional<std::string> InodeOf(const File& file) const {
    return files.Visit(file, [](const auto& rules, const auto& body) { return rules.Inode(body); });
  }
  /// How it is open now. Cost: once for all leases that nothing is opened between.
  Openings OpeningsOf(const std::string& inode) const;
  /// Absent: `path`, looked up in the namespace of `mount`, lies in that.
  std::optional<Refusal> RefusedMount(std::uint64_t mount, const std::string& path) const;

 private:
  Task& self() { return tasks[self_]; }
  bool CheckExecutor(Pid pid);
  void SpreadAllFs();
  std::string Where(std::size_t command) const;
  void Violation(std::string_view error, std::string what);
  void Suspect(std::string what);             ///< legal, but hardly meant: a warning
  std::string At(std::size_t command) const;  ///< "(commands[9])"
  std::string Who(TaskIndex task) const;      ///< "process 12 (commands[9])"
  std::string UserOf(const NumberUse& use, Pid number) const;

  // processes.cc
  void Execute(const Fork& fork);
  void Execute(const SetSid&);
  void Execute(const SetPgid& set);
  void Execute(const CreateThread& create);
  void Execute(const Exit& exit);
  void Execute(const Wait& wait);
  void Execute(const Resume& resume);
  bool CheckFork(const Fork& fork);
  bool CheckRootFork(const Fork& fork);
  void Enter(TaskIndex task, ListKind kind, Pid number);
  void Leave(TaskIndex task, ListKind kind, Pid number);
  void AddChild(TaskIndex parent, TaskIndex child);
  void RemoveChild(TaskIndex child);
  void MergeFamily(FamilyIndex from, FamilyIndex to);
  void Reparent(TaskIndex dying, TaskIndex heir);
  TaskIndex HeirOf(TaskIndex dying) const;
  void Reap(TaskIndex zombie);

  // orphans.cc
  bool Links(TaskIndex parent, const NumberUse& group) const;
  void CountMember(TaskIndex task, int by);
  void CountStopped(TaskIndex task);
  void CountLinks(TaskIndex parent, Pid group, int by);
  void CountAllLinks(TaskIndex parent, int by);
  bool MakesOrphan(TaskIndex dying, TaskIndex heir) const;
  bool IsLost(Pid group, TaskIndex dying, TaskIndex heir) const;
  bool BecomesOrphaned(Pid group, TaskIndex dying, TaskIndex heir) const;
  bool CheckOrphanedGroups(TaskIndex dying, TaskIndex heir);

  // files.cc
  void Execute(const OpenFile& open);
  void Execute(const DupFd& dup);
  void Execute(const CloseFd& close);
  bool CheckNewSlot(Fd fd);
  bool CheckNewFile(const std::shared_ptr<const File>& file);
  bool CheckProcFile(const std::string& path);
  void CheckTooEarly(Pid number);
  bool CheckPeer(const OpenFile& open);
  void Take(const OpenFile& open);
  bool ComesInPairs(const File& file) const;
  /// False, and reported, if there is a refusal.
  bool Passes(std::optional<Refusal> refused);
  std::shared_ptr<Description> Install(Fd fd, const std::shared_ptr<const File>& file,
                                       bool cloexec);

  /// False, and reported, once late state has been set.
  bool CheckBeforeLate();
  /// All of the entries or, if one is refused, none.
  bool SetLate(const std::vector<DescriptorState>& entries);
  bool CheckLate(const DescriptorState& entry, const Description* description);
  /// What the state set last means to the kernel, or no longer.
  void ApplyLate(const Description& description) const;
  static void UndoLate(const Description& description);
  bool Lock(const LockSetting& setting, const std::shared_ptr<const Description>& description);
  /// A descriptor of this table is gone, and with it POSIX locks.
  void Unlock(const File& file);
  bool CheckExecutable(const MmAttributes& mm);
  bool CheckDirectories(const FsAttributes& fs);
  std::string ExecutableInode(const MmAttributes& mm) const;

  // map_region.cc
  void Execute(const MapRegion& map);
  bool CheckPlace(const MapRegion& map);
  bool CheckMapSources(const MapRegion& map);
  bool CheckRing(const MapRegion& map);
  bool CheckMapFlags(const MapRegion& map);
  bool CheckMapFd(const MapRegion& map);
  bool BackAnonymous(const MapRegion& map, Backing* backing);
  bool BackFile(const MapRegion& map, Backing* backing);
  bool BackRings(const MapRegion& map, const PacketSocket& socket,
                 const std::shared_ptr<const Description>& opened, Backing* backing);
  bool BackMemfd(const MapRegion& map, const Description& description, Backing* backing);
  bool BackShmem(const MapRegion& map, Backing* backing);
  bool BackSpecial(const MapRegion& map, Backing* backing);

  // memory.cc
  void Execute(const UnmapRegion& unmap);
  void Execute(const MoveRegion& move);
  void Execute(const ProtectRegion& protect);
  void Execute(const LoadPages& load);
  bool CheckPages(AddressRange range);
  /// `error`: of addresses that are not the user's.
  bool CheckUserPart(AddressRange range, std::string_view error);
  bool CheckMapped(AddressRange range, std::string_view error);
  void Protect(AddressRange range, Prot prot);
  void Advise(AddressRange range, std::uint64_t bits);
  bool CheckMove(AddressRange from, AddressRange to);
  bool CheckSource(const ImageSpan& source, std::uint64_t size);
  bool CheckFill(AddressRange range);
  bool CheckRseq(Pid tid, const Attributes& attributes);
  void Fill(AddressRange range, const ImageSpan& source);
  std::uint32_t ImageIndex(const std::string& name);

  // attributes.cc
  void Execute(const SetAttr& set);
  bool CheckAttributes(const SetAttr& set);

  // namespaces.cc, user_namespace.cc, system_v.cc
  bool CheckNamespaces(const Attributes& attributes);
  bool CheckClocks(const Clocks& clocks);
  bool CheckMaps(const Fork& fork);
  bool CheckMappedIds(const Creds& creds);
  bool AddSystemV(const IpcNamespace& ipc);
  bool CheckSegment(const MapRegion& map);

  // mount_namespaces.cc, net_namespaces.cc
  bool FindItsNet(const std::shared_ptr<const File>& file, std::shared_ptr<const File>* placed);
  bool CheckEntering(const EnteredNamespaces& entered);
  Rare<std::uint64_t> MountOf(const std::string& path) const;
  bool FindItsMount(const std::shared_ptr<const File>& file, std::shared_ptr<const File>* placed);

  // cgroups.cc
  /// Takes the directories.
  bool CheckCgroup(const SetAttr& set);
  bool CheckCgroupNamespace(const SetAttr& set);

  // attributes.cc
  std::string FiltersOutOfStep(const SetAttr& set);
  void SpreadFilters(const SetAttr& set);
  void SpreadFs(Task& task);
  bool CheckLookup();

  const Program* program_ = nullptr;
  Diagnostics* diag_ = nullptr;
  std::size_t command_ = 0;
  TaskIndex self_ = kRestorer;
  TaskIndex root_ = kNoTask;
  bool has_cgroup_namespace_ = false;
  std::unordered_map<std::uint64_t, std::uint64_t> segments_;  ///< bytes, of the root's own by id
  std::size_t stopped_tasks_ = 0;
  std::unordered_map<Pid, TaskIndex> last_of_pid_;  ///< gone ones too
  std::unordered_set<Pid> unknown_pids_;            ///< already reported
  std::unordered_map<std::uint64_t, std::size_t> file_ids_;
  std::unordered_map<Pid, std::size_t> in_proc_;  ///< that nobody had as /proc was asked: command
  std::optional<std::size_t> first_late_;         ///< the command that set late state first
  std::size_t last_late_ = 0;
  std::size_t last_late_kind_ = 0;
  struct KnownOpenings {
    std::vector<std::weak_ptr<const Description>> descriptions;
    bool executed = false;
  };
  /// Made for a lease; gone when anything is opened, executed or ends.
  mutable std::optional<std::unordered_map<std::string, KnownOpenings>> openings_;
  std::array<std::optional<std::size_t>, 3> special_mapped_;  ///< vdso, vvar, vsyscall: command
  std::unordered_map<std::string, std::uint32_t> image_index_;
};

// space.cc: address spaces without the rules of who may do what.
void AddRegion(Space& space, AddressRange range, MappedRegion region);
/// Takes regions, their pages and guards out of `range`. False: there was nothing.
bool RemoveRegions(Space& space, AddressRange range);
/// REQUIRES: `from` is mapped, the place of equal size at `to` is free.
void MoveRegions(Space& space, AddressRange from, std::uint64_t to);
void FillPages(PageMap& pages, AddressRange range, PageSource source);
std::unique_ptr<Space> ForkSpace(const Space& space);
/// Makes one region of neighbours in and around `range` that have become alike, as the kernel does.
void JoinRegions(Space& space, AddressRange range);
/// Clears, then sets advice bits of the regions in `range`.
void ChangeMadvise(Space& space, AddressRange range, std::uint64_t clear, std::uint64_t set);

// memory.cc
/// Why `region` at `at` does not take the advice; empty: it does.
std::string BadAdvice(AddressRange at, const MappedRegion& region, std::uint64_t bits);

// attributes.cc
/// What a new process has of its parent's attributes, or (`thread`) a new thread of its leader's.
std::shared_ptr<const Attributes> InheritAttributes(const Attributes& from, bool thread);
/// `from` laid over `*to`; lists are united by signal, resource, timer id and TLS entry.
void MergeAttributes(const Attributes& from, Attributes* to);
/// Reports each field in which the two differ.
void CompareAttributes(const std::string& where, const Attributes& expected,
                       const Attributes& found, Diagnostics& diag);

// attribute_rules.cc
/// The first value that the kernel always refuses, whoever sets it and where.
std::optional<Refusal> RefusedValue(const Attributes& attributes);

// cgroups.cc
/// Likewise of places and directories.
std::optional<Refusal> RefusedCgroup(const CgroupMembership& cgroup);
/// The paths of `from` laid over those of `*to`.
void MergeCgroup(const std::optional<CgroupMembership>& from, std::optional<CgroupMembership>* to);

// namespaces.cc
/// The first value that no namespace can have.
std::optional<Refusal> RefusedNamespaces(const Attributes& attributes);
std::optional<Refusal> RefusedSystemV(const IpcNamespace& ipc);

/// Adds an error for whatever `about` of the program says that cannot be, and for each image and
/// vdso with which the commands do not keep to it. Cost: linear.
void CheckAbout(const Program& program, Diagnostics& diag);

/// Whether it leads to a file inside a dump.
bool IsImageName(std::string_view name);

std::string RangeText(AddressRange range);  ///< "0x1000-0x3000"
std::string ExitText(const ExitStatus& status);

}  // namespace crgen::check
