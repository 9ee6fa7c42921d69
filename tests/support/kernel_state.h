// SPDX-License-Identifier: Apache-2.0
// The real kernel's state as lines, read from /proc by the namespace's init.
#pragma once

#include <linux/kcmp.h>
#include <sys/ioctl.h>

#include <cstdio>
#include <cstdlib>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tests/support/kernel_runner.h"
#include "tests/support/state_lines.h"

namespace crgen::test {

class RealLines {
 public:
  explicit RealLines(const KernelView& view) : view_(view) {}

  /// Empty: something cannot be read.
  std::optional<StateLines> Write() {
    std::map<Pid, ProcEntry> processes;
    if (!ReadProcesses(view_.proc, &processes)) return std::nullopt;
    if (view_.init_is_outside) processes.erase(1);
    for (const auto& [pid, entry] : processes) WriteProcess(pid, entry);
    for (const KnownSlot& set : descriptions_["anon_inode:[eventpoll]"]) WriteEpollSet(set);
    for (const KnownSlot& group : descriptions_["anon_inode:inotify"]) WriteWatches(group);
    for (const KnownSlot& group : descriptions_["anon_inode:[fanotify]"]) WriteMarks(group);
    return std::move(lines_);
  }

 private:
  void WriteProcess(Pid pid, const ProcEntry& entry) {
    const bool dead = entry.state == 'Z';
    lines_.AddProcess(pid, view_.Named(entry.ppid), entry.pgid, entry.sid,
                      dead                 ? DeadText(entry.exit_code)
                      : entry.state == 'T' ? "stopped"
                                           : "alive");
    if (dead) return;
    if (view_.IsSubreaper(pid)) lines_.AddSubreaper(pid);
    const std::string name = std::to_string(pid);
    for (const std::string& tid : NamesIn(view_.proc, name + "/task")) {
      if (tid != name) lines_.AddThread(pid, std::atoi(tid.c_str()));
    }
    WriteTable(pid, name);
    WriteArena(pid, name);
  }

  static std::string DeadText(int status) {
    if (WIFEXITED(status)) return StateLines::DeadText(WEXITSTATUS(status), 0);
    return StateLines::DeadText(std::nullopt, static_cast<std::uint32_t>(WTERMSIG(status)));
  }

  static bool Same(Pid a, Pid b, int what, Fd a_fd = 0, Fd b_fd = 0) {
    return syscall(SYS_kcmp, a, b, what, a_fd, b_fd) == 0;
  }

  void WriteTable(Pid pid, const std::string& name) {
    for (const Pid owner : tables_) {
      if (Same(owner, pid, KCMP_FILES)) return lines_.AddSharedTable(pid, owner);
    }
    tables_.push_back(pid);
    std::map<Fd, std::string> links;
    for (const std::string& fd : NamesIn(view_.proc, name + "/fd")) {
      const Fd number = std::atoi(fd.c_str());
      if (number < kFirstOwnFd) links[number] = LinkText(view_.proc, name + "/fd/" + fd);
    }
    // Looking at a memfd closes it again, and with that the looker's own POSIX locks are gone.
    for (const auto& [fd, link] : links) WriteLocks(pid, fd);
    for (const auto& [fd, link] : links) WriteSlot(pid, fd, link);
  }

  struct KnownSlot {
    Pid pid;
    Fd fd;
  };

  void WriteSlot(Pid pid, Fd fd, const std::string& link) {
    KnownSlot first = {pid, fd};
    std::vector<KnownSlot>& known = descriptions_[link];
    for (const KnownSlot& slot : known) {
      if (Same(slot.pid, pid, KCMP_FILE, slot.fd, fd)) first = slot;
    }
    if (first.pid == pid && first.fd == fd) known.push_back(first);
    char text[8192];
    ReadInfo(pid, fd, text, sizeof text);
    unsigned long pos = 0, flags = 0;
    std::sscanf(text, "pos: %lu flags: %lo", &pos, &flags);
    const bool fifo = link.find("/fifo-") != link.npos;
    lines_.AddSlot(pid, fd, StateLines::SlotName(first.pid, first.fd), (flags & O_CLOEXEC) != 0,
                   fifo || link.starts_with("pipe:")
                       ? (fifo ? link + " " : "") +
                             PipeName(std::to_string(pid) + "/fd/" + std::to_string(fd), flags)
                   : link.starts_with("socket:") ? SocketName(view_.proc, pid, link)
                                                 : FileName(link, text, flags, pos));
    if (link.starts_with("/memfd:m")) WriteMemfd(pid, fd, link);
  }

  void ReadInfo(Pid pid, Fd fd, char* text, std::size_t size) const {
    const std::string path = std::to_string(pid) + "/fdinfo/" + std::to_string(fd);
    const int info = openat(view_.proc, path.c_str(), O_RDONLY | O_CLOEXEC);
    const ssize_t got = read(info, text, size - 1);
    text[got < 0 ? 0 : got] = '\0';
    close(info);
  }

