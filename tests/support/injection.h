// SPDX-License-Identifier: Apache-2.0
// System calls made in another process, to ask it what only it can be asked.
#pragma once

#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>

namespace crgen::test {

/// A process that is stopped as long as this lives. It goes on where it was.
class Injection {
 public:
  /// `code`: where the process has a system call instruction.
  Injection(pid_t pid, std::uint64_t code) : pid_(pid) {
    Must(ptrace(PTRACE_SEIZE, pid, 0, 0));
    Must(ptrace(PTRACE_INTERRUPT, pid, 0, 0));
    Await();
    Must(ptrace(PTRACE_GETREGS, pid, 0, &before_));
    code_ = code;
  }
  ~Injection() {
    ptrace(PTRACE_SETREGS, pid_, 0, &before_);
    ptrace(PTRACE_DETACH, pid_, 0, 0);
  }
  Injection(const Injection&) = delete;
  Injection& operator=(const Injection&) = delete;

  /// What the call gives; a negative errno.
  long Call(long number, std::uint64_t a = 0, std::uint64_t b = 0, std::uint64_t c = 0,
            std::uint64_t d = 0, std::uint64_t e = 0) {
    user_regs_struct regs = before_;
    regs.orig_rax = ~0ull;
    regs.rax = static_cast<unsigned long long>(number);
    regs.rdi = a, regs.rsi = b, regs.rdx = c, regs.r10 = d, regs.r8 = e;
    regs.rip = code_;
    Must(ptrace(PTRACE_SETREGS, pid_, 0, &regs));
    Must(ptrace(PTRACE_SINGLESTEP, pid_, 0, 0));
    Await();
    Must(ptrace(PTRACE_GETREGS, pid_, 0, &regs));
    return static_cast<long>(regs.rax);
  }

  /// The word at `address`.
  std::uint64_t Word(std::uint64_t address) {
    errno = 0;
    const long word = ptrace(PTRACE_PEEKDATA, pid_, address, 0);
    if (errno != 0) Must(-1);
    return static_cast<std::uint64_t>(word);
  }

 private:
  static void Must(long result) {
    if (result < 0) throw std::runtime_error(std::string("ptrace: ") + std::strerror(errno));
  }
  void Await() {
    int status = 0;
    Must(waitpid(pid_, &status, __WALL));
    if (!WIFSTOPPED(status)) throw std::runtime_error("the process has died");
  }

  pid_t pid_;
  std::uint64_t code_ = 0;
  user_regs_struct before_ = {};
};

}  // namespace crgen::test
