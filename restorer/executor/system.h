// System calls without a C library.
#pragma once

#include <stddef.h>
#include <sys/syscall.h>

#include "restorer/script.h"

namespace crgen::restorer {

inline long RawCall(long number, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0,
                    long f = 0) {
  long result;
  register long r10 __asm__("r10") = d;
  register long r8 __asm__("r8") = e;
  register long r9 __asm__("r9") = f;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                   : "rcx", "r11", "memory");
  return result;
}

template <typename T>
long Argument(T value) {
  return (long)value;
}

/// A negative errno, or what the call gives. In the build for tests, the call whose number the
/// board says fails with EIO instead of being made.
template <typename... Arguments>
long Call([[maybe_unused]] Board* board, long number, Arguments... arguments) {
#ifdef CRRESTORE_FAULTS
  if (board->failing_call != 0 &&
      __atomic_add_fetch(&board->calls, 1, __ATOMIC_SEQ_CST) == board->failing_call) {
    return -5;
  }
#endif
  return RawCall(number, Argument(arguments)...);
}

/// Sets `*word` and wakes who waits for it.
void Signal(Word* word, Word value);
/// Adds one to `*word`, wakes nobody; what it is then.
Word Increment(Word* word);
/// Wakes who waits for `*word`.
void Wake(Word* word);
/// Until `*word` is not `value`. Ends this process if the supervisor has died meanwhile.
void AwaitChange(Board* board, Word* word, Word value);

/// Reports that this process cannot go on, and waits to be killed with all others.
[[noreturn]] void Fail(Board* board, uint32_t command, int32_t pid, const char* what, long error,
                       const char* path = nullptr);

/// The system calls of one process, for one command.
struct Caller {
  Board* board;
  Process* process;
  uint32_t command;

  [[noreturn]] void Fail(const char* what, long error, const char* path = nullptr) const {
    restorer::Fail(board, command, process->pid, what, error, path);
  }
  template <typename... Arguments>
  long Try(long number, Arguments... arguments) const {
    return Call(board, number, arguments...);
  }
  /// Makes a call that must succeed.
  template <typename... Arguments>
  long Must(const char* what, long number, Arguments... arguments) const {
    const long result = Call(board, number, arguments...);
    if (result < 0) Fail(what, result);
    return result;
  }
};

/// Waits to be killed, or to be taken over with ptrace(2).
[[noreturn]] void Rest(Board* board);

/// Starts a thread of this process that has the number `*tid` and runs `run(board, argument)` below
/// `stack_top`. `*ended`, if given, becomes 0 when the thread has ended. A negative errno, or the
/// number.
using ThreadFunction = void (*)(Board* board, void* argument);
long StartThread(Board* board, const int32_t* tid, uint64_t stack_top, Word* ended,
                 ThreadFunction run, void* argument);

/// CREATE_THREAD. A negative errno, or the number.
long StartThread(Board* board, Thread* thread);

/// Opens what `path` leads to from `directory`, after it has made sure, without opening it, that
/// this is what `check` says. Only regular files, directories, devices and, with O_PATH, links: it
/// never waits for a FIFO. `flags`: of open(2), O_CLOEXEC too. The descriptor: it fails by name.
long OpenChecked(const Caller& caller, int directory, const char* path, uint32_t flags,
                 const FileCheck& check);

/// LOAD_PAGES: from the image into memory.
void LoadPages(Board* board, Process* process, const Op* op);

/// The rest of a thread's life, from when nothing is left to build.
[[noreturn]] void FinishThread(Board* board, Thread* thread);

/// The number of this thread as the supervisor sees it.
void ReportNumber(Board* board, Thread* thread);

}  // namespace crgen::restorer
