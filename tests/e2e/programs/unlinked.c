// SPDX-License-Identifier: Apache-2.0
// Files without a name: the program's own executable, a small one with two descriptions and a
// shared one, a large one with holes, one that is mapped privately and shared, one that had two
// names, and one that still has another name somewhere.
#include "program.h"

enum { SMALL = 10, SMALL_READ, LARGE, MAPPED, FIRST_NAME, SECOND_NAME, LINKED, APPENDED, EMPTY };
enum { MEGA = 1 << 20, LARGE_SIZE = 40 * MEGA };
static uint64_t *private_view, *shared_view;
static struct stat small_facts;

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
  At(fd, CHECK(open(Path(file), flags | O_CREAT, 0640)));
}

static void ExpectPath(const char* what, const char* link, const char* file) {
  char found[PATH_MAX] = "", expected[PATH_MAX];
  snprintf(expected, sizeof expected, "%s/%s (deleted)", home, file);
  CHECK((int)readlink(link, found, sizeof found - 1));
  EXPECT_TEXT(what, expected, found);
}
static struct stat Facts(int fd) {
  struct stat facts;
  CHECK(fstat(fd, &facts));
  return facts;
}
static void Expect(int fd, const char* file, long links, long size) {
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ExpectPath(file, link, file);
  EXPECT("names that are left", links, Facts(fd).st_nlink);
  EXPECT("size", size, Facts(fd).st_size);
}
static void ExpectOne(const char* what, int a, int b) {
  EXPECT(what, Facts(a).st_ino, Facts(b).st_ino);
}

static void LastOfChild(void) {
  char text[20] = "";
  EXPECT("position that is shared", 5, lseek(SMALL, 0, SEEK_CUR));
  EXPECT("content", 11, pread(SMALL, text, sizeof text, 0));
  EXPECT_TEXT("content", "hello world", text);
  shared_view[1] = 4712;
  Step("child_wrote");
}
static void Child(void) { Live(NULL, LastOfChild); }

static void LastOfRoot(void) {
  AwaitStep("child_wrote");
  ExpectPath("the executable", "/proc/self/exe", "program");
  Expect(SMALL, "small", 0, 11);
  Expect(SMALL_READ, "small", 0, 11);
  ExpectOne("two descriptions", SMALL, SMALL_READ);
  struct stat facts = Facts(SMALL);
  EXPECT("mode", small_facts.st_mode, facts.st_mode);
  EXPECT("owner", 1234, facts.st_uid);
  EXPECT("group", 1235, facts.st_gid);
  EXPECT("time of the last change", 1000000000, facts.st_mtim.tv_sec);
  EXPECT("position", 5, lseek(SMALL, 0, SEEK_CUR));
  EXPECT("another position", 2, lseek(SMALL_READ, 0, SEEK_CUR));

  Expect(LARGE, "large", 0, LARGE_SIZE);
  EXPECT("holes stay holes", 1, Facts(LARGE).st_blocks < 4 * MEGA / 512);
  static char buffer[MEGA];
  EXPECT("the piece in the middle", MEGA, pread(LARGE, buffer, MEGA, 20 * MEGA));
  EXPECT_FILLED("the piece in the middle", buffer, MEGA, 7);
  EXPECT("the last bytes", 4096, pread(LARGE, buffer, MEGA, LARGE_SIZE - 4096));
  EXPECT_FILLED("the last bytes", buffer, 4096, 8);
  EXPECT("a hole", MEGA, pread(LARGE, buffer, MEGA, 5 * MEGA));
  EXPECT_BYTES("a hole", buffer, MEGA, 0);

  Expect(MAPPED, "mapped", 0, 2 * PAGE);
  EXPECT("what the private view has written", 4711, private_view[0]);
  EXPECT("what it has not", Word(9, PAGE / 8), private_view[PAGE / 8]);
  EXPECT("what the child has written", 4712, shared_view[1]);
  uint64_t word = 0;
  CHECK((int)pread(MAPPED, &word, sizeof word, 8));
  EXPECT("the file has it, too", 4712, word);
  shared_view[2] = 4713;
  CHECK((int)pread(MAPPED, &word, sizeof word, 16));
  EXPECT("and what comes later", 4713, word);

  Expect(FIRST_NAME, "first", 0, 4);
  Expect(SECOND_NAME, "second", 0, 4);
  ExpectOne("two names", FIRST_NAME, SECOND_NAME);
  Expect(LINKED, "linked", 1, 6);
  struct stat other;
  CHECK(stat(Path("still_there"), &other));
  EXPECT("the name that is left", other.st_ino, Facts(LINKED).st_ino);
  EXPECT("the program's own appends", 3, write(APPENDED, "abc", 3));
  Expect(APPENDED, "appended", 0, 6);
  Expect(EMPTY, "empty", 0, 0);
  for (const char** file = (const char*[]){"program", "small", "large", "mapped", "first", "second",
                                           "linked", "appended", "empty", NULL};
       *file; file++) {
    EXPECT("no name is left", -1, access(Path(*file), F_OK));
  }
}

