// SPDX-License-Identifier: Apache-2.0
// The simulated kernel's state as lines.
#pragma once

#include <sys/epoll.h>
#include <sys/fanotify.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

#include "checker/kernel/kernel.h"
#include "tests/support/kernel_locks.h"
#include "tests/support/kernel_memory.h"
#include "tests/support/state_lines.h"

namespace crgen::test {

class SimulatedLines {
 public:
  explicit SimulatedLines(const check::Kernel& kernel) : kernel_(kernel) {}

  StateLines Write() {
    std::map<Pid, const check::Task*> tasks;
    for (const check::Task& task : kernel_.tasks) {
      if (task.pid != 0 && task.state != check::TaskState::kGone) tasks[task.pid] = &task;
    }
    kernel_.locks.ForEach([&](const FileLock& lock, const check::LockOwner& owner,
                              const check::Description* description) {
      locks_[description].push_back({lock, owner.lock().get()});
    });
    for (const auto& [pid, task] : tasks) WriteTask(*task);
    for (const auto& [description, name] : descriptions_) {
      WriteEpollSet(*description, name);
      WriteWatches(*description, name);
      WriteMarks(*description, name);
    }
    return std::move(lines_);
  }

 private:
  void WriteTask(const check::Task& task) {
    const bool dead = task.state == check::TaskState::kZombie;
    lines_.AddProcess(task.pid, kernel_.tasks[kernel_.ParentOf(task)].pid, task.pgid, task.sid,
                      dead           ? StateLines::DeadText(task.exit_status.code,
                                                            task.exit_status.signal.value_or(Signal{}).value)
                      : task.stopped ? "stopped"
                                     : "alive");
    if (dead) return;
    if (task.subreaper) lines_.AddSubreaper(task.pid);
    for (const check::SimulatedThread& thread : task.threads) {
      lines_.AddThread(task.pid, thread.tid);
    }
    WriteTable(task);
    task.space->regions.ForEach([&](AddressRange range, const check::MappedRegion& region) {
      const Vma vma = ToVma(range, region);
      for (std::uint64_t at = range.start; at < range.end; at += kPageSize) {
        lines_.AddPage(task.pid, at, vma, WordAt(*task.space, range, region, at));
      }
    });
  }

  void WriteTable(const check::Task& task) {
    const Pid owner = tables_.try_emplace(task.table.get(), task.pid).first->second;
    if (owner != task.pid) return lines_.AddSharedTable(task.pid, owner);
    task.table->slots.ForEach([&](Fd fd, const check::Slot& slot) {
      const check::Description& description = *slot.description;
      const std::string name = StateLines::SlotName(task.pid, fd);
      const std::string first = descriptions_.try_emplace(&description, name).first->second;
      lines_.AddSlot(task.pid, fd, first, slot.cloexec, FileName(description));
      for (const auto& [lock, lock_owner] : locks_[&description]) {
        const bool other = lock.kind.value == kPosixLock && lock_owner != task.table.get();
        if (!other) lines_.AddLock(task.pid, fd, LockText(lock));
      }
      if (const check::MemoryObject* object = description.object.get(); object != nullptr) {
        lines_.AddSeals(object->id, object->size, object->seals.bits);
      }
    });
  }

  void WriteEpollSet(const check::Description& description, const std::string& name) {
    for (const LateState& state : description.late) {
      const auto* set = std::get_if<EpollTargets>(&state);
      for (std::size_t i = 0; set != nullptr && i < set->targets.size(); ++i) {
        const auto target = description.epoll().watched[i].lock();
        if (target == nullptr) continue;  // closed by everybody
        const EpollTarget& it = set->targets[i];
        // epoll_ctl(2), unlike a program, arms what has fired.
        lines_.AddEpollTarget(name, it.fd, it.events.bits | EPOLLERR | EPOLLHUP, it.data.value,
                              descriptions_.at(target.get()));
      }
    }
  }

