// SPDX-License-Identifier: Apache-2.0
// What is open by a name that is gone, while another one still leads to it: the program's own
// executable, a FIFO with bytes in it and two descriptions, a device, a symbolic link, a file that
// is mapped, one whose folder is gone as well.
#include <sys/sysmacros.h>

#include "program.h"

enum { BOTH = 10, WRITES, DEVICE, SYMLINK, MAPPED, DEEP };
static uint64_t* view;

static const char* Path(const char* file) {
  static char path[PATH_MAX];
  snprintf(path, sizeof path, "%s/%s", home, file);
  return path;
}
static void Link(const char* file, const char* other) {
  char from[PATH_MAX];
  strcpy(from, Path(file));
  CHECK(link(from, Path(other)));
}
static void Open(int wanted, const char* file, int flags) {
  int fd = CHECK(open(Path(file), flags, 0640));
  if (fd == wanted) return;
  CHECK(dup2(fd, wanted));
  CHECK(close(fd));
}

static void ExpectPath(const char* link, const char* file) {
  char found[PATH_MAX] = "", expected[PATH_MAX + 20];
  snprintf(expected, sizeof expected, "%s (deleted)", Path(file));
  CHECK((int)readlink(link, found, sizeof found - 1));
  EXPECT_TEXT(file, expected, found);
  EXPECT("its name is gone", -1, faccessat(AT_FDCWD, Path(file), F_OK, AT_SYMLINK_NOFOLLOW));
}
static struct stat Facts(const char* file) {
  struct stat facts;
  CHECK(lstat(Path(file), &facts));
  return facts;
}
static void Expect(int fd, const char* file, const char* other, mode_t mode, int flags) {
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ExpectPath(link, file);
  struct stat facts;
  CHECK(fstat(fd, &facts));
  EXPECT("the name that is left", Facts(other).st_ino, facts.st_ino);
  EXPECT("names that are left", 1, facts.st_nlink);
  EXPECT(file, mode, facts.st_mode);
  EXPECT("flags", flags, fcntl(fd, F_GETFL) & ~0100000);
}

static void LastOfRoot(void) {
  char text[64] = "";
  struct stat facts;
  ExpectPath("/proc/self/exe", "program");
  CHECK(stat("/proc/self/exe", &facts));
  EXPECT("the executable", Facts("program_left").st_ino, facts.st_ino);
  EXPECT("names that are left", 1, facts.st_nlink);
  Expect(BOTH, "fifo", "fifo_left", S_IFIFO | 0640, O_RDWR | O_NONBLOCK);
  Expect(WRITES, "fifo", "fifo_left", S_IFIFO | 0640, O_WRONLY);
  EXPECT("what was queued", 6, read(BOTH, text, sizeof text));
  EXPECT_TEXT("what was queued", "queued", text);
  EXPECT("its other side", 4, write(WRITES, "more", 4));
  EXPECT("its other side", 4, read(BOTH, text, sizeof text));
  Expect(DEVICE, "device", "device_left", S_IFCHR | 0640, O_RDWR);
  EXPECT("it reads", 8, read(DEVICE, text, 8));
  Expect(SYMLINK, "link", "link_left", S_IFLNK | 0777, O_PATH | O_NOFOLLOW);
  memset(text, 0, sizeof text);
  EXPECT("its target", 11, readlinkat(SYMLINK, "", text, sizeof text - 1));
  EXPECT_TEXT("its target", "over/there/", text);
  Expect(MAPPED, "mapped", "mapped_left", S_IFREG | 0640, O_RDWR);
  Expect(DEEP, "none/of/these", "deep_left", S_IFREG | 0640, O_RDONLY);
  EXPECT("its folder is gone", -1, access(Path("none"), F_OK));
  view[1] = 4711;
  uint64_t word = 0;
  CHECK((int)pread(MAPPED, &word, sizeof word, 8));
  EXPECT("the file has it, too", 4711, word);
}

/// Goes on as a copy of itself, which then keeps its second name only.
static void BecomeCopy(char** argv, char** environment) {
  static char buffer[1 << 16];
  if (access(Path("program"), F_OK) == 0) return;
  int from = CHECK(open("/proc/self/exe", O_RDONLY)),
      to = CHECK(open(Path("program"), O_WRONLY | O_CREAT, 0755));
  for (ssize_t size; (size = read(from, buffer, sizeof buffer)) > 0;)
    CHECK((int)write(to, buffer, size));
  close(from);
  close(to);
  execve(Path("program"), argv, environment);
  CHECK(-1);
}

int main(int argc, char** argv, char** environment) {
  (void)argc;
  Begin();
  BecomeCopy(argv, environment);
  umask(0);
  CHECK(mkfifo(Path("fifo"), 0640));
  CHECK(mknod(Path("device"), S_IFCHR | 0640, makedev(1, 5)));
  CHECK(symlink("over/there/", Path("link")));
  Open(BOTH, "fifo", O_RDWR | O_NONBLOCK);
  Open(WRITES, "fifo", O_WRONLY);
  CHECK((int)write(WRITES, "queued", 6));
  Open(DEVICE, "device", O_RDWR);
  Open(SYMLINK, "link", O_PATH | O_NOFOLLOW);
  Open(MAPPED, "mapped", O_RDWR | O_CREAT);
  CHECK(ftruncate(MAPPED, PAGE));
  view = CHECK(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, MAPPED, 0));
  for (const char** file = (const char*[]){"program", "fifo", "device", "link", "mapped", NULL};
       *file; file++) {
    char other[40];
    snprintf(other, sizeof other, "%s_left", *file);
    Link(*file, other);
    CHECK(unlink(Path(*file)));
  }
  CHECK(mkdir(Path("none"), 0700));
  CHECK(mkdir(Path("none/of"), 0700));
  Open(DEEP, "none/of/these", O_RDONLY | O_CREAT);
  Link("none/of/these", "deep_left");
  CHECK(unlink(Path("none/of/these")));
  CHECK(rmdir(Path("none/of")));
  CHECK(rmdir(Path("none")));
  Live(NULL, LastOfRoot);
}
