// SPDX-License-Identifier: Apache-2.0
#include "images/source/read_ahead.h"

#include <limits>
#include <new>
#include <utility>

namespace crgen {
namespace {

constexpr std::int64_t kMaxHeld = 4 << 20;
/// What a file is counted as: its buffer was made for another one.
std::int64_t Weight(const std::string& content) {
  return static_cast<std::int64_t>(content.size()) + 4096;
}
/// Whatever is added to it, it wakes who waits for less than before, and stays below kMaxHeld.
constexpr std::int64_t kNothingHeld = std::numeric_limits<std::int64_t>::min() / 2;

}  // namespace

ReadAhead::ReadAhead(ImageSource& source, std::vector<const std::string*> names, unsigned threads)
    : source_(source), files_(names.size()) {
  for (std::size_t i = 0; i < names.size(); ++i) files_[i].name = names[i];
  for (unsigned i = 0; i < threads; ++i) threads_.emplace_back([this] { Run(); });
}

ReadAhead::~ReadAhead() {
  stopped_ = true;
  held_ = kNothingHeld;
  held_.notify_all();
}

void ReadAhead::Run() {
  while (true) {
    for (std::int64_t held; (held = held_) > kMaxHeld && !stopped_;) held_.wait(held);
    const std::size_t index = next_++;
    if (stopped_ || index >= files_.size()) return;
    int expected = kWaiting;
    if (files_[index].state.compare_exchange_strong(expected, kReading)) Read(files_[index]);
  }
}

void ReadAhead::Read(File& file) {
  Diagnostics diag;  // whoever reads the file again meets the same error
  bool read = false;
  try {
    {
      const std::lock_guard lock(spare_mutex_);
      if (!spare_.empty()) {
        file.content = std::move(spare_.back());
        spare_.pop_back();
      }
    }
    read = Succeeded(source_.Read(*file.name, &file.content, diag));
  } catch (const std::bad_alloc&) {
  }
  if (read) held_ += Weight(file.content);
  file.state = read ? kRead : kLeft;
  file.state.notify_one();
}

bool ReadAhead::Take(std::size_t index, std::string* content) {
  File& file = files_[index];
  int state = kWaiting;
  if (file.state.compare_exchange_strong(state, kLeft)) return false;
  file.state.wait(kReading);
  if (file.state.exchange(kLeft) != kRead) return false;
  std::swap(*content, file.content);
  held_ -= Weight(*content);
  held_.notify_all();
  const std::lock_guard lock(spare_mutex_);
  spare_.push_back(std::move(file.content));
  return true;
}

}  // namespace crgen
