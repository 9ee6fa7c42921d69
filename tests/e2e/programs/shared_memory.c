// SPDX-License-Identifier: Apache-2.0
// Objects that several processes share: anonymous memory (one view whole, one in part, one
// read-only), a memfd (mapped, and open with a position and a seal), a mapping of a file. What one
// writes after the restore, the others see. Parts are locked, which /proc shows.
#include "program.h"

enum { PAGES = 8, BYTES = PAGES * PAGE };

static char *anonymous, *of_memfd, *of_file, *late;
static int memfd;
static volatile long* counters;  // of root, left, right, below

static void Count(int which) {
  long before = counters[which];
  counters[which]++;
  EXPECT("own counter in shared memory", before + 1, counters[which]);
}

static void CheckObjects(void) {
  EXPECT_FILLED("anonymous object", anonymous + PAGE, BYTES - PAGE, 11);
  EXPECT_FILLED("memfd", of_memfd, BYTES, 12);
  EXPECT_FILLED("file", of_file, BYTES, 13);
}

// Each writes a word of its own everywhere, then looks for those of all others.
static void Exchange(int which) {
  static const char* const steps[] = {"root", "left", "right", "below"};
  static const char* const checked[] = {"root ok", "left ok", "right ok", "below ok"};
  Step(checked[which]);
  for (int i = 0; i < 4; i++) AwaitStep(checked[i]);
  char* const objects[] = {(char*)counters, of_memfd, of_file};
  if (which != 3)
    for (int i = 0; i < 3; i++) ((long*)objects[i])[100 + which] = 7000 + which;
  else
    ((long*)objects[1])[100 + which] = 7000 + which;
  Step(steps[which]);
  for (int i = 0; i < 4; i++) AwaitStep(steps[i]);
  for (int i = 0; i < 3; i++) {
    if (which == 3 && i == 0) continue;  // it has no page of that
    for (int other = 0; other < 3; other++)
      EXPECT("what another process wrote", 7000 + other, ((long*)objects[i])[100 + other]);
  }
  EXPECT("what the grandchild wrote", 7003, ((long*)of_memfd)[103]);
}

static void CheckRoot(void) {
  CheckObjects();
  Count(0);
}
static void LastOfRoot(void) {
  long seen[4];
  for (int i = 0; i < 4; i++) seen[i] = counters[i];
  for (int i = 1; i < 4; i++) EXPECT("others counted in our memory", 1, seen[i] > 0);
  EXPECT("position of the memfd", 4321, lseek(memfd, 0, SEEK_CUR));
  EXPECT("seals of the memfd", F_SEAL_GROW | F_SEAL_SHRINK, fcntl(memfd, F_GET_SEALS));
  EXPECT("growing a sealed memfd", -1, ftruncate(memfd, BYTES + PAGE));
  struct stat status;
  CHECK(fstat(memfd, &status));
  EXPECT("size of the memfd", BYTES, status.st_size);
  Exchange(0);
  // The open memfd is the object that is mapped.
  char word[8];
  CHECK(pread(memfd, word, 8, 8));
  of_memfd[8]++;
  char again[8];
  CHECK(pread(memfd, again, 8, 8));
  EXPECT("reading what was written to the mapping", word[0] + 1, again[0]);
}

// Has mapped its memory itself, at another place, and shares with its child alone.
static void CheckLeft(void) {
  CheckObjects();
  Count(1);
}
static void LastOfLeft(void) { Exchange(1); }

// Its view of the anonymous object is read-only but for the page of counters, and lies elsewhere.
static void CheckRight(void) {
  EXPECT_FILLED("a region shared by cousins", late, 2 * PAGE, 14);
  CheckObjects();
  Count(2);
}
static void LastOfRight(void) {
  CHECK(mprotect(anonymous + PAGE, BYTES - PAGE, PROT_READ | PROT_WRITE));
  Exchange(2);
  ((long*)late)[0] = 99;
  Step("late");
}

// Has the counters alone of the anonymous object.
static void CheckBelow(void) {
  EXPECT_FILLED("memfd", of_memfd, BYTES, 12);
  EXPECT_FILLED("a region shared with the parent", late, PAGE, 14);
  Count(3);
}
static void LastOfBelow(void) {
  Exchange(3);
  AwaitStep("late");
  EXPECT("what the parent wrote", 99, ((long*)late)[0]);
}
static void Below(void) {
  CHECK(munmap(anonymous + PAGE, BYTES - PAGE));
  CHECK(munmap(late + PAGE, PAGE));
  Live(CheckBelow, LastOfBelow);
}

static void Right(void) {
  late = MapShared(2 * PAGE);
  Fill(late, 2 * PAGE, 14);
  Spawn(0, "below", Below);
  char* elsewhere = MapPrivate(2 * BYTES);
  CHECK(mremap(anonymous + PAGE, BYTES - PAGE, BYTES - PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
               elsewhere + PAGE));
  anonymous = elsewhere;
  CHECK(mlock(anonymous + 2 * PAGE, PAGE));
  CHECK(mprotect(anonymous + PAGE, BYTES - PAGE, PROT_READ));
  Live(CheckRight, LastOfRight);
}

static void Left(void) {
  CHECK(munmap(of_memfd, BYTES));
  of_memfd = Map(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0);
  CHECK(close(memfd));
  // Locked, and then out of reach.
  char* secret = MapShared(PAGE);
  Fill(secret, PAGE, 15);
  CHECK(mlock(secret, PAGE));
  CHECK(mprotect(secret, PAGE, PROT_NONE));
  Live(CheckLeft, LastOfLeft);
}

int main(void) {
  Begin();
  anonymous = MapShared(BYTES);
  Fill(anonymous + PAGE, BYTES - PAGE, 11);
  counters = (long*)anonymous;
  memfd = CHECK(memfd_create("an object", MFD_ALLOW_SEALING));
  CHECK(ftruncate(memfd, BYTES));
  of_memfd = Map(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0);
  Fill(of_memfd, BYTES, 12);
  CHECK(fcntl(memfd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK));
  CHECK(lseek(memfd, 4321, SEEK_SET));
  int fd = CHECK(open("file", O_RDWR | O_CREAT, 0644));
  CHECK(ftruncate(fd, BYTES));
  of_file = Map(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  Fill(of_file, BYTES, 13);
  CHECK(close(fd));
  Spawn(0, "left", Left);
  Spawn(0, "right", Right);
  Live(CheckRoot, LastOfRoot);
}
