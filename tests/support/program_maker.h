// SPDX-License-Identifier: Apache-2.0
// Random programs for the real kernel, legal and illegal commands mixed, and what the checker says
// of each command.
#pragma once

#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/socket.h>

#include <algorithm>
#include <iterator>
#include <memory>
#include <random>
#include <string>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include "checker/kernel/kernel.h"
#include "tests/support/check_support.h"
#include "tests/support/file_maker.h"
#include "tests/support/kernel_files.h"
#include "tests/support/kernel_maps.h"
#include "tests/support/kernel_memory.h"
#include "tests/support/lock_maker.h"
#include "tests/support/state_lines.h"

namespace crgen::test {

/// What a program is mostly about.
enum class Topic { kProcesses, kFiles, kMemory, kAll, kLocks, kEvents };

/// Makes one program. Commands are chosen by what the checker says of the program so far, so that
/// about two thirds of them are legal. Left out, because DSL.md gives them another meaning than the
/// kernel, or none: whatever the restorer does but the root's birth and WAIT; init's EXIT; RESUME;
/// ids and sizes that are only the program's own book-keeping.
class ProgramMaker : private FileMaker {
 public:
  /// `folder` has the files "0" to "2" of kFilePages pages.
  ProgramMaker(unsigned seed, std::string folder, const MemoryFeatures& features)
      : FileMaker(seed, std::move(folder)), features_(features), seed_(seed) {}

  void Make(Topic topic, std::size_t length) {
    topic_ = topic;
    loads_private_files_ = Below(2) == 0;
    const Pid root = Below(2) == 0 ? 1 : 5;
    Try(test::ForkOf(0, root));
    if (Below(4) != 0) Try(test::SidOf(root));
    leases_ = OneIn(3);
    for (int i = 0; topic == Topic::kMemory && i < 4; ++i) Try(AnyOpening(root));
    for (Fd fd = 0; topic == Topic::kEvents && fd < 5; ++fd) {
      Try(test::OpenOf(root, fd, AnyReporter()));
    }
    // Late state comes when everything else is there.
    const bool late = topic != Topic::kProcesses && topic != Topic::kMemory && OneIn(2);
    for (std::vector<Pid> pids = Living(); program_.size() < length && !pids.empty();) {
      const bool is_late = late && program_.size() > length / 2;
      Try(topic == Topic::kLocks ? OneOfLocks(Any(pids), program_.size() < length / 3)
          : is_late              ? OneOfLate(Any(pids))
                                 : OneOf(Any(pids)));
      // The kernel executes that command, and what is left is not what a program was to have.
      if (errors_.back() == "SIGHUP") break;
      pids = Living();
    }
  }

  const Program& program() const { return program_; }
  const std::vector<std::string>& errors() const { return errors_; }
  const check::Kernel& kernel() const { return *state_.kernel(); }

 private:
  static constexpr std::uint64_t kPages = 24;
  static constexpr std::uint64_t kKernelPart = ~std::uint64_t{0} << 40;
  static_assert(kPages * kPageSize == kArena.end - kArena.start);

  /// Appends the command and has the program checked, unless it is one that must not be executed.
  void Try(const Command& command) {
    if (!program_.empty() && !MayRun(command)) return;
    program_.push_back(command);
    Diagnostics diag;
    SimulatedState state;
    (void)CheckProgram(program_, &state, diag);
    std::string error;
    for (const Diagnostic& entry : diag.entries()) {
      if (entry.command != program_.size() - 1 || entry.severity != Severity::kError) continue;
      error = entry.what.substr(0, entry.what.find(':'));
    }
    // A store would be killed; read(2), which fills pages here, fails.
    if (error == "SIGBUS") error = "EFAULT";
    if (error.empty() && HangsInit(command)) {
      program_.pop_back();
      return;
    }
    errors_.push_back(error);
    const auto* set = std::get_if<SetAttr>(&command.body);
    has_leases_ |= error.empty() && set != nullptr && !set->attributes->descriptors.empty() &&
                   std::holds_alternative<LeaseSetting>(set->attributes->descriptors[0].state);
    state_ = std::move(state);
    if (!error.empty() && std::holds_alternative<ProtectRegion>(command.body)) {
      // mprotect(2) and madvise(2) that fail have done the part before; a program's command has
      // not. So nothing of it is kept.
      Try(test::UnmapOf(command.pid, kArena.start, kArena.end));
    }
  }

