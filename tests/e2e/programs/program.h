// SPDX-License-Identifier: Apache-2.0
// What the self-checking programs share. A program is the root of a process tree; it is started in
// an empty folder of its own with /dev/null at 0, 1 and 2, as leader of its session. A process
// tells the test how it is by files in that folder, which it never keeps open:
//   ready.NAME    it is set up, and so is everybody whom it spawned: ready.root comes last
//   result.NAME   PASS, or FAIL and the first thing that was wrong
// and the test tells it
//   go            you were restored: make your last checks
//   end           all results are there: exit
#pragma once
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PAGE = 4096 };

static const char* name = "root";
static char home[PATH_MAX / 2];  ///< the folder
static char failure[400];        ///< the first one

/// A system call that leaves errno alone: while processes wait, they write to no page.
static inline long Call(long number, long first, long second) {
  long result;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "0"(number), "D"(first), "S"(second)
                   : "rcx", "r11", "memory");
  return result;
}

static inline void Nap(void) {
  const struct timespec time = {.tv_nsec = 2000000};
  Call(SYS_nanosleep, (long)&time, 0);
}

/// A file of the protocol. It appears complete: nobody sees it while it is open.
static inline void Announce(const char* kind, const char* whose, const char* text) {
  char path[PATH_MAX], hidden[PATH_MAX];
  snprintf(path, sizeof path, "%s/%s.%s", home, kind, whose);
  snprintf(hidden, sizeof hidden, "%s/.%s.%s", home, kind, whose);
  int fd = open(hidden, O_WRONLY | O_CREAT | O_TRUNC, 0644);
  if (fd < 0 || write(fd, text, strlen(text)) < 0 || close(fd) != 0 || rename(hidden, path) != 0)
    _exit(98);
}

static inline int Exists(const char* file) {
  char path[PATH_MAX];
  snprintf(path, sizeof path, "%s/%s", home, file);
  return Call(SYS_access, (long)path, F_OK) == 0;
}

/// CRIU as the restorer, to see that the programs are right, loses a few things.
static inline int RestoredByCriu(void) { return getenv("CRGEN_REFERENCE_RESTORER") != NULL; }

static inline void Report(void) {
  char text[sizeof failure + 10];
  snprintf(text, sizeof text, "%s%s", *failure ? "FAIL: " : "PASS", failure);
  Announce("result", name, text);
}

static inline void FailAt(int line, const char* what, long expected, long found) {
  if (*failure) return;
  snprintf(failure, sizeof failure, "line %d: %s: expected %ld (%#lx), found %ld (%#lx)", line,
           what, expected, expected, found, found);
}

/// What is checked from inside; the first that is wrong goes into the result.
#define EXPECT(what, expected, found)                                   \
  do {                                                                  \
    long expected_ = (long)(expected), found_ = (long)(found);          \
    if (expected_ != found_) FailAt(__LINE__, what, expected_, found_); \
  } while (0)

