// SPDX-License-Identifier: Apache-2.0
// UTS, IPC, network and mount namespaces of its own, on a root file system that is its home: names,
// limits, what is mounted, with which flags, and what is in it. A child is in all of them. The root
// has descriptors of some, and of tun(4).
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>

#include "program.h"

enum { TUN = 20, NODE, NETWORK };
static char mounts[8192];

static void Make(const char* path, const char* text) {
  const int fd = CHECK(open(path, O_WRONLY | O_CREAT | O_TRUNC, 0640));
  CHECK(write(fd, text, strlen(text)));
  CHECK(close(fd));
}

/// The home becomes the root; what was outside is gone.
static void EnterNamespaces(const char* program) {
  CHECK(unshare(CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWNS));
  CHECK(sethostname("e2e-node", 8));
  CHECK(setdomainname("e2e-domain", 10));
  Make("/proc/sys/kernel/msgmni", "1234");
  Make("/proc/sys/kernel/sem", "100 20000 30 400");
  Make("/proc/sys/fs/mqueue/msg_max", "77");

  CHECK(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
  CHECK(mount(".", ".", NULL, MS_BIND, NULL));
  char here[PATH_MAX];
  CHECK(getcwd(here, sizeof here) == NULL ? -1 : 0);
  CHECK(chdir(here));
  const char* const folders[] = {"proc", "sys", "dev", "tmp", "part", "slave", "masked", "jail"};
  for (unsigned i = 0; i < sizeof folders / sizeof *folders; i++) CHECK(mkdir(folders[i], 0755));
  char command[2 * PATH_MAX];
  snprintf(command, sizeof command, "cp %s program", program);
  CHECK(system(command) == 0 ? 0 : -1);
  CHECK(mount(".", "jail", NULL, MS_BIND, NULL));
  CHECK(mount("proc", "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL));
  CHECK(mount("proc/sys", "proc/sys", NULL, MS_BIND, NULL));
  CHECK(mount(NULL, "proc/sys", NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL));
  CHECK(mount("sysfs", "sys", "sysfs", MS_RDONLY | MS_NOSUID, NULL));
  CHECK(mount("devices", "dev", "tmpfs", MS_NOSUID | MS_STRICTATIME, "mode=755,size=64k"));
  CHECK(mknod("dev/null", S_IFCHR | 0666, makedev(1, 3)));
  CHECK(mknod("dev/tun", S_IFCHR | 0600, makedev(10, 200)));
  CHECK(mkdir("dev/pts", 0755));
  CHECK(mkdir("dev/mqueue", 0755));
  CHECK(mount("devpts", "dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,mode=620"));
  CHECK(mount("mqueue", "dev/mqueue", "mqueue", MS_NODEV, NULL));
  CHECK(mount("scratch", "tmp", "tmpfs", MS_NODEV | MS_NOATIME, "mode=1777"));
  CHECK(mkdir("tmp/folder", 0750));
  Make("tmp/folder/file", "in the scratch");
  CHECK(symlink("folder/file", "tmp/link"));
  CHECK(mkdir("tmp/folder/place", 0700));
  CHECK(mount(NULL, "tmp", NULL, MS_SHARED, NULL));
  CHECK(mount("tmp/folder", "part", NULL, MS_BIND, NULL));
  CHECK(mount("tmp/folder", "slave", NULL, MS_BIND, NULL));
  CHECK(mount(NULL, "slave", NULL, MS_SLAVE, NULL));
  CHECK(mount(NULL, "slave", NULL, MS_SHARED, NULL));
  CHECK(mount("empty", "masked", "tmpfs", MS_RDONLY, NULL));
  CHECK(mount(NULL, "masked", NULL, MS_UNBINDABLE, NULL));
  CHECK((int)syscall(SYS_pivot_root, ".", "."));
  CHECK(umount2(".", MNT_DETACH));
  CHECK(chdir("/"));
  const int null = CHECK(open("/dev/null", O_RDWR));
  for (int fd = 0; fd < 3; fd++) CHECK(dup2(null, fd));
  CHECK(close(null));
}

/// Mountpoint, root, flags, propagation and file system of each mount, in the order of mountpoints.
static int ByText(const void* a, const void* b) { return strcmp(a, b); }
static void Describe(char* text, size_t size) {
  static char all[16384], lines[64][400];
  ReadFile("/proc/self/mountinfo", all, sizeof all);
  int count = 0;
  for (char* line = strtok(all, "\n"); line != NULL && count < 64; line = strtok(NULL, "\n")) {
    char root[100], place[100], flags[100], type[40], source[100], options[100];
    const char* rest = strstr(line, " - ");
    if (rest == NULL || sscanf(line, "%*s %*s %*s %99s %99s %99s", root, place, flags) != 3)
      continue;
    if (sscanf(rest, " - %39s %99s %99s", type, source, options) != 3) continue;
    char propagation[40] = "";
    for (const char* word = line; (word = strchr(word, ' ')) != NULL && word++ < rest;) {
      if (strncmp(word, "shared:", 7) == 0) strcat(propagation, "shared ");
      if (strncmp(word, "master:", 7) == 0) strcat(propagation, "slave ");
      if (strncmp(word, "unbindable", 10) == 0) strcat(propagation, "unbindable ");
    }
    // What the root lies on is the caller's.
    if (strcmp(place, "/") == 0 || strcmp(place, "/jail") == 0) root[0] = type[0] = source[0] = options[0] = 0;
    snprintf(lines[count++], sizeof lines[0], "%s %s %s %s%s %s %s\n", place, root, flags,
             propagation, type, source, options);
  }
  qsort(lines, (size_t)count, sizeof lines[0], ByText);
  text[0] = 0;
  for (int i = 0; i < count; i++) strncat(text, lines[i], size - strlen(text) - 1);
}

static void CheckNames(void) {
  struct utsname names;
  Call(SYS_uname, (long)&names, 0);
  EXPECT_TEXT("node", "e2e-node", names.nodename);
  EXPECT_TEXT("domain", "e2e-domain", names.domainname);
}

static void ExpectFile(const char* path, const char* expected) {
  char text[200];
  ReadFile(path, text, sizeof text);
  EXPECT_TEXT(path, expected, text);
}

static void LastChecks(void) {
  char now[sizeof mounts];
  CheckNames();
  ExpectFile("/proc/sys/kernel/msgmni", "1234\n");
  ExpectFile("/proc/sys/kernel/sem", "100\t20000\t30\t400\n");
  ExpectFile("/proc/sys/fs/mqueue/msg_max", "77\n");
  Describe(now, sizeof now);
  EXPECT_TEXT("what is mounted", mounts, now);
  ExpectFile("/tmp/link", "in the scratch");
  ExpectFile("/part/file", "in the scratch");
  struct stat status, other;
  CHECK(stat("/tmp/folder", &status));
  EXPECT("mode of a folder", 0750, status.st_mode & 07777);
  CHECK(stat("/tmp/folder/file", &status));
  CHECK(stat("/part/file", &other));
  EXPECT("one file system", status.st_dev, other.st_dev);
  EXPECT("one file", status.st_ino, other.st_ino);
  EXPECT("mode of a file", 0640, status.st_mode & 0777);
  EXPECT("a place that is read-only", -1, open("/proc/sys/kernel/msgmni", O_WRONLY));
  EXPECT("a place that is read-only", EROFS, errno);
  EXPECT("a file system that is read-only", -1, mkdir("/masked/x", 0700));
  EXPECT("a file system that is read-only", EROFS, errno);
  char path[100];
  EXPECT("the executable", 8, readlink("/proc/self/exe", path, sizeof path));
  const int net = CHECK(socket(AF_INET, SOCK_DGRAM, 0));
  struct ifreq request = {.ifr_name = "lo"};
  CHECK(ioctl(net, SIOCGIFFLAGS, &request));
  CHECK(close(net));
  EXPECT("interfaces", 1, if_nametoindex("lo"));
  EXPECT("interfaces", 0, if_nametoindex("eth0"));
}

static void Open(int wanted, const char* path, int flags) {
  const int fd = CHECK(open(path, flags));
  CHECK(dup2(fd, wanted));
  CHECK(close(fd));
}
static void ExpectNamespace(int fd, const char* path) {
  struct stat own, opened;
  CHECK(stat(path, &own));
  CHECK(fstat(fd, &opened));
  EXPECT(path, own.st_ino, opened.st_ino);
}

static dev_t DeviceAt(const char* path) {
  struct stat status;
  CHECK(stat(path, &status));
  return status.st_dev;
}

/// What is mounted on one of a group is mounted on all, and on slaves; not the other way round.
static void CheckPropagation(void) {
  const dev_t before = DeviceAt("/part/place");
  CHECK(mount("event", "/tmp/folder/place", "tmpfs", 0, NULL));
  EXPECT("in the group", DeviceAt("/tmp/folder/place"), DeviceAt("/part/place"));
  EXPECT("in its slave", DeviceAt("/tmp/folder/place"), DeviceAt("/slave/place"));
  CHECK(umount("/part/place"));
  EXPECT("gone from all", before, DeviceAt("/slave/place"));
  CHECK(mount("event", "/slave/place", "tmpfs", 0, NULL));
  EXPECT("the slave's own", before, DeviceAt("/tmp/folder/place"));
  CHECK(umount("/slave/place"));
}

static void LastChecksOfRoot(void) {
  LastChecks();
  AwaitStep("child_looked");
  CheckPropagation();
  ExpectNamespace(NODE, "/proc/self/ns/uts");
  ExpectNamespace(NETWORK, "/proc/self/ns/net");
  EXPECT("access mode of the tun file", O_RDWR, fcntl(TUN, F_GETFL) & O_ACCMODE);
  struct ifreq device = {.ifr_name = "e2e0"};
  EXPECT("nothing is attached", -1, ioctl(TUN, TUNGETIFF, &device));
  EXPECT("as the kernel says it", EBADFD, errno);
  device.ifr_flags = IFF_TUN | IFF_NO_PI;
  CHECK(ioctl(TUN, TUNSETIFF, &device));
}

static void LastChecksOfChild(void) {
  LastChecks();
  Step("child_looked");
}
static void Child(void) { Live(CheckNames, LastChecksOfChild); }

/// Its executable is not below its root.
static void Jailed(void) {
  struct stat status;
  EXPECT("no processes below its root", -1, stat("/proc/self", &status));
  EXPECT("its root is that of all", 0, stat("/program", &status));
}
static void Jail(void) {
  CHECK(chroot("/jail"));
  CHECK(chdir("/"));
  Live(Jailed, Jailed);
}

int main(int argc, char** argv) {
  if (argc == 2 && strcmp(argv[1], "inside") != 0) {
    Begin();
    EnterNamespaces(argv[0]);
    execl("/program", "/program", "inside", NULL);
    _exit(95);
  }
  Begin();
  Describe(mounts, sizeof mounts);
  Spawn(0, "child", Child);
  Spawn(0, "jail", Jail);
  Open(TUN, "/dev/tun", O_RDWR);
  Open(NODE, "/proc/self/ns/uts", O_RDONLY);
  Open(NETWORK, "/proc/self/ns/net", O_RDONLY);
  Live(CheckNames, LastChecksOfRoot);
}
