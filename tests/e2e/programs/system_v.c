// SPDX-License-Identifier: Apache-2.0
// What is in an IPC namespace of its own: segments of shared memory (in several places, in part,
// for reading alone, in nobody's place, removed, locked), message queues, sets of semaphores;
// owners, creators, keys, ids that were given out again.
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>

#include "program.h"

enum { SIZE = 5 * PAGE + 100, PAGES = 6 * PAGE, KEY = 0x5e9, LARGE = 5000 };
enum { MAIN, HIDDEN, GONE, LOCKED, SEGMENTS };  // segments
enum { FULL, EMPTY, QUEUES };                   // queues
enum { MANY, ONE, SETS };                       // sets

struct Message {
  long type;
  char text[LARGE];
};

static int segment[SEGMENTS], queue[QUEUES], set[SETS];
static struct shmid_ds segment_was[SEGMENTS];
static char *main_view, *second_view, *read_view, *gone_view;
static volatile int* shared;  ///< a word of `main_view` that the child writes

static void SetOwner(struct ipc_perm* perm, unsigned mode) {
  perm->uid = 1000;
  perm->gid = 1001;
  perm->mode = (unsigned short)mode;
}

static void MakeSegments(void) {
  const int old = CHECK(shmget(IPC_PRIVATE, PAGE, 0600));
  CHECK(shmctl(old, IPC_RMID, NULL));
  CHECK(setegid(34));
  CHECK(seteuid(33));
  segment[MAIN] = CHECK(shmget(KEY, SIZE, IPC_CREAT | 0600));
  CHECK(seteuid(0));
  CHECK(setegid(0));
  CHECK(prctl(PR_SET_DUMPABLE, 1));
  segment[HIDDEN] = CHECK(shmget(IPC_PRIVATE, 4 * PAGE, 0600));
  segment[GONE] = CHECK(shmget(KEY + 1, PAGE, IPC_CREAT | 0600));
  // In a place that was given out three times before.
  const int next = CHECK(open("/proc/sys/kernel/shm_next_id", O_WRONLY));
  CHECK(write(next, "98313", 5));
  CHECK(close(next));
  segment[LOCKED] = CHECK(shmget(KEY + 2, 100, IPC_CREAT | 0644));
  EXPECT("an id", 98313, segment[LOCKED]);
  CHECK(shmctl(segment[MAIN], IPC_STAT, &segment_was[0]));
  SetOwner(&segment_was[0].shm_perm, 0640);
  CHECK(shmctl(segment[MAIN], IPC_SET, &segment_was[0]));
  CHECK(shmctl(segment[LOCKED], SHM_LOCK, NULL));

  main_view = CHECK(shmat(segment[MAIN], NULL, 0));
  Fill(main_view, SIZE / 8 * 8, 1);
  second_view = CHECK(shmat(segment[MAIN], NULL, 0));
  CHECK(mprotect(second_view + 4 * PAGE, PAGE, PROT_READ));
  read_view = CHECK(shmat(segment[MAIN], NULL, SHM_RDONLY));
  gone_view = CHECK(shmat(segment[GONE], NULL, 0));
  Fill(gone_view, PAGE, 2);
  CHECK(shmctl(segment[GONE], IPC_RMID, NULL));
  char* hidden = CHECK(shmat(segment[HIDDEN], NULL, 0));
  Fill(hidden + PAGE, PAGE, 3);
  Fill(hidden + 3 * PAGE, PAGE, 4);
  CHECK(shmdt(hidden));
  CHECK(munmap(second_view + 2 * PAGE, PAGE));  // now nothing comes to lie there
  shared = (volatile int*)(main_view + 3 * PAGE);
  *shared = 0;
}

static void Send(int id, long type, size_t size) {
  struct Message message = {.type = type};
  Fill(message.text, size / 8 * 8, (uint64_t)type & 0xff);
  CHECK(msgsnd(id, &message, size, 0));
}

