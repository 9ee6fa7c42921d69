// SPDX-License-Identifier: Apache-2.0
// Values that the checker refuses, and the kernel's own word on them.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/rseq.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <functional>

#include "tests/support/check_support.h"

namespace crgen {
namespace {

using namespace test;  // NOLINT: the vocabulary of these tests

/// What the checker says about a process that sets `attributes`; "" if nothing.
std::string Judged(const Attributes& attributes) {
  const std::vector<std::string> found = Violations({ForkOf(0, 10), AttrOf(10, attributes)});
  if (found.empty()) return "";
  const std::string at = "commands[1] SET_ATTR pid 10: ";
  EXPECT_EQ(found.size(), 1u);
  EXPECT_TRUE(found[0].starts_with(at)) << found[0];
  return found[0].substr(at.size());
}

/// The errno that `call` gets in a process of its own; 0: it succeeds.
int KernelSays(const std::function<long()>& call) {
  const pid_t child = fork();
  if (child == 0) _exit(call() < 0 ? errno : 0);
  int status = 0;
  waitpid(child, &status, 0);
  return WEXITSTATUS(status);
}

template <typename Change>
Attributes With(Change&& change) {
  Attributes attributes;
  change(attributes);
  return attributes;
}
template <typename Change>
Attributes WithCreds(Change&& change) {
  Attributes attributes;
  change(attributes.creds.emplace());
  return attributes;
}

long SetCaps(std::uint64_t effective, std::uint64_t permitted) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  for (int i = 0; i < 2; ++i) {
    data[i].effective = static_cast<std::uint32_t>(effective >> (32 * i));
    data[i].permitted = static_cast<std::uint32_t>(permitted >> (32 * i));
  }
  return syscall(SYS_capset, &header, data);
}
long SetTimer(long sec, long usec) {
  const itimerval timer{{0, 0}, {sec, usec}};
  return syscall(SYS_setitimer, ITIMER_REAL, &timer, nullptr);
}
long SetPosixTimer(int signal, long sec, long nsec) {
  sigevent event = {};
  event.sigev_notify = SIGEV_SIGNAL;
  event.sigev_signo = signal;
  int id = 0;
  if (syscall(SYS_timer_create, CLOCK_MONOTONIC, &event, &id) < 0) return -1;
  const itimerspec spec{{0, 0}, {sec, nsec}};
  return syscall(SYS_timer_settime, id, 0, &spec, nullptr);
}
long SetPolicy(int policy, int priority) {
  const sched_param parameters{priority};
  return syscall(SYS_sched_setscheduler, 0, policy, &parameters);
}
long WriteOomScore(const char* text) {
  const int fd = open("/proc/self/oom_score_adj", O_WRONLY);
  return fd < 0 ? -1 : write(fd, text, std::strlen(text));
}

struct Case {
  const char* what;
  Attributes attributes;
  int error;  ///< 0: neither refuses
  std::function<long()> call;
};

std::vector<Case> Cases() {
  const auto timer = [](std::uint64_t sec, std::uint64_t usec) {
    return With([&](Attributes& a) {
      a.timers.emplace().real.value_sec = sec, a.timers->real.value_usec = usec;
    });
  };
  const auto posix = [](std::uint32_t signal, std::uint64_t sec, std::uint64_t nsec) {
    return With([&](Attributes& a) {
      PosixTimer& it = a.posix_timers.emplace_back();
      it.signal.value = signal;
      it.value_sec = sec;
      it.value_nsec = nsec;
    });
  };
  const auto limit = [](std::uint64_t cur, std::uint64_t max) {
    return With([&](Attributes& a) { a.rlimits.push_back({{RLIMIT_CORE}, cur, max}); });
  };
  const auto sched = [](std::uint32_t policy, std::uint32_t priority) {
    return With([&](Attributes& a) { a.sched = Sched{{policy}, false, 0, priority}; });
  };
  const auto action = [](std::uint32_t signal) {
    return With([&](Attributes& a) { a.sigactions.push_back({{signal}, {}, {}, {}, {}}); });
  };
  const auto set_action = [](int signal) {
    struct {
      void* handler;
      unsigned long flags;
      void* restorer;
      std::uint64_t mask;
    } none = {};
    return syscall(SYS_rt_sigaction, signal, &none, nullptr, 8);
  };
  const auto altstack = [](std::uint64_t size) {
    return With([&](Attributes& a) { a.sigaltstack = Altstack{{0x10000}, size, {}}; });
  };
  const auto set_altstack = [](std::size_t size) {
    const stack_t stack = {reinterpret_cast<void*>(0x10000), 0, size};
    return syscall(SYS_sigaltstack, &stack, nullptr);
  };
  const auto robust = [](std::uint32_t size) {
    return With([&](Attributes& a) { a.robust_list = RobustList{{0x10000}, size}; });
  };
  const auto rseq = [](std::uint64_t at, std::uint32_t size) {
    return With([&](Attributes& a) { a.rseq = Rseq{{at}, size, {1}, {}}; });
  };
  // The C library has registered an area for who calls.
  const auto set_rseq = [](std::uint64_t at, unsigned size) {
    syscall(SYS_rseq, static_cast<char*>(__builtin_thread_pointer()) + __rseq_offset, 32,
            1 /* RSEQ_FLAG_UNREGISTER */, RSEQ_SIG);
    return syscall(SYS_rseq, at, size, 0, 1);
  };
  alignas(32) static char area[64];
  const auto own = reinterpret_cast<std::uint64_t>(area);
  return {
      {"an alternate stack", altstack(8192), 0, [=] { return set_altstack(8192); }},
      {"one of 1000 bytes", altstack(1000), ENOMEM, [=] { return set_altstack(1000); }},
      {"a robust list", robust(24), 0, [] { return syscall(SYS_set_robust_list, 0x10000, 24); }},
      {"one of 25 bytes", robust(25), EINVAL,
       [] { return syscall(SYS_set_robust_list, 0x10000, 25); }},
      {"rseq", rseq(own, 32), 0, [=] { return set_rseq(own, 32); }},
      {"rseq of 16 bytes", rseq(own, 16), EINVAL, [=] { return set_rseq(own, 16); }},
      {"rseq between", rseq(own + 8, 32), EINVAL, [=] { return set_rseq(own + 8, 32); }},
      {"a timer", timer(5, 999999), 0, [] { return SetTimer(5, 999999); }},
      {"a million microseconds", timer(0, 1000000), EINVAL, [] { return SetTimer(0, 1000000); }},
      {"seconds below 0", timer(~0ull, 0), EINVAL, [] { return SetTimer(-1, 0); }},
      {"a POSIX timer", posix(SIGUSR1, 5, 999999999), 0,
       [] { return SetPosixTimer(SIGUSR1, 5, 999999999); }},
      {"a billion nanoseconds", posix(SIGUSR1, 0, 1000000000), EINVAL,
       [] { return SetPosixTimer(SIGUSR1, 0, 1000000000); }},
      {"a timer's seconds below 0", posix(SIGUSR1, ~0ull, 0), EINVAL,
       [] { return SetPosixTimer(SIGUSR1, -1, 0); }},
      {"a timer of signal 0", posix(0, 0, 0), EINVAL, [] { return SetPosixTimer(0, 0, 0); }},
      {"a timer of signal 65", posix(65, 0, 0), EINVAL, [] { return SetPosixTimer(65, 0, 0); }},
      {"cur = max", limit(5, 5), 0,
       [] {
         const rlimit it{5, 5};
         return setrlimit(RLIMIT_CORE, &it);
       }},
      {"cur > max", limit(6, 5), EINVAL,
       [] {
         const rlimit it{6, 5};
         return setrlimit(RLIMIT_CORE, &it);
       }},
      {"SCHED_DEADLINE", sched(6, 0), EINVAL, [] { return SetPolicy(6, 0); }},
      {"SCHED_BATCH", sched(3, 0), 0, [] { return SetPolicy(3, 0); }},
      {"SCHED_OTHER with a priority", sched(0, 1), EINVAL, [] { return SetPolicy(0, 1); }},
      {"SCHED_FIFO without one", sched(1, 0), EINVAL, [] { return SetPolicy(1, 0); }},
      {"SCHED_RR, priority 100", sched(2, 100), EINVAL, [] { return SetPolicy(2, 100); }},
      {"policy 9", sched(9, 0), EINVAL, [] { return SetPolicy(9, 0); }},
      {"an action of SIGHUP", action(SIGHUP), 0, [=] { return set_action(SIGHUP); }},
      {"an action of SIGKILL", action(SIGKILL), EINVAL, [=] { return set_action(SIGKILL); }},
      {"an action of SIGSTOP", action(SIGSTOP), EINVAL, [=] { return set_action(SIGSTOP); }},
      {"dumpable 3", With([](Attributes& a) { a.dumpable = 3; }), EINVAL,
       [] { return prctl(PR_SET_DUMPABLE, 3); }},
      {"dumpable -1", With([](Attributes& a) { a.dumpable = -1; }), EINVAL,
       [] { return prctl(PR_SET_DUMPABLE, -1); }},
      {"oom_score_adj 1000", With([](Attributes& a) { a.oom_score_adj = 1000; }), 0,
       [] { return WriteOomScore("1000"); }},
      {"oom_score_adj 1001", With([](Attributes& a) { a.oom_score_adj = 1001; }), EINVAL,
       [] { return WriteOomScore("1001"); }},
      {"pdeath_signal 65", With([](Attributes& a) { a.pdeath_signal = Signal{65}; }), EINVAL,
       [] { return prctl(PR_SET_PDEATHSIG, 65); }},
      {"group -1", WithCreds([](Creds& c) { c.groups = {~0u}; }), EINVAL,
       [] {
         const gid_t none = ~0u;
         return syscall(SYS_setgroups, 1, &none);
       }},
      {"too many groups", WithCreds([](Creds& c) { c.groups.resize(65537); }), EINVAL,
       [] {
         static gid_t many[65537];
         return syscall(SYS_setgroups, 65537, many);
       }},
      {"effective beyond permitted",
       WithCreds([](Creds& c) { c.cap_prm.value = 1, c.cap_eff.value = 2; }), EPERM,
       [] { return SetCaps(2, 1); }},
      {"ambient, not inheritable",
       WithCreds([](Creds& c) { c.cap_prm.value = 1, c.cap_amb.value = 1; }), EPERM,
       [] { return prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_CHOWN, 0, 0); }},
      {"securebits 0x1000", WithCreds([](Creds& c) { c.secbits.bits = 0x1000; }), EPERM,
       [] { return prctl(PR_SET_SECUREBITS, 0x1000); }},
  };
}

