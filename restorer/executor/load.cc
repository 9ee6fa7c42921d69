// SPDX-License-Identifier: Apache-2.0
// Page images into memory. Much at once is read by two threads: what takes the time is the kernel
// giving out and copying pages, which it does for both side by side.
#include <errno.h>
#include <fcntl.h>
#include <linux/mman.h>

#include "restorer/executor/system.h"

namespace crgen::restorer {
namespace {

constexpr uint32_t kSlicesAtOnce = 1024;  // IOV_MAX
constexpr uint64_t kWorthAHelper = 4 << 20;
constexpr uint64_t kPopulateAtOnce = 256 << 10;

struct Range {
  const Process* process;
  const Op* op;
  long fd;
  uint64_t from, to;  ///< bytes of the whole load
};

/// One part of the load, page by page where a read was short.
void LoadRange(const Setup* setup, const Range& range) {
  const LoadOp& load = range.op->load;
  const auto fail = [&](const char* what, long error) {
    Fail(setup, range.op->command, range.process->pid, what, error);
  };
  uint32_t slice = 0;
  uint64_t skip = range.from;  // bytes of `slice` that are not this part's, or are there
  while (slice < load.count && skip >= load.slices[slice].size) skip -= load.slices[slice++].size;
  for (uint64_t at = range.from; at < range.to;) {
    uint32_t count = 1;
    uint64_t size = load.slices[slice].size - skip;
    while (skip == 0 && count < kSlicesAtOnce && slice + count < load.count &&
           at + size + load.slices[slice + count].size <= range.to) {
      size += load.slices[slice + count++].size;
    }
    if (size > range.to - at) size = range.to - at;
    if (count == 1 && size > kPopulateAtOnce) size = kPopulateAtOnce;
    if (count == 1 && size == kPopulateAtOnce) {
      // Cheaper than a fault for each page; where the kernel cannot, the faults come.
      RawCall(__NR_madvise, (long)(load.slices[slice].start + skip), (long)size,
              MADV_POPULATE_WRITE);
    }
    const uint64_t offset = load.offset + at;
    const long got =
        count > 1
            ? Call(setup, __NR_preadv, range.fd, load.slices + slice, count, offset, 0)
            : Call(setup, __NR_pread64, range.fd, load.slices[slice].start + skip, size, offset);
    if (got == -EINTR) continue;
    if (got < 0) fail("pread of the image", got);
    if (got == 0) fail("pread: the image ends", -EIO);
    Increment(&range.process->words->reads);
    at += (uint64_t)got;
    skip += (uint64_t)got;
    while (slice < load.count && skip >= load.slices[slice].size) skip -= load.slices[slice++].size;
  }
}

void RunHelper(const Setup* setup, const void* argument) {
  LoadRange(setup, *static_cast<const Range*>(argument));
  RawCall(__NR_exit, 0);
}

}  // namespace

void LoadPages(const Setup* setup, const Process* process, const Op* op) {
  const long fd = OpenHeld(setup, op->load.image, O_RDONLY | O_CLOEXEC);
  if (fd < 0) Fail(setup, op->command, process->pid, "open of the image", fd);
  uint64_t size = 0;
  for (uint32_t i = 0; i < op->load.count; ++i) size += op->load.slices[i].size;
  Range own = {process, op, fd, 0, size};
  Range helped = {process, op, fd, size / 2 & ~uint64_t{4095}, size};
  // One helper at a time, for it has one number; whoever gets none does it all.
  Word running = 0;
  const bool claimed = size >= kWorthAHelper &&
                       __atomic_exchange_n(&setup->board->helper_busy, 1, __ATOMIC_SEQ_CST) == 0;
  if (claimed) {
    running = 1;
    const long started = StartThread(setup, &setup->helper_tid, setup->helper_stack_top, &running,
                                     RunHelper, &helped);
    if (started < 0) running = 0;
    if (started >= 0) own.to = helped.from;
  }
  LoadRange(setup, own);
  while (const Word helper = __atomic_load_n(&running, __ATOMIC_SEQ_CST)) {
    AwaitChange(setup, &running, helper);
  }
  if (claimed) __atomic_store_n(&setup->board->helper_busy, 0, __ATOMIC_SEQ_CST);
  if (const long result = Call(setup, __NR_close, fd); result < 0) {
    Fail(setup, op->command, process->pid, "close", result);
  }
}

}  // namespace crgen::restorer
