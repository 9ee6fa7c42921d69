// SPDX-License-Identifier: Apache-2.0
#include "restorer/inherited.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/ioprio.h>
#include <linux/keyctl.h>
#include <linux/mempolicy.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <initializer_list>
#include <vector>

#include "restorer/script_attributes.h"

namespace crgen::restorer {
namespace {

// linux/prctl.h of newer systems.
constexpr int kSetMemoryMerge = 67, kGetMemoryMerge = 68;  // Linux 6.4
constexpr std::uint64_t kClampAtMost = 1024;               // SCHED_CAPACITY_SCALE
constexpr std::size_t kProcessorsAtMost = 8192;            // CONFIG_NR_CPUS
constexpr unsigned long kTimerSlack = 50'000;              // ns; of init
constexpr unsigned long kCoredumpFilter = 0x33;            // unless a boot parameter says otherwise
constexpr const char* kUnsetLoginuid = "4294967295";

/// struct sched_attr with what is behind the members that programs have.
struct SchedulingAttributes : SchedulingState {
  std::uint32_t clamp_min = 0, clamp_max = 0;
  SchedulingAttributes() : SchedulingState{} { size = sizeof(SchedulingAttributes); }
};

class Reset {
 public:
  std::string Run() {
    Personality();
    Scheduling();
    Memory();
    ProcessFlags();
    Speculation();
    ProcFiles();
    Keyring();
    return problem_;
  }

 private:
  /// `result`: of a system call that resets `what`. Errors in `harmless` mean that the kernel does
  /// not have it.
  void Expect(const char* what, long result, std::initializer_list<int> harmless = {ENOSYS}) {
    if (result >= 0 || !problem_.empty()) return;
    for (const int error : harmless) {
      if (errno == error) return;
    }
    problem_ = std::string("the caller's ") + what + " cannot be reset: " + std::strerror(errno);
  }

  void Personality() {
    // Not least READ_IMPLIES_EXEC, which changes what mmap(2) does.
    if (personality(0xffffffff) != 0) Expect("personality", personality(0));
  }

  void Scheduling() {
    SchedulingAttributes now, plain;
    Expect("scheduling policy", syscall(__NR_sched_getattr, 0, &now, sizeof now, 0));
    if (now.clamp_min != 0 || now.clamp_max % kClampAtMost != 0) {
      plain.flags = SCHED_FLAG_UTIL_CLAMP;
      plain.clamp_min = plain.clamp_max = ~0u;  // none
    }
    Expect("scheduling policy", syscall(__NR_sched_setattr, 0, &plain, 0));
    const std::vector<unsigned char> all(kProcessorsAtMost / 8, 0xff);
    Expect("processor affinity", syscall(__NR_sched_setaffinity, 0, all.size(), all.data()));
    constexpr int kNoPriority = IOPRIO_PRIO_VALUE(IOPRIO_CLASS_NONE, 0);
    Expect("I/O priority", syscall(__NR_ioprio_set, IOPRIO_WHO_PROCESS, 0, kNoPriority));
    // Children take it as what 0 means to them, too.
    Expect("timer slack", prctl(PR_SET_TIMERSLACK, kTimerSlack));
  }

  void Memory() {
    Expect("memory policy", syscall(__NR_set_mempolicy, MPOL_DEFAULT, nullptr, 0));
    if (prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0) > 0) {
      Expect("PR_SET_THP_DISABLE", prctl(PR_SET_THP_DISABLE, 0, 0, 0, 0));
    }
    if (prctl(kGetMemoryMerge, 0, 0, 0, 0) > 0) {
      Expect("PR_SET_MEMORY_MERGE", prctl(kSetMemoryMerge, 0, 0, 0, 0));
    }
  }

  void ProcessFlags() {
    if (prctl(PR_GET_IO_FLUSHER, 0, 0, 0, 0) > 0) {
      Expect("PR_SET_IO_FLUSHER", prctl(PR_SET_IO_FLUSHER, 0, 0, 0, 0));
    }
    if (prctl(PR_MCE_KILL_GET, 0, 0, 0, 0) >= 0) {
      Expect("PR_MCE_KILL", prctl(PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_DEFAULT, 0, 0));
    }
    Expect("PR_SET_TSC", prctl(PR_SET_TSC, PR_TSC_ENABLE, 0, 0, 0), {EINVAL});
    constexpr long kPorts = 65536;
    Expect("I/O permissions", syscall(__NR_ioperm, 0, kPorts, 0));
    Expect("I/O permissions", syscall(__NR_iopl, 0));
  }

  /// Mitigations that were asked for. Those that are forced stay: nobody can lift them.
  void Speculation() {
    const auto reset = [&](unsigned long feature, unsigned long asked, unsigned long plain) {
      const long now = prctl(PR_GET_SPECULATION_CTRL, feature, 0, 0, 0);
      if (now < 0 || (now & PR_SPEC_PRCTL) == 0 || (now & static_cast<long>(asked)) == 0) return;
      Expect("PR_SET_SPECULATION_CTRL", prctl(PR_SET_SPECULATION_CTRL, feature, plain, 0, 0));
    };
    constexpr unsigned long kDisabled = PR_SPEC_DISABLE | PR_SPEC_DISABLE_NOEXEC;
    reset(PR_SPEC_STORE_BYPASS, kDisabled, PR_SPEC_ENABLE);
    reset(PR_SPEC_INDIRECT_BRANCH, kDisabled, PR_SPEC_ENABLE);
    reset(PR_SPEC_L1D_FLUSH, PR_SPEC_ENABLE, PR_SPEC_DISABLE);
  }

  static std::string Read(const char* path) {
    std::string text;
    std::ifstream(path) >> text;
    return text;
  }

  static long Write(const char* path, const char* text) {
    const int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return -1;
    const long written = write(fd, text, std::strlen(text));
    const int error = errno;
    close(fd);
    errno = error;
    return written;
  }

  void ProcFiles() {
    if (std::strtoul(Read("/proc/self/coredump_filter").c_str(), nullptr, 16) != kCoredumpFilter) {
      Expect("core dump filter", Write("/proc/self/coredump_filter", "0x33"), {ENOENT});
    }
    if (Read("/proc/self/oom_score_adj") != "0") {
      Expect("oom_score_adj", Write("/proc/self/oom_score_adj", "0"), {ENOENT});
    }
    if (Read("/proc/self/loginuid") != kUnsetLoginuid) {
      // Audit rules may say that it is for ever.
      Expect("loginuid", Write("/proc/self/loginuid", kUnsetLoginuid), {ENOENT, EPERM});
    }
  }

  /// A process that has one cannot have none: an empty one of its own. Where keyctl(2) is
  /// forbidden, nobody reaches the caller's keys.
  void Keyring() {
    Expect("session keyring", syscall(__NR_keyctl, KEYCTL_JOIN_SESSION_KEYRING, nullptr),
           {ENOSYS, EPERM, EACCES});
  }

  std::string problem_;
};

}  // namespace

std::string ResetInherited() { return Reset().Run(); }

void ResetOfRoot() {
  // Not by the C library, which keeps two signals for itself.
  constexpr std::uint64_t kDefault[4] = {};
  for (int signal = 1; signal <= 64; ++signal) {
    syscall(__NR_rt_sigaction, signal, kDefault, nullptr, sizeof kDefault[0]);
  }
  [[maybe_unused]] const int unreachable = chdir("/");
  umask(022);
}

}  // namespace crgen::restorer
