// SPDX-License-Identifier: Apache-2.0
// Founders of groups that sit in each other's groups; CRIU refuses to restore them. Processes from
// 100 on held a group meanwhile.
//   0        session 0
//   +- 1     group 2
//   +- 2     group 1
//   +- 3     group 4
//   +- 4     group 5
//   +- 5     group 3
//   +- 6     session 6
//      +- 7     group 8
//      +- 8     group 7
//      |  +- 9     group 6
//      +- 10    group 8
#include "tree.h"

// Moves founders, each into the group of the next; a helper keeps the first one's group alive.
static void Rotate(int first, int count, int helper) {
  Helper(helper);
  Join(helper, first);
  for (int i = 0; i < count - 1; i++) Join(first + i, first + i + 1);
  Join(first + count - 1, first);
  Bury(helper);
}

// Found a group; go elsewhere later.
static void One(void) {
  Join(own, own);
  Stay(0, own == 1 ? 2 : 1, 0, 0);
}
static void Three(void) {
  Join(own, own);
  Stay(0, own == 5 ? 3 : own + 1, 0, 0);
}
static void Nine(void) { Stay(8, 6, 6, 0); }
static void Seven(void) {
  if (own == 8) Child(9, Nine);
  Join(own, own);
  Stay(6, own == 7 ? 8 : 7, 6, own == 8);
}
static void Ten(void) {
  Join(10, 8);
  Stay(6, 8, 6, 0);
}
static void Six(void) {
  Lead();
  Child(7, Seven);
  Child(8, Seven);
  Rotate(7, 2, 102);
  Child(10, Ten);
  Stay(0, 6, 6, 3);
}

int main(void) {
  Begin();
  base = getpid();
  Child(1, One);
  Child(2, One);
  Rotate(1, 2, 100);
  for (int number = 3; number <= 5; number++) Child(number, Three);
  Rotate(3, 3, 101);
  Child(6, Six);
  Stay(0, 0, 0, 6);
}