TEST(CheckValues, AreRefusedAsTheKernelRefusesThem) {
  for (const Case& it : Cases()) {
    SCOPED_TRACE(it.what);
    const std::string judged = Judged(it.attributes);
    const std::string expected = it.error == 0        ? ""
                                 : it.error == EPERM  ? "EPERM"
                                 : it.error == ENOMEM ? "ENOMEM"
                                                      : "EINVAL";
    EXPECT_EQ(judged.substr(0, judged.find(':')), expected) << judged;
    // Setting a value takes rights that who runs the test may lack; only then.
    if (geteuid() == 0) {
      EXPECT_EQ(KernelSays(it.call), it.error);
    }
  }
}

TEST(CheckValues, OfMemoryAndRegisters) {
  const auto mm = [](std::uint64_t start_code, std::uint64_t end_code, std::uint64_t brk) {
    return Judged(With([&](Attributes& a) {
      MmAttributes& it = a.mm.emplace();
      it.start_code.value = start_code, it.end_code.value = end_code;
      it.brk.value = brk;
      it.exe.bytes = "/bin/true";
    }));
  };
  EXPECT_EQ(mm(0x1000, 0x2000, 0), "");
  EXPECT_EQ(mm(0x2000, 0x1000, 0), "EINVAL: mm.start_code is behind mm.end_code");
  EXPECT_EQ(mm(0x1000, 0x1000, 0), "EINVAL: mm.start_code is mm.end_code: no code at all");
  EXPECT_EQ(mm(0x1000, 0x2000, ~0ull),
            "EINVAL: mm.brk is 0xffffffffffffffff, behind the user's part of the address space");
  const auto registers = [](const std::function<void(Registers&)>& change) {
    return Judged(With([&](Attributes& a) {
      Registers& it = a.registers.emplace();
      it.cs.value = 0x33, it.ss.value = 0x2b;
      change(it);
    }));
  };
  EXPECT_EQ(registers([](Registers&) {}), "");
  EXPECT_EQ(registers([](Registers& it) { it.cs.value = 0; }),
            "EIO: registers.cs is 0x0, no selector of a user's segment");
  EXPECT_EQ(registers([](Registers& it) { it.ds.value = 0x10; }),
            "EIO: registers.ds is 0x10, no selector of a user's segment");
  EXPECT_EQ(registers([](Registers& it) { it.fs_base.value = ~0ull; }),
            "EIO: registers.fs_base is 0xffffffffffffffff, behind the user's part of the address "
            "space");
  EXPECT_EQ(Judged(With([](Attributes& a) { a.fpu.emplace().mxcsr.value = 0x11f80; })),
            "EINVAL: fpu.mxcsr is 0x11f80, with reserved bits");
  const auto components = [](std::uint64_t bits) {
    return Judged(With([&](Attributes& a) { a.fpu.emplace().xstate_bv = Hex{bits}; }));
  };
  EXPECT_EQ(components(0x2ff), "");
  EXPECT_EQ(components(0x60003),
            "EOPNOTSUPP: fpu.xstate_bv has components 0x60000, which no member of fpu has");
  EXPECT_EQ(Judged(With([](Attributes& a) {
              a.rlimits = {{{RLIMIT_CORE}, 1, 1}, {{RLIMIT_CORE}, 2, 2}};
            })),
            "EINVAL: rlimits has RLIMIT_CORE twice");
}