static void MakeQueues(void) {
  struct msqid_ds status;
  queue[FULL] = CHECK(msgget(KEY, IPC_CREAT | 0600));
  queue[EMPTY] = CHECK(msgget(IPC_PRIVATE, 0622));
  Send(queue[FULL], 7, 16);
  Send(queue[FULL], INT64_MAX, 0);
  Send(queue[FULL], 3, LARGE);
  Send(queue[FULL], 7, 3);
  CHECK(msgctl(queue[FULL], IPC_STAT, &status));
  SetOwner(&status.msg_perm, 0660);
  status.msg_qbytes = 4000;  // less than there is
  CHECK(msgctl(queue[FULL], IPC_SET, &status));
}

static const unsigned short kValues[] = {0, 32767, 5};
static void MakeSets(void) {
  struct semid_ds status;
  unsigned short values[] = {0, 32767, 5};
  const int old = CHECK(semget(IPC_PRIVATE, 1, 0600));
  set[MANY] = CHECK(semget(KEY, 3, IPC_CREAT | 0600));
  set[ONE] = CHECK(semget(IPC_PRIVATE, 1, 0606));
  CHECK(semctl(old, 0, IPC_RMID));
  CHECK(semctl(set[MANY], 0, SETALL, values));
  CHECK(semctl(set[MANY], 0, IPC_STAT, &status));
  SetOwner(&status.sem_perm, 0640);
  CHECK(semctl(set[MANY], 0, IPC_SET, &status));
}

static void ExpectPerm(const char* what, int key, int is_given, unsigned mode,
                       const struct ipc_perm* perm) {
  EXPECT(what, key, perm->__key);
  EXPECT(what, mode, perm->mode);
  EXPECT(what, is_given ? 1000 : 0, perm->uid);
  EXPECT(what, is_given ? 1001 : 0, perm->gid);
}

static void CheckSegments(void) {
  static const char* const kNames[] = {"a segment", "that nobody has", "that is removed", "locked"};
  static const unsigned kModes[] = {0640, 0600, 01600, 02644};
  for (int i = 0; i < SEGMENTS; i++) {
    struct shmid_ds now;
    CHECK(shmctl(segment[i], IPC_STAT, &now));
    EXPECT(kNames[i], segment_was[i].shm_segsz, now.shm_segsz);
    EXPECT(kNames[i], segment_was[i].shm_nattch, now.shm_nattch);
    EXPECT(kNames[i], segment_was[i].shm_perm.cuid, now.shm_perm.cuid);
    EXPECT(kNames[i], segment_was[i].shm_perm.cgid, now.shm_perm.cgid);
    ExpectPerm(kNames[i],
               i == MAIN     ? KEY
               : i == LOCKED ? KEY + 2
                             : 0,
               i == MAIN, kModes[i], &now.shm_perm);
  }
  EXPECT("by its key", segment[MAIN], shmget(KEY, 0, 0));
  EXPECT("creator", 33, segment_was[MAIN].shm_perm.cuid);
}

/// What main_view holds, but for the word that is shared.
static void ExpectMain(int line, const char* what, const char* view) {
  ExpectFilled(line, what, view, 3 * PAGE, 1, 0);
}

static void ExpectProtection(char* at, int prot, int wanted) {
  const int result = mprotect(at, PAGE, prot);
  EXPECT("mprotect(2)", wanted, result == 0 ? 0 : errno);
}

static void CheckViews(void) {
  ExpectMain(__LINE__, "the first view", main_view);
  EXPECT_FILLED("the first page of the second", second_view, PAGE, 1);
  ExpectMain(__LINE__, "the view for reading", read_view);
  EXPECT_FILLED("of the removed one", gone_view, PAGE, 2);
  for (int i = 0; i < 6; i++) {
    if (i == 2) continue;
    EXPECT("pages of both views", 0, memcmp(main_view + i * PAGE, second_view + i * PAGE, PAGE));
  }
  unsigned char resident;
  EXPECT("a hole", -1, mincore(second_view + 2 * PAGE, PAGE, &resident));
  main_view[PAGE] ^= 1;
  EXPECT("one segment", main_view[PAGE], second_view[PAGE]);
  EXPECT("one segment", main_view[PAGE], read_view[PAGE]);
  main_view[PAGE] ^= 1;
  ExpectProtection(second_view + 4 * PAGE, PROT_READ | PROT_WRITE, 0);
  ExpectProtection(read_view, PROT_READ | PROT_WRITE, EACCES);
  char* hidden = CHECK(shmat(segment[HIDDEN], NULL, SHM_RDONLY));
  EXPECT_BYTES("a hole of the hidden one", hidden, PAGE, 0);
  EXPECT_FILLED("a page of the hidden one", hidden + PAGE, PAGE, 3);
  EXPECT_BYTES("another hole", hidden + 2 * PAGE, PAGE, 0);
  EXPECT_FILLED("another page", hidden + 3 * PAGE, PAGE, 4);
  CHECK(shmdt(hidden));
}

