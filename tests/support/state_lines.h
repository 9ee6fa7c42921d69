// SPDX-License-Identifier: Apache-2.0
// The processes, descriptors and pages that a program ends in, one line each: the form in which the
// real and the simulated kernel are compared.
#pragma once

#include <fcntl.h>

#include <cstdint>
#include <optional>
#include <set>
#include <string>

#include "dsl/commands.h"
#include "tests/support/kernel_maps.h"

namespace crgen::test {

class StateLines {
 public:
  void AddProcess(Pid pid, Pid parent, Pid group, Pid session, const std::string& state) {
    Add(pid, "parent " + std::to_string(parent) + " group " + std::to_string(group) + " session " +
                 std::to_string(session) + " " + state);
  }
  static std::string DeadText(std::optional<std::uint32_t> code, std::uint32_t signal) {
    return code ? "exited with " + std::to_string(*code) : "killed by " + std::to_string(signal);
  }
  void AddSubreaper(Pid pid) { Add(pid, "subreaper"); }
  void AddThread(Pid pid, Pid tid) { Add(pid, "thread " + std::to_string(tid)); }
  void AddSharedTable(Pid pid, Pid owner) {
    Add(pid, "descriptor table of " + std::to_string(owner));
  }
  /// `same_as`: the first slot with the same description.
  void AddSlot(Pid pid, Fd fd, const std::string& same_as, bool cloexec, const std::string& file) {
    Add(pid, "fd " + std::to_string(fd) + (cloexec ? " cloexec" : "") + " description of " +
                 same_as + " " + file);
  }
  void AddLock(Pid pid, Fd fd, const std::string& lock) {
    Add(pid, "fd " + std::to_string(fd) + " lock " + lock);
  }
  static std::string SlotName(Pid pid, Fd fd) {
    return std::to_string(pid) + "/" + std::to_string(fd);
  }
  static std::string FileText(const std::string& name, std::uint64_t flags, std::uint64_t pos) {
    return name + " flags " + HexText(flags & ~(kLargeFile | O_CLOEXEC)) + " pos " +
           std::to_string(pos);
  }
  void AddEpollTarget(const std::string& set, Fd fd, std::uint64_t events, std::uint64_t data,
                      const std::string& target) {
    // A kernel without CONFIG_PM_SLEEP keeps no EPOLLWAKEUP.
    lines_.insert("epoll set " + set + " watches fd " + std::to_string(fd) + " " +
                  HexText(events & ~kEpollWakeup) + " " + HexText(data) + ", description of " +
                  target);
  }
  static std::string EventpollText(std::uint64_t flags) { return FileText("EVENTPOLL", flags, 0); }
  void AddWatch(const std::string& group, const std::string& watch) {
    lines_.insert("watcher " + group + " " + watch);
  }
  static std::string InotifyText(std::uint64_t flags) { return FileText("INOTIFY", flags, 0); }
  static std::string FanotifyText(std::uint64_t init, std::uint64_t event, std::uint64_t flags) {
    return FileText("FANOTIFY " + HexText(init) + " " + HexText(event), flags, 0);
  }
  static std::string PidfdText(Pid target, bool thread, std::uint64_t flags) {
    return FileText("PIDFD " + std::to_string(target) + (thread ? " thread" : ""), flags, 0);
  }
  static std::string WatchText(std::int32_t wd, std::uint64_t mask, std::uint64_t inode) {
    return "wd " + std::to_string(wd) + " " + HexText(mask) + " inode " + std::to_string(inode);
  }
  static std::string EventfdText(std::uint64_t counter, bool semaphore, std::uint64_t flags) {
    return FileText("EVENTFD " + HexText(counter) + (semaphore ? " semaphore" : ""), flags, 0);
  }
  static std::string SignalfdText(std::uint64_t mask, std::uint64_t flags) {
    return FileText("SIGNALFD " + HexText(mask), flags, 0);
  }
  static std::string MarkText(std::uint64_t type, std::uint64_t flags, std::uint64_t mask,
                              std::uint64_t ignored, std::uint64_t inode) {
    return "mark of type " + HexText(type) + " " + HexText(flags) + " " + HexText(mask) +
           " without " + HexText(ignored) + " inode " + std::to_string(inode);
  }
  static std::string TimerfdText(std::uint64_t clock, std::uint64_t flags,
                                 const TimerfdSetting& timer) {
    return FileText("TIMERFD clock " + std::to_string(clock) + " " +
                        HexText(timer.settime_flags.bits) + " ticks " +
                        std::to_string(timer.ticks) + " value " + TimeText(timer.value, 100) +
                        " interval " + TimeText(timer.interval, 1),
                    flags, 0);
  }
  static std::string NamespaceText(const std::string& type, std::uint64_t flags) {
    return FileText("NS " + type, flags, 0);
  }
  /// Of those that are bound. `groups`: the first 32, a bit each.
  static std::string NetlinkText(std::uint64_t protocol, std::uint64_t port, std::uint64_t groups) {
    return "NETLINKSK " + std::to_string(protocol) + " port " + std::to_string(port) + " groups " +
           HexText(groups);
  }
  static std::string PipeText(std::uint64_t capacity, std::uint64_t queued, std::uint64_t flags) {
    return FileText("PIPE of " + std::to_string(capacity) + " with " + std::to_string(queued),
                    flags, 0);
  }
  /// `vma` contains `page`; `word`: the first eight bytes, if they can be read.
  void AddPage(Pid pid, std::uint64_t page, const Vma& vma, std::optional<std::uint64_t> word) {
    std::string text = HexText(page) + " " + vma.access + vma.flags + " " + vma.path;
    if (vma.path != "anonymous") text += " at " + HexText(vma.offset + page - vma.range.start);
    Add(pid, text + (word ? " reads " + std::to_string(*word) : " cannot be read"));
  }
  void AddSeals(std::uint64_t inode_id, std::uint64_t size, std::uint64_t seals) {
    lines_.insert("memfd " + std::to_string(inode_id) + " size " + std::to_string(size) +
                  " seals " + HexText(seals));
  }

  /// What only one of the two has; empty: nothing.
  static std::string Difference(const StateLines& real, const StateLines& simulated) {
    std::string text;
    for (const std::string& line : real.lines_) {
      if (simulated.lines_.count(line) == 0) text += "\n  kernel:  " + line;
    }
    for (const std::string& line : simulated.lines_) {
      if (real.lines_.count(line) == 0) text += "\n  checker: " + line;
    }
    return text;
  }
  std::size_t size() const { return lines_.size(); }

 private:
  /// Time passes: in `steps` of so many seconds. The kernel's times end 292 years after 1970.
  static std::string TimeText(const TimeSpan& time, std::uint64_t steps) {
    if (time.sec > 7'000'000'000) return "for ever";
    if (steps == 1) return std::to_string(time.sec) + " " + std::to_string(time.nsec);
    return time.IsZero() ? "none" : std::to_string((time.sec + steps / 2) / steps);
  }
  void Add(Pid pid, const std::string& text) {
    lines_.insert("process " + std::to_string(pid) + ": " + text);
  }
  std::set<std::string> lines_;
};

inline std::string ShmemName(std::uint64_t id) { return "shmem " + std::to_string(id); }

/// Files that programs open and map: page n of each begins with a word of its own.
inline constexpr std::uint64_t kFilePages = 6;
inline std::uint64_t FileWord(std::uint64_t page) { return 1000 + page; }

}  // namespace crgen::test
