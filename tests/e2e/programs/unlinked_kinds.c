// SPDX-License-Identifier: Apache-2.0
// What has no name any more, and is no regular file: a working directory with a file in it, a
// folder that only a descriptor has, FIFOs of which one side or both are open, a device, symbolic
// links; a file that never had a name; files whose names others have taken; a watch on one.
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>

#include "program.h"

enum {
  FOLDER = 10,
  INSIDE,
  DEEP,
  READS,
  WRITES,
  ONLY_WRITES,
  DEVICE,
  SYMLINK,
  NOFOLLOW,
  TEMPORARY,
  TEMPORARY_AGAIN,
  TAKEN,
  TAKEN_FOLDER,
  WATCHED,
  WATCH,
  LAST
};

static void At(int wanted, int fd) {
  if (fd == wanted) return;
  CHECK(dup2(fd, wanted));
  CHECK(close(fd));
}
static const char* Path(const char* file) {
  static char path[PATH_MAX];
  snprintf(path, sizeof path, "%s/%s", home, file);
  return path;
}
static void Open(int fd, const char* file, int flags) {
  At(fd, CHECK(open(Path(file), flags, 0640)));
}
static struct stat Facts(int fd) {
  struct stat facts;
  CHECK(fstat(fd, &facts));
  return facts;
}
static void ExpectLink(const char* link, const char* file) {
  char found[PATH_MAX] = "", expected[PATH_MAX + 20];
  snprintf(expected, sizeof expected, "%s (deleted)", Path(file));
  CHECK((int)readlink(link, found, sizeof found - 1));
  EXPECT_TEXT(file, expected, found);
}
static void Expect(int fd, const char* file, mode_t mode, int flags) {
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ExpectLink(link, file);
  struct stat facts = Facts(fd);
  EXPECT("names that are left", 0, facts.st_nlink);
  EXPECT(file, mode, facts.st_mode);
  EXPECT("flags", flags, fcntl(fd, F_GETFL) & ~0100000);
}
static void ExpectContent(int fd, const char* expected) {
  char text[40] = "";
  CHECK((int)pread(fd, text, sizeof text - 1, 0));
  EXPECT_TEXT("content", expected, text);
}

static void LastOfChild(void) { ExpectLink("/proc/self/cwd", "folder"); }
static void Child(void) {
  for (int fd = FOLDER; fd < LAST; fd++) close(fd);
  CHECK(chdir("/proc/self/cwd"));
  Live(NULL, LastOfChild);
}

static void ExpectFolders(void) {
  ExpectLink("/proc/self/cwd", "folder");
  struct stat cwd;
  CHECK(stat(".", &cwd));
  EXPECT("its mode", S_IFDIR | 0751, cwd.st_mode);
  EXPECT("its owner", 1234, cwd.st_uid);
  EXPECT("its time", 1000000000, cwd.st_mtim.tv_sec);
  EXPECT("no names", 0, cwd.st_nlink);
  Expect(FOLDER, "other", S_IFDIR | 0700, O_RDONLY | O_DIRECTORY);
  Expect(INSIDE, "folder/file", S_IFREG | 0640, O_RDWR);
  ExpectContent(INSIDE, "inside");
  Expect(DEEP, "none/of/these", S_IFREG | 0640, O_RDONLY);
}

static void ExpectSpecial(void) {
  char text[64] = "";
  Expect(READS, "fifo", S_IFIFO | 0640, O_RDONLY | O_NONBLOCK);
  Expect(WRITES, "fifo", S_IFIFO | 0640, O_WRONLY);
  if (!RestoredByCriu()) EXPECT("its time", 1000000000, Facts(READS).st_mtim.tv_sec);
  EXPECT("what was queued", 6, read(READS, text, sizeof text));
  EXPECT_TEXT("what was queued", "queued", text);
  EXPECT("its other side", 4, write(WRITES, "more", 4));
  EXPECT("its other side", 4, read(READS, text, sizeof text));
  Expect(ONLY_WRITES, "half", S_IFIFO | 0640, O_WRONLY);
  Expect(DEVICE, "device", S_IFCHR | 0640, O_RDWR);
  EXPECT("it is /dev/zero", makedev(1, 5), Facts(DEVICE).st_rdev);
  EXPECT("it reads", 8, read(DEVICE, text, 8));
  Expect(SYMLINK, "link", S_IFLNK | 0777, O_PATH | O_NOFOLLOW);
  memset(text, 0, sizeof text);
  EXPECT("its target", 11, readlinkat(SYMLINK, "", text, sizeof text - 1));
  EXPECT_TEXT("its target", "over/there/", text);
  Expect(NOFOLLOW, "nofollow", S_IFREG | 0640, O_WRONLY | O_APPEND | O_NOFOLLOW);
  EXPECT("it appends", 3, write(NOFOLLOW, "abc", 3));
}