  void WriteWatches(const check::Description& description, const std::string& name) {
    for (const LateState& state : description.late) {
      const auto* watches = std::get_if<InotifyWatches>(&state);
      for (std::size_t i = 0; watches != nullptr && i < watches->watches.size(); ++i) {
        const InotifyWatch& it = watches->watches[i];
        struct stat status = {};
        stat(it.path->bytes.c_str(), &status);
        lines_.AddWatch(name, StateLines::WatchText(it.wd, it.mask.bits, status.st_ino));
      }
    }
  }

  void WriteMarks(const check::Description& description, const std::string& name) {
    for (const LateState& state : description.late) {
      const auto* marks = std::get_if<FanotifyMarks>(&state);
      for (std::size_t i = 0; marks != nullptr && i < marks->marks.size(); ++i) {
        const FanotifyMark& it = marks->marks[i];
        struct stat status = {};
        if (it.type.value == FAN_MARK_INODE) stat(it.path->bytes.c_str(), &status);
        lines_.AddWatch(name, StateLines::MarkText(it.type.value, it.flags.bits, it.mask.bits,
                                                   it.ignored_mask.bits, status.st_ino));
      }
    }
  }

  static std::string TimerfdName(const check::Description& description, const Timerfd& timer) {
    TimerfdSetting setting;
    for (const LateState& state : description.late) {
      if (const auto* set = std::get_if<TimerfdSetting>(&state)) setting = *set;
    }
    return StateLines::TimerfdText(timer.clock.value, description.file->flags.bits, setting);
  }

  static std::string NamespaceName(const NamespaceFile& body, std::uint64_t flags) {
    for (const FlagName& row : NamespaceTypeKind::Names()) {
      if (row.value == body.type.value) {
        return StateLines::NamespaceText(std::string(row.name), flags);
      }
    }
    return "NS";
  }

  /// A PIDFD tells of its target while that is there.
  std::string PidfdName(const check::Description& description, const Pidfd& pidfd,
                        std::uint64_t flags) const {
    const bool gone = pidfd.dead || kernel_.HasLostTarget(description);
    const Pid target = gone ? -1 : pidfd.target->value;
    return StateLines::PidfdText(target, pidfd.thread, flags);
  }

  static std::string AnonymousName(const File& file) {
    const std::uint64_t flags = file.flags.bits;
    if (const auto* event = As<Eventfd>(file)) {
      return StateLines::EventfdText(event->counter, event->semaphore.value_or(false), flags);
    }
    if (const auto* signals = As<Signalfd>(file)) {
      return StateLines::SignalfdText(signals->mask.value, flags);
    }
    if (std::holds_alternative<Inotify>(file.body)) return StateLines::InotifyText(flags);
    if (const auto* fan = As<Fanotify>(file)) {
      return StateLines::FanotifyText(fan->init_flags.bits, fan->event_flags.bits, flags);
    }
    if (std::holds_alternative<Eventpoll>(file.body)) return StateLines::EventpollText(flags);
    if (const auto* it = As<NamespaceFile>(file)) return NamespaceName(*it, flags);
    if (const auto* netlink = As<NetlinkSocket>(file)) {
      std::uint64_t groups = 0;
      for (const std::uint32_t group : netlink->groups) groups |= std::uint64_t{1} << (group - 1);
      if (!netlink->port_id) return "UNIXSK";
      return StateLines::NetlinkText(netlink->protocol.value, *netlink->port_id, groups);
    }
    // Of which family a socket is stands nowhere in /proc/PID.
    return std::holds_alternative<InetSocket>(file.body) ? "UNIXSK" : std::string(TypeOf(file));
  }

  std::string FileName(const check::Description& description) const {
    constexpr std::uint64_t kDefault = 65536;
    const File& file = *description.file;
    if (description.pipe != nullptr) {
      const PipeContent& content = description.pipe->content;
      const auto* fifo = As<Fifo>(file);
      return (fifo == nullptr ? "" : fifo->path.bytes + " ") +
             StateLines::PipeText(content.capacity.value_or(kDefault),
                                  content.data ? content.data->bytes : 0, file.flags.bits);
    }
    if (const auto* timer = As<Timerfd>(file)) return TimerfdName(description, *timer);
    if (const auto* pidfd = As<Pidfd>(file)) {
      return PidfdName(description, *pidfd, file.flags.bits);
    }
    const bool leased = std::any_of(
        description.late.begin(), description.late.end(),
        [](const LateState& late) { return std::holds_alternative<LeaseSetting>(late); });
    if (const auto* regular = As<RegularFile>(file)) {
      // F_SETLEASE enters the description among those that signals are sent for.
      const std::uint64_t flags = file.flags.bits | (leased ? O_ASYNC : 0);
      return StateLines::FileText(regular->path.bytes, flags, regular->pos.value_or(0));
    }
    if (const auto* memfd = As<Memfd>(file)) {
      return StateLines::FileText(MemfdLink(memfd->inode_id.value), file.flags.bits,
                                  memfd->pos.value_or(0));
    }
    return AnonymousName(file);
  }

