// SPDX-License-Identifier: Apache-2.0
// Unix sockets whose names say too little of where they are: the folder is hidden by a mount that
// came later, the name was bound below another root, or in another mount namespace, where the same
// path is another one. The root has those that are hidden, a child lives in /jail, another one has
// left for a mount namespace of its own.
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>

#include "program.h"

enum { LISTENER = 20, CLIENT, END, RECEIVER, SENDER, PLACE, TO_PLACE };

static struct sockaddr_un Address(const char* path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  strncpy(address.sun_path, path, sizeof address.sun_path - 1);
  return address;
}
static void Put(int fd, int wanted) {
  CHECK(dup2(fd, wanted));
  CHECK(close(fd));
}
static void Bound(int wanted, int type, const char* path, int mode) {
  const struct sockaddr_un address = Address(path);
  Put(CHECK(socket(AF_UNIX, type, 0)), wanted);
  CHECK(bind(wanted, (const struct sockaddr*)&address, sizeof address));
  CHECK(chmod(path, (mode_t)mode));
  if (type == SOCK_STREAM) CHECK(listen(wanted, 3));
}
static void Connected(int wanted, int type, const char* path) {
  const struct sockaddr_un address = Address(path);
  Put(CHECK(socket(AF_UNIX, type, 0)), wanted);
  CHECK(connect(wanted, (const struct sockaddr*)&address, sizeof address));
}
static void ExpectName(int fd, const char* expected) {
  struct sockaddr_un address = {};
  socklen_t size = sizeof address;
  CHECK(getsockname(fd, (struct sockaddr*)&address, &size));
  EXPECT_TEXT("a name", expected, address.sun_path);
}
static void ExpectMode(const char* path, int mode) {
  struct stat status;
  CHECK(stat(path, &status));
  EXPECT("the mode of a socket's file", S_IFSOCK | (mode_t)mode, status.st_mode);
}
static void ExpectMessage(int fd, const char* expected) {
  char text[40] = "";
  CHECK(recv(fd, text, sizeof text - 1, MSG_DONTWAIT));
  EXPECT_TEXT("a message", expected, text);
}
/// The path leads to that very socket.
static void ExpectThere(int receiver, const char* path) {
  const struct sockaddr_un address = Address(path);
  const int fd = CHECK(socket(AF_UNIX, SOCK_DGRAM, 0));
  CHECK(sendto(fd, "by name", 7, 0, (const struct sockaddr*)&address, sizeof address));
  CHECK(close(fd));
  ExpectMessage(receiver, "by name");
}
static void ExpectListens(int listener, const char* path) {
  Connected(60, SOCK_STREAM, path);
  CHECK(fcntl(listener, F_SETFL, O_NONBLOCK));
  const int end = CHECK(accept(listener, NULL, NULL));
  CHECK(send(60, "new", 3, 0));
  ExpectMessage(end, "new");
  CHECK(close(end));
  CHECK(close(60));
}

