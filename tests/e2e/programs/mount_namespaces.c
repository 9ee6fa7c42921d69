// SPDX-License-Identifier: Apache-2.0
// Three mount namespaces on a root file system that is the home of the program. The root shares the
// events of /shared; a child that has left for a namespace of its own only gets them, another one
// shares them still. The first has a tmpfs at /tmp, files of both namespaces, one without a name, a
// region of another; a child that was born there, and one that went back to where the root is. These
// three have descriptors of both namespaces.
#include <sys/mount.h>
#include <sys/sysmacros.h>

#include "program.h"

enum { OWN = 20, OF_ROOT, GONE, BACK, SPACE, ROOTS_SPACE };
static char mounts[8192];
static char* region;

static void Make(const char* path, const char* text) {
  const int fd = CHECK(open(path, O_WRONLY | O_CREAT | O_TRUNC, 0640));
  CHECK(write(fd, text, strlen(text)));
  CHECK(close(fd));
}
static void Open(int wanted, const char* path, int flags) {
  const int fd = CHECK(open(path, flags, 0600));
  CHECK(dup2(fd, wanted));
  CHECK(close(fd));
}

/// The home becomes the root; what was outside is gone.
static void EnterNamespaces(const char* program) {
  CHECK(unshare(CLONE_NEWNET | CLONE_NEWNS));
  CHECK(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
  CHECK(mount(".", ".", NULL, MS_BIND, NULL));
  char here[PATH_MAX];
  CHECK(getcwd(here, sizeof here) == NULL ? -1 : 0);
  CHECK(chdir(here));
  const char* const folders[] = {"proc", "dev", "tmp", "shared", "part", "home"};
  for (unsigned i = 0; i < sizeof folders / sizeof *folders; i++) CHECK(mkdir(folders[i], 0755));
  char command[2 * PATH_MAX];
  snprintf(command, sizeof command, "cp %s program", program);
  CHECK(system(command) == 0 ? 0 : -1);
  CHECK(mount("proc", "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL));
  CHECK(mount("devices", "dev", "tmpfs", MS_NOSUID, "mode=755,size=64k"));
  CHECK(mknod("dev/null", S_IFCHR | 0666, makedev(1, 3)));
  CHECK(mount("events", "shared", "tmpfs", MS_NODEV, "mode=755,size=64k"));
  CHECK(mkdir("shared/folder", 0750));
  CHECK(mkdir("shared/place", 0750));
  Make("shared/folder/file", "of all");
  CHECK(mount(NULL, "shared", NULL, MS_SHARED, NULL));
  CHECK((int)syscall(SYS_pivot_root, ".", "."));
  CHECK(umount2(".", MNT_DETACH));
  CHECK(chdir("/"));
  const int null = CHECK(open("/dev/null", O_RDWR));
  for (int fd = 0; fd < 3; fd++) CHECK(dup2(null, fd));
  CHECK(close(null));
}

/// Mountpoint, root, flags, propagation and type of each mount, in the order of mountpoints.
static int ByText(const void* a, const void* b) { return strcmp(a, b); }
static void Describe(char* text, size_t size) {
  static char all[16384], lines[64][400];
  ReadFile("/proc/self/mountinfo", all, sizeof all);
  int count = 0;
  for (char* line = strtok(all, "\n"); line != NULL && count < 64; line = strtok(NULL, "\n")) {
    char root[100], place[100], flags[100], type[40];
    const char* rest = strstr(line, " - ");
    if (rest == NULL || sscanf(rest, " - %39s", type) != 1) continue;
    if (sscanf(line, "%*s %*s %*s %99s %99s %99s", root, place, flags) != 3) continue;
    const int shared = strstr(line, " shared:") != NULL, master = strstr(line, " master:") != NULL;
    snprintf(lines[count++], sizeof lines[0], "%s %s %s %s%s%s\n", place,
             strcmp(place, "/") == 0 || strcmp(place, "/home") == 0 ? "" : root, flags,
             shared ? "shared " : "", master ? "slave " : "", type);
  }
  qsort(lines, (size_t)count, sizeof lines[0], ByText);
  text[0] = 0;
  for (int i = 0; i < count; i++) strncat(text, lines[i], size - strlen(text) - 1);
}
static void ExpectMounts(void) {
  char now[sizeof mounts];
  Describe(now, sizeof now);
  EXPECT_TEXT("what is mounted", mounts, now);
}

static void ExpectContent(int fd, const char* expected) {
  char text[100] = "";
  const ssize_t got = CHECK(pread(fd, text, sizeof text - 1, 0));
  text[got] = 0;
  EXPECT_TEXT("what is in a file", expected, text);
}

/// Whether what is open is in the mount namespace of this process.
static int IsHere(int fd) {
  static char all[16384];
  char path[64], text[400], number[32];
  snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
  ReadFile(path, text, sizeof text);
  int id = 0;
  sscanf(strstr(text, "mnt_id:"), "mnt_id:\t%d", &id);
  ReadFile("/proc/self/mountinfo", all, sizeof all);
  for (char* line = strtok(all, "\n"); line != NULL; line = strtok(NULL, "\n")) {
    if (sscanf(line, "%31s", number) == 1 && atoi(number) == id) return 1;
  }
  return 0;
}

/// "mnt" of this process and of another one.
static int SameNamespace(const char* other) {
  struct stat own, its;
  char path[64];
  snprintf(path, sizeof path, "/proc/%s/ns/mnt", other);
  CHECK(stat("/proc/self/ns/mnt", &own));
  CHECK(stat(path, &its));
  return own.st_ino == its.st_ino;
}
static char root_pid[16];

static void ExpectSpaces(int is_own) {
  struct stat own, here, there;
  CHECK(stat("/proc/self/ns/mnt", &own));
  CHECK(fstat(SPACE, &here));
  CHECK(fstat(ROOTS_SPACE, &there));
  EXPECT("the first of these namespaces", is_own, here.st_ino == own.st_ino);
  EXPECT("the root's", !is_own, there.st_ino == own.st_ino);
  EXPECT("flags", O_RDONLY | O_NONBLOCK, fcntl(SPACE, F_GETFL) & (O_ACCMODE | O_NONBLOCK));
  EXPECT("close-on-exec", FD_CLOEXEC, fcntl(ROOTS_SPACE, F_GETFD));
}

static dev_t DeviceAt(const char* path) {
  struct stat status;
  CHECK(stat(path, &status));
  return status.st_dev;
}

static void LastChecksOfBorn(void) {
  ExpectMounts();
  ExpectContent(OWN, "its own");
  EXPECT("where the root is", 0, SameNamespace(root_pid));
  char path[100] = "";
  CHECK(readlink("/proc/self/cwd", path, sizeof path - 1));
  EXPECT_TEXT("the folder", "/tmp/folder", path);
  ExpectSpaces(1);
  EXPECT("is in its own tmpfs", DeviceAt("/tmp"), DeviceAt("."));
  Step("born_looked");
}
static void Born(void) { Live(NULL, LastChecksOfBorn); }

static void LastChecksOfBack(void) {
  ExpectMounts();
  EXPECT("where the root is", 1, SameNamespace(root_pid));
  ExpectSpaces(0);
  EXPECT("not its own", 0, IsHere(OWN));
  EXPECT("its own", 1, IsHere(OF_ROOT));
  Step("back_looked");
}
static void Back(void) {
  CHECK(setns(BACK, CLONE_NEWNS));
  CHECK(close(BACK));
  Describe(mounts, sizeof mounts);
  Live(NULL, LastChecksOfBack);
}

static void CheckRegion(void) { EXPECT("a region", 'r', region[1]); }

static void LastChecksOfLeft(void) {
  ExpectMounts();
  EXPECT("where the root is", 0, SameNamespace(root_pid));
  ExpectSpaces(1);
  ExpectContent(OWN, "its own");
  ExpectContent(OF_ROOT, "of all");
  ExpectContent(GONE, "has no name");
  EXPECT("its own", 1, IsHere(OWN));
  EXPECT("the root's", 0, IsHere(OF_ROOT));
  EXPECT("without a name, and its own", 1, IsHere(GONE));
  struct stat status;
  CHECK(fstat(GONE, &status));
  EXPECT("names", 0, status.st_nlink);
  char path[100] = "";
  CHECK(readlink("/proc/self/exe", path, sizeof path - 1));
  EXPECT_TEXT("the executable", "/program", path);
  Step("left_looked");
  AwaitStep("mounted");
  EXPECT("an event of the root's", 1, DeviceAt("/shared/place") != DeviceAt("/shared"));
  CHECK(umount("/shared/place"));
  Step("unmounted");
}
static void Left(void) {
  Open(OF_ROOT, "/shared/folder/file", O_RDONLY);
  Open(BACK, "/proc/self/ns/mnt", O_RDONLY);
  CHECK(dup3(BACK, ROOTS_SPACE, O_CLOEXEC));
  CHECK(unshare(CLONE_NEWNS));
  Open(SPACE, "/proc/self/ns/mnt", O_RDONLY | O_NONBLOCK);
  CHECK(mount(NULL, "/shared", NULL, MS_SLAVE, NULL));
  CHECK(mount("private", "/tmp", "tmpfs", MS_NOEXEC, "size=128k"));
  CHECK(mkdir("/tmp/folder", 0711));
  CHECK(mount("/shared/folder", "/part", NULL, MS_BIND, NULL));
  CHECK(mount("/part", "/home", NULL, MS_BIND, NULL));
  Make("/tmp/file", "its own");
  Open(OWN, "/tmp/file", O_RDWR);
  Open(GONE, "/tmp/gone", O_RDWR | O_CREAT);
  CHECK(write(GONE, "has no name", 11));
  CHECK(unlink("/tmp/gone"));
  Make("/tmp/mapped", "rrrr");
  const int mapped = CHECK(open("/tmp/mapped", O_RDWR));
  region = Map(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, mapped, 0);
  CHECK(close(mapped));
  CHECK(chdir("/tmp/folder"));
  Describe(mounts, sizeof mounts);
  Spawn(0, "back", Back);
  CHECK(close(BACK));
  Spawn(0, "born", Born);
  Live(CheckRegion, LastChecksOfLeft);
}

static void LastChecksOfPeer(void) {
  ExpectMounts();
  EXPECT("where the root is", 0, SameNamespace(root_pid));
  Step("peer_looked");
  AwaitStep("mounted");
  EXPECT("an event of the root's", 1, DeviceAt("/shared/place") != DeviceAt("/shared"));
  AwaitStep("unmounted");
  CHECK(umount("/shared/place"));
}
static void Peer(void) {
  CHECK(unshare(CLONE_NEWNS));
  Describe(mounts, sizeof mounts);
  Live(NULL, LastChecksOfPeer);
}

static void LastChecksOfRoot(void) {
  ExpectMounts();
  const char* const all[] = {"born_looked", "back_looked", "left_looked", "peer_looked"};
  for (int i = 0; i < 4; i++) AwaitStep(all[i]);
  CHECK(mount("event", "/shared/place", "tmpfs", 0, NULL));
  Step("mounted");
  AwaitStep("unmounted");
  for (int i = 0; i < 1000 && DeviceAt("/shared/place") != DeviceAt("/shared"); i++) Nap();
  EXPECT("an event of a peer's", DeviceAt("/shared"), DeviceAt("/shared/place"));
}

int main(int argc, char** argv) {
  if (argc == 2 && strcmp(argv[1], "inside") != 0) {
    Begin();
    EnterNamespaces(argv[0]);
    execl("/program", "/program", "inside", NULL);
    _exit(95);
  }
  Begin();
  snprintf(root_pid, sizeof root_pid, "%d", getpid());
  Spawn(0, "left", Left);
  Spawn(0, "peer", Peer);
  Describe(mounts, sizeof mounts);
  Live(NULL, LastChecksOfRoot);
}