  void WriteLocks(Pid pid, Fd fd) {
    char text[8192];
    ReadInfo(pid, fd, text, sizeof text);
    for (const char* line = text; (line = std::strstr(line, "lock:")) != nullptr; ++line) {
      char kind[16], mode[16], type[16], last[32];
      unsigned long first = 0;
      const int found = std::sscanf(line, "lock: %*d: %15s %15s %15s %*d %*s %lu %31s", kind, mode,
                                    type, &first, last);
      if (found != 5) continue;
      lines_.AddLock(pid, fd,
                     std::string(kind) + " " + type + " " + std::to_string(first) + " " + last);
    }
  }

  /// The number behind `label` in fdinfo (proc(5)).
  static std::uint64_t Number(const char* info, const char* label, int base) {
    const char* found = std::strstr(info, label);
    return found == nullptr ? 0 : std::strtoull(found + std::strlen(label), nullptr, base);
  }

  /// What F_GETPIPE_SZ and FIONREAD say of the pipe at that path.
  std::string PipeName(const std::string& path, std::uint64_t flags) const {
    const int pipe = openat(view_.proc, path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    int queued = 0;
    ioctl(pipe, FIONREAD, &queued);
    const int capacity = fcntl(pipe, F_GETPIPE_SZ);
    close(pipe);
    return StateLines::PipeText(static_cast<std::uint64_t>(capacity),
                                static_cast<std::uint64_t>(queued), flags);
  }

  /// Of which family a socket is stands nowhere in /proc/PID, but for those of netlink(7) that have
  /// a port.
  static std::string SocketName(int proc, Pid pid, const std::string& link) {
    const std::uint64_t inode = std::strtoull(link.c_str() + std::strlen("socket:["), nullptr, 10);
    for (const std::string& line : LinesOf(proc, std::to_string(pid) + "/net/netlink")) {
      unsigned protocol = 0, port = 0, groups = 0;
      unsigned long found = 0;
      if (std::sscanf(line.c_str(), "%*x %u %u %x %*d %*d %*d %*d %*u %lu", &protocol, &port,
                      &groups, &found) == 4 &&
          found == inode) {
        return StateLines::NetlinkText(protocol, port, groups);
      }
    }
    return "UNIXSK";
  }

  static std::string FileName(const std::string& link, const char* info, std::uint64_t flags,
                              std::uint64_t pos) {
    if (link.starts_with("anon_inode:[eventfd]")) {
      return StateLines::EventfdText(Number(info, "eventfd-count:", 16),
                                     Number(info, "eventfd-semaphore:", 10) != 0, flags);
    }
    if (link.starts_with("anon_inode:[signalfd]")) {
      return StateLines::SignalfdText(Number(info, "sigmask:", 16), flags);
    }
    if (link.starts_with("anon_inode:[timerfd]")) {
      return StateLines::TimerfdText(Number(info, "clockid:", 10), flags, TimerIn(info));
    }
    if (link == "anon_inode:inotify") return StateLines::InotifyText(flags);
    if (link == "anon_inode:[fanotify]") {
      constexpr std::uint64_t kNoNotify = 0x4000000;  // of older kernels
      return StateLines::FanotifyText(Number(info, "fanotify flags:", 16),
                                      Number(info, "event-flags:", 16) & ~kLargeFile,
                                      flags & ~kNoNotify);
    }
    if (link.starts_with("anon_inode:[pidfd]") || link.starts_with("pidfd:")) {
      const char* target = std::strstr(info, "NSpid:");
      return StateLines::PidfdText(target == nullptr ? 0 : std::atoi(target + 6),
                                   (flags & O_EXCL) != 0, flags & ~std::uint64_t{O_EXCL});
    }
    if (const auto at = link.find(":["); at != link.npos && !link.starts_with("anon_inode")) {
      return StateLines::NamespaceText(link.substr(0, at), flags);
    }
    if (link == "anon_inode:[eventpoll]") return StateLines::EventpollText(flags);
    return StateLines::FileText(link, flags, pos);
  }

  static TimerfdSetting TimerIn(const char* info) {
    TimerfdSetting timer;
    timer.ticks = Number(info, "ticks:", 10);
    timer.settime_flags.bits = Number(info, "settime flags:", 8);
    const auto span = [&](const char* label) {
      unsigned long sec = 0, nsec = 0;
      const char* found = std::strstr(info, label);
      if (found != nullptr) std::sscanf(found + std::strlen(label), " (%lu, %lu)", &sec, &nsec);
      return TimeSpan{sec, nsec};
    };
    timer.value = span("it_value:");
    timer.interval = span("it_interval:");
    return timer;
  }

  void WriteMarks(const KnownSlot& group) {
    const std::string path = std::to_string(group.pid) + "/fdinfo/" + std::to_string(group.fd);
    for (const std::string& line : LinesOf(view_.proc, path)) {
      unsigned long inode = 0;
      unsigned flags = 0, mask = 0, ignored = 0;
      std::sscanf(line.c_str(), "fanotify ino:%lx", &inode);
      const std::size_t at = line.find("mflags:");
      if (at == line.npos || std::sscanf(line.c_str() + at, "mflags:%x mask:%x ignored_mask:%x",
                                         &flags, &mask, &ignored) != 3) {
        continue;
      }
      const std::uint64_t type = line.starts_with("fanotify ino:")      ? FAN_MARK_INODE
                                 : line.starts_with("fanotify mnt_id:") ? FAN_MARK_MOUNT
                                                                        : FAN_MARK_FILESYSTEM;
      lines_.AddWatch(StateLines::SlotName(group.pid, group.fd),
                      StateLines::MarkText(type, flags, mask, ignored, inode));
    }
  }

  void WriteWatches(const KnownSlot& group) {
    const std::string path = std::to_string(group.pid) + "/fdinfo/" + std::to_string(group.fd);
    for (const std::string& line : LinesOf(view_.proc, path)) {
      int wd = 0;
      unsigned long inode = 0;
      unsigned mask = 0;
      if (std::sscanf(line.c_str(), "inotify wd:%x ino:%lx sdev:%*x mask:%x", &wd, &inode, &mask) !=
          3) {
        continue;
      }
      lines_.AddWatch(StateLines::SlotName(group.pid, group.fd),
                      StateLines::WatchText(wd, mask, inode));
    }
  }

  /// What is watched, by the descriptions that kcmp(2) finds.
  void WriteEpollSet(const KnownSlot& set) {
    const std::string path = std::to_string(set.pid) + "/fdinfo/" + std::to_string(set.fd);
    std::map<std::uint32_t, std::uint32_t> seen;  ///< of each number: it may stand several times
    for (const std::string& line : LinesOf(view_.proc, path)) {
      kcmp_epoll_slot slot = {static_cast<std::uint32_t>(set.fd), 0, 0};
      std::uint32_t events = 0;
      unsigned long long data = 0;
      if (std::sscanf(line.c_str(), "tfd: %u events: %x data: %llx", &slot.tfd, &events, &data) !=
          3)
        continue;
      slot.toff = seen[slot.tfd]++;
      lines_.AddEpollTarget(StateLines::SlotName(set.pid, set.fd), static_cast<Fd>(slot.tfd),
                            events, data, NameOfWatched(set.pid, slot));
    }
  }
  std::string NameOfWatched(Pid pid, const kcmp_epoll_slot& slot) const {
    for (const auto& [link, known] : descriptions_) {
      for (const KnownSlot& it : known) {
        if (syscall(SYS_kcmp, it.pid, pid, KCMP_EPOLL_TFD, it.fd, &slot) == 0) {
          return StateLines::SlotName(it.pid, it.fd);
        }
      }
    }
    return "nobody";
  }

  void WriteMemfd(Pid pid, Fd fd, const std::string& link) {
    const std::string path = std::to_string(pid) + "/fd/" + std::to_string(fd);
    const int object = openat(view_.proc, path.c_str(), O_RDONLY | O_CLOEXEC);
    struct stat it = {};
    fstat(object, &it);
    const int seals = fcntl(object, F_GET_SEALS);
    close(object);
    const auto id = std::strtoull(link.c_str() + std::string_view("/memfd:m").size(), nullptr, 10);
    lines_.AddSeals(id, static_cast<std::uint64_t>(it.st_size), static_cast<std::uint64_t>(seals));
  }

  void WriteArena(Pid pid, const std::string& name) {
    const int memory = openat(view_.proc, (name + "/mem").c_str(), O_RDONLY | O_CLOEXEC);
    for (Vma vma : ReadArena(view_.proc, name)) {
      vma.path = BackingName(vma);
      for (std::uint64_t at = vma.range.start; at < vma.range.end; at += kPageSize) {
        std::uint64_t word = 0;
        const ssize_t size = pread(memory, &word, sizeof word, static_cast<off_t>(at));
        const bool read = size == sizeof word;
        lines_.AddPage(pid, at, vma, read ? std::optional(word) : std::nullopt);
      }
    }
    close(memory);
  }

  std::string BackingName(const Vma& vma) const {
    if (vma.inode == 0) return "anonymous";
    for (std::size_t id = 0; id < SharedObjects::kMax; ++id) {
      if (IsShmem(vma, view_.board.objects.shmem_inode[id].load())) return ShmemName(id);
    }
    return vma.path;
  }

  const KernelView& view_;
  StateLines lines_;
  std::vector<Pid> tables_;  ///< processes with a table of their own
  std::unordered_map<std::string, std::vector<KnownSlot>> descriptions_;  ///< by link
};

}  // namespace crgen::test