  static Vma ToVma(AddressRange range, const check::MappedRegion& region) {
    const check::Backing& backing = *region.backing;
    Vma vma;
    vma.range = range;
    vma.access = region.prot.Has(PROT_READ) ? "r" : "-";
    vma.access += region.prot.Has(PROT_WRITE) ? 'w' : '-';
    vma.access += region.prot.Has(PROT_EXEC) ? 'x' : '-';
    vma.access += backing.IsPrivate() ? 'p' : 's';
    vma.offset = region.offset;
    vma.path = "anonymous";
    if (backing.object != nullptr) {
      vma.path =
          backing.object->memfd ? MemfdLink(backing.object->id) : ShmemName(backing.object->id);
    } else if (backing.file != nullptr) {
      vma.path = std::get<RegularFile>(backing.file->body).path.bytes;
    }
    const bool droppable = region.flags.Has(kMapDroppable);
    auto has = [&](int advice) { return region.madvise.Has(MadviseBit(advice)); };
    // In the order of kVmaFlags.
    const bool set[] = {!backing.IsPrivate() && backing.may_write,
                        region.flags.Has(MAP_LOCKED),
                        region.flags.Has(MAP_NORESERVE) || droppable,
                        has(MADV_RANDOM),
                        has(MADV_SEQUENTIAL),
                        has(MADV_DONTFORK),
                        has(MADV_WIPEONFORK) || droppable,
                        has(MADV_DONTDUMP) || droppable,
                        has(MADV_HUGEPAGE),
                        has(MADV_NOHUGEPAGE),
                        has(MADV_MERGEABLE),
                        droppable};
    static_assert(std::size(set) == std::size(kVmaFlags));
    for (std::size_t i = 0; i < std::size(set); ++i) {
      if (set[i]) vma.flags += std::string(" ") + kVmaFlags[i];
    }
    return vma;
  }

  static std::optional<std::uint64_t> Loaded(const check::PageMap& pages, std::uint64_t at) {
    const auto found = pages.FirstOverlap({at, at + kPageSize});
    if (!found) return std::nullopt;
    return (found->value->offset + (at - found->range.start)) / kPageSize + 1;
  }

  /// The first eight bytes of a page; none: it cannot be read.
  static std::optional<std::uint64_t> WordAt(const check::Space& space, AddressRange range,
                                             const check::MappedRegion& region, std::uint64_t at) {
    const check::Backing& backing = *region.backing;
    if (space.guards.FirstOverlap({at, at + kPageSize})) return std::nullopt;
    if (backing.IsPrivate()) {
      if (auto word = Loaded(space.pages, at)) return word;
    }
    const std::uint64_t offset = region.offset + (at - range.start);
    if (backing.object != nullptr) {
      if (offset >= backing.object->size) return std::nullopt;
      return Loaded(backing.object->pages, offset).value_or(0);
    }
    if (backing.file == nullptr) return 0;
    if (offset >= kFilePages * kPageSize) return std::nullopt;
    return FileWord(offset / kPageSize);
  }

  struct OwnedLock {
    FileLock lock;
    const void* owner;
  };

  const check::Kernel& kernel_;
  StateLines lines_;
  std::unordered_map<const check::Description*, std::vector<OwnedLock>> locks_;
  std::unordered_map<const check::Table*, Pid> tables_;
  std::unordered_map<const check::Description*, std::string> descriptions_;
};

}  // namespace crgen::test
