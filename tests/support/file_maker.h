// SPDX-License-Identifier: Apache-2.0
// Random descriptions for programs.
#pragma once

#include <fcntl.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <sys/fanotify.h>
#include <sys/inotify.h>
#include <sys/socket.h>

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
    const OpenFlags flags = {OneIn(12) ? O_PATH
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
    }
    return std::make_shared<const File>(File{{++files_}, flags, body});
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