  /// See Prepare() of the runner.
  static bool HangsInit(const Command& command) {
    const auto* join = std::get_if<SetPgid>(&command.body);
    return join != nullptr && command.pid == 1 && join->pgid != 1;
  }

  const check::Task& TaskOf(Pid pid) const { return kernel().tasks[kernel().FindTask(pid)]; }

  template <typename Function>
  void ForEachRegion(Pid pid, AddressRange range, Function&& function) const {
    TaskOf(pid).space->regions.ForEachIn(range, function);
  }

  bool MayRun(const Command& command) const {
    if (const auto* map = std::get_if<MapRegion>(&command.body)) {
      // Locking copies the pages of a private mapping at once, so that it does not show what is
      // written to the object later.
      const bool locked = map->flags.Has(MAP_LOCKED) && map->flags.Has(MAP_PRIVATE);
      return !(locked && map->fd);
    }
    if (const auto* close = std::get_if<CloseFd>(&command.body)) {
      return MayLetGo(command.pid, close->fd);
    }
    if (const auto* dup = std::get_if<DupFd>(&command.body)) {
      return MayLetGo(command.pid, dup->new_fd);
    }
    if (const auto* load = std::get_if<LoadPages>(&command.body)) {
      const AddressRange range = {load->start.value, load->start.value + load->pages * kPageSize};
      return MayLoad(command.pid, range);
    }
    if (const auto* move = std::get_if<MoveRegion>(&command.body)) {
      return MayMove(command.pid, {move->start.value, move->end.value});
    }
    if (const auto* set = std::get_if<SetAttr>(&command.body);
        set != nullptr && !set->attributes->descriptors.empty()) {
      return MayLock(command.pid, set->attributes->descriptors.front());
    }
    return true;
  }

  /// No files are filled, though they could be. What fails may have copied the private pages
  /// before.
  bool MayLoad(Pid pid, AddressRange range) const {
    bool may = true;
    std::size_t private_files = 0;
    ForEachRegion(pid, range, [&](AddressRange, const check::MappedRegion& region) {
      if (region.backing->kind == RegionKind::kSharedFile) may = false;
      if (region.backing->IsPrivate() && region.backing->HasOffset()) ++private_files;
    });
    return may && (private_files == 0 || (range.size() == kPageSize && loads_private_files_));
  }

  /// /proc does not tell whether neighbours are mapped from one opening of a file.
  bool MayMove(Pid pid, AddressRange range) const {
    bool may = true;
    const check::Backing* last = nullptr;
    ForEachRegion(pid, range, [&](AddressRange, const check::MappedRegion& region) {
      const check::Backing* next = region.backing.get();
      if (last != nullptr && last->file != next->file) may = false;
      last = next;
    });
    return may;
  }

  // ---- processes

  std::vector<Pid> Living() const {
    std::vector<Pid> living;
    for (const check::Task& task : kernel().tasks) {
      if (task.pid != 0 && task.state == check::TaskState::kExecuting) living.push_back(task.pid);
    }
    return living;
  }
  Pid AnyPid() {
    if (OneIn(80)) return Any({0, -1, kPidLimit});
    return static_cast<Pid>(Below(9)) + 1;
  }
  /// A number that nobody uses, mostly.
  Pid NewPid() {
    for (int i = 0; i < 6; ++i) {
      const Pid pid = AnyPid();
      const auto use = kernel().numbers.find(pid);
      if (use == kernel().numbers.end() || use->second.task == check::kNoTask) return pid;
    }
    return AnyPid();
  }

