// SPDX-License-Identifier: Apache-2.0
// Private memory that a parent and its children share copy on write: each has its own contents,
// what nobody wrote is in memory once, and what one writes after the restore nobody else sees.
#include "program.h"

enum { PAGES = 1024, BYTES = PAGES * PAGE, STRIDE = 16 };

static char *memory, *dropped;
static int number;   // 0: parent; 1, 2: children; 3: child of 2
static int lineage;  // whose pages are in my memory: bit i for number i

// Number n wrote the pages n, n + STRIDE, ...; its children, born later, have them.
static void WriteOwn(void) {
  lineage |= 1 << number;
  for (int i = number; i < PAGES; i += STRIDE)
    Fill(memory + i * PAGE, PAGE, 1000 * (number + 1) + i);
}

static uint64_t SeedOf(int page) {
  int writer = page % STRIDE;
  return writer < 4 && lineage >> writer & 1 ? 1000 * (writer + 1) + page : page;
}

static void CheckOwn(void) {
  for (int i = 0; i < PAGES; i++) EXPECT_FILLED("private page", memory + i * PAGE, PAGE, SeedOf(i));
}

// Bit 56 of a pagemap entry: no other process maps the page.
static int CountExclusive(int first, int stride) {
  int count = 0;
  uint64_t entry;
  int fd = CHECK(open("/proc/self/pagemap", O_RDONLY));
  for (int i = first; i < PAGES; i += stride) {
    CHECK(pread(fd, &entry, 8, (uintptr_t)(memory + i * PAGE) / PAGE * 8));
    EXPECT("page is in memory", 1, entry >> 63);
    count += entry >> 56 & 1;
  }
  CHECK(close(fd));
  return count;
}

static void Last(void) {
  static const char* const checked[] = {"0 checked", "1 checked", "2 checked", "3 checked"};
  static const char* const written[] = {"0 wrote", "1 wrote", "2 wrote", "3 wrote"};
  EXPECT("pages that nobody wrote and that are shared all the same", 0, CountExclusive(7, STRIDE));
  if (number == 1) EXPECT("pages of its own", PAGES / STRIDE, CountExclusive(1, STRIDE));
  EXPECT("dropped page is inherited by the parent alone", number == 0 ? 9 : 0, dropped[PAGE]);
  EXPECT("other page is inherited by all", 8, dropped[0]);
  Step(checked[number]);
  for (int i = 0; i < 4; i++) AwaitStep(checked[i]);
  memset(memory + 7 * PAGE, 100 + number, PAGE);
  Step(written[number]);
  for (int i = 0; i < 4; i++) AwaitStep(written[i]);
  EXPECT_BYTES("page that all wrote after the restore", memory + 7 * PAGE, PAGE, 100 + number);
  EXPECT_FILLED("page behind it", memory + 8 * PAGE, PAGE, 8);
}

static void Third(void) {
  number = 3;
  WriteOwn();
  Live(CheckOwn, Last);
}
static void First(void) {
  number = 1;
  WriteOwn();
  CHECK(madvise(dropped + PAGE, PAGE, MADV_DONTNEED));
  Live(CheckOwn, Last);
}
static void Second(void) {
  number = 2;
  WriteOwn();
  CHECK(madvise(dropped + PAGE, PAGE, MADV_DONTNEED));
  Spawn(0, "third", Third);
  Live(CheckOwn, Last);
}

int main(void) {
  Begin();
  memory = MapPrivate(BYTES);
  for (int i = 0; i < PAGES; i++) Fill(memory + i * PAGE, PAGE, i);
  dropped = MapPrivate(2 * PAGE);
  dropped[0] = 8;
  dropped[PAGE] = 9;
  Spawn(0, "first", First);
  Spawn(0, "second", Second);
  number = 0;
  WriteOwn();
  Live(CheckOwn, Last);
}