/// A call of the set-up, or of a last check, that must not return -1 (or MAP_FAILED).
#define CHECK(call)                                       \
  ({                                                      \
    __typeof__(call) value_ = (call);                     \
    if ((long)value_ == -1) {                             \
      FailAt(__LINE__, #call " failed; errno", 0, errno); \
      Report();                                           \
      _exit(1);                                           \
    }                                                     \
    value_;                                               \
  })

/// Waits for a file of the protocol, or a step that processes of the tree agreed on.
static inline void Await(const char* file) {
  for (int i = 0; !Exists(file); i++) {
    if (i == 5000) {
      snprintf(failure, sizeof failure, "%s did not come", file);
      Report();
      _exit(1);
    }
    Nap();
  }
}

/// Tells the others of the tree that this process has come to a step, and waits for theirs.
static inline void Step(const char* step) { Announce("step", step, ""); }
static inline void AwaitStep(const char* step) {
  char file[100];
  snprintf(file, sizeof file, "step.%s", step);
  Await(file);
}

/// Reports, waits until everybody has, and exits.
static inline void Finish(void) {
  Report();
  Await("end");
  _exit(*failure != 0);
}

/// The life of a process that is set up: `check` again and again until it was restored, then
/// `check` and `last` once. `check` opens nothing, because the dump may come at any moment of it.
static inline void Live(void (*check)(void), void (*last)(void)) {
  Announce("ready", name, "");
  while (!Exists("go")) {
    if (check) check();
    Nap();
  }
  if (check) check();
  if (last) last();
  Finish();
}

/// fork(2), but with clone flags; and where `pid` is not 0, the child has exactly this pid.
static inline pid_t ForkAs(pid_t pid, uint64_t flags) {
  // Only fork itself tells the C library of the child its tid, which locks of mutexes need.
  if (pid == 0 && flags == 0) return CHECK(fork());
  pid_t set_tid[1] = {pid};
  struct clone_args args = {.flags = flags,
                            .exit_signal = flags & CLONE_PARENT ? 0 : SIGCHLD,
                            .set_tid = pid ? (uintptr_t)set_tid : 0,
                            .set_tid_size = pid != 0};
  return CHECK((pid_t)syscall(SYS_clone3, &args, sizeof args));
}

/// Waits until a process of the tree is set up.
static inline void AwaitReady(const char* whose) {
  char ready[100], result[100];
  snprintf(ready, sizeof ready, "ready.%s", whose);
  snprintf(result, sizeof result, "result.%s", whose);
  while (!Exists(ready) && !Exists(result)) Nap();
}

/// A child that lives by `body`, which ends in Live(). Returns when it is set up.
static inline pid_t SpawnWith(pid_t pid, uint64_t flags, const char* child, void (*body)(void)) {
  pid_t created = ForkAs(pid, flags);
  if (created == 0) {
    name = child;
    body();
    _exit(97);
  }
  AwaitReady(child);
  return created;
}
static inline pid_t Spawn(pid_t pid, const char* child, void (*body)(void)) {
  return SpawnWith(pid, 0, child, body);
}

/// To be called first in main().
static inline void Begin(void) {
  if (getcwd(home, sizeof home) == NULL) _exit(96);
}

/// Memory filled with a pattern that differs from word to word and from seed to seed.
static inline uint64_t Word(uint64_t seed, size_t i) {
  uint64_t x = (seed << 40) + i + 1;
  x ^= x >> 29;
  x *= 0xbf58476d1ce4e5b9;
  return x ^ x >> 32;
}
static inline void Fill(void* memory, size_t bytes, uint64_t seed) {
  for (size_t i = 0; i < bytes / 8; i++) ((uint64_t*)memory)[i] = Word(seed, i);
}
#define EXPECT_FILLED(what, memory, bytes, seed) \
  ExpectFilled(__LINE__, what, memory, bytes, seed, 0)
/// `first`: the word of the pattern that the memory begins with.
static inline void ExpectFilled(int line, const char* what, const void* memory, size_t bytes,
                                uint64_t seed, size_t first) {
  for (size_t i = 0; i < bytes / 8; i++) {
    if (((const uint64_t*)memory)[i] == Word(seed, first + i)) continue;
    char text[100];
    snprintf(text, sizeof text, "%s, byte %zu", what, i * 8);
    FailAt(line, text, (long)Word(seed, first + i), (long)((const uint64_t*)memory)[i]);
    return;
  }
}
#define EXPECT_BYTES(what, memory, bytes, value) ExpectBytes(__LINE__, what, memory, bytes, value)
static inline void ExpectBytes(int line, const char* what, const void* memory, size_t bytes,
                               int value) {
  for (size_t i = 0; i < bytes; i++) {
    if (((const unsigned char*)memory)[i] == value) continue;
    char text[100];
    snprintf(text, sizeof text, "%s, byte %zu", what, i);
    FailAt(line, text, value, ((const unsigned char*)memory)[i]);
    return;
  }
}

static inline void* Map(void* at, size_t bytes, int prot, int flags, int fd, off_t offset) {
  return CHECK(mmap(at, bytes, prot, flags, fd, offset));
}
static inline void* MapPrivate(size_t bytes) {
  return Map(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}
static inline void* MapShared(size_t bytes) {
  return Map(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

/// The content of a small file, e.g. in /proc; the size that was read.
static inline size_t ReadFile(const char* path, char* text, size_t size) {
  int fd = CHECK(open(path, O_RDONLY));
  size_t length = 0;
  for (ssize_t n; length < size - 1 && (n = read(fd, text + length, size - 1 - length)) > 0;)
    length += n;
  close(fd);
  text[length] = 0;
  return length;
}
#define EXPECT_TEXT(what, expected, found) ExpectText(__LINE__, what, expected, found)
static inline void ExpectText(int line, const char* what, const char* expected, const char* found) {
  if (*failure || strcmp(expected, found) == 0) return;
  size_t same = 0;
  while (expected[same] == found[same]) same++;
  while (same && expected[same - 1] != '\n') same--;
  snprintf(failure, sizeof failure, "line %d: %s: expected \"%.120s\", found \"%.120s\"", line,
           what, expected + same, found + same);
}