  Command OneOfProcesses(Pid pid) {
    using namespace test;  // NOLINT: the vocabulary of programs
    switch (Below(16)) {
      case 0:
      case 1:
        return SidOf(pid);
      case 2:
      case 3:
        // 0 means the caller's own number to setpgid(2), and nothing in a program.
        return PgidOf(pid, OneIn(3) ? pid : AnyGroup());
      case 4:
        return ThreadOf(pid, NewPid());
      case 5:
      case 6:
        if (pid == 1) return WaitOf(pid, WaitPid());
        if (OneIn(3)) return KilledBy(pid, Any({SIGKILL, SIGTERM, SIGUSR1, SIGRTMAX}));
        return ExitOf(pid, Below(4));
      case 7:
      case 8:
        return WaitOf(kernel().tasks[kernel().root()].pid != 1 && OneIn(4) ? 0 : pid, WaitPid());
      case 9:
        if (pid != 1 && OneIn(3)) return StopOf(pid);
        return SubreaperOf(pid, !OneIn(3));
      case 10:
        if (!OneIn(6)) return SubreaperOf(pid, true);
        return OneIn(2) ? SigchldOf(pid, Below(2)) : SigchldOf(pid, 0, SA_NOCLDWAIT);
      default:
        return ForkOf(pid, NewPid(), (OneIn(5) ? CLONE_PARENT : 0) | (OneIn(6) ? CLONE_FILES : 0));
    }
  }
  Pid AnyGroup() {
    const Pid pid = AnyPid();
    return pid == 0 ? -1 : pid;
  }
  /// A zombie where there is one, mostly.
  Pid WaitPid() {
    std::vector<Pid> dead;
    for (const check::Task& task : kernel().tasks) {
      if (task.state == check::TaskState::kZombie) dead.push_back(task.pid);
    }
    return dead.empty() || OneIn(3) ? static_cast<Pid>(Below(9)) + 1 : Any(dead);
  }

  // ---- files

  Fd AnyFd() { return OneIn(60) ? Any({-1, kFdLimit}) : static_cast<Fd>(Below(7)); }
  Fd OpenFd(Pid pid) {
    std::vector<Fd> open;
    TaskOf(pid).table->slots.ForEach([&](Fd fd, const check::Slot&) { open.push_back(fd); });
    return open.empty() || OneIn(8) ? AnyFd() : Any(open);
  }
  Command AnyPipe(Pid pid) {
    const PipeId id = {Below(6)};
    const bool first = !kernel().files.Of<Pipe>().Knows(id);
    const bool pair = OneIn(first ? 2 : 10);
    const std::uint64_t access = AnyAccess(first);
    OpenFile open{AnyFd(), AnyPipeEnd(id, first, !pair, access), OneIn(3), {}};
    if (pair) {
      const std::uint64_t other = OneIn(12) ? access : access == O_RDONLY ? O_WRONLY : O_RDONLY;
      const PipeId same = OneIn(20) ? PipeId{Below(6)} : id;
      auto peer = std::make_shared<const File>(
          File{{++files_}, {other | Any({0, 0, O_NONBLOCK})}, Pipe{same, {}, {}}});
      open.peer = std::make_shared<const PeerEnd>(PeerEnd{AnyFd(), std::move(peer), OneIn(2)});
    }
    return {pid, std::move(open)};
  }
  Command AnyOpening(Pid pid) {
    using namespace test;  // NOLINT
    if (OneIn(12)) return AnyTaking(pid, AnyFd(), kernel());
    const bool cloexec = OneIn(3);
    if (topic_ == Topic::kEvents && !OneIn(8)) {
      return OneIn(6) ? AnyPipe(pid) : OpenOf(pid, AnyFd(), AnyEvent(seed_), cloexec);
    }
    switch (Below(7)) {
      case 0:
        if (OneIn(2)) return OpenOf(pid, AnyFd(), AnySocket(), cloexec);
        if (OneIn(2)) return OpenOf(pid, AnyFd(), AnyNetlinkSocket(), cloexec);
        if (OneIn(2)) return OpenOf(pid, AnyFd(), AnyAnonymous(), cloexec);
        return OpenOf(pid, AnyFd(), AnyWatcher(), cloexec);
      case 1: {
        if (OneIn(2)) return AnyPipe(pid);
        const char* type = "UNIXSK";
        auto peer =
            std::make_shared<const PeerEnd>(PeerEnd{AnyFd(), OtherOf(++files_, type), OneIn(2)});
        return {pid, OpenFile{AnyFd(), OtherOf(++files_, type), cloexec, peer}};
      }
      case 2:
      case 3:
      case 4:
        return OpenOf(pid, AnyFd(), AnyMemfd(kernel()), cloexec);
      default:
        return OpenOf(pid, AnyFd(), AnyRegular(), cloexec);
    }
  }
  Command OneOfFiles(Pid pid) {
    switch (Below(8)) {
      case 0:
      case 1:
        return test::DupOf(pid, OpenFd(pid), AnyFd(), OneIn(3));
      case 2:
        return test::CloseOf(pid, OpenFd(pid));
      default:
        return AnyOpening(pid);
    }
  }

