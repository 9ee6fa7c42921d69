// SPDX-License-Identifier: Apache-2.0
// File locks of every kind, as a daemon with a pid file or a data base has them: ranges of two
// processes in one file, locks of descriptions that are shared and that are opened twice, leases
// that stand and that are being broken, with their signals; and locks of pipes, sockets and
// terminals.
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "program.h"

enum {
  RANGES = 10,
  AGAIN,
  WHOLE,
  SHARED,
  SHARED_AGAIN,
  OFD,
  OFD_AGAIN,
  MEMFD,
  READ_LEASE,
  WRITE_LEASE,
  BREAKING,
  BREAKING_AGAIN,
  DOWNGRADED,
  UNOWNED,
  PIPE_READ,
  PIPE_WRITE,
  SOCKET,
  SOCKET_PEER,
  PTY_MASTER,
  PTY_SLAVE,
  NAMED_PIPE
};
static const char* files[] = {[RANGES] = "ranges",
                              [AGAIN] = "ranges",
                              [WHOLE] = "whole",
                              [SHARED] = "shared",
                              [SHARED_AGAIN] = "shared",
                              [OFD] = "ofd",
                              [OFD_AGAIN] = "ofd",
                              [READ_LEASE] = "read",
                              [WRITE_LEASE] = "write",
                              [BREAKING] = "breaking",
                              [BREAKING_AGAIN] = "breaking",
                              [DOWNGRADED] = "downgraded",
                              [UNOWNED] = "unowned",
                              [PIPE_READ] = "end of a pipe",
                              [PIPE_WRITE] = "other end of a pipe",
                              [SOCKET] = "socket",
                              [SOCKET_PEER] = "other socket",
                              [PTY_MASTER] = "master",
                              [PTY_SLAVE] = "slave",
                              [NAMED_PIPE] = "fifo"};
static pid_t root_pid;
static volatile sig_atomic_t io_signals, lease_signals;

static void OnSignal(int signal) {
  if (signal == SIGIO) io_signals++;
  if (signal == SIGRTMIN + 3) lease_signals++;
}

static void Open(int fd, int flags) {
  char path[PATH_MAX];
  snprintf(path, sizeof path, "%s/%s", home, files[fd]);
  close(CHECK(open(path, O_RDWR | O_CREAT, 0644)));
  int opened = CHECK(open(path, flags));
  if (opened == fd) return;
  CHECK(dup2(opened, fd));
  close(opened);
}

static int Lock(int fd, int command, int type, long start, long length) {
  struct flock lock = {.l_type = (short)type, .l_start = start, .l_len = length};
  return fcntl(fd, command, &lock);
}

/// The locks that fdinfo shows, without inode and number: "POSIX WRITE 10 19, ".
static void Locks(int fd, char* text, size_t size) {
  char path[64], info[4096];
  snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
  ReadFile(path, info, sizeof info);
  *text = 0;
  for (char* line = strtok(info, "\n"); line; line = strtok(NULL, "\n")) {
    char kind[16], mode[16], type[16], end[32];
    long pid, start;
    if (sscanf(line, "lock: %*d: %15s %15s %15s %ld %*s %ld %31s", kind, mode, type, &pid, &start,
               end) != 6)
      continue;
    size_t length = strlen(text);
    const char* whose = strcmp(kind, "POSIX") != 0 ? "" : pid == getpid() ? " own" : " other";
    snprintf(text + length, size - length, "%s%s%s %s %ld %s, ", kind,
             strcmp(mode, "BREAKING") == 0 ? " BREAKING" : "", whose, type, start, end);
  }
}
static void ExpectLocks(int fd, const char* expected) {
  char found[1000];
  Locks(fd, found, sizeof found);
  EXPECT_TEXT(files[fd] ? files[fd] : "memfd", expected, found);
}

static void ExpectLeases(void) {
  ExpectLocks(READ_LEASE, "LEASE READ 0 EOF, ");
  ExpectLocks(WRITE_LEASE, "LEASE WRITE 0 EOF, ");
  ExpectLocks(BREAKING, "LEASE BREAKING UNLCK 0 EOF, ");
  ExpectLocks(BREAKING_AGAIN, "LEASE BREAKING UNLCK 0 EOF, ");
  ExpectLocks(DOWNGRADED, "LEASE BREAKING READ 0 EOF, ");
  ExpectLocks(UNOWNED, "LEASE READ 0 EOF, ");
}

