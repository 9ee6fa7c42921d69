// SPDX-License-Identifier: Apache-2.0
// A descriptor that is closed with its owner.
#pragma once

#include <unistd.h>

#include <utility>

namespace crgen {

class ScopedFd {
 public:
  /// Takes `fd` over; -1: none.
  explicit ScopedFd(int fd = -1) : fd_(fd) {}
  ScopedFd(ScopedFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  ScopedFd& operator=(ScopedFd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~ScopedFd() {
    if (fd_ >= 0) close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

}  // namespace crgen
