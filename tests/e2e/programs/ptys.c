// SPDX-License-Identifier: Apache-2.0
// Ptys: a session that has one as its terminal, with a job in the foreground, modes, locked modes,
// a size, an owner, several descriptions of the slave, /dev/tty, and input that nobody has read at
// both ends; and one whose slave is locked and nobody's, in packet mode and exclusive.
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <termios.h>

#include "program.h"

enum { MASTER = 10, OTHER, SLAVE, AGAIN };
enum { EXCLUSIVE = 0x80045440, LOCK = 0x80045439, PACKET = 0x80045438 };  // TIOCGEXCL …
static pid_t root_pid, leader_pid, job_pid;
static volatile sig_atomic_t interrupted, resized;
static int index_of_pty;

static void At(int wanted, int fd) {
  CHECK(dup2(fd, wanted));
  CHECK(close(fd));
}
static void Interrupted(int signal) { interrupted = signal; }
static void Resized(int signal) { resized = signal; }
static int Value(int fd, unsigned long request) {
  int value = -1;
  CHECK(ioctl(fd, request, &value));
  return value;
}

/// A master with an index that others who run at the same time do not take.
static int Master(int wanted) {
  int others[1024], count = 0, fd;
  for (;;) {
    fd = CHECK(open("/dev/ptmx", O_RDWR | O_NOCTTY));
    if (Value(fd, TIOCGPTN) >= wanted) break;
    others[count++] = fd;
  }
  while (count > 0) close(others[--count]);
  return fd;
}
static int OpenSlave(int flags) {
  char path[64];
  snprintf(path, sizeof path, "/dev/pts/%d", index_of_pty);
  return CHECK(open(path, flags));
}

static void LastOfJob(void) {
  EXPECT("the session", leader_pid, getsid(0));
  EXPECT("the terminal is the session's", leader_pid, tcgetsid(SLAVE));
  EXPECT("the foreground", getpid(), tcgetpgrp(SLAVE));
  char line[100];
  EXPECT("a line", 6, read(AGAIN, line, sizeof line));
  EXPECT("its text", 0, memcmp(line, "first\n", 6));
  EXPECT("another", 7, read(AGAIN, line, sizeof line));
  EXPECT("its text", 0, memcmp(line, "second\n", 7));
  EXPECT("no more", -1, read(AGAIN, line, sizeof line));
  Step("job_has_read");
  for (int i = 0; interrupted == 0 && i < 5000; i++) Nap();
  EXPECT("what the interrupt character sends", SIGINT, interrupted);
  EXPECT("who has the terminal is told to draw", SIGWINCH, resized);
}
static void Job(void) {
  CHECK(setpgid(0, 0));
  signal(SIGINT, Interrupted);
  signal(SIGWINCH, Resized);
  Live(NULL, LastOfJob);
}

