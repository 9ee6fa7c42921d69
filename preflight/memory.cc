// SPDX-License-Identifier: Apache-2.0
// Memory: how far this kernel's address spaces reach, and how large its rings are.
#include "model/memory.h"

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <sstream>

#include "preflight/own_status.h"
#include "preflight/question.h"

namespace crgen::preflight {
namespace {

constexpr const char* kLowestAddress = "/proc/sys/vm/mmap_min_addr";
constexpr const char* kAioNow = "/proc/sys/fs/aio-nr";
constexpr const char* kAioMost = "/proc/sys/fs/aio-max-nr";
constexpr const char* kPossible = "/sys/devices/system/cpu/possible";

/// Behind the last address that a process has.
std::uint64_t EndOfMemory(Host& host) {
  const auto end = host.Number(FactKind::kKernel, "end of memory", [] {
    void* const behind = reinterpret_cast<void*>(kDefaultUserEnd + kPageSize);
    constexpr int kFlags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE;
    void* page = mmap(behind, kPageSize, PROT_NONE, kFlags, -1, 0);
    if (page == MAP_FAILED) return errno == ENOMEM ? kDefaultUserEnd : kUserEnd;
    munmap(page, kPageSize);
    return page == behind ? kUserEnd : kDefaultUserEnd;
  });
  return end.value_or(kUserEnd);
}

bool TakesBounds(std::uint64_t from) {
  const std::uint64_t to = from + kPageSize;
  prctl_mm_map map = {};
  map.start_code = map.start_data = map.start_brk = map.brk = map.start_stack = from;
  map.arg_start = map.arg_end = map.env_start = map.env_end = from;
  map.end_code = map.end_data = to;
  map.exe_fd = ~0u;
  return prctl(PR_SET_MM, PR_SET_MM_MAP, &map, sizeof map, 0) == 0 || errno != EINVAL;
}

/// As a child finds out with its own bounds.
std::uint64_t FindLowestBound() {
  constexpr int kUnknown = 255;
  const pid_t child = fork();
  if (child == 0) {
    int below = 0, at = kUnknown;  // pages
    while (below < at) {
      const int middle = (below + at) / 2;
      if (TakesBounds(static_cast<std::uint64_t>(middle) * kPageSize)) {
        at = middle;
      } else {
        below = middle + 1;
      }
    }
    _exit(at);
  }
  int status = -1;
  while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
  const bool known = child > 0 && WIFEXITED(status) && WEXITSTATUS(status) != kUnknown;
  return known ? static_cast<std::uint64_t>(WEXITSTATUS(status)) * kPageSize : 0;
}

std::optional<std::uint64_t> kept_lowest_bound;

/// Where the bounds of memory may begin: beside vm.mmap_min_addr there is what the kernel was built
/// with (CONFIG_LSM_MMAP_MIN_ADDR), which no file says. 0: that is not known.
std::uint64_t LowestBound(Host& host) {
  const auto lowest = host.Number(FactKind::kKernel, "lowest bound of memory", [] {
    return kept_lowest_bound ? *kept_lowest_bound : FindLowestBound();
  });
  return lowest.value_or(0);
}

/// Processors that may be there one day; none: that is not known.
std::optional<std::uint64_t> PossibleProcessors(Host& host) {
  std::istringstream ranges(host.File(kPossible));  // "0-3,8"
  std::uint64_t count = 0;
  for (std::string range; std::getline(ranges, range, ',');) {
    std::istringstream numbers(range);
    std::uint64_t first = 0, last = 0;
    char minus = 0;
    if (!(numbers >> first)) return std::nullopt;
    if (!(numbers >> minus >> last)) last = first;
    if (last < first || last - first > UINT32_MAX) return std::nullopt;
    count += last - first + 1;
  }
  if (count == 0) return std::nullopt;
  return count;
}

/// io_setup(2) of Linux (fs/aio.c).
std::uint64_t RingSize(std::uint64_t requests, std::uint64_t processors) {
  const std::uint64_t slots = std::max(requests, processors * 4) * 2 + 2;
  const std::uint64_t bytes = AioRing::kHeaderSize + slots * AioRing::kEventSize;
  return (bytes + kPageSize - 1) / kPageSize * kPageSize;
}

class MemoryQuestion : public QuestionOn<MemoryQuestion> {
 public:
  using QuestionOn::QuestionOn;

  template <typename Body>
  void On(const Body&) {}

