// SPDX-License-Identifier: Apache-2.0
// The root's way into a time namespace whose clocks go on where those of the dump were.
#include <fcntl.h>
#include <linux/sched.h>
#include <time.h>

#include "restorer/executor/system.h"

namespace crgen::restorer {
namespace {

constexpr int64_t kSecond = 1000000000;

/// Puts text together, e.g. of a file in /proc.
struct Writer {
  char text[128];
  size_t size = 0;

  void Add(const char* more) {
    while (*more != 0 && size < sizeof text) text[size++] = *more++;
  }
  void Add(int64_t number) {
    if (number < 0) Add("-");
    uint64_t rest = number < 0 ? -(uint64_t)number : (uint64_t)number;
    char digits[24];
    char* at = digits + sizeof digits;
    for (*--at = 0; rest != 0 || at[0] == 0; rest /= 10) *--at = (char)('0' + rest % 10);
    Add(at);
  }
};

void AddOffset(const Caller& caller, Writer& writer, const char* name, int clock,
               const TimeOp& wanted) {
  TimeOp now;
  caller.Must("clock_gettime", __NR_clock_gettime, clock, &now);
  int64_t seconds = wanted.sec - now.sec;
  int64_t nanoseconds = wanted.nsec - now.nsec;
  for (; nanoseconds < 0; nanoseconds += kSecond) --seconds;
  for (; nanoseconds >= kSecond; nanoseconds -= kSecond) ++seconds;
  writer.Add(name);
  writer.Add(seconds);
  writer.Add(" ");
  writer.Add(nanoseconds);
  writer.Add("\n");
}

}  // namespace

void EnterTimeNamespace(const Caller& caller, const ClocksOp& clocks) {
  caller.Must("unshare(CLONE_NEWTIME)", __NR_unshare, CLONE_NEWTIME);
  const char* const kOffsets = "../../self/timens_offsets";
  long fd = caller.Try(__NR_openat, caller.setup->service_fd, kOffsets, O_WRONLY | O_CLOEXEC, 0);
  if (fd < 0) caller.Fail("open", fd, kOffsets);
  Writer writer;
  AddOffset(caller, writer, "monotonic ", CLOCK_MONOTONIC, clocks.monotonic);
  AddOffset(caller, writer, "boottime ", CLOCK_BOOTTIME, clocks.boottime);
  const long written = caller.Try(__NR_write, fd, writer.text, writer.size);
  if (written < 0) caller.Fail("write", written, kOffsets);
  caller.Must("close", __NR_close, fd);

  const char* const kNamespace = "../../self/ns/time_for_children";
  fd = caller.Try(__NR_openat, caller.setup->service_fd, kNamespace, O_RDONLY | O_CLOEXEC, 0);
  if (fd < 0) caller.Fail("open", fd, kNamespace);
  caller.Must("setns(CLONE_NEWTIME)", __NR_setns, fd, CLONE_NEWTIME);
  caller.Must("close", __NR_close, fd);
}

}  // namespace crgen::restorer