  // ---- late state

  /// Where a description of that type is that has no late state yet, mostly; at `pid` where it can.
  template <typename Body>
  std::pair<Pid, Fd> Unfilled(Pid pid) {
    std::vector<std::pair<Pid, Fd>> own, all;
    for (const Pid holder : Living()) {
      TaskOf(holder).table->slots.ForEach([&](Fd fd, const check::Slot& slot) {
        const check::Description& it = *slot.description;
        if (!std::holds_alternative<Body>(it.file->body) || !it.late.empty()) return;
        all.emplace_back(holder, fd);
        if (holder == pid) own.emplace_back(holder, fd);
      });
    }
    if (all.empty() || OneIn(8)) return {pid, OpenFd(pid)};
    return Any(own.empty() ? all : own);
  }
  Command AnyReport(Pid pid) {
    const auto [holder, fd] = stage_ == 1   ? Unfilled<Inotify>(pid)
                              : stage_ == 2 ? Unfilled<Fanotify>(pid)
                                            : Unfilled<Timerfd>(pid);
    if (stage_ == 1) return test::LateOf(holder, fd, AnyWatches());
    if (stage_ == 3) return test::LateOf(holder, fd, AnyTimer());
    const auto* slot = TaskOf(holder).table->slots.Find(fd);
    const File* file = slot == nullptr ? nullptr : slot->value.description->file.get();
    return test::LateOf(holder, fd, AnyMarks(file));
  }
  Command OneOfLate(Pid pid) {
    if (OneIn(8)) return test::CloseOf(pid, OpenFd(pid));
    if (OneIn(8)) return test::DupOf(pid, OpenFd(pid), AnyFd(), OneIn(3));
    if (OneIn(topic_ == Topic::kEvents ? 5 : 12)) stage_ = std::min(stage_ + 1, 3);
    if (stage_ != 0) return AnyReport(pid);
    auto attributes = std::make_shared<Attributes>();
    std::tie(pid, std::ignore) = Unfilled<Eventpoll>(pid);
    do {
      EpollTargets set;
      for (std::uint32_t i = Below(4); OneIn(30) ? false : i < 4; ++i) {
        set.targets.push_back(AnyTarget(OpenFd(pid)));
      }
      attributes->descriptors.push_back({Unfilled<Eventpoll>(pid).second, std::move(set)});
    } while (OneIn(4));
    return {pid, SetAttr{{}, std::move(attributes)}};
  }
  /// How deep sets lie is a matter of those that are open.
  bool MayLetGo(Pid pid, Fd fd) const {
    const auto* slot = TaskOf(pid).table->slots.Find(fd);
    return slot == nullptr || slot->value.description->epoll().watchers == 0;
  }

