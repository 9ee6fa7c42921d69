// SPDX-License-Identifier: Apache-2.0
#include "restorer/executor/system.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <linux/sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <time.h>

namespace crgen::restorer {
namespace {

constexpr uint64_t kLookEverySeconds = 1;

long Futex(Word* word, int operation, Word value, const uint64_t* timeout = nullptr) {
  return RawCall(__NR_futex, Argument(word), operation, value, Argument(timeout));
}

/// "123/task/456": the number behind the last slash.
int32_t LastNumber(const char* text, long length) {
  int32_t number = 0;
  for (long i = 0; i < length; ++i) {
    if (text[i] == '/') number = 0;
    if (text[i] >= '0' && text[i] <= '9') number = number * 10 + (text[i] - '0');
  }
  return number;
}

void RunThread(const Setup* setup, const void* argument) {
  const Thread* thread = static_cast<const Thread*>(argument);
  ReportNumber(setup, thread);
  FinishThread(setup, thread);
}

}  // namespace

uint64_t Now() {
  uint64_t now[2] = {0, 0};
  RawCall(__NR_clock_gettime, CLOCK_REALTIME, Argument(now));
  return now[0] * 1000000000 + now[1];
}

void Signal(Word* word, Word value) {
  __atomic_store_n(word, value, __ATOMIC_SEQ_CST);
  Wake(word);
}

void Wake(Word* word) { Futex(word, FUTEX_WAKE, 0x7fffffff); }

Word Increment(Word* word) { return __atomic_add_fetch(word, 1, __ATOMIC_SEQ_CST); }

void AwaitChange(const Setup* setup, Word* word, Word value) {
  const uint64_t timeout[2] = {kLookEverySeconds, 0};
  while (__atomic_load_n(word, __ATOMIC_SEQ_CST) == value) {
    Futex(word, FUTEX_WAIT, value, timeout);
    if (SupervisorHasDied(setup)) RawCall(__NR_exit_group, 1);
  }
}

bool SupervisorHasDied(const Setup* setup) {
  return (__atomic_load_n(&setup->board->supervisor, __ATOMIC_SEQ_CST) & FUTEX_OWNER_DIED) != 0;
}

void DieWithParent(const Caller& caller) {
  const int32_t parent = caller.process->parent;
  if (parent < 0) return;
  caller.Must("prctl(PR_SET_PDEATHSIG)", __NR_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  // The parent may have died before: the supervisor's word says so, or there is another parent.
  if (SupervisorHasDied(caller.setup) || (parent > 0 && RawCall(__NR_getppid) != parent)) {
    RawCall(__NR_exit_group, 1);
  }
}

void Fail(const Setup* setup, uint32_t command, int32_t pid, const char* what, long error,
          const char* path, const char* there) {
  Failure& failure = setup->board->failure;
  if (Increment(&failure.claimed) == 1) {  // the first one is told
    failure.command = command;
    failure.pid = pid;
    failure.error = (int32_t)-error;
    failure.what = what;
    failure.path = path;
    failure.there = there;
    Signal(&failure.set, 1);
    Increment(&setup->board->wake);
    Wake(&setup->board->wake);
  }
  Rest(setup);
}

void Rest(const Setup* setup) {
  const Word never = 0;
  for (;;) AwaitChange(setup, const_cast<Word*>(&never), never);
}

long OpenHeld(const Setup* setup, const char* name, uint32_t flags) {
  if (!setup->user_namespace) return Call(setup, __NR_openat, setup->service_fd, name, flags, 0);
  int number = 0;
  for (; *name != 0; ++name) number = number * 10 + (*name - '0');
  return Call(setup, __NR_pidfd_getfd, setup->source_fd, number, 0);
}

void WriteProc(const Caller& caller, const char* file, const char* text) {
  const long fd = caller.Try(__NR_openat, caller.setup->service_fd, file, O_WRONLY | O_CLOEXEC, 0);
  if (fd < 0) caller.Fail("open", fd, file);
  size_t size = 0;
  while (text[size] != 0) ++size;
  const long written = caller.Try(__NR_write, fd, text, size);
  if (written < 0) caller.Fail("write", written, file);
  caller.Must("close", __NR_close, fd);
}

void ReportNumber(const Setup* setup, const Thread* thread) {
  if (thread->outer_tid == nullptr) return;
  char text[64];
  const long length =
      Call(setup, __NR_readlinkat, setup->service_fd, "../../thread-self", text, sizeof text);
  if (length < 0) Fail(setup, thread->command, thread->process->pid, "readlinkat", length);
  __atomic_store_n(thread->outer_tid, (Word)LastNumber(text, length), __ATOMIC_SEQ_CST);
}

long StartThread(const Setup* setup, const int32_t* tid, uint64_t stack_top, Word* ended,
                 ThreadFunction run, const void* argument) {
  clone_args arguments = {};
  arguments.flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
                    CLONE_SYSVSEM | (ended != nullptr ? CLONE_CHILD_CLEARTID : 0);
  arguments.child_tid = (uint64_t)ended;
  arguments.stack = stack_top - 16;
  arguments.stack_size = 16;
  arguments.set_tid = (uint64_t)tid;
  arguments.set_tid_size = 1;
#ifdef CRRESTORE_FAULTS
  if (const long error = Call(setup, -1); error == -EIO) return error;
#endif
  long result;
  __asm__ volatile(
      "mov %[setup], %%r12\n"
      "mov %[argument], %%r13\n"
      "syscall\n"
      "test %%rax, %%rax\n"
      "jnz 1f\n"
      "xor %%ebp, %%ebp\n"
      "mov %%r12, %%rdi\n"
      "mov %%r13, %%rsi\n"
      "call *%%rbx\n"
      "1:\n"
      : "=a"(result)
      : "a"(__NR_clone3), "D"(&arguments),
        "S"(sizeof arguments), [setup] "r"(setup), [argument] "r"(argument), "b"(run)
      : "rcx", "r11", "r12", "r13", "memory");
  return result;
}

long StartThread(const Setup* setup, const Thread* thread) {
  return AwaitNumber([=] {
    return StartThread(setup, &thread->tid, thread->stack_top, nullptr, RunThread, thread);
  });
}

}  // namespace crgen::restorer

// The compiler may make calls of these two out of plain assignments.
extern "C" void* memcpy(void* to, const void* from, size_t size) {
  void* result = to;
  __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(size) : : "memory");
  return result;
}
extern "C" void* memset(void* to, int value, size_t size) {
  void* result = to;
  __asm__ volatile("rep stosb" : "+D"(to), "+c"(size) : "a"(value) : "memory");
  return result;
}
