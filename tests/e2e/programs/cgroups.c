// SPDX-License-Identifier: Apache-2.0
// Cgroups of a hierarchy of their own: a place that a child is born into, one that a child and a thread
// have moved to, an empty one; owner, mode, a property.
#include <pthread.h>
#include <sys/mount.h>

#include "program.h"

#define TOP "crgen-e2e"
#define HIERARCHY "name=" TOP

static char place_of_thread[256];
static volatile int thread_looked;

/// The root of the hierarchy, which stays mounted as long as it is open.
static int Hierarchy(void) {
  char at[PATH_MAX];
  snprintf(at, sizeof at, "%s/.hierarchy.%s", home, name);
  CHECK(mkdir(at, 0700));
  CHECK(mount("none", at, "cgroup", 0, "none," HIERARCHY));
  int root = CHECK(open(at, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  CHECK(umount2(at, MNT_DETACH));
  CHECK(rmdir(at));
  return root;
}

static void Write(int root, const char* file, const char* text) {
  int fd = CHECK(openat(root, file, O_WRONLY | O_CLOEXEC));
  CHECK(write(fd, text, strlen(text)));
  CHECK(close(fd));
}

/// What a file like /proc/self/cgroup says of the hierarchy.
static void Place(const char* file, char* place, size_t size) {
  char text[4096];
  ReadFile(file, text, sizeof text);
  char* found = strstr(text, ":" HIERARCHY ":");
  snprintf(place, size, "%s", found ? found + strlen(":" HIERARCHY ":") : "none");
  place[strcspn(place, "\n")] = 0;
}

static void ExpectPlace(const char* what, const char* expected) {
  char place[256];
  Place("/proc/self/cgroup", place, sizeof place);
  EXPECT(what, 0, strcmp(place, expected));
}

static void* Thread(void* moved) {
  int root = Hierarchy();
  Write(root, TOP "/two/tasks", "0");
  CHECK(close(root));
  *(volatile int*)moved = 1;
  while (!Exists("go")) Nap();
  Place("/proc/thread-self/cgroup", place_of_thread, sizeof place_of_thread);
  thread_looked = 1;
  for (;;) Nap();
  return NULL;
}

static void LastOfInherited(void) { ExpectPlace("where it was born", "/" TOP "/one"); }
static void Inherited(void) { Live(NULL, LastOfInherited); }

static void LastOfMoved(void) { ExpectPlace("where it has moved to", "/" TOP "/two"); }
static void Moved(void) {
  int root = Hierarchy();
  Write(root, TOP "/two/cgroup.procs", "0");
  CHECK(close(root));
  Live(NULL, LastOfMoved);
}

static void LastOfRoot(void) {
  ExpectPlace("where the root is", "/" TOP "/one");
  while (!thread_looked) Nap();
  EXPECT("where its thread is", 0, strcmp(place_of_thread, "/" TOP "/two"));
  int root = Hierarchy();
  struct stat one, two, empty;
  CHECK(fstatat(root, TOP "/one", &one, 0));
  EXPECT("mode", 0711, one.st_mode & 07777);
  CHECK(fstatat(root, TOP "/two", &two, 0));
  EXPECT("owner", 12, two.st_uid);
  EXPECT("group", 34, two.st_gid);
  EXPECT("an empty one", 0, fstatat(root, TOP "/one/empty", &empty, 0));
  char value[2] = "";
  int fd = CHECK(openat(root, TOP "/one/notify_on_release", O_RDONLY | O_CLOEXEC));
  CHECK(read(fd, value, 1));
  EXPECT("a property", '1', value[0]);
  CHECK(close(fd));
  CHECK(close(root));
}

int main(void) {
  Begin();
  int root = Hierarchy();
  CHECK(mkdirat(root, TOP, 0755));
  CHECK(mkdirat(root, TOP "/one", 0755));
  CHECK(mkdirat(root, TOP "/two", 0755));
  CHECK(mkdirat(root, TOP "/one/empty", 0755));
  CHECK(fchmodat(root, TOP "/one", 0711, 0));
  CHECK(fchownat(root, TOP "/two", 12, 34, 0));
  Write(root, TOP "/one/notify_on_release", "1");
  Write(root, TOP "/one/cgroup.procs", "0");
  CHECK(close(root));
  Spawn(0, "inherited", Inherited);
  Spawn(0, "moved", Moved);
  static volatile int moved;
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, Thread, (void*)&moved) ? -1 : 0);
  while (!moved) Nap();
  Live(NULL, LastOfRoot);
}