  // ---- memory

  std::uint64_t Page(std::uint64_t number) { return kArena.start + number * kPageSize; }
  AddressRange AnyRange() {
    const std::uint64_t first = Below(kPages);
    const std::uint64_t size = 1 + Below(OneIn(4) ? 6 : 3);
    AddressRange range = {Page(first), Page(std::min(first + size, kPages))};
    if (OneIn(80)) range = {range.start + 8, range.end + 8};
    if (OneIn(80)) range = {kKernelPart, kKernelPart + kPageSize};
    return range;
  }
  /// Something that is mapped or a part of it, mostly.
  AddressRange MappedRange(Pid pid, std::uint32_t beyond_one_in = 4) {
    std::vector<AddressRange> regions;
    TaskOf(pid).space->regions.ForEach(
        [&](AddressRange range, const check::MappedRegion&) { regions.push_back(range); });
    if (regions.empty() || OneIn(12)) return AnyRange();
    AddressRange range = Any(regions);
    const auto pages = static_cast<std::uint32_t>(range.size() / kPageSize);
    range.start += Below(pages) * kPageSize * (OneIn(2) ? 1 : 0);
    if (OneIn(2)) return range;
    const std::uint64_t end = range.start + (1 + Below(6)) * kPageSize;
    range.end = std::min(end, OneIn(beyond_one_in) ? kArena.end : range.end);
    return range;
  }
  /// A place of that size, or one that is none.
  std::uint64_t AnyPlace(std::uint64_t size) {
    if (OneIn(60)) return Any({kArena.start + 8, kKernelPart});
    const std::uint64_t pages = std::min(size / kPageSize, kPages);
    return Page(Below(static_cast<std::uint32_t>(kPages - pages + 1)));
  }
  AddressRange EmptyOr(AddressRange range) {
    return OneIn(60) ? AddressRange{range.start, range.start} : range;
  }
  std::uint64_t AnyProt() { return OneIn(2) ? test::kRw : Below(8); }
  std::uint64_t AnyAdvice() {
    return OneIn(4) ? MadviseBit(Any({MADV_DONTFORK, MADV_DONTNEED})) : Any(features_.advice);
  }

  /// TCP gives its sockets to mmap(2), to be read from (tcp_mmap()); the checker refuses them all.
  bool IsTcp(Pid pid, Fd fd) const {
    const auto* slot = TaskOf(pid).table->slots.Find(fd);
    const auto* socket = slot == nullptr ? nullptr : As<InetSocket>(*slot->value.description->file);
    return socket != nullptr && socket->protocol.value == IPPROTO_TCP;
  }
  Command AnyMapping(Pid pid) {
    const AddressRange range = EmptyOr(AnyRange());
    MapRegion map = test::Mapping(range.start, range.end, AnyProt());
    if (OneIn(12)) map.flags.bits |= MAP_LOCKED;
    if (OneIn(12)) map.flags.bits |= MAP_NORESERVE;
    if (OneIn(8)) map.madvise = {AnyAdvice() | (OneIn(3) ? AnyAdvice() : 0)};
    if (OneIn(3)) {
      map.flags.bits ^= MAP_PRIVATE | MAP_SHARED;
      map.shmem = ShmemView{Below(3), Below(4) * kPageSize, std::nullopt};
      if (kernel().shmems.count(map.shmem->id) == 0 && !OneIn(8)) {
        map.shmem->size = (1 + Below(6)) * kPageSize;
      }
    } else if (OneIn(2)) {
      map.flags.bits ^= MAP_ANONYMOUS;
      if (OneIn(2)) map.flags.bits ^= MAP_PRIVATE | MAP_SHARED;
      map.fd = OpenFd(pid);
      if (IsTcp(pid, *map.fd)) map.fd = -1;
      map.offset = Below(8) * kPageSize + (OneIn(40) ? 1 : 0);
    } else if (OneIn(30)) {
      map.flags.bits ^= Any({MAP_ANONYMOUS, MAP_PRIVATE});
    } else if (features_.droppable && OneIn(12)) {
      map.flags.bits ^= MAP_PRIVATE | kMapDroppable;
    }
    return {pid, map};
  }
  Command OneOfMemory(Pid pid) {
    using namespace test;  // NOLINT
    const bool has_regions = TaskOf(pid).space->regions.FirstOverlap(kArena).has_value();
    switch (has_regions || OneIn(12) ? Below(12) : 12) {
      case 0: {
        const AddressRange range = EmptyOr(MappedRange(pid));
        return UnmapOf(pid, range.start, range.end);
      }
      case 1:
      case 2: {
        const AddressRange range = EmptyOr(MappedRange(pid, 1));
        return MoveOf(pid, range.start, range.end, AnyPlace(range.size()));
      }
      case 3: {
        const AddressRange range = MappedRange(pid);
        return ProtectOf(pid, range.start, range.end, AnyProt());
      }
      case 4:
      case 5: {
        const AddressRange range = MappedRange(pid);
        return AdviseOf(pid, range.start, range.end, AnyAdvice());
      }
      case 6:
      case 7: {
        const AddressRange range = MappedRange(pid);
        const std::uint64_t pages = std::min<std::uint64_t>(range.size() / kPageSize, 4);
        return LoadOf(pid, range.start, pages, Below(kSourcePages - 4) * kPageSize);
      }
      default:
        return AnyMapping(pid);
    }
  }

