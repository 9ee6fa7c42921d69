// SPDX-License-Identifier: Apache-2.0
// 32 processes; those from 100 on are dead. CRIU refuses to restore them, because of the orphan 17.
//   0            session 0, a subreaper
//   +- 1         session 1
//   |  +- 2, 3   group 1
//   |  +- 4, 5   group 4
//   +- 6         session 0, group 6
//   |  +- 7, 8   group 6
//   +- 9         session 9
//   |  +- 10     session 0, group 0: born before its parent's setsid
//   |  +- 11     session 9
//   +- 12, 13    session 100, group 100: orphans of this leader
//   +- 14        session 100, group 101
//   +- 15        session 15, a subreaper
//   |  +- 16     session 15: orphan of 102
//   |  +- 17     session 103: orphan of this leader
//   +- 18, 19    session 0, group 104
//   +- 20        session 20
//   |  +- 21     session 20, group 21
//   |     +- 22     group 21
//   |        +- 23     session 23
//   |           +- 24     session 23
//   +- 25        session 25, a zombie
//   +- 26        session 25, orphan of it
//   +- 27        session 0, group 27, a zombie
//   +- 28        session 0, group 27
//      +- 29        session 29
//         +- 30        session 29, group 30
//            +- 31        session 29, group 29
#include "tree.h"

static void Two(void) { Stay(1, 1, 1, 0); }
static void Four(void) {
  Join(4, 4);
  Stay(1, 4, 1, 0);
}
static void Five(void) {
  Join(5, 4);
  Stay(1, 4, 1, 0);
}
static void One(void) {
  Lead();
  Child(2, Two);
  Child(3, Two);
  Child(4, Four);
  Child(5, Five);
  Stay(0, 1, 1, 4);
}
static void Seven(void) { Stay(6, 6, 0, 0); }
static void Six(void) {
  Join(6, 6);
  Child(7, Seven);
  Child(8, Seven);
  Stay(0, 6, 0, 2);
}
static void Ten(void) { Stay(9, 0, 0, 0); }
static void Eleven(void) { Stay(9, 9, 9, 0); }
static void Nine(void) {
  Child(10, Ten);
  Lead();
  Child(11, Eleven);
  Stay(0, 9, 9, 2);
}
static void Twelve(void) { Stay(0, 100, 100, 0); }
static void Fourteen(void) {
  Join(14, 101);
  Stay(0, 101, 100, 0);
}
static void Leader100(void) {
  Lead();
  Child(12, Twelve);
  Child(13, Twelve);
  Helper(101);
  Join(101, 101);
  Child(14, Fourteen);
  Bury(101);
}
static void Sixteen(void) { Stay(15, 15, 15, 0); }
static void Seventeen(void) { Stay(15, 103, 103, 0); }
static void Parent102(void) { Child(16, Sixteen); }
static void Leader103(void) {
  Lead();
  Child(17, Seventeen);
}
static void Fifteen(void) {
  Lead();
  Adopt(1);
  Passing(102, Parent102);
  Passing(103, Leader103);
  Stay(0, 15, 15, 2);
}
static void Eighteen(void) {
  Join(own, 104);
  Stay(0, 104, 0, 0);
}
static void TwentyFour(void) { Stay(23, 23, 23, 0); }
static void TwentyThree(void) {
  Lead();
  Child(24, TwentyFour);
  Stay(22, 23, 23, 1);
}
static void TwentyTwo(void) {
  Child(23, TwentyThree);
  Stay(21, 21, 20, 1);
}
static void TwentyOne(void) {
  Join(21, 21);
  Child(22, TwentyTwo);
  Stay(20, 21, 20, 1);
}
static void Twenty(void) {
  Lead();
  Child(21, TwentyOne);
  Stay(0, 20, 20, 1);
}
static void TwentySix(void) { Stay(0, 25, 25, 0); }
static void TwentyFive(void) {
  Lead();
  Child(26, TwentySix);
}
static void TwentySeven(void) { Join(27, 27); }
static void ThirtyOne(void) {
  Join(31, 29);
  Stay(30, 29, 29, 0);
}
static void Thirty(void) {
  Join(30, 30);
  Child(31, ThirtyOne);
  Stay(29, 30, 29, 1);
}
static void TwentyNine(void) {
  Lead();
  Child(30, Thirty);
  Stay(28, 29, 29, 1);
}
static void TwentyEight(void) {
  Join(28, 27);
  Child(29, TwentyNine);
  Stay(0, 27, 0, 1);
}

int main(void) {
  Begin();
  base = getpid();
  Adopt(1);
  Child(1, One);
  Child(6, Six);
  Child(9, Nine);
  Passing(100, Leader100);
  Child(15, Fifteen);
  Helper(104);
  Join(104, 104);
  Child(18, Eighteen);
  Child(19, Eighteen);
  Bury(104);
  Child(20, Twenty);
  Zombie(25, TwentyFive);
  Zombie(27, TwentySeven);
  Child(28, TwentyEight);
  Stay(0, 0, 0, 14);
}