/// Within one SET_ATTR; a later one replaces entries (docs/restorer-contract.md, 5.5).
TEST(CheckValues, EachKeyStandsOnce) {
  const auto timer = [](std::uint32_t id) {
    PosixTimer it;
    it.id = id;
    it.signal.value = SIGUSR1;
    return it;
  };
  const Attributes one = With([&](Attributes& a) { a.posix_timers = {timer(3)}; });
  EXPECT_EQ(Violations({ForkOf(0, 10), AttrOf(10, one), AttrOf(10, one)}).size(), 0u);
  EXPECT_EQ(Judged(With([&](Attributes& a) { a.posix_timers = {timer(3), timer(4)}; })), "");
  EXPECT_EQ(Judged(With([&](Attributes& a) {
              a.posix_timers = {timer(3), timer(4), timer(3)};
            })),
            "EINVAL: posix_timers has id 3 twice");
  EXPECT_EQ(Judged(With([](Attributes& a) {
              a.sigactions = {{{SIGHUP}, {}, {}, {}, {}}, {{SIGHUP}, {1}, {}, {}, {}}};
            })),
            "EINVAL: sigactions has signal 1 twice");
  EXPECT_EQ(Judged(With([](Attributes& a) {
              a.tls.resize(2);
              a.tls[0].entry_number = a.tls[1].entry_number = 12;
            })),
            "EINVAL: tls has entry 12 twice");
}

