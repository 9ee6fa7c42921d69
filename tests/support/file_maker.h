// SPDX-License-Identifier: Apache-2.0
// Random descriptions for programs.
#pragma once

#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/sched.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/fanotify.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "checker/kernel/kernel.h"
#include "tests/support/check_support.h"
#include "tests/support/choice.h"
#include "tests/support/kernel_maps.h"
#include "tests/support/kernel_memory.h"

namespace crgen::test {

class FileMaker : protected Choice {
 protected:
  /// `folder` has the files "0" to "2" of kFilePages pages.
  FileMaker(unsigned seed, std::string folder) : Choice(seed), folder_(std::move(folder)) {}

  template <typename Value>
  Value Any(const std::vector<Value>& list) {
    return list[Below(static_cast<std::uint32_t>(list.size()))];
  }
  template <typename Value, std::uint32_t kSize>
  Value Any(const Value (&list)[kSize]) {
    return list[Below(kSize)];
  }

  std::uint64_t AccessMode() { return Any({O_RDONLY, O_WRONLY, O_RDWR, O_RDWR, O_RDWR}); }

  std::shared_ptr<const File> AnyRegular() {
    RegularFile body;
    body.path = {folder_ + "/" + std::to_string(Below(3))};
    const OpenFlags flags = {OneIn(12)  ? O_PATH
                             : OneIn(8) ? std::uint64_t{O_ACCMODE}
                                        : AccessMode() | Any({0, 0, 0, O_APPEND, O_NONBLOCK})};
    if (OneIn(2) && !flags.Has(O_PATH)) body.pos = Below(9000);
    body.size = kFilePages * kPageSize;
    return std::make_shared<const File>(File{{++files_}, flags, body});
  }
  std::shared_ptr<const File> AnyMemfd(const check::Kernel& kernel) {
    Memfd body;
    body.inode_id.value = Below(4);
    const OpenFlags flags = {AccessMode() | Any({0, 0, 0, O_APPEND})};
    if (OneIn(3)) body.pos = Below(9000);
    if (OneIn(3)) body.seals = Seals{Below(32)};
    if (!kernel.files.Of<Memfd>().Find(body.inode_id) && !OneIn(10)) {
      body.name = Text{"memory"};
      body.size = Below(6) * 0x1000 + Any({0, 0, 1});
    }
    return std::make_shared<const File>(File{{++files_}, flags, body});
  }
  /// What has no path; now and then with flags or values that no such description has.
  std::shared_ptr<const File> AnyAnonymous() {
    const OpenFlags flags = {std::uint64_t{O_RDWR} | Any({0, 0, 0, O_NONBLOCK, O_APPEND})};
    FileBody body;
    switch (Below(5)) {
      case 0:
        body = Eventfd{Any({0UL, 1UL, 7UL, 0xffffffffUL, 0x100000000UL, ~0UL - 1, ~0UL}),
                       OneIn(2) ? std::optional(OneIn(2)) : std::nullopt};
        break;
      case 1:
        body = Signalfd{{Any({0UL, 1UL, 0xffffUL & ~0x100UL, 1UL << 63})}};
        break;
      case 2:
        body = Timerfd{{static_cast<std::uint32_t>(Below(12))}};
        break;
      default:
        body = Eventpoll{};
    }
    return std::make_shared<const File>(File{{++files_}, flags, body});
  }
  /// An end of a pipe, mostly one that can be made. `alone`: nothing else is wrong with the
  /// command, so its values may be.
  std::shared_ptr<const File> AnyPipeEnd(PipeId id, bool first, bool alone, std::uint64_t access) {
    Pipe body{id, {}, {}};
    OpenFlags flags = {access | Any({0, 0, 0, O_NONBLOCK, O_APPEND, O_DIRECT})};
    if (first != OneIn(8)) {
      const bool wrong = first && alone && OneIn(6);
      if (OneIn(2)) body.capacity = wrong ? Any({4097, 0, 4096}) : Any({8192, 16384, 65536});
      if (OneIn(2)) {
        body.data = ImageBytes{"pipes-data.img", 8,
                               wrong ? Any({5000UL, 65537UL}) : Any({1UL, 4096UL, 8192UL})};
      }
    } else {
      flags.bits |= OneIn(6) ? 0 : kLargeFile | Any({0, 0, O_SYNC});
    }
    return std::make_shared<const File>(File{{++files_}, flags, body});
  }
  /// O_RDWR is of those that are opened only.
  std::uint64_t AnyAccess(bool first) {
    return first && !OneIn(6) ? Any({O_RDONLY, O_WRONLY}) : AccessMode();
  }

