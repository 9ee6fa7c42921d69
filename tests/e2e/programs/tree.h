// SPDX-License-Identifier: Apache-2.0
// Programs whose processes check their place in the tree: parent, group, session, children. Numbers
// are relative to the pid of the root, which leads session 0.
#pragma once
#include "program.h"

static pid_t base;                       ///< pid of the root
static int own, parent, group, session;  ///< what this process has to find
static int children, subreaper;

static inline void CheckPlace(void) {
  if (!Exists("ready.root")) return;  // others may have to move it yet
  int flag = -1;
  EXPECT("pid", base + own, getpid());
  if (own != 0) EXPECT("parent", base + parent, getppid());
  EXPECT("group", base + group, getpgrp());
  EXPECT("session", base + session, getsid(0));
  CHECK(prctl(PR_GET_CHILD_SUBREAPER, &flag));
  EXPECT("child subreaper", subreaper, flag);
}

static inline void CheckChildren(void) {
  char path[64], list[PAGE];
  snprintf(path, sizeof path, "/proc/self/task/%d/children", getpid());
  ReadFile(path, list, sizeof list);
  int count = 0;
  for (char* at = strtok(list, " "); at; at = strtok(NULL, " ")) count++;
  EXPECT("number of children", children, count);
}

/// Ends the set-up of a process that must be at this place once the tree is complete.
static inline void Stay(int its_parent, int its_group, int its_session, int its_children) {
  parent = its_parent, group = its_group, session = its_session, children = its_children;
  Live(CheckPlace, CheckChildren);
}

/// A child with pid base + number, whose life is `body`; set up when this returns.
static inline void Child(int number, void (*body)(void)) {
  static char names[200][12];
  snprintf(names[number], sizeof names[number], "%d", number);
  const int own_here = own, subreaper_here = subreaper;
  own = number, subreaper = 0;
  Spawn(base + number, names[number], body);
  own = own_here, subreaper = subreaper_here;
}

/// A child that does `body`, exits, and is reaped when this returns: its children are orphans.
static inline void Passing(int number, void (*body)(void)) {
  if (ForkAs(base + number, 0) == 0) {
    subreaper = 0;
    body();
    _exit(0);
  }
  CHECK(waitpid(base + number, NULL, 0));
}

/// The same, but it stays a zombie.
static inline void Zombie(int number, void (*body)(void)) {
  if (ForkAs(base + number, 0) == 0) {
    subreaper = 0;
    body();
    _exit(0);
  }
  siginfo_t info;
  CHECK(waitid(P_PID, base + number, &info, WEXITED | WNOWAIT));
}

/// A child that is there until Bury().
static inline void Helper(int number) {
  if (ForkAs(base + number, 0) == 0)
    for (;;) Nap();
}
static inline void Bury(int number) {
  CHECK(kill(base + number, SIGKILL));
  CHECK(waitpid(base + number, NULL, 0));
}

/// By the process itself, or by its parent.
static inline void Join(int number, int its_group) {
  CHECK(setpgid(base + number, base + its_group));
}
static inline void Lead(void) { CHECK(setsid()); }
static inline void Adopt(int on) {
  CHECK(prctl(PR_SET_CHILD_SUBREAPER, on));
  subreaper = on;
}