TEST(CheckValues, FiltersStandWhereTheModeHasThem) {
  const auto seccomp = [](std::uint32_t mode, std::size_t filters) {
    return Judged(With([&](Attributes& a) {
      a.seccomp.emplace().mode.value = mode;
      a.seccomp->filters.resize(filters, {{std::string(8, 'f')}, {}});
    }));
  };
  EXPECT_EQ(seccomp(SECCOMP_MODE_FILTER, 1), "");
  EXPECT_EQ(seccomp(SECCOMP_MODE_FILTER, 0), "EINVAL: SECCOMP_MODE_FILTER without filters");
  EXPECT_EQ(seccomp(SECCOMP_MODE_STRICT, 0), "");
  EXPECT_EQ(seccomp(SECCOMP_MODE_STRICT, 1), "EINVAL: SECCOMP_MODE_STRICT with filters");
  EXPECT_EQ(seccomp(SECCOMP_MODE_DISABLED, 0), "EINVAL: there is no mode 0x0 of seccomp");
}

/// What the kernel takes for something else, or does only in part: its words are no judge here.
TEST(CheckValues, ThatMeanSomethingElseToTheKernel) {
  EXPECT_NE(Judged(WithCreds([](Creds& c) { c.uid = ~0u; })), "");
  EXPECT_NE(Judged(WithCreds([](Creds& c) { c.fsuid = ~0u; })), "");
  EXPECT_NE(Judged(WithCreds([](Creds& c) { c.sgid = ~0u; })), "");
  EXPECT_NE(Judged(With([](Attributes& a) { a.timer_slack = 0; })), "");
  EXPECT_EQ(Judged(With([](Attributes& a) { a.timer_slack = ~std::uint64_t{0}; })), "");
  EXPECT_NE(Judged(With([](Attributes& a) { a.personality = Hex{0xffffffff}; })), "");
  EXPECT_EQ(Judged(With([](Attributes& a) { a.personality = Hex{ADDR_NO_RANDOMIZE}; })), "");
  EXPECT_NE(Judged(With([](Attributes& a) { a.sched = Sched{{0}, false, 20, 0}; })), "");
  EXPECT_NE(Judged(With([](Attributes& a) { a.signal_queue.push_back({{SIGKILL}, {}}); })), "");
  EXPECT_NE(Judged(With([](Attributes& a) { a.signal_queue.push_back({{SIGSTOP}, {}}); })), "");
  const auto siginfo = [](std::size_t size) {
    const Bytes bytes = {std::string(size, '\1')};
    return Judged(With([&](Attributes& a) { a.signal_queue.push_back({{SIGTERM}, bytes}); }));
  };
  EXPECT_EQ(siginfo(128), "");
  EXPECT_EQ(siginfo(127), "EINVAL: signal_queue: siginfo of SIGTERM has 127 bytes, expected 128");
  EXPECT_EQ(siginfo(129), "EINVAL: signal_queue: siginfo of SIGTERM has 129 bytes, expected 128");
  EXPECT_EQ(Judged(With([](Attributes& a) { a.comm = Text{"fifteen letters"}; })), "");
  EXPECT_NE(Judged(With([](Attributes& a) { a.comm = Text{"sixteen letters!"}; })), "");
}

