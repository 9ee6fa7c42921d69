// SPDX-License-Identifier: Apache-2.0
// A user namespace of its own, to which UTS, IPC and network namespaces belong: what is mapped,
// whose they are, descriptors of it, ids of files, sockets and objects inside, and what takes rights outside:
// niceness, the size of a buffer.
#include <grp.h>
#include <linux/nsfs.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/utsname.h>

#include "program.h"

enum { MEMFD = 20, ONE, OTHER, LISTENER, OWN_USER, USER = 1000, GROUP = 1001, BUFFER = 1 << 17 };
static const char kUsers[] = "0 0 1\n1 100001 65535\n", kGroups[] = "0 0 1\n1 200001 65535\n";
static int segment;

static void WriteFile(const char* path, const char* text) {
  const int fd = CHECK(open(path, O_WRONLY));
  CHECK(write(fd, text, strlen(text)));
  CHECK(close(fd));
}

/// By a child that is outside.
static void EnterUserNamespace(void) {
  int ends[2];
  char byte;
  CHECK(pipe(ends));
  const pid_t child = CHECK(fork());
  if (child == 0) {
    char path[100];
    close(ends[1]);
    if (read(ends[0], &byte, 1) != 0) _exit(1);
    snprintf(path, sizeof path, "/proc/%d/uid_map", getppid());
    WriteFile(path, kUsers);
    snprintf(path, sizeof path, "/proc/%d/gid_map", getppid());
    WriteFile(path, kGroups);
    _exit(0);
  }
  CHECK(close(ends[0]));
  CHECK(unshare(CLONE_NEWUSER | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET));
  CHECK(close(ends[1]));
  int status;
  CHECK(waitpid(child, &status, 0));
  EXPECT("the maps are written", 0, status);
}

static void MakePair(void) {
  int ends[2];
  const int size = BUFFER / 2;
  CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
  CHECK(setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof size));
  for (int i = 0; i < 2; i++) {
    CHECK(dup2(ends[i], ONE + i));
    CHECK(close(ends[i]));
  }
  CHECK(write(ONE, "on its way", 10));
}

static void MakeInside(void) {
  const gid_t groups[] = {5, 77};
  MakePair();
  CHECK(setgroups(2, groups));
  CHECK(sethostname("e2e-user", 8));
  const int fd = CHECK(memfd_create("owned", 0));
  CHECK(fchown(fd, USER, GROUP));
  CHECK(dup2(fd, MEMFD));
  CHECK(close(fd));
  segment = CHECK(shmget(0x1234, PAGE, IPC_CREAT | 0640));
  struct shmid_ds status;
  CHECK(shmctl(segment, IPC_STAT, &status));
  status.shm_perm.uid = USER, status.shm_perm.gid = GROUP;
  CHECK(shmctl(segment, IPC_SET, &status));
  struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "\0e2e-user"};
  const int listener = CHECK(socket(AF_UNIX, SOCK_STREAM, 0));
  CHECK(bind(listener, (struct sockaddr*)&address, sizeof(sa_family_t) + 9));
  CHECK(setegid(GROUP));
  CHECK(seteuid(USER));
  CHECK(listen(listener, 5));
  CHECK(seteuid(0));
  CHECK(setegid(0));
  CHECK(dup2(listener, LISTENER));
  CHECK(close(listener));
  const int own = CHECK(open("/proc/self/ns/user", O_RDONLY));
  CHECK(dup2(own, OWN_USER));
  CHECK(close(own));
  CHECK(prctl(PR_SET_DUMPABLE, 1));  // which other ids have undone
}

static void CheckIds(void) {
  EXPECT("user", 0, Call(SYS_getuid, 0, 0));
  EXPECT("group", 0, Call(SYS_getgid, 0, 0));
}

static ino_t InodeOf(int fd) {
  struct stat status;
  CHECK(fstat(fd, &status));
  return status.st_ino;
}

