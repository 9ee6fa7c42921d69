// SPDX-License-Identifier: Apache-2.0
#include "crgen/beside.h"

#include <utility>

namespace crgen {

Beside::Beside(Look look, std::launch policy)
    : look_(std::move(look)), done_(std::async(policy, [this] { Run(); })) {}

Beside::~Beside() {
  const std::lock_guard lock(mutex_);
  abandoned_ = true;
  changed_.notify_one();
}

void Beside::Follow(std::size_t count) {
  const std::lock_guard lock(mutex_);
  count_ = count;
  changed_.notify_one();
}

void Beside::Complete() {
  const std::lock_guard lock(mutex_);
  complete_ = true;
  changed_.notify_one();
}

void Beside::Run() {
  for (std::size_t done = 0;;) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return count_ > done || complete_ || abandoned_; });
    if (abandoned_) return;
    const std::size_t count = count_;
    const bool complete = complete_;
    lock.unlock();
    const std::lock_guard looking(looking_);
    look_(count, complete);
    if (complete) return;
    done = count;
  }
}

}  // namespace crgen
