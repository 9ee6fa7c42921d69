// Random descriptions for programs.
#pragma once

#include <fcntl.h>
#include <sys/fanotify.h>
#include <sys/inotify.h>

#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "checker/kernel/kernel.h"
#include "tests/support/kernel_maps.h"
#include "tests/support/kernel_memory.h"

namespace crgen::test {

class FileMaker {
 protected:
  /// `folder` has the files "0" to "2" of kFilePages pages.
  FileMaker(unsigned seed, std::string folder) : random_(seed), folder_(std::move(folder)) {}

  std::uint32_t Below(std::uint32_t limit) { return random_() % limit; }
  bool OneIn(std::uint32_t n) { return Below(n) == 0; }
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
  std::mt19937 random_;
  std::string folder_;
  std::uint64_t files_ = 0;
};

}  // namespace crgen::test
