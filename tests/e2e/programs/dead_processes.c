// SPDX-License-Identifier: Apache-2.0
// Files below /proc of processes that are gone: of a plain child, one of them inherited by another
// child and one with a position; of the dead leaders of a group and of a session that still have a
// member; a working directory there.
#include "program.h"

enum { STATUS = 10, FOLDER, MAPS, OF_THREAD, MEMORY, OF_GROUP, OF_SESSION, LAST };
static char paths[LAST][64];
static pid_t plain, group, session;

static void Open(int fd, pid_t pid, const char* file, int flags) {
  snprintf(paths[fd], sizeof paths[fd], "/proc/%d%s%s", pid, *file ? "/" : "", file);
  int opened = CHECK(open(paths[fd], flags));
  if (opened == fd) return;
  CHECK(dup2(opened, fd));
  CHECK(close(opened));
}

static void ExpectPath(const char* link, const char* expected, int deleted) {
  char found[PATH_MAX] = "", text[80];
  snprintf(text, sizeof text, "%s%s", expected, deleted ? " (deleted)" : "");
  CHECK((int)readlink(link, found, sizeof found - 1));
  EXPECT_TEXT(expected, text, found);
}
static void Expect(int fd, int flags) {
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ExpectPath(link, paths[fd], fd == FOLDER);
  EXPECT(paths[fd], flags, fcntl(fd, F_GETFL) & ~0100000);
}
/// Nobody is there any more.
static void ExpectGone(int fd) {
  char byte;
  EXPECT(paths[fd], -1, read(fd, &byte, 1));
  EXPECT(paths[fd], ESRCH, errno);
}

static void LastOfHeir(void) {
  Expect(STATUS, O_RDONLY);
  EXPECT("position that is shared", 50, lseek(STATUS, 0, SEEK_CUR));
  char cwd[64];
  snprintf(cwd, sizeof cwd, "/proc/%d", plain);
  ExpectPath("/proc/self/cwd", cwd, 1);
  EXPECT("nobody is in there", -1, access("stat", F_OK));
  Step("heir_looked");
}
static void Heir(void) { Live(NULL, LastOfHeir); }

static void LastOfMember(void) {
  EXPECT("group", group, getpgid(0));
  Expect(OF_GROUP, O_RDONLY);
}
static void Member(void) {
  CHECK(setpgid(0, group));
  Live(NULL, LastOfMember);
}
static void LastOfOrphan(void) {
  EXPECT("session", session, getsid(0));
  EXPECT("group", session, getpgid(0));
}
static void Orphan(void) { Live(NULL, LastOfOrphan); }

static void LastOfRoot(void) {
  AwaitStep("heir_looked");
  Expect(STATUS, O_RDONLY);
  Expect(FOLDER, O_RDONLY);
  Expect(MAPS, O_RDONLY | O_NONBLOCK);
  Expect(OF_THREAD, O_RDONLY);
  Expect(MEMORY, O_RDWR);
  Expect(OF_GROUP, O_RDONLY);
  Expect(OF_SESSION, O_PATH);
  EXPECT("position", 50, lseek(STATUS, 0, SEEK_CUR));
  CHECK((int)lseek(STATUS, 0, SEEK_SET));
  ExpectGone(STATUS);
  ExpectGone(OF_THREAD);
  ExpectGone(OF_GROUP);
  char byte;
  EXPECT("memory that is gone", 0, pread(MEMORY, &byte, 1, 0x400000));
  for (pid_t* pid = (pid_t[]){plain, group, session, 0}; *pid; pid++) {
    EXPECT("nobody has the number", -1, kill(*pid, 0));
    EXPECT("nobody has the number", ESRCH, errno);
  }
  EXPECT("children that are there", 0, waitpid(-1, NULL, WNOHANG));
}

static pid_t Sleeper(void) {
  pid_t pid = CHECK(fork());
  if (pid == 0) {
    CHECK(prctl(PR_SET_PDEATHSIG, SIGKILL));
    for (;;) pause();
  }
  return pid;
}
static void End(pid_t pid) {
  CHECK(kill(pid, SIGKILL));
  CHECK(waitpid(pid, NULL, 0));
}

static void MakePlain(void) {
  char text[60];
  plain = Sleeper();
  Open(STATUS, plain, "status", O_RDONLY);
  CHECK((int)read(STATUS, text, 50));
  Open(FOLDER, plain, "", O_RDONLY);
  Open(MAPS, plain, "maps", O_RDONLY | O_NONBLOCK);
  Open(MEMORY, plain, "mem", O_RDWR);
  char thread[40];
  snprintf(thread, sizeof thread, "task/%d/stat", plain);
  Open(OF_THREAD, plain, thread, O_RDONLY);
  CHECK(fchdir(FOLDER));
  End(plain);
  Spawn(0, "heir", Heir);
  CHECK(chdir(home));
}

static void MakeGroup(void) {
  group = Sleeper();
  CHECK(setpgid(group, group));
  Open(OF_GROUP, group, "stat", O_RDONLY);
  Spawn(0, "member", Member);
  End(group);
}

static void MakeSession(void) {
  session = CHECK(fork());
  if (session == 0) {
    session = CHECK(setsid());
    Spawn(0, "orphan", Orphan);
    for (;;) pause();
  }
  AwaitReady("orphan");
  Open(OF_SESSION, session, "", O_PATH);
  snprintf(paths[OF_SESSION], sizeof paths[OF_SESSION], "/proc/%d (deleted)", session);
  End(session);
}

int main(void) {
  Begin();
  CHECK(prctl(PR_SET_CHILD_SUBREAPER, 1));
  MakePlain();
  MakeGroup();
  MakeSession();
  Live(NULL, LastOfRoot);
}
