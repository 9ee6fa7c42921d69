// SPDX-License-Identifier: Apache-2.0
// Random process trees that the kernel can have: system calls at random on a small world.
#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

#include "model/tree.h"

namespace crgen::test {

/// One world. A root that is not init is a subreaper all the time.
class RandomWorld {
 public:
  struct Options {
    bool all = false;           ///< subreapers and CLONE_PARENT too
    bool outside_root = false;  ///< the root begins in the session and group from outside
    Pid root = 1;
  };

  RandomWorld(unsigned seed, Options options)
      : random_(seed), all_(options.all), last_pid_(options.root) {
    const Pid group = options.outside_root ? 0 : options.root;
    tasks_.push_back({options.root, group, group, -1, false, false, options.root != 1});
  }

  TreeSnapshot Run(int steps) {
    for (int i = 0; i < steps; ++i) Step();
    TreeSnapshot snapshot;
    std::vector<std::size_t> stack{0};
    std::vector<std::int32_t> index(tasks_.size(), -1);
    while (!stack.empty()) {
      std::size_t task = stack.back();
      stack.pop_back();
      const Task& t = tasks_[task];
      index[task] = static_cast<std::int32_t>(snapshot.nodes.size());
      TreeNode node;
      node.pid = t.pid;
      node.pgid = t.pgid;
      node.sid = t.sid;
      node.zombie = t.zombie;
      node.subreaper = t.subreaper;
      node.parent = ProcessIndex(t.parent < 0 ? -1 : index[static_cast<std::size_t>(t.parent)]);
      snapshot.nodes.push_back(node);
      for (std::size_t k = tasks_.size(); k-- > 1;) {
        if (!tasks_[k].gone && tasks_[k].parent == static_cast<int>(task)) stack.push_back(k);
      }
    }
    return snapshot;
  }

 private:
  struct Task {
    Pid pid, pgid, sid;
    int parent;
    bool zombie;
    bool gone;
    bool subreaper;
  };

  void Step() {
    std::size_t self = Pick();
    Task& task = tasks_[self];
    if (task.gone) return;
    if (task.zombie) {
      task.gone = random_() % 3 == 0;
      return;
    }
    switch (random_() % 8) {
      case 0:
        return SetSid(task);
      case 1:
      case 2:
        return SetPgid(task, random_() % 2 == 0 ? task.pid : tasks_[Pick()].pgid);
      case 3:
        if (self == 0) return;
        return Exit(static_cast<int>(self));
      case 4:
        if (all_ && self != 0) {
          task.subreaper = !task.subreaper;
          return;
        }
        [[fallthrough]];
      default: {
        bool sibling = all_ && self != 0 && random_() % 8 == 0;
        int parent = sibling ? task.parent : static_cast<int>(self);
        tasks_.push_back({++last_pid_, task.pgid, task.sid, parent, false, false, false});
      }
    }
  }

  void Exit(int self) {
    tasks_[static_cast<std::size_t>(self)].zombie = true;
    int heir = self;
    do {
      heir = tasks_[static_cast<std::size_t>(heir)].parent;
    } while (heir != 0 && !tasks_[static_cast<std::size_t>(heir)].subreaper);
    for (Task& child : tasks_) {
      if (child.parent == self) child.parent = heir;
    }
  }

  void SetSid(Task& task) {
    bool group = task.sid == task.pid;
    for (const Task& other : tasks_) group = group || (!other.gone && other.pgid == task.pid);
    if (!group) task.pgid = task.sid = task.pid;
  }

  void SetPgid(Task& task, Pid pgid) {
    if (task.sid == task.pid) return;
    bool exists = pgid == task.pid;
    for (const Task& other : tasks_) {
      exists = exists || (!other.gone && other.pgid == pgid && other.sid == task.sid);
    }
    if (exists && pgid != 0) task.pgid = pgid;
  }

  std::size_t Pick() { return random_() % tasks_.size(); }

  std::mt19937 random_;
  bool all_;
  std::vector<Task> tasks_;
  Pid last_pid_;
};

}  // namespace crgen::test
