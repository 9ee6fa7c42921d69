// SPDX-License-Identifier: Apache-2.0
// Runs many programs for real, some at a time.
#pragma once

#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "tests/support/kernel_runner.h"
#include "tests/support/network.h"

namespace crgen::test {

/// A verdict for each of `count` cases; `make` makes the i-th, in a process of its own. Most of the
/// time of a case is the kernel's, which waits for the end of a namespace; so more workers than
/// processors run. All of it ends by `seconds`; what has not run by then has the verdict kNone.
class KernelPool {
 public:
  using Maker = std::function<KernelCase(std::size_t)>;

  KernelPool(std::size_t count, Maker make, int seconds) : count_(count), make_(std::move(make)) {
    bytes_ = sizeof(Shared) + count * sizeof(Entry);
    void* memory = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return;
    shared_ = new (memory) Shared;
    entries_ = reinterpret_cast<Entry*>(shared_ + 1);
    RunWorkers(Deadline(seconds));
  }
  ~KernelPool() {
    if (shared_ != nullptr) munmap(shared_, bytes_);
  }
  KernelPool(const KernelPool&) = delete;
  KernelPool& operator=(const KernelPool&) = delete;

  Verdict At(std::size_t i) const {
    if (shared_ == nullptr) return {Verdict::Kind::kNotPossible, "no shared memory"};
    return {entries_[i].kind, entries_[i].text};
  }

 private:
  struct Shared {
    std::atomic<std::size_t> next{0};
  };
  struct Entry {
    Verdict::Kind kind;
    char text[1024];
  };
  static constexpr int kWorkers = 8;

  void RunWorkers(const Deadline& deadline) {
    const pid_t self = getpid();
    std::vector<std::pair<pid_t, int>> workers;
    for (int k = 0; k < kWorkers; ++k) {
      int pidfd = -1;
      const long worker = Clone3(CLONE_PIDFD, {}, &pidfd);
      if (worker == 0) Work(self, deadline);
      if (worker > 0) workers.emplace_back(static_cast<pid_t>(worker), pidfd);
    }
    for (const auto& [worker, pidfd] : workers) {
      if (!AwaitDeath(pidfd, deadline)) kill(worker, SIGKILL);
      waitpid(worker, nullptr, 0);
      close(pidfd);
    }
  }

  [[noreturn]] void Work(pid_t parent, const Deadline& deadline) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(0);
    signal(SIGCHLD, SIG_DFL);
    // A group that the kernel does not call orphaned as long as its parent lives, and which a
    // program that makes it one does not share with the test.
    setpgid(0, 0);
    EnterOwnNetwork();  // ports are its own; where it is refused, somebody may have one
    KernelRunner runner;
    for (;;) {
      const std::size_t i = shared_->next.fetch_add(1);
      if (i >= count_ || deadline.MillisecondsLeft() == 0) _exit(0);
      const Verdict verdict = runner.Run(make_(i));
      std::strncpy(entries_[i].text, verdict.text.c_str(), sizeof entries_[i].text - 1);
      entries_[i].kind = verdict.kind;
    }
  }

  const std::size_t count_;
  const Maker make_;
  std::size_t bytes_ = 0;
  Shared* shared_ = nullptr;
  Entry* entries_ = nullptr;
};

}  // namespace crgen::test
