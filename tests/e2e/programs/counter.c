// SPDX-License-Identifier: Apache-2.0
// A dynamically linked program: counters in registers, on the stack, in data and on the heap go on;
// argv, environ, auxv, exe and comm are those of before; brk, vdso, rseq and the allocator work.
#include <elf.h>
#include <sys/auxv.h>
#include <sys/rseq.h>

#include "program.h"

static long in_data = 1;
static long* on_heap;
static char arguments[PAGE], environment[PAGE], auxiliary[PAGE], executable[PATH_MAX];
static size_t argument_size, environment_size, auxiliary_size;
static struct rseq* rseq_area;

static void CheckIdentity(void) {
  char text[PAGE], path[PATH_MAX] = "";
  EXPECT("size of cmdline", argument_size, ReadFile("/proc/self/cmdline", text, sizeof text));
  EXPECT("cmdline", 0, memcmp(text, arguments, argument_size));
  EXPECT("size of environ", environment_size, ReadFile("/proc/self/environ", text, sizeof text));
  EXPECT("environ", 0, memcmp(text, environment, environment_size));
  EXPECT("size of auxv", auxiliary_size, ReadFile("/proc/self/auxv", text, sizeof text));
  EXPECT("auxv", 0, memcmp(text, auxiliary, auxiliary_size));
  CHECK(readlink("/proc/self/exe", path, sizeof path - 1));
  EXPECT_TEXT("exe", executable, path);
  ReadFile("/proc/self/comm", text, sizeof text);
  EXPECT_TEXT("comm", "count (me) now\n", text);
  EXPECT_TEXT("getenv", "a value", getenv("CRGEN_E2E"));
}

// The kernel's clock lies between two readings of the vdso's, if that is mapped and fed.
static void CheckVdso(void) {
  EXPECT("the vdso is an ELF file", 0, memcmp((void*)getauxval(AT_SYSINFO_EHDR), ELFMAG, SELFMAG));
  struct timespec before, kernel, after;
  for (int clock = CLOCK_REALTIME; clock <= CLOCK_MONOTONIC; clock++) {
    clock_gettime(clock, &before);
    syscall(SYS_clock_gettime, clock, &kernel);
    clock_gettime(clock, &after);
    long long a = before.tv_sec * 1000000000LL + before.tv_nsec;
    long long b = kernel.tv_sec * 1000000000LL + kernel.tv_nsec;
    long long c = after.tv_sec * 1000000000LL + after.tv_nsec;
    EXPECT("vdso clock, system call, vdso clock ascend", 1, a <= b && b <= c);
  }
}

// To register the same area once more is EBUSY, another one EINVAL; none registered would succeed.
static void CheckRseq(void) {
  EXPECT("rseq", -1, syscall(SYS_rseq, rseq_area, 32, 0, RSEQ_SIG));
  EXPECT("errno of a second registration of rseq", EBUSY, errno);
  cpu_set_t all, one;
  CHECK(sched_getaffinity(0, sizeof all, &all));
  for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
    if (!CPU_ISSET(cpu, &all)) continue;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    CHECK(sched_setaffinity(0, sizeof one, &one));
    EXPECT("the processor that rseq tells", cpu, rseq_area->cpu_id);
  }
  CHECK(sched_setaffinity(0, sizeof all, &all));
}

static void CheckBreak(void) {
  char* end = sbrk(0);
  char* got = sbrk(64 * PAGE);
  EXPECT("the break moves up from where it was", (long)end, (long)got);
  EXPECT_BYTES("memory above the old break", got, 64 * PAGE, 0);
  memset(got, 1, 64 * PAGE);
  EXPECT("the break moves down again", 0, brk(end));
  void* blocks[200];
  for (int i = 0; i < 200; i++) Fill(blocks[i] = malloc(8000), 8000, i);
  for (int i = 0; i < 200; i++) EXPECT_FILLED("a new block", blocks[i], 8000, i), free(blocks[i]);
}

int main(void) {
  Begin();
  on_heap = malloc(sizeof *on_heap);
  *on_heap = 1;
  CHECK(prctl(PR_SET_NAME, "count (me) now"));
  argument_size = ReadFile("/proc/self/cmdline", arguments, PAGE);
  environment_size = ReadFile("/proc/self/environ", environment, PAGE);
  auxiliary_size = ReadFile("/proc/self/auxv", auxiliary, PAGE);
  CHECK(readlink("/proc/self/exe", executable, sizeof executable - 1));
  rseq_area = (struct rseq*)((char*)__builtin_thread_pointer() + __rseq_offset);
  pid_t pid = getpid();
  CheckRseq();

  volatile long on_stack = 1;
  long before = 0;
  Announce("ready", name, "");
  while (!Exists("go")) {
    for (int i = 0; i < 1000; i++) {
      in_data++;
      (*on_heap)++;
      on_stack++;
      EXPECT("counters on stack and heap", on_stack, *on_heap);
      EXPECT("counters on stack and in data", on_stack, in_data);
    }
    EXPECT("the counter went on", before + 1000, on_stack - 1);
    before = on_stack - 1;
    EXPECT("pid", pid, getpid());
    CheckVdso();
    Nap();
  }
  CheckIdentity();
  CheckVdso();
  CheckRseq();
  CheckBreak();
  Finish();
}