static void Receive(long type, ssize_t size) {
  struct Message message;
  EXPECT("bytes of a message", size, msgrcv(queue[FULL], &message, LARGE, 0, IPC_NOWAIT));
  EXPECT("type of a message", type, message.type);
  EXPECT_FILLED("text of a message", message.text, (size_t)size / 8 * 8, (uint64_t)type & 0xff);
}

static void CheckQueues(void) {
  struct msqid_ds now;
  CHECK(msgctl(queue[FULL], IPC_STAT, &now));
  ExpectPerm("a queue", KEY, 1, 0660, &now.msg_perm);
  EXPECT("its capacity", 4000, now.msg_qbytes);
  EXPECT("its messages", 4, now.msg_qnum);
  EXPECT("their bytes", 16 + LARGE + 3, now.__msg_cbytes);
  struct Message more = {.type = 1};
  EXPECT("it is full", -1, msgsnd(queue[FULL], &more, 1, IPC_NOWAIT));
  EXPECT("it is full", EAGAIN, errno);
  Receive(7, 16);
  Receive(INT64_MAX, 0);
  Receive(3, LARGE);
  Receive(7, 3);
  CHECK(msgctl(queue[EMPTY], IPC_STAT, &now));
  ExpectPerm("another queue", 0, 0, 0622, &now.msg_perm);
  EXPECT("its messages", 0, now.msg_qnum);
  EXPECT("by its key", queue[FULL], msgget(KEY, 0));
}

static void CheckSets(void) {
  struct semid_ds now;
  unsigned short values[3];
  CHECK(semctl(set[MANY], 0, IPC_STAT, &now));
  ExpectPerm("a set", KEY, 1, 0640, &now.sem_perm);
  EXPECT("semaphores", 3, now.sem_nsems);
  CHECK(semctl(set[MANY], 0, GETALL, values));
  EXPECT("their values", 0, memcmp(values, kValues, sizeof values));
  CHECK(semctl(set[ONE], 0, IPC_STAT, &now));
  ExpectPerm("another set", 0, 0, 0606, &now.sem_perm);
  EXPECT("semaphores", 1, now.sem_nsems);
}

/// A removed segment is there as long as somebody has it attached.
static void CheckGone(void) {
  struct shmid_ds status;
  CHECK(shmctl(segment[GONE], IPC_STAT, &status));
  CHECK(shmdt(gone_view));
  AwaitStep("detached");
  EXPECT("it is gone", -1, shmctl(segment[GONE], IPC_STAT, &status));
  const int fresh = CHECK(shmget(IPC_PRIVATE, PAGE, 0600));
  for (int i = 0; i < SEGMENTS; i++) EXPECT("a new id", 1, i == GONE || fresh != segment[i]);
}

static void LastOfRoot(void) {
  CheckSegments();
  CheckViews();
  CheckQueues();
  CheckSets();
  Step("checked");
  for (int i = 0; i < 5000 && *shared != 77; i++) Nap();
  EXPECT("what the child wrote", 77, *shared);
  CheckGone();
}

static void LastOfChild(void) {
  EXPECT_FILLED("inherited", gone_view, PAGE, 2);
  AwaitStep("checked");
  *shared = 77;
  CHECK(shmdt(gone_view));
  Step("detached");
}
static void Child(void) { Live(NULL, LastOfChild); }

int main(void) {
  Begin();
  CHECK(unshare(CLONE_NEWIPC));
  MakeSegments();
  MakeQueues();
  MakeSets();
  Spawn(0, "child", Child);
  for (int i = 0; i < SEGMENTS; i++) CHECK(shmctl(segment[i], IPC_STAT, &segment_was[i]));
  Live(NULL, LastOfRoot);
}