  // ---- locks
  /// Processes and openings first, then what sets locks, and takes them away.
  Command OneOfLocks(Pid pid, bool first) {
    if (first && OneIn(4)) return test::ForkOf(pid, NewPid(), OneIn(3) ? CLONE_FILES : 0);
    if (first && OneIn(5)) return OneIn(2) ? AnyPipe(pid) : OpenOf(pid, AnyFd(), AnyFifo(seed_));
    if (first) return test::OpenOf(pid, AnyFd(), OneIn(5) ? AnyMemfd(kernel()) : AnyRegular());
    if (pid != kernel().tasks[kernel().root()].pid && OneIn(25)) return test::ExitOf(pid);
    return OneIn(6) ? OneOfFiles(pid) : AnyLock(pid);
  }
  Command AnyLock(Pid pid) {
    Attributes attributes;
    attributes.descriptors.push_back(test::AnyLock(random_, OpenFd(pid), leases_));
    return test::AttrOf(pid, attributes);
  }
  bool MayLock(Pid pid, const DescriptorState& late) const {
    const auto* slot = TaskOf(pid).table->slots.Find(late.fd);
    return slot == nullptr || IsJudged(kernel(), *slot->value.description, late.state, has_leases_);
  }

  Command OneOf(Pid pid) {
    // Every topic needs processes, and memory needs files to map.
    switch (topic_) {
      case Topic::kProcesses:
        return OneOfProcesses(pid);
      case Topic::kEvents:
      case Topic::kFiles:
        return OneIn(3) ? OneOfProcesses(pid) : OneOfFiles(pid);
      case Topic::kMemory:
        return OneIn(6) ? OneOfProcesses(pid) : OneIn(4) ? OneOfFiles(pid) : OneOfMemory(pid);
      case Topic::kAll:
      case Topic::kLocks:
        break;
    }
    return OneIn(3) ? OneOfProcesses(pid) : OneIn(2) ? OneOfFiles(pid) : OneOfMemory(pid);
  }

  const MemoryFeatures& features_;
  const unsigned seed_;
  Topic topic_ = Topic::kAll;
  bool loads_private_files_ = false;
  bool leases_ = false, has_leases_ = false;
  Program program_;
  std::vector<std::string> errors_;
  int stage_ = 0;  ///< late state is at sets, watches, marks, timers
  SimulatedState state_;
};

}  // namespace crgen::test
