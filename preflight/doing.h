// SPDX-License-Identifier: Apache-2.0
// What this process does that lasts as long as others please: a file system of the network or of
// FUSE answers, somebody writes into a pipe. While there is a Patience, none of it lasts for ever.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <thread>

namespace crgen {

/// Such a thing, in this thread, for as long as the object lives. Inside another of the same thread
/// it is a sign that the other one goes on. Costs nothing where there is no Patience.
class Doing {
 public:
  /// `what` is done, a literal such as "opening it", with the file `name`, which must outlive it.
  Doing(const char* what, const std::string& name) : Doing(what, &name, -1) {}
  /// Likewise, with what the descriptor leads to.
  Doing(const char* what, int fd) : Doing(what, nullptr, fd) {}
  Doing(const Doing&) = delete;
  Doing& operator=(const Doing&) = delete;
  ~Doing() {
    if (counts_) End();
  }

  /// A piece of it is done.
  void GoesOn();

 private:
  friend class Patience;
  Doing(const char* what, const std::string* name, int fd);
  void Begin();
  void End();
  std::string Name() const;

  const char* const what_;
  const std::string* const name_;
  const int fd_;
  bool counts_ = false, first_ = false;
  bool told_ = false;                     // the thread's
  std::atomic<std::uint64_t> since_ = 0;  ///< tick of the thread
  Doing *before_ = nullptr, *behind_ = nullptr;
};

/// A thread that looks whether what is being done goes on. A signal would not do: it ends no call
/// that waits for a file server, but exit_group(2) from another thread does. Time during which the
/// process is stopped does not count.
class Patience {
 public:
  /// In the thread: `name`, and in words what is the matter.
  using Say = std::function<void(const std::string& name, const std::string& what)>;

  /// When something takes long, `tell` hears of it once; when nothing has come of it for `seconds`,
  /// `give_up`, which does not return. 0: never, and no thread. REQUIRES: there is no other one.
  Patience(unsigned seconds, Say tell, Say give_up);
  Patience(const Patience&) = delete;
  Patience& operator=(const Patience&) = delete;
  ~Patience() { End(); }

  /// The thread is gone, and its number is free. To be called before anything is made.
  void End();
  /// Whether it has a thread, which the system may refuse.
  bool IsAwake() const { return thread_.joinable(); }

 private:
  void Watch();

  const unsigned seconds_;
  const Say tell_, give_up_;
  std::thread thread_;
};

/// How many threads this process has; 1, if that is not known.
std::uint64_t OwnThreads();

}  // namespace crgen