TEST(CheckValues, PathsAreAbsolute) {
  const auto fs = [](std::string cwd, std::string root) {
    return Judged(With([&](Attributes& a) { a.fs = FsAttributes{{cwd}, {root}, {}}; }));
  };
  EXPECT_EQ(fs("/", "/"), "");
  EXPECT_EQ(fs("tmp", "/"), "EINVAL: fs.cwd is not absolute");
  EXPECT_EQ(fs("/", ""), "EINVAL: fs.root is not absolute");
  EXPECT_EQ(fs("/", std::string("/\0", 2)), "EINVAL: fs.root contains a NUL");
  EXPECT_EQ(fs("/" + std::string(4094, 'x'), "/"), "");
  EXPECT_EQ(fs("/" + std::string(4095, 'x'), "/").substr(0, 12), "ENAMETOOLONG");
  EXPECT_EQ(Judged(With([](Attributes& a) { a.mm.emplace().exe = {"bin/sh"}; })),
            "EINVAL: mm.exe is not absolute");
}

/// All of them are set at the hand-over: their order in the program says nothing.
TEST(CheckValues, LimitsForbidNothingThatIsSetWithThem) {
  Attributes limited;
  limited.rlimits.push_back({{RLIMIT_SIGPENDING}, 1, 1});
  Attributes queued;
  queued.signal_queue.resize(2, {{SIGRTMIN}, {std::string(128, '\0')}});
  const Program root = {ForkOf(0, 10)};
  RunCases({
      {"limits last", root + Program{AttrOf(10, queued), AttrOf(10, limited)}, ""},
      {"limits first", root + Program{AttrOf(10, limited), AttrOf(10, queued)}, ""},
  });
}