static void At(int wanted, int fd) {
  CHECK(dup2(CHECK(fd), wanted));
  CHECK(close(fd));
}
/// Inodes that are no files of file systems.
static void LockOthers(void) {
  int ends[2], unlocked = 0;
  char path[PATH_MAX];
  CHECK(pipe(ends));
  At(PIPE_READ, ends[0]);
  At(PIPE_WRITE, ends[1]);
  CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
  At(SOCKET, ends[0]);
  At(SOCKET_PEER, ends[1]);
  At(PTY_MASTER, open("/dev/ptmx", O_RDWR | O_NOCTTY));
  CHECK(ioctl(PTY_MASTER, TIOCSPTLCK, &unlocked));
  At(PTY_SLAVE, ioctl(PTY_MASTER, TIOCGPTPEER, O_RDWR | O_NOCTTY));
  snprintf(path, sizeof path, "%s/fifo", home);
  CHECK(mkfifo(path, 0600));
  At(NAMED_PIPE, open(path, O_RDWR));
  CHECK(flock(PIPE_READ, LOCK_SH));
  CHECK(flock(PIPE_WRITE, LOCK_SH));
  CHECK(Lock(PIPE_READ, F_SETLK, F_RDLCK, 0, 5));
  CHECK(flock(SOCKET, LOCK_EX));
  CHECK(Lock(SOCKET_PEER, F_OFD_SETLK, F_WRLCK, 7, 0));
  CHECK(flock(PTY_SLAVE, LOCK_EX));
  CHECK(flock(NAMED_PIPE, LOCK_EX));
  CHECK(Lock(NAMED_PIPE, F_SETLK, F_WRLCK, 3, 3));
}
static void ExpectOthers(void) {
  ExpectLocks(PIPE_READ, "FLOCK READ 0 EOF, POSIX own READ 0 4, ");
  ExpectLocks(PIPE_WRITE, "FLOCK READ 0 EOF, ");
  ExpectLocks(SOCKET, "FLOCK WRITE 0 EOF, ");
  ExpectLocks(SOCKET_PEER, "OFDLCK WRITE 7 EOF, ");
  ExpectLocks(PTY_MASTER, "");
  ExpectLocks(PTY_SLAVE, "FLOCK WRITE 0 EOF, ");
  ExpectLocks(NAMED_PIPE, "FLOCK WRITE 0 EOF, POSIX own WRITE 3 5, ");
}

static void LastOfChild(void) {
  ExpectLocks(RANGES, "POSIX own READ 0 4, POSIX own WRITE 20 29, ");
  ExpectLocks(AGAIN, "");
  ExpectLocks(WHOLE, "FLOCK WRITE 0 EOF, ");
  struct flock other = {.l_type = F_WRLCK, .l_start = 15, .l_len = 1};
  CHECK(fcntl(RANGES, F_GETLK, &other));
  EXPECT("who has locked byte 15", root_pid, other.l_pid);
  EXPECT("a lock of the root", -1, Lock(RANGES, F_SETLK, F_RDLCK, 10, 1));
  EXPECT("a byte that nobody has", 0, Lock(RANGES, F_SETLK, F_WRLCK, 30, 5));
  Step("child_looked");
  AwaitStep("root_unlocked");
  EXPECT("a lock that the root has given up", 0, Lock(RANGES, F_SETLK, F_WRLCK, 10, 10));
}

static void Child(void) {
  Open(RANGES, O_RDWR);  // of a description that others have, CRIU sees the first one's locks alone
  CHECK(Lock(RANGES, F_SETLK, F_RDLCK, 0, 5));
  CHECK(Lock(RANGES, F_SETLK, F_WRLCK, 20, 10));
  Live(NULL, LastOfChild);
}

