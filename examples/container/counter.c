/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What runs in the container of counter.tar.gz: it counts on its standard output.
 *
 * A dump of it can be restored on any x86-64 machine with any kernel that crrestore runs on: there
 * is no C library and no instruction beyond SSE2, so no register that a processor may lack has a
 * value, and it gives back the vdso, whose size is the kernel's.
 */
#include <asm/unistd.h>

typedef unsigned long Word;

static long Call(long number, Word a, Word b, Word c) {
  long result;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c)
                   : "rcx", "r11", "memory");
  return result;
}

static Word Hex(const char** at) {
  Word value = 0;
  for (;; ++*at) {
    const char c = **at;
    if (c >= '0' && c <= '9') {
      value = value << 4 | (Word)(c - '0');
    } else if (c >= 'a' && c <= 'f') {
      value = value << 4 | (Word)(c - 'a' + 10);
    } else {
      return value;
    }
  }
}

/* Of /proc/self/maps: "start-end …[vdso]", "…[vvar]", "…[vvar_vclock]". */
static void GiveBackVdso(void) {
  static char text[4096];
  const long fd = Call(__NR_open, (Word) "/proc/self/maps", 0, 0);
  const long size = Call(__NR_read, (Word)fd, (Word)text, sizeof text - 1);
  Call(__NR_close, (Word)fd, 0, 0);
  for (const char* line = text; line < text + size;) {
    const char* at = line;
    const Word start = Hex(&at);
    ++at;
    const Word end = Hex(&at);
    while (at < text + size && *at != '\n' && *at != '[') ++at;
    if (at[0] == '[' && at[1] == 'v' && (at[2] == 'd' || at[2] == 'v')) {
      Call(__NR_munmap, start, end - start, 0);
    }
    while (at < text + size && *at != '\n') ++at;
    line = at + 1;
  }
}

/* Whether somebody reads it. */
static int Print(Word number) {
  char text[24];
  char* at = text + sizeof text;
  *--at = '\n';
  do *--at = (char)('0' + number % 10);
  while ((number /= 10) != 0);
  const long size = text + sizeof text - at;
  return Call(__NR_write, 1, (Word)at, (Word)size) == size;
}

__attribute__((noreturn)) void _start(void) {
  static const long kPause[2] = {0, 250000000}; /* seconds, nanoseconds */
  GiveBackVdso();
  Call(__NR_close, 0, 0, 0);
  Call(__NR_close, 2, 0, 0);
  for (Word count = 1; Print(count); ++count) Call(__NR_nanosleep, (Word)kPause, 0, 0);
  for (;;) Call(__NR_exit_group, 0, 0, 0);
}