TEST(CheckValues, OfDescriptions) {
  const auto at = [](std::uint64_t pos, std::uint64_t flags) {
    RegularFile file;
    file.path = {"/file"};
    file.pos = pos;
    return Program{ForkOf(0, 10),
                   OpenOf(10, 3, std::make_shared<const File>(File{{1}, {flags}, file}))};
  };
  const std::string where = "commands[1] OPEN_FILE pid 10: EINVAL: ";
  RunCases({
      {"the last position", at((1ull << 63) - 1, O_RDWR), ""},
      {"behind it", at(1ull << 63, O_RDWR),
       where + "pos is 9223372036854775808, where 2^63-1 is the last"},
      {"O_CLOEXEC", at(0, O_RDWR | O_CLOEXEC),
       where + "O_CLOEXEC is the descriptor's: `cloexec` says it"},
      {"no name", at(0, 1ull << 42),
       where + "the flags have bits without a name, which open(2) drops"},
      {"O_PATH with more", at(0, O_PATH | O_APPEND),
       where + "open(2) drops all flags beside O_PATH but O_DIRECTORY and O_NOFOLLOW"},
      {"O_PATH", at(0, O_PATH | O_NOFOLLOW), ""},
  });
}

/// What a fragment may lack.
TEST(CheckValues, RightsAreSaid) {
  Attributes said;
  said.inherit_creds = said.inherit_rlimits = true;
  Attributes creds;
  creds.inherit_creds = true;
  const auto complete = [](const Program& program) {
    SimulatedState state;
    Diagnostics diag;
    EXPECT_EQ(CheckProgram(program, &state, diag), Result::kOk);
    (void)CheckComplete(program, state, diag);
    return Lines(diag);
  };
  using List = std::vector<std::string>;
  const Program root = {ForkOf(0, 10)};
  const std::string rest = ": set them, or say \"inherit\" for those of the restorer";
  EXPECT_EQ(complete(root),
            (List{"end of program: process 10 (commands[0]) neither resumes nor exits"}));
  EXPECT_EQ(complete(root + Program{ExitOf(10)}), List{});
  EXPECT_EQ(
      complete(root + Program{ResumeOf(10)}),
      (List{"commands[1] RESUME pid 10: EPERM: of creds of process 10 nothing is said" + rest,
            "commands[1] RESUME pid 10: EPERM: of rlimits of process 10 nothing is said" + rest}));
  EXPECT_EQ(complete(root + Program{AttrOf(10, said), ResumeOf(10)}), List{});
  const Program thread = root + Program{ThreadOf(10, 11), AttrOf(10, said)};
  EXPECT_EQ(
      complete(thread + Program{ResumeOf(10)}),
      (List{"commands[3] RESUME pid 10: EPERM: of creds of thread 11 nothing is said" + rest}));
  EXPECT_EQ(complete(thread + Program{AttrOf(10, creds, 11), ResumeOf(10)}), List{});
  // All limits, by one command or several; or some, and the word.
  Attributes some, others;
  for (std::uint32_t i = 0; i < RLIM_NLIMITS; ++i) {
    (i == RLIMIT_CPU || i == RLIMIT_CORE ? others : some).rlimits.push_back({{i}, 1, 1});
  }
  some.inherit_creds = true;
  const Program partly = root + Program{AttrOf(10, some)};
  EXPECT_EQ(complete(partly + Program{ResumeOf(10)}),
            (List{"commands[2] RESUME pid 10: EPERM: of RLIMIT_CPU, RLIMIT_CORE of process 10 "
                  "nothing is said" +
                  rest}));
  EXPECT_EQ(complete(partly + Program{AttrOf(10, others), ResumeOf(10)}), List{});
  EXPECT_EQ(complete(partly + Program{AttrOf(10, said), ResumeOf(10)}), List{});
  EXPECT_EQ(complete(root + Program{AttrOf(10, said), AttrOf(10, others), ResumeOf(10)}), List{});
  // What the parent has said is not said by the child.
  EXPECT_EQ(
      complete(root + Program{AttrOf(10, said), ForkOf(10, 11), ResumeOf(10), ResumeOf(11)}).size(),
      2u);
}

}  // namespace
}  // namespace crgen