static void LastOfRoot(void) {
  AwaitStep("child_looked");
  ExpectLocks(RANGES, "POSIX own READ 0 4, POSIX own WRITE 10 19, ");
  ExpectLocks(AGAIN, "POSIX own READ 1000 EOF, ");
  ExpectLocks(WHOLE, "FLOCK WRITE 0 EOF, ");
  ExpectLocks(SHARED, "FLOCK READ 0 EOF, ");
  ExpectLocks(SHARED_AGAIN, "FLOCK READ 0 EOF, ");
  ExpectLocks(OFD, "OFDLCK READ 0 9, OFDLCK WRITE 20 29, ");
  ExpectLocks(OFD_AGAIN, "OFDLCK READ 5 14, ");
  ExpectLocks(MEMFD, "FLOCK WRITE 0 EOF, ");
  ExpectOthers();
  ExpectLeases();
  EXPECT("no signal came", 0, io_signals + lease_signals);
  EXPECT("owner of a lease", root_pid, fcntl(READ_LEASE, F_GETOWN));
  EXPECT("its signal", SIGRTMIN + 3, fcntl(READ_LEASE, F_GETSIG));
  EXPECT("an owner that was taken away", 0, fcntl(UNOWNED, F_GETOWN));

  CHECK(Lock(RANGES, F_SETLK, F_UNLCK, 10, 10));
  Step("root_unlocked");
  char path[PATH_MAX];
  snprintf(path, sizeof path, "%s/read", home);
  EXPECT("a lease is in the way", -1, open(path, O_WRONLY | O_NONBLOCK));
  EXPECT("because of it", EWOULDBLOCK, errno);
  for (int i = 0; !lease_signals && i < 1000; i++) Nap();
  EXPECT("the signal of its break", 1, lease_signals);
  CHECK(fcntl(BREAKING, F_SETLEASE, F_UNLCK));
  CHECK(fcntl(BREAKING_AGAIN, F_SETLEASE, F_UNLCK));
  snprintf(path, sizeof path, "%s/breaking", home);
  close(CHECK(open(path, O_WRONLY | O_NONBLOCK)));
}

static void Break(int fd, int flags) {
  char path[PATH_MAX];
  snprintf(path, sizeof path, "%s/%s", home, files[fd]);
  EXPECT("a lease that is broken", -1, open(path, flags | O_NONBLOCK));
}

int main(void) {
  Begin();
  root_pid = getpid();
  Open(RANGES, O_RDWR);
  Open(AGAIN, O_RDWR);
  Open(WHOLE, O_RDONLY);
  Open(SHARED, O_RDONLY);
  Open(SHARED_AGAIN, O_RDONLY);
  Open(OFD, O_RDWR);
  Open(OFD_AGAIN, O_RDWR);
  CHECK(dup2(CHECK(memfd_create("locked", 0)), MEMFD));
  CHECK(flock(WHOLE, LOCK_EX));
  Spawn(0, "child", Child);

  CHECK(Lock(RANGES, F_SETLK, F_RDLCK, 0, 5));
  CHECK(Lock(RANGES, F_SETLK, F_WRLCK, 10, 10));
  CHECK(Lock(AGAIN, F_SETLK, F_RDLCK, 1000, 0));
  CHECK(flock(SHARED, LOCK_SH));
  CHECK(flock(SHARED_AGAIN, LOCK_SH));
  CHECK(Lock(OFD, F_OFD_SETLK, F_RDLCK, 0, 10));
  CHECK(Lock(OFD, F_OFD_SETLK, F_WRLCK, 20, 10));
  CHECK(Lock(OFD_AGAIN, F_OFD_SETLK, F_RDLCK, 5, 10));
  CHECK(flock(MEMFD, LOCK_EX));
  LockOthers();

  struct sigaction action = {.sa_handler = OnSignal};
  CHECK(sigaction(SIGIO, &action, NULL));
  CHECK(sigaction(SIGRTMIN + 3, &action, NULL));
  Open(READ_LEASE, O_RDONLY);
  Open(WRITE_LEASE, O_RDWR);
  Open(BREAKING, O_RDONLY);
  Open(BREAKING_AGAIN, O_RDONLY);
  Open(DOWNGRADED, O_RDWR);
  Open(UNOWNED, O_RDONLY);
  CHECK(fcntl(READ_LEASE, F_SETLEASE, F_RDLCK));
  CHECK(fcntl(READ_LEASE, F_SETSIG, SIGRTMIN + 3));
  CHECK(fcntl(WRITE_LEASE, F_SETLEASE, F_WRLCK));
  CHECK(fcntl(BREAKING, F_SETLEASE, F_RDLCK));
  CHECK(fcntl(BREAKING_AGAIN, F_SETLEASE, F_RDLCK));
  CHECK(fcntl(DOWNGRADED, F_SETLEASE, F_WRLCK));
  CHECK(fcntl(UNOWNED, F_SETLEASE, F_RDLCK));
  CHECK(fcntl(UNOWNED, F_SETOWN, 0));
  Break(BREAKING, O_WRONLY);
  Break(DOWNGRADED, O_RDONLY);
  io_signals = 0;
  Live(NULL, LastOfRoot);
}