  static constexpr std::uint32_t kConnected = 1, kClosed = 7, kListening = 10;  // TCP_ states
  /// Internet sockets that get in each other's way.
  std::shared_ptr<const File> AnySocket() {
    InetSocket socket;
    const bool six = OneIn(2), stream = OneIn(2);
    socket.family.value = six ? AF_INET6 : AF_INET;
    socket.socket_type.value = stream ? SOCK_STREAM : SOCK_DGRAM;
    socket.protocol.value = stream ? IPPROTO_TCP : IPPROTO_UDP;
    socket.state.value = kClosed;
    socket.v6only = six && OneIn(3);
    const char* address = six ? Any({"::", "::1", "::ffff:127.0.0.1", "::ffff:127.0.0.2"})
                              : Any({"0.0.0.0", "127.0.0.1", "127.0.0.2"});
    socket.source = InetAddress{address, 22000 + Below(2)};
    if (OneIn(2)) socket.options->so_reuseaddr = true;
    if (OneIn(3)) socket.options->so_reuseport = true;
    if (stream && OneIn(2)) {
      socket.state.value = kListening;
      socket.backlog = 1;
    } else if (OneIn(3)) {
      const bool own = socket.source->address == "::1";
      socket.state.value = kConnected;
      socket.source->address = own ? "::1" : six ? "::ffff:127.0.0.1" : "127.0.0.1";
      socket.destination = InetAddress{socket.source->address, 22010 + Below(2)};
      if (stream) socket.stream.emplace().mss = 1400;
    }
    return std::make_shared<const File>(File{{++files_}, {O_RDWR}, socket});
  }
  /// Sockets of netlink(7) that want few ports; now and then with values that none has.
  std::shared_ptr<const File> AnyNetlinkSocket() {
    NetlinkSocket socket;
    socket.protocol.value = OneIn(12) ? Any({32, 300}) : Any({NETLINK_USERSOCK, NETLINK_ROUTE});
    if (!OneIn(4)) socket.port_id = 7000 + Below(3);
    for (std::uint32_t group = OneIn(12) ? 0 : 1 + Below(32); OneIn(2) && group <= 32; group += 5) {
      socket.groups.push_back(group);
    }
    if (socket.port_id && OneIn(3)) {
      socket.state = kNetlinkConnected;
      socket.destination = NetlinkDestination{Below(2), Below(33)};
    }
    return std::make_shared<const File>(File{{++files_}, {O_RDWR}, socket});
  }
  InotifyWatches AnyWatches() {
    InotifyWatches watches;
    for (std::uint32_t i = Below(3); OneIn(30) ? false : i < 3; ++i) {
      InotifyWatch watch;
      watch.wd = static_cast<std::int32_t>(OneIn(20) ? 0 : 1 + Below(OneIn(3) ? 4 : 1000));
      watch.mask = {Any({std::uint64_t{IN_CREATE}, std::uint64_t{IN_ALL_EVENTS},
                         std::uint64_t{IN_MODIFY | IN_EXCL_UNLINK},
                         std::uint64_t{IN_OPEN} | std::uint64_t{IN_EXCL_UNLINK}})};
      if (OneIn(20)) watch.mask.bits |= IN_ONLYDIR;
      watch.path = Text{folder_ + "/" + std::to_string(Below(3))};
      watches.watches.push_back(watch);
    }
    return watches;
  }
  /// Watchers of files and processes.
  std::shared_ptr<const File> AnyWatcher() {
    OpenFlags flags = {std::uint64_t{O_RDWR} | Any({0, 0, O_NONBLOCK})};
    FileBody body;
    switch (Below(4)) {
      case 0:
        if (!OneIn(8)) flags.bits &= ~std::uint64_t{O_ACCMODE};
        body = Inotify{};
        break;
      case 1:
        body = Fanotify{{OneIn(8) ? std::uint64_t{FAN_CLASS_CONTENT | FAN_CLASS_PRE_CONTENT}
                                  : Any({0UL, std::uint64_t{FAN_CLASS_CONTENT},
                                         std::uint64_t{FAN_UNLIMITED_QUEUE}})},
                        {Any({std::uint64_t{O_RDONLY}, std::uint64_t{O_RDWR | O_APPEND},
                              std::uint64_t{O_RDONLY | O_DIRECTORY}})}};
        break;
      default:
        // Not 1: where the program has none, the test has.
        body = Pidfd{PidReference{static_cast<Pid>(Below(8)) + 2}, {}, OneIn(4)};
        if (!OneIn(4)) break;
        std::get<Pidfd>(body).dead = DeadId{Below(3)};
        if (!OneIn(8)) std::get<Pidfd>(body).target.reset();
    }
    return std::make_shared<const File>(File{{++files_}, flags, body});
  }