static void LastOfLeader(void) {
  EXPECT("the terminal", getpid(), tcgetsid(SLAVE));
  EXPECT("the foreground", job_pid, tcgetpgrp(SLAVE));
  struct termios modes;
  CHECK(tcgetattr(SLAVE, &modes));
  EXPECT("echo", 0, modes.c_lflag & ECHO);
  EXPECT("lines", ICANON, modes.c_lflag & ICANON);
  EXPECT("the interrupt character", 7, modes.c_cc[VINTR]);
  struct termios locked = {0};
  CHECK(ioctl(SLAVE, TIOCGLCKTRMIOS, &locked));
  EXPECT("what is locked", ISIG, locked.c_lflag);
  struct winsize size;
  CHECK(ioctl(SLAVE, TIOCGWINSZ, &size));
  EXPECT("rows", 33, size.ws_row);
  EXPECT("columns", 77, size.ws_col);
  struct stat file;
  CHECK(fstat(SLAVE, &file));
  EXPECT("mode", 0640, file.st_mode & 07777);
  EXPECT("owner", 1, file.st_uid);
  EXPECT("group", 2, file.st_gid);
  EXPECT("flags", O_RDWR, fcntl(SLAVE, F_GETFL) & (O_ACCMODE | O_NONBLOCK));
  EXPECT("flags of another description", O_RDONLY | O_NONBLOCK,
         fcntl(AGAIN, F_GETFL) & (O_ACCMODE | O_NONBLOCK));
  EXPECT("close-on-exec", FD_CLOEXEC, fcntl(AGAIN, F_GETFD));
}
static void Leader(void) {
  CHECK(setsid());
  signal(SIGTTOU, SIG_IGN);
  At(SLAVE, OpenSlave(O_RDWR));
  CHECK(dup3(OpenSlave(O_RDONLY | O_NONBLOCK | O_NOCTTY), AGAIN, O_CLOEXEC));
  leader_pid = getpid();
  job_pid = Spawn(0, "job", Job);
  CHECK(tcsetpgrp(SLAVE, job_pid));
  struct termios modes;
  CHECK(tcgetattr(SLAVE, &modes));
  modes.c_lflag &= ~(tcflag_t)(ECHO | TOSTOP);
  modes.c_oflag &= ~(tcflag_t)OPOST;
  modes.c_cc[VINTR] = 7;
  CHECK(tcsetattr(SLAVE, TCSANOW, &modes));
  struct termios locked = {.c_lflag = ISIG};
  CHECK(ioctl(SLAVE, TIOCSLCKTRMIOS, &locked));
  CHECK(fchmod(SLAVE, 0640));
  CHECK(fchown(SLAVE, 1, 2));
  CHECK(write(SLAVE, "answer\n", 7));
  Live(NULL, LastOfLeader);
}

static void LastOfRoot(void) {
  EXPECT("index", index_of_pty, Value(MASTER, TIOCGPTN));
  EXPECT("its flags", O_RDWR | O_NONBLOCK, fcntl(MASTER, F_GETFL) & (O_ACCMODE | O_NONBLOCK));
  EXPECT("the foreground, seen from here", job_pid, tcgetpgrp(MASTER));
  char text[100];
  EXPECT("what was written", 7, read(MASTER, text, sizeof text));
  EXPECT("its text", 0, memcmp(text, "answer\n", 7));
  EXPECT("no echo of what was typed", -1, read(MASTER, text, sizeof text));
  EXPECT("exclusive", 1, Value(OTHER, EXCLUSIVE));
  EXPECT("this one is not", 0, Value(MASTER, EXCLUSIVE));
  EXPECT("packets", 1, Value(OTHER, PACKET));
  EXPECT("no packets", 0, Value(MASTER, PACKET));
  EXPECT("locked", 1, Value(OTHER, LOCK));
  EXPECT("not locked", 0, Value(MASTER, LOCK));
  EXPECT("index of the other", index_of_pty + 1, Value(OTHER, TIOCGPTN));
  AwaitStep("job_has_read");
  CHECK(write(MASTER, "\a", 1));
}

int main(void) {
  Begin();
  root_pid = getpid();
  const int first = 100 + 2 * (root_pid % 200), locked = 1;
  At(MASTER, Master(first));
  index_of_pty = Value(MASTER, TIOCGPTN);
  At(OTHER, Master(index_of_pty + 1));
  const int unlocked = 0;
  CHECK(ioctl(MASTER, TIOCSPTLCK, &unlocked));
  const struct winsize size = {.ws_row = 33, .ws_col = 77};
  CHECK(ioctl(MASTER, TIOCSWINSZ, &size));
  leader_pid = Spawn(0, "leader", Leader);
  job_pid = tcgetpgrp(MASTER);
  CHECK(fcntl(MASTER, F_SETFL, O_NONBLOCK));
  CHECK(write(MASTER, "first\nsecond\n", 13));
  CHECK(ioctl(OTHER, TIOCSPTLCK, &locked));
  CHECK(ioctl(OTHER, TIOCPKT, &locked));
  CHECK(ioctl(OTHER, TIOCEXCL));
  Live(NULL, LastOfRoot);
}