/// Goes on as a copy of itself, which then loses its name.
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
  _exit(94);
}

int main(int argc, char** argv, char** environment) {
  (void)argc;
  Begin();
  BecomeCopy(argv, environment);
  CHECK(unlink(Path("program")));

  Open(SMALL, "small", O_RDWR);
  Open(SMALL_READ, "small", O_RDONLY);
  CHECK((int)write(SMALL, "hello world", 11));
  CHECK((int)lseek(SMALL, 5, SEEK_SET));
  CHECK((int)lseek(SMALL_READ, 2, SEEK_SET));
  CHECK(fchown(SMALL, 1234, 1235));
  CHECK(fchmod(SMALL, 0604));
  struct timespec times[2] = {{900000000, 0}, {1000000000, 0}};
  CHECK(futimens(SMALL, times));
  CHECK(unlink(Path("small")));
  small_facts = Facts(SMALL);

  Open(LARGE, "large", O_RDWR);
  CHECK(ftruncate(LARGE, LARGE_SIZE));
  static char buffer[MEGA];
  Fill(buffer, MEGA, 7);
  CHECK((int)pwrite(LARGE, buffer, MEGA, 20 * MEGA));
  Fill(buffer, 4096, 8);
  CHECK((int)pwrite(LARGE, buffer, 4096, LARGE_SIZE - 4096));
  CHECK(unlink(Path("large")));

  Open(MAPPED, "mapped", O_RDWR);
  Fill(buffer, 2 * PAGE, 9);
  CHECK((int)write(MAPPED, buffer, 2 * PAGE));
  private_view = Map(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, MAPPED, 0);
  shared_view = Map(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, MAPPED, 0);
  private_view[0] = 4711;
  CHECK(unlink(Path("mapped")));

  Open(FIRST_NAME, "first", O_RDWR);
  CHECK((int)write(FIRST_NAME, "both", 4));
  char first[PATH_MAX];
  strcpy(first, Path("first"));
  CHECK(link(first, Path("second")));
  Open(SECOND_NAME, "second", O_RDONLY);
  CHECK(unlink(first));
  CHECK(unlink(Path("second")));

  Open(LINKED, "linked", O_RDWR);
  CHECK((int)write(LINKED, "linked", 6));
  char linked[PATH_MAX];
  strcpy(linked, Path("linked"));
  CHECK(link(linked, Path("still_there")));
  CHECK(unlink(linked));

  Open(APPENDED, "appended", O_WRONLY | O_APPEND);
  CHECK((int)write(APPENDED, "xyz", 3));
  CHECK(unlink(Path("appended")));
  Open(EMPTY, "empty", O_RDWR);
  CHECK(unlink(Path("empty")));
  Spawn(0, "child", Child);
  Live(NULL, LastOfRoot);
}