  void On(const MapRegion& map) {
    if (map.special == SpecialRegion::kVsyscall) return;
    CheckEnd("memory", map.end.value);
    if (map.special == SpecialRegion::kAio) CheckAio(map);
  }
  void On(const MoveRegion& move) {
    CheckEnd("memory", move.to.value + (move.end.value - move.start.value));
  }

  void On(const SetAttr& set) {
    const Attributes& attributes = *set.attributes;
    if (attributes.mm) CheckBounds(*attributes.mm);
    if (!attributes.registers) return;
    CheckEnd("fs_base", attributes.registers->fs_base.value + 1);
    CheckEnd("gs_base", attributes.registers->gs_base.value + 1);
  }

 private:
  void CheckEnd(const std::string& what, std::uint64_t end) {
    if (end <= kDefaultUserEnd || end > kUserEnd) return;
    const std::uint64_t here = EndOfMemory(host_);
    if (end <= here) return;
    findings_.Wrong(what + " up to " + HexText(end) + ": address spaces end at " + HexText(here) +
                        " of this kernel",
                    "restore on a processor with page tables of five levels (la57)");
  }

  /// prctl(2), PR_SET_MM_MAP: no capability lets anybody have other ones.
  void CheckBounds(const MmAttributes& mm) {
    const std::uint64_t begin =
        std::min({mm.start_code.value, mm.start_data.value, mm.start_brk.value,
                  mm.start_stack.value, mm.arg_start.value, mm.env_start.value});
    CheckEnd("the bounds of memory in mm",
             std::max({mm.end_code.value, mm.end_data.value, mm.brk.value, mm.start_stack.value,
                       mm.arg_end.value, mm.env_end.value}) +
                 1);
    if (!lowest_address_) lowest_address_ = host_.NumberIn<std::uint64_t>(kLowestAddress, 0);
    const std::uint64_t sysctl = *lowest_address_;
    const std::string begins = "the bounds of memory in mm begin at " + HexText(begin) + ", below ";
    if (begin < sysctl) {
      return findings_.Wrong(begins + "vm.mmap_min_addr, " + std::to_string(sysctl),
                             "sysctl vm.mmap_min_addr=" + std::to_string(begin));
    }
    constexpr std::uint64_t kMostBuilt = 255 * kPageSize;
    const std::uint64_t lowest = begin < kMostBuilt ? LowestBound(host_) : 0;
    if (begin >= lowest) return;
    findings_.Wrong(begins + "what this kernel was built with, " + std::to_string(lowest),
                    "restore on one with a smaller CONFIG_LSM_MMAP_MIN_ADDR");
  }

  void CheckAio(const MapRegion& map) {
    const std::uint64_t requests = map.nr_req.value_or(0);
    const auto now = host_.NumberIn<std::uint64_t>(kAioNow, 0);
    const auto most = host_.NumberIn<std::uint64_t>(kAioMost, 0);
    if (host_.File(kAioNow).empty() || host_.File(kAioMost).empty()) {
      return findings_.Wrong("this kernel has no io_setup(2)", "a kernel with CONFIG_AIO has");
    }
    CheckRing(requests, map.end.value - map.start.value);
    requests_ += requests;
    if (now + requests_ <= most) return;
    findings_.Wrong("rings for " + std::to_string(requests_) + " requests: fs.aio-max-nr leaves " +
                        std::to_string(most - std::min(now, most)),
                    "sysctl fs.aio-max-nr=" + std::to_string(now + requests_));
  }

  void CheckRing(std::uint64_t requests, std::uint64_t there) {
    const auto processors = PossibleProcessors(host_);
    if (!processors) return;
    const std::uint64_t here = RingSize(requests, *processors);
    if (here == there) return;
    findings_.Wrong("a ring of io_setup(2) for " + std::to_string(requests) + " requests has " +
                        std::to_string(there) + " bytes in the plan, and " + std::to_string(here) +
                        " of a kernel for " + std::to_string(*processors) + " processors",
                    here > there ? "restore on a host for fewer processors (possible_cpus=)" : "");
  }

  std::uint64_t requests_ = 0;
  std::optional<std::uint64_t> lowest_address_;  ///< vm.mmap_min_addr
};

}  // namespace

void KeepLowestBound() { kept_lowest_bound = FindLowestBound(); }

std::unique_ptr<Question> AskForMemory(Context& context) {
  return std::make_unique<MemoryQuestion>(context);
}

void AskForAllMemory(Host& host) {
  (void)EndOfMemory(host);
  (void)LowestBound(host);
  for (const char* file : {kAioNow, kAioMost, kPossible}) (void)host.File(file);
}

}  // namespace crgen::preflight
