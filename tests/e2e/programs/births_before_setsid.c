// SPDX-License-Identifier: Apache-2.0
// Children that were born before their parents became leaders, several generations of them, and
// orphans below a subreaper that is not the root; CRIU refuses to restore them. Processes from 100
// on are dead, and the root was a subreaper only for a while.
//   0             session 0
//   +- 1          session 1
//   |  +- 2          session 2: born before 1's setsid
//   |  |  +- 3          session 3: born before 2's setsid
//   |  |  |  +- 4          session 0, group 0: born before 3's setsid
//   |  |  +- 5          session 2
//   |  +- 6          session 1, group 100
//   +- 7          session 1, group 1: orphan of 101, a child of 1
//   |  +- 8          session 8
//   +- 9          session 9, a subreaper
//      +- 10         session 102, group 103: orphan, both leaders are dead
#include "tree.h"

static void Four(void) { Stay(3, 0, 0, 0); }
static void Three(void) {
  Child(4, Four);
  Lead();
  Stay(2, 3, 3, 1);
}
static void Five(void) { Stay(2, 2, 2, 0); }
static void Two(void) {
  Child(3, Three);
  Lead();
  Child(5, Five);
  Stay(1, 2, 2, 2);
}
static void Six(void) {
  Join(6, 100);
  Stay(1, 100, 1, 0);
}
static void Eight(void) {
  Lead();
  Stay(7, 8, 8, 0);
}
static void Seven(void) {
  Child(8, Eight);
  Stay(0, 1, 1, 1);
}
static void Parent101(void) { Child(7, Seven); }
static void One(void) {
  Child(2, Two);
  Lead();
  Helper(100);
  Join(100, 100);
  Child(6, Six);
  Bury(100);
  Passing(101, Parent101);
  Stay(0, 1, 1, 2);
}
static void Ten(void) {
  Join(10, 103);
  Stay(9, 103, 102, 0);
}
static void Leader102(void) {
  Lead();
  Helper(103);
  Join(103, 103);
  Child(10, Ten);
  Bury(103);
}
static void Nine(void) {
  Lead();
  Adopt(1);
  Passing(102, Leader102);
  Stay(0, 9, 9, 1);
}

int main(void) {
  Begin();
  base = getpid();
  CHECK(prctl(PR_SET_CHILD_SUBREAPER, 1));
  Child(1, One);
  Child(9, Nine);
  CHECK(prctl(PR_SET_CHILD_SUBREAPER, 0));
  Stay(0, 0, 0, 3);
}
