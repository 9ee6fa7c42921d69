// SPDX-License-Identifier: Apache-2.0
// A chain of 40 processes. Each process has what its ancestors wrote before they had a child, and
// what it wrote itself; a counter in shared memory is handed down and up again.
#include "tree.h"

enum { LENGTH = 40 };

static uint64_t (*pages)[PAGE / 8];
static volatile long* baton;

static void CheckLink(void) {
  CheckPlace();
  for (int i = 0; i < LENGTH; i++)
    EXPECT_FILLED("page of an ancestor, or not written", pages[i], PAGE, i <= own ? i + 1 : 0);
}

static void Last(void) {
  CheckChildren();
  while (*baton < own) Nap();
  EXPECT("the baton on its way down", own, *baton);
  *baton = own + 1;
  const long back = 2 * LENGTH - 1 - own;
  while (*baton < back) Nap();
  EXPECT("the baton on its way up", back, *baton);
  *baton = back + 1;
}

static void Link(void) {
  Fill(pages[own], PAGE, own + 1);
  if (own + 1 < LENGTH) Child(own + 1, Link);
  parent = own - 1;
  children = own + 1 < LENGTH;
  Live(CheckLink, Last);
}

int main(void) {
  Begin();
  base = getpid();
  pages = MapPrivate(LENGTH * PAGE);
  for (int i = 0; i < LENGTH; i++) Fill(pages[i], PAGE, 0);
  baton = MapShared(PAGE);
  Link();
}