/// Each belongs to the user namespace that this process is in.
static void CheckOwners(void) {
  const int user = CHECK(open("/proc/self/ns/user", O_RDONLY));
  const char* const owned[] = {"uts", "ipc", "net"};
  for (unsigned i = 0; i < sizeof owned / sizeof *owned; i++) {
    char path[100];
    snprintf(path, sizeof path, "/proc/self/ns/%s", owned[i]);
    const int fd = CHECK(open(path, O_RDONLY));
    const int owner = CHECK(ioctl(fd, NS_GET_USERNS));
    EXPECT(owned[i], InodeOf(user), InodeOf(owner));
    CHECK(close(owner));
    CHECK(close(fd));
  }
  EXPECT("what is open", InodeOf(user), InodeOf(OWN_USER));
  EXPECT("the parent is out of sight", -1, ioctl(user, NS_GET_PARENT));
  CHECK(close(user));
}

static void ExpectMap(const char* path, const char* expected) {
  char text[400], line[100];
  ReadFile(path, text, sizeof text);
  char* rest = text;
  for (const char* at = expected; *at != 0; at = strchr(at, '\n') + 1) {
    unsigned wanted[3], found[3];
    const char* of = strsep(&rest, "\n");
    snprintf(line, sizeof line, "%s", of == NULL ? "" : of);
    sscanf(at, "%u %u %u", &wanted[0], &wanted[1], &wanted[2]);
    EXPECT(path, 3, sscanf(line, "%u %u %u", &found[0], &found[1], &found[2]));
    for (int i = 0; i < 3; i++) EXPECT(path, wanted[i], found[i]);
  }
  EXPECT("no more ranges", 0, rest == NULL ? 0 : strlen(rest));
}

static void CheckRights(void) {
  struct rlimit limit;
  CHECK(getrlimit(RLIMIT_NOFILE, &limit));
  limit.rlim_max++;
  EXPECT("no rights outside", -1, setrlimit(RLIMIT_NOFILE, &limit));
  EXPECT("no rights outside", EPERM, errno);
  CHECK(sethostname("e2e-new", 7));
  CHECK(setresuid(USER, USER, 0));
  CHECK(setresuid(0, 0, 0));
  EXPECT("an id that nobody has", -1, setresuid(70000, -1, -1));
  EXPECT("an id that nobody has", EINVAL, errno);
}

static void LastChecks(void) {
  char text[100];
  ExpectMap("/proc/self/uid_map", kUsers);
  ExpectMap("/proc/self/gid_map", kGroups);
  ReadFile("/proc/self/setgroups", text, sizeof text);
  EXPECT_TEXT("setgroups", "allow\n", text);
  CheckOwners();
  gid_t groups[10];
  EXPECT("groups", 2, getgroups(10, groups));
  EXPECT("a group", 77, groups[1]);
  struct utsname names;
  CHECK(uname(&names));
  EXPECT_TEXT("node", "e2e-user", names.nodename);
  struct stat file;
  CHECK(fstat(MEMFD, &file));
  EXPECT("owner of a memfd", USER, file.st_uid);
  EXPECT("group of a memfd", GROUP, file.st_gid);
  struct shmid_ds status;
  CHECK(shmctl(segment, IPC_STAT, &status));
  EXPECT("owner of a segment", USER, status.shm_perm.uid);
  EXPECT("group of a segment", GROUP, status.shm_perm.gid);
  EXPECT("creator of a segment", 0, status.shm_perm.cuid);
  EXPECT("niceness", -5, getpriority(PRIO_PROCESS, 0));
  int size;
  socklen_t length = sizeof size;
  CHECK(getsockopt(ONE, SOL_SOCKET, SO_SNDBUF, &size, &length));
  EXPECT("buffer", BUFFER, size);
  EXPECT("bytes on their way", 10, read(OTHER, text, sizeof text));
  struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "\0e2e-user"};
  const int client = CHECK(socket(AF_UNIX, SOCK_STREAM, 0));
  CHECK(connect(client, (struct sockaddr*)&address, sizeof(sa_family_t) + 9));
  CHECK(close(client));
  CheckRights();
}

int main(void) {
  Begin();
  CHECK(setpriority(PRIO_PROCESS, 0, -5));  // takes rights outside
  EnterUserNamespace();
  MakeInside();
  Live(CheckIds, LastChecks);
}
