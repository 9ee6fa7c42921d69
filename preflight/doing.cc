// SPDX-License-Identifier: Apache-2.0
#include "preflight/doing.h"

#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <climits>
#include <condition_variable>
#include <csignal>
#include <mutex>
#include <system_error>

namespace crgen {
namespace {

constexpr std::chrono::milliseconds kTick(100);
constexpr std::uint64_t kTicksPerSecond = 10, kLong = 2 * kTicksPerSecond;

std::atomic<bool> watched = false;
std::atomic<std::uint64_t> tick = 0;
std::mutex mutex;  // of what follows
std::condition_variable ends;
Doing* newest = nullptr;
bool ended = true;

thread_local Doing* current = nullptr;

/// A child has no such thread, which could have held the mutex when it was born.
void GuardForks() {
  [[maybe_unused]] static const int guarded =
      pthread_atfork([] { mutex.lock(); }, [] { mutex.unlock(); },
                     [] {
                       watched = false;
                       mutex.unlock();
                     });
}

}  // namespace

Doing::Doing(const char* what, const std::string* name, int fd)
    : what_(what), name_(name), fd_(fd) {
  if (!watched.load(std::memory_order_relaxed)) return;
  Begin();
}

void Doing::Begin() {
  counts_ = true;
  if (current != nullptr) return current->GoesOn();
  current = this;
  first_ = true;
  GoesOn();
  const std::lock_guard lock(mutex);
  before_ = newest;
  if (before_ != nullptr) before_->behind_ = this;
  newest = this;
}

void Doing::End() {
  if (!first_) return current->GoesOn();
  current = nullptr;
  const std::lock_guard lock(mutex);
  if (before_ != nullptr) before_->behind_ = behind_;
  (behind_ != nullptr ? behind_->before_ : newest) = before_;
}

void Doing::GoesOn() {
  Doing& first = counts_ && !first_ ? *current : *this;
  first.since_.store(tick.load(std::memory_order_relaxed), std::memory_order_relaxed);
}

std::string Doing::Name() const {
  if (name_ != nullptr) return *name_;
  const std::string link = "/proc/self/fd/" + std::to_string(fd_);
  char text[PATH_MAX];
  const ssize_t size = readlink(link.c_str(), text, sizeof text);
  return size > 0 ? std::string(text, static_cast<std::size_t>(size)) : link;
}

Patience::Patience(unsigned seconds, Say tell, Say give_up)
    : seconds_(seconds), tell_(std::move(tell)), give_up_(std::move(give_up)) {
  if (seconds == 0) return;
  GuardForks();
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  try {
    ended = false;
    thread_ = std::thread([this] { Watch(); });
    watched = true;
  } catch (const std::system_error&) {
    ended = true;  // too many threads
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void Patience::End() {
  if (!thread_.joinable()) return;
  watched = false;
  {
    const std::lock_guard lock(mutex);
    ended = true;
  }
  ends.notify_all();
  thread_.join();
  // The kernel says that a thread has ended before its number is free.
  constexpr int kMostLooks = 10000;
  for (int i = 0; i < kMostLooks && OwnThreads() > 1; ++i) std::this_thread::yield();
}

void Patience::Watch() {
  std::unique_lock lock(mutex);
  while (!ends.wait_for(lock, kTick, [] { return ended; })) {
    const std::uint64_t now = ++tick;
    for (Doing* it = newest; it != nullptr; it = it->before_) {
      const std::uint64_t ticks = now - it->since_.load(std::memory_order_relaxed);
      const std::string limit = std::to_string(seconds_) + " s";
      if (ticks > seconds_ * kTicksPerSecond) {
        const std::string name = it->Name(), what = it->what_;
        lock.unlock();
        give_up_(name, what + ": nothing has come of it for " + limit +
                           ", so whoever serves this file, or writes into it, hangs (--timeout "
                           "SECONDS waits longer, 0 for ever)");
        lock.lock();
        break;
      }
      if (ticks < kLong || it->told_) continue;
      it->told_ = true;
      tell_(it->Name(), std::string(it->what_) +
                            " takes long; it is given up when nothing comes "
                            "of it for " +
                            limit + " (--timeout)");
    }
  }
}

/// proc(5): a folder for each, beside "." and "..".
std::uint64_t OwnThreads() {
  struct stat status = {};
  if (stat("/proc/self/task", &status) != 0 || status.st_nlink < 3) return 1;
  return status.st_nlink - 2;
}

}  // namespace crgen