/// The home becomes the root; what was outside is gone.
static void EnterNamespaces(const char* program) {
  CHECK(unshare(CLONE_NEWNET | CLONE_NEWNS));
  CHECK(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
  CHECK(mount(".", ".", NULL, MS_BIND, NULL));
  char here[PATH_MAX];
  CHECK(getcwd(here, sizeof here) == NULL ? -1 : 0);
  CHECK(chdir(here));
  const char* const folders[] = {"proc", "dev", "cover", "cover/in", "jail", "there"};
  for (unsigned i = 0; i < sizeof folders / sizeof *folders; i++) CHECK(mkdir(folders[i], 0755));
  char command[2 * PATH_MAX];
  snprintf(command, sizeof command, "cp %s program", program);
  CHECK(system(command) == 0 ? 0 : -1);
  CHECK(mount("proc", "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL));
  CHECK(mount("devices", "dev", "tmpfs", MS_NOSUID, "mode=755,size=64k"));
  CHECK(mknod("dev/null", S_IFCHR | 0666, makedev(1, 3)));
  CHECK(mount("jail", "jail", "tmpfs", 0, "mode=755,size=64k"));
  CHECK(mkdir("jail/home", 0755));
  CHECK(mkdir("jail/run", 0755));
  CHECK(mount(".", "jail/home", NULL, MS_BIND, NULL));
  CHECK((int)syscall(SYS_pivot_root, ".", "."));
  CHECK(umount2(".", MNT_DETACH));
  CHECK(chdir("/"));
  const int null = CHECK(open("/dev/null", O_RDWR));
  for (int fd = 0; fd < 3; fd++) CHECK(dup2(null, fd));
  CHECK(close(null));
}

static void LastChecksOfJailed(void) {
  ExpectName(LISTENER, "/run/listener");
  ExpectName(END, "/run/listener");
  ExpectName(RECEIVER, "/receiver");
  ExpectMode("/run/listener", 0610);
  ExpectMessage(RECEIVER, "on its way");
  ExpectThere(RECEIVER, "/receiver");
  CHECK(send(CLIENT, "on", 2, 0));
  ExpectMessage(END, "on");
  ExpectListens(LISTENER, "/run/listener");
}
static void Jailed(void) {
  CHECK(chroot("/jail"));
  CHECK(chdir("/"));
  strcpy(home, "/home");
  Bound(LISTENER, SOCK_STREAM, "/run/listener", 0610);
  Connected(CLIENT, SOCK_STREAM, "/run/listener");
  Put(CHECK(accept(LISTENER, NULL, NULL)), END);
  Bound(RECEIVER, SOCK_DGRAM, "/receiver", 0600);
  Connected(SENDER, SOCK_DGRAM, "/receiver");
  CHECK(send(SENDER, "on its way", 10, 0));
  Live(NULL, LastChecksOfJailed);
}

static void LastChecksOfLeft(void) {
  ExpectName(PLACE, "/there/place");
  ExpectMode("/there/place", 0640);
  ExpectMessage(PLACE, "of its own");
  ExpectThere(PLACE, "/there/place");
  CHECK(send(TO_PLACE, "again", 5, 0));
  ExpectMessage(PLACE, "again");
}
static void Left(void) {
  CHECK(unshare(CLONE_NEWNS));
  CHECK(mount("own", "/there", "tmpfs", 0, "mode=755,size=64k"));
  Bound(PLACE, SOCK_DGRAM, "/there/place", 0640);
  Connected(TO_PLACE, SOCK_DGRAM, "/there/place");
  CHECK(send(TO_PLACE, "of its own", 10, 0));
  Live(NULL, LastChecksOfLeft);
}

static void LastChecksOfRoot(void) {
  ExpectName(LISTENER, "/cover/in/listener");
  ExpectName(END, "/cover/in/listener");
  ExpectName(RECEIVER, "cover/receiver");
  EXPECT("nothing is in sight", -1, access("/cover/receiver", F_OK));
  ExpectMessage(RECEIVER, "hidden");
  CHECK(send(CLIENT, "goes on", 7, 0));
  ExpectMessage(END, "goes on");
  ExpectMessage(PLACE, "of the root");
  ExpectThere(PLACE, "/there/place");
  CHECK(umount("/cover"));
  ExpectMode("/cover/in/listener", 0620);
  ExpectListens(LISTENER, "/cover/in/listener");
  ExpectThere(RECEIVER, "/cover/receiver");
}

int main(int argc, char** argv) {
  if (argc == 2 && strcmp(argv[1], "inside") != 0) {
    Begin();
    EnterNamespaces(argv[0]);
    execl("/program", "/program", "inside", NULL);
    _exit(95);
  }
  Begin();
  Spawn(0, "jailed", Jailed);
  Spawn(0, "left", Left);
  Bound(LISTENER, SOCK_STREAM, "/cover/in/listener", 0620);
  Connected(CLIENT, SOCK_STREAM, "/cover/in/listener");
  Put(CHECK(accept(LISTENER, NULL, NULL)), END);
  Bound(RECEIVER, SOCK_DGRAM, "cover/receiver", 0600);
  Connected(SENDER, SOCK_DGRAM, "cover/receiver");
  CHECK(send(SENDER, "hidden", 6, 0));
  Bound(PLACE, SOCK_DGRAM, "/there/place", 0600);
  Connected(TO_PLACE, SOCK_DGRAM, "/there/place");
  CHECK(send(TO_PLACE, "of the root", 11, 0));
  CHECK(mount("cover", "/cover", "tmpfs", 0, "mode=755,size=64k"));
  Live(NULL, LastChecksOfRoot);
}