static void ExpectFiles(void) {
  EXPECT("flags", O_TMPFILE | O_RDWR, fcntl(TEMPORARY, F_GETFL) & ~0100000);
  EXPECT("names that are left", 0, Facts(TEMPORARY).st_nlink);
  EXPECT("the same file", Facts(TEMPORARY).st_ino, Facts(TEMPORARY_AGAIN).st_ino);
  EXPECT("flags", O_RDONLY, fcntl(TEMPORARY_AGAIN, F_GETFL) & ~0100000);
  EXPECT("position", 3, lseek(TEMPORARY, 0, SEEK_CUR));
  ExpectContent(TEMPORARY, "temporary");
  ExpectContent(TAKEN, "old");
  EXPECT("names that are left", 0, Facts(TAKEN).st_nlink);
  EXPECT("names that are left", 0, Facts(TAKEN_FOLDER).st_nlink);
  char text[20] = "";
  ReadFile(Path("taken"), text, sizeof text);
  EXPECT_TEXT("who has the name now", "new", text);
  EXPECT("and the folder's", 0, access(Path("taken_folder/file"), F_OK));
  int bytes = 0;
  CHECK(ioctl(WATCH, FIONREAD, &bytes));
  EXPECT("the restore is no event", 0, bytes);
  CHECK(ftruncate(WATCHED, 3));
  struct inotify_event event = {0};
  EXPECT("an event", (long)sizeof event, read(WATCH, &event, sizeof event));
  EXPECT("which", IN_MODIFY, event.mask);
}

static void LastOfRoot(void) {
  ExpectFolders();
  ExpectSpecial();
  ExpectFiles();
  for (const char** file = (const char*[]){"folder", "other", "none", "fifo", "half", "device",
                                           "link", "nofollow", "watched", NULL};
       *file; file++) {
    EXPECT("no name is left", -1, faccessat(AT_FDCWD, Path(*file), F_OK, AT_SYMLINK_NOFOLLOW));
  }
}

static void MakeFolders(void) {
  CHECK(mkdir(Path("folder"), 0751));
  CHECK(chdir(Path("folder")));
  Open(INSIDE, "folder/file", O_RDWR | O_CREAT);
  CHECK((int)write(INSIDE, "inside", 6));
  CHECK(unlink("file"));
  CHECK(chown(".", 1234, 1235));
  CHECK(chmod(".", 0751));
  CHECK(rmdir(Path("folder")));
  struct timespec times[2] = {{900000000, 0}, {1000000000, 0}};
  CHECK(utimensat(AT_FDCWD, "/proc/self/cwd", times, 0));
  CHECK(mkdir(Path("other"), 0700));
  Open(FOLDER, "other", O_RDONLY | O_DIRECTORY);
  CHECK(rmdir(Path("other")));
  CHECK(mkdir(Path("none"), 0700));
  CHECK(mkdir(Path("none/of"), 0700));
  Open(DEEP, "none/of/these", O_RDONLY | O_CREAT);
  CHECK(unlink(Path("none/of/these")));
  CHECK(rmdir(Path("none/of")));
  CHECK(rmdir(Path("none")));
}

static void MakeSpecial(void) {
  CHECK(mkfifo(Path("fifo"), 0640));
  Open(READS, "fifo", O_RDONLY | O_NONBLOCK);
  Open(WRITES, "fifo", O_WRONLY);
  CHECK((int)write(WRITES, "queued", 6));
  const struct timespec times[2] = {{.tv_sec = 1000000000}, {.tv_sec = 1000000000}};
  CHECK(utimensat(AT_FDCWD, Path("fifo"), times, 0));
  CHECK(unlink(Path("fifo")));
  CHECK(mkfifo(Path("half"), 0640));
  int other = CHECK(open(Path("half"), O_RDONLY | O_NONBLOCK));
  Open(ONLY_WRITES, "half", O_WRONLY);
  CHECK(close(other));
  CHECK(unlink(Path("half")));
  CHECK(mknod(Path("device"), S_IFCHR | 0640, makedev(1, 5)));
  Open(DEVICE, "device", O_RDWR);
  CHECK(unlink(Path("device")));
  CHECK(symlink("over/there/", Path("link")));
  Open(SYMLINK, "link", O_PATH | O_NOFOLLOW);
  CHECK(unlink(Path("link")));
  Open(NOFOLLOW, "nofollow", O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW);
  CHECK(unlink(Path("nofollow")));
}

static void MakeFiles(void) {
  Open(TEMPORARY, ".", O_TMPFILE | O_RDWR);
  CHECK((int)write(TEMPORARY, "temporary", 9));
  CHECK((int)lseek(TEMPORARY, 3, SEEK_SET));
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", TEMPORARY);
  At(TEMPORARY_AGAIN, CHECK(open(link, O_RDONLY)));
  Open(TAKEN, "taken", O_RDWR | O_CREAT);
  CHECK((int)write(TAKEN, "old", 3));
  CHECK(unlink(Path("taken")));
  int fd = CHECK(open(Path("taken"), O_WRONLY | O_CREAT, 0644));
  CHECK((int)write(fd, "new", 3));
  CHECK(close(fd));
  CHECK(mkdir(Path("taken_folder"), 0700));
  Open(TAKEN_FOLDER, "taken_folder", O_RDONLY);
  CHECK(rmdir(Path("taken_folder")));
  CHECK(mkdir(Path("taken_folder"), 0700));
  CHECK(close(CHECK(open(Path("taken_folder/file"), O_WRONLY | O_CREAT, 0644))));
  Open(WATCHED, "watched", O_RDWR | O_CREAT);
  At(WATCH, CHECK(inotify_init1(IN_NONBLOCK)));
  CHECK(unlink(Path("watched")));
  snprintf(link, sizeof link, "/proc/self/fd/%d", WATCHED);
  CHECK(inotify_add_watch(WATCH, link, IN_MODIFY));
}

int main(void) {
  Begin();
  MakeFolders();
  MakeSpecial();
  MakeFiles();
  Spawn(0, "child", Child);
  Live(NULL, LastOfRoot);
}
