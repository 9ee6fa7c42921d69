// SPDX-License-Identifier: Apache-2.0
// Watches of inotify(7) and marks of fanotify(7): on a folder, a file that is renamed, a link
// itself, with numbers out of order and gaps, once-only, shared with a child, ignoring until
// somebody writes to what is open for writing; and that the restore is not among the events.
#include <linux/kcmp.h>
#include <sys/fanotify.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>

#include "program.h"

enum { WATCHES = 10, OTHERS, EMPTY, MARKS, EXE_MARK, BUSY };
static pid_t root_pid, child_pid;
static char watched[4096], marked[4096];
static int folder_wd, file_wd, once_wd, exe_wd;

static void At(int wanted, int fd) {
  CHECK(dup2(fd, wanted));
  CHECK(close(fd));
}
static void Make(const char* path) { CHECK(close(CHECK(open(path, O_CREAT | O_RDWR, 0644)))); }

/// What fdinfo says below its first lines.
static void Info(int fd, const char* from, char* text, size_t size) {
  char path[64], info[4096];
  snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
  ReadFile(path, info, sizeof info);
  char* found = strstr(info, from);
  snprintf(text, size, "%s", found ? found : "");
}

/// The next event: its mask, with the number of the watch in `*wd`; 0: there is none.
static uint32_t Next(int fd, int* wd) {
  static char buffer[4096];
  static ssize_t size, at;
  if (at >= size) {
    at = size = 0;
    int bytes = 0;
    CHECK(ioctl(fd, FIONREAD, &bytes));
    if (bytes == 0) return 0;
    size = CHECK(read(fd, buffer, sizeof buffer));
  }
  struct inotify_event* event = (struct inotify_event*)(buffer + at);
  at += (ssize_t)(sizeof *event + event->len);
  *wd = event->wd;
  return event->mask;
}

static void LastOfRoot(void) {
  AwaitStep("child_looked");
  char text[4096];
  int wd = 0, bytes = 0;
  Info(WATCHES, "inotify", text, sizeof text);
  EXPECT_TEXT("watches", watched, text);
  Info(MARKS, "fanotify", text, sizeof text);
  EXPECT_TEXT("marks", marked, text);
  CHECK(ioctl(WATCHES, FIONREAD, &bytes));
  EXPECT("the restore is no event", 0, bytes);
  CHECK(ioctl(OTHERS, FIONREAD, &bytes));
  EXPECT("nor for the other", 0, bytes);
  CHECK(ioctl(MARKS, FIONREAD, &bytes));
  EXPECT("nor for fanotify", 0, bytes);
  EXPECT("flags", O_RDONLY | O_NONBLOCK, fcntl(OTHERS, F_GETFL));

  Make("watched/new");
  EXPECT("in the folder", IN_CREATE, Next(WATCHES, &wd));
  EXPECT("its number", folder_wd, wd);
  CHECK(truncate("watched/renamed", 3));
  EXPECT("the renamed file", IN_MODIFY, Next(WATCHES, &wd));
  EXPECT("its number", file_wd, wd);
  EXPECT("nothing else", 0, Next(WATCHES, &wd));
  CHECK(chmod("once", 0600));
  EXPECT("once", IN_ATTRIB, Next(WATCHES, &wd));
  EXPECT("its number", once_wd, wd);
  EXPECT("and it is gone", IN_IGNORED, Next(WATCHES, &wd));
  CHECK(chmod("once", 0644));
  EXPECT("no more", 0, Next(WATCHES, &wd));
  char exe[PATH_MAX];
  exe[CHECK(readlink("/proc/self/exe", exe, sizeof exe - 1))] = 0;
  close(CHECK(open(exe, O_RDONLY)));
  EXPECT("the executable", IN_OPEN, Next(OTHERS, &wd));
  EXPECT("its number", exe_wd, wd);
  CHECK(inotify_rm_watch(OTHERS, exe_wd));
  EXPECT("removed", IN_IGNORED, Next(OTHERS, &wd));

  close(CHECK(open("watched/new", O_RDONLY)));
  struct fanotify_event_metadata events[8];
  EXPECT("an event of fanotify", sizeof *events, read(MARKS, events, sizeof *events));
  EXPECT("which", FAN_OPEN, events[0].mask);
  EXPECT("of whom", getpid(), events[0].pid);
  EXPECT("flags of what it carries", O_RDONLY, fcntl(events[0].fd, F_GETFL) & O_ACCMODE);
  EXPECT("the child has it too", 0,
         syscall(SYS_kcmp, root_pid, child_pid, KCMP_FILE, WATCHES, WATCHES));
}

static void LastOfChild(void) {
  EXPECT("one INOTIFY", 0, syscall(SYS_kcmp, getpid(), root_pid, KCMP_FILE, WATCHES, WATCHES));
  Step("child_looked");
}
static void Child(void) {
  close(OTHERS);
  close(MARKS);
  Live(NULL, LastOfChild);
}

int main(void) {
  Begin();
  root_pid = getpid();
  CHECK(mkdir("watched", 0755));
  Make("watched/file");
  Make("once");
  Make("gap");
  At(WATCHES, CHECK(inotify_init1(IN_NONBLOCK)));
  const int gap = CHECK(inotify_add_watch(WATCHES, "gap", IN_OPEN));
  once_wd = CHECK(inotify_add_watch(WATCHES, "once", IN_ATTRIB | IN_ONESHOT));
  file_wd = CHECK(inotify_add_watch(WATCHES, "watched/file", IN_MODIFY | IN_EXCL_UNLINK));
  folder_wd = CHECK(inotify_add_watch(WATCHES, "watched", IN_CREATE | IN_DELETE));
  CHECK(inotify_rm_watch(WATCHES, gap));
  CHECK(rename("watched/file", "watched/renamed"));
  int wd;
  EXPECT("the removed one", IN_IGNORED, Next(WATCHES, &wd));
  At(OTHERS, CHECK(inotify_init1(IN_NONBLOCK | IN_CLOEXEC)));
  char exe[PATH_MAX];
  exe[CHECK(readlink("/proc/self/exe", exe, sizeof exe - 1))] = 0;
  exe_wd = CHECK(inotify_add_watch(OTHERS, exe, IN_OPEN));
  At(EMPTY, CHECK(inotify_init1(0)));
  At(MARKS, CHECK(fanotify_init(FAN_CLASS_NOTIF | FAN_NONBLOCK, O_RDONLY)));
  CHECK(fanotify_mark(MARKS, FAN_MARK_ADD, FAN_OPEN | FAN_EVENT_ON_CHILD, AT_FDCWD, "watched"));
  CHECK(fanotify_mark(MARKS, FAN_MARK_ADD | FAN_MARK_IGNORED_MASK | FAN_MARK_IGNORED_SURV_MODIFY,
                      FAN_MODIFY, AT_FDCWD, "once"));
  // The kernel takes no such mark when the file is open for writing.
  Make("busy");
  CHECK(fanotify_mark(MARKS, FAN_MARK_ADD | FAN_MARK_IGNORED_MASK, FAN_OPEN, AT_FDCWD, "busy"));
  At(BUSY, CHECK(open("busy", O_RDWR)));
  Info(WATCHES, "inotify", watched, sizeof watched);
  Info(MARKS, "fanotify", marked, sizeof marked);
  child_pid = Spawn(0, "child", Child);
  Live(NULL, LastOfRoot);
}
