// SPDX-License-Identifier: Apache-2.0
// The root is init of a pid namespace, and its tree has orphans and a zombie; those from 100 on are
// dead. /proc may be that of another namespace.
//   0       pid 1, session 0
//   +- 1    session 1
//   |  +- 2    session 1, group 2
//   +- 3    session 1: orphan of 100, a child of 1
//   +- 4    session 101: orphan of this leader
//   +- 5    a zombie
#include "tree.h"

static void Two(void) {
  Join(2, 2);
  parent = 1, group = 2, session = 1;
  Live(CheckPlace, NULL);
}
static void Three(void) {
  parent = 0, group = 1, session = 1;
  Live(CheckPlace, NULL);
}
static void Parent100(void) { Child(3, Three); }
static void One(void) {
  Lead();
  Child(2, Two);
  Passing(100, Parent100);
  parent = 0, group = 1, session = 1;
  Live(CheckPlace, NULL);
}
static void Four(void) {
  parent = 0, group = 101, session = 101;
  Live(CheckPlace, NULL);
}
static void Leader101(void) {
  Lead();
  Child(4, Four);
}
static void Five(void) { _exit(5); }

// An init adopts whoever loses its parent, and is not killed from inside.
static void Last(void) {
  CheckPlace();
  EXPECT("pid of init", 1, getpid());
  siginfo_t info;
  CHECK(waitid(P_PID, base + 5, &info, WEXITED));
  EXPECT("status of the zombie", 5, info.si_status);
  CHECK(kill(1, SIGKILL));
  pid_t child = CHECK(fork());
  if (child == 0) {
    if (fork() == 0) {
      while (getppid() != 1) Nap();
      _exit(33);
    }
    _exit(0);
  }
  int status;
  CHECK(waitpid(child, &status, 0));
  CHECK(waitid(P_ALL, 0, &info, WEXITED));
  EXPECT("status of an orphan", 33, info.si_status);
  // Everybody dies with init: it exits last.
  Report();
  Await("end");
  while (waitpid(-1, NULL, 0) > 0) continue;
  _exit(*failure != 0);
}

int main(void) {
  Begin();
  base = getpid();
  Child(1, One);
  Passing(101, Leader101);
  Zombie(5, Five);
  Live(CheckPlace, Last);
}