  /// Its path is the program's own: what is in a FIFO all see that have it open.
  std::shared_ptr<const File> AnyFifo(unsigned program) {
    Fifo body{{Below(3)}, {}, {}, {}};
    body.path = {folder_ + "/fifo-" + std::to_string(program) + "-" +
                 std::to_string(body.pipe_id.value)};
    if (OneIn(3)) body.capacity = OneIn(6) ? Any({4097, 0, 4096}) : Any({8192, 16384, 65536});
    if (OneIn(3)) {
      body.data = ImageBytes{"fifo-data.img", 8,
                             OneIn(6) ? Any({8193UL, 65537UL}) : Any({1UL, 4096UL, 8192UL})};
    }
    const OpenFlags flags = {AccessMode() |
                             Any({0, 0, O_NONBLOCK, O_APPEND, O_DIRECT, O_SYNC, O_NOATIME}) |
                             (OneIn(16) ? Any({O_DIRECTORY, O_PATH}) : 0)};
    return std::make_shared<const File>(File{{++files_}, flags, body});
  }
  /// Of the namespaces that all of a program are in; now and then of another, or of no kind.
  std::shared_ptr<const File> AnyNamespaceFile() {
    NamespaceFile body;
    body.type.value = Any({CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWNET, CLONE_NEWPID, CLONE_NEWUSER,
                           CLONE_NEWNS, CLONE_NEWCGROUP});
    if (OneIn(12)) body.type.value = CLONE_FILES;
    if (OneIn(12)) body.id = 7;
    const OpenFlags flags = {std::uint64_t{O_RDONLY} | Any({0, 0, O_NONBLOCK})};
    return std::make_shared<const File>(File{{++files_}, flags, body});
  }
  std::shared_ptr<const File> AnyEvent(unsigned program) {
    switch (Below(5)) {
      case 0:
        return AnyFifo(program);
      case 1:
        return AnyNamespaceFile();
      case 2:
        return AnyAnonymous();
      default:
        return AnyWatcher();
    }
  }
  /// Of a type that has late state.
  std::shared_ptr<const File> AnyReporter() {
    FileBody body = Eventpoll{};
    switch (Below(4)) {
      case 0:
        body = Inotify{};
        return std::make_shared<const File>(File{{++files_}, {O_RDONLY}, body});
      case 1:
        body = Fanotify{{Any({0UL, std::uint64_t{FAN_CLASS_CONTENT}})}, {O_RDONLY}};
        break;
      case 2:
        body = Timerfd{{Any({0U, 1U, 7U, 8U, 9U})}};
        break;
      default:
        break;
    }
    return std::make_shared<const File>(File{{++files_}, {O_RDWR}, body});
  }
  EpollTarget AnyTarget(Fd fd) {
    EpollTarget target;
    target.fd = fd;
    target.events = {Any({std::uint64_t{EPOLLIN}, std::uint64_t{EPOLLOUT | EPOLLET},
                          std::uint64_t{EPOLLIN | EPOLLPRI | EPOLLRDHUP | EPOLLONESHOT},
                          std::uint64_t{EPOLLONESHOT}, std::uint64_t{0}, std::uint64_t{1} << 20})};
    if (OneIn(6)) target.events.bits |= EPOLLEXCLUSIVE;
    if (OneIn(8)) target.events.bits |= EPOLLWAKEUP;
    target.data = {Any({0UL, 1UL, ~0UL})};
    return target;
  }
  /// For `file`. Who may be asked for permission would have to answer, so nobody is.
  FanotifyMarks AnyMarks(const File* file) {
    const auto* group = file == nullptr ? nullptr : As<Fanotify>(*file);
    const bool asks = group != nullptr && group->init_flags.bits != 0;
    FanotifyMarks marks;
    for (std::uint32_t i = Below(3); OneIn(30) ? false : i < 3; ++i) {
      FanotifyMark mark;
      mark.type.value = Any({FAN_MARK_INODE, FAN_MARK_INODE, FAN_MARK_MOUNT, FAN_MARK_FILESYSTEM});
      if (OneIn(30)) mark.type.value = 0x80;
      // The checker knows mounts and file systems by a path only.
      const std::uint32_t name = mark.type.value == FAN_MARK_INODE ? Below(3) : 0;
      mark.path = Text{folder_ + "/" + std::to_string(name)};
      if (!OneIn(3))
        mark.mask.bits = std::uint64_t{0} | Any({FAN_OPEN, FAN_MODIFY, FAN_CLOSE, FAN_OPEN_EXEC});
      if (OneIn(3)) mark.ignored_mask.bits = std::uint64_t{0} | Any({FAN_ACCESS, FAN_CLOSE_WRITE});
      if (mark.ignored_mask.bits != 0) {
        // What does not survive writing, the kernel forgets when anybody writes to the file system,
        // and does not even take of a file that somebody may write to.
        const bool survives = mark.type.value != FAN_MARK_INODE || OneIn(2);
        if (survives) mark.flags = {FAN_MARK_IGNORED_SURV_MODIFY};
        if (!survives) mark.path = Text{folder_};
      }
      if (OneIn(20))
        mark.mask.bits =
            asks ? std::uint64_t{FAN_CREATE} : std::uint64_t{0} | Any({FAN_OPEN_PERM, FAN_CREATE});
      marks.marks.push_back(mark);
    }
    return marks;
  }
  /// None that ends within a test.
  TimerfdSetting AnyTimer() {
    constexpr std::uint64_t kMost = ~std::uint64_t{0} >> 1;
    TimerfdSetting timer;
    timer.settime_flags.bits =
        std::uint64_t{0} | Any({0, 0, int{TFD_TIMER_ABSTIME}, int{TFD_TIMER_CANCEL_ON_SET},
                                int{TFD_TIMER_ABSTIME} | int{TFD_TIMER_CANCEL_ON_SET}});
    if (OneIn(20)) timer.settime_flags.bits |= 4;
    if (!OneIn(4)) timer.value = {Any({1000UL, 50000UL, kMost}), Any({0UL, 1UL, 999999999UL})};
    if (OneIn(2)) timer.interval = {Any({0UL, 300UL, kMost}), Any({0UL, 7UL, 999999999UL})};
    if (OneIn(20)) timer.value.sec = kMost + 1;
    if (OneIn(20)) timer.interval.nsec = 1000000000;
    if (OneIn(2)) timer.ticks = Any({1UL, 7UL, ~0UL});
    return timer;
  }

  /// OPEN_FILE of `fd` with what another process of `kernel` has, mostly.
  Command AnyTaking(Pid pid, Fd fd, const check::Kernel& kernel) {
    std::vector<std::pair<HeldElsewhere, std::shared_ptr<const File>>> held;
    for (const check::Task& task : kernel.tasks) {
      if (task.pid == 0 || task.state == check::TaskState::kZombie ||
          task.state == check::TaskState::kGone) {
        continue;
      }
      task.table->slots.ForEach([&](Fd known, const check::Slot& slot) {
        const auto& file = slot.description->file;
        if (As<Pidfd>(*file) != nullptr) held.push_back({{task.pid, known}, file});
      });
    }
    OpenFile open{fd, nullptr, OneIn(3), nullptr};
    if (held.empty() || OneIn(6)) {
      open.file = PidfdOf(++files_, 2);
      open.from = {static_cast<Pid>(Below(9)) + 2, 40};
    } else {
      const auto& [from, file] = held[Below(held.size())];
      open.file = file;
      open.from = from;
    }
    return {pid, std::move(open)};
  }

  std::string folder_;
  std::uint64_t files_ = 0;
};

}  // namespace crgen::test
