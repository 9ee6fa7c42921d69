// SPDX-License-Identifier: Apache-2.0
// The kernel: what the program needs of it, and what nobody can restore.
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/membarrier.h>
#include <linux/seccomp.h>
#include <linux/securebits.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <unordered_map>

#include "preflight/credentials.h"
#include "preflight/own_status.h"
#include "preflight/question.h"

namespace crgen::preflight {
namespace {

constexpr const char* kNewerKernel = "restore on a kernel that has it";
constexpr std::uint64_t kGuardInstall = std::uint64_t{1} << 63;
constexpr int kGuardInstallAdvice = 102;  // MADV_GUARD_INSTALL, Linux 6.13

template <typename Kind>
std::string NamesOf(std::uint64_t bits) {
  std::string names;
  for (const FlagName& row : Kind::Names()) {
    if ((bits & row.mask) == row.value)
      names += (names.empty() ? "" : ", ") + std::string(row.name);
  }
  return names.empty() ? "bits of no name" : names;
}

// Each of these asks for one feature: by name, for the errno with which the kernel refuses it; 0:
// it has it, or that is not known.

/// On plain memory.
int AdviceError(Host& host, int advice) {
  const auto error = host.Number(FactKind::kKernel, "madvise " + std::to_string(advice), [&] {
    void* page =
        mmap(nullptr, kPageSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) return 0;
    const int refused = madvise(page, kPageSize, advice) == 0 ? 0 : errno;
    munmap(page, kPageSize);
    return refused;
  });
  return static_cast<int>(error.value_or(0));
}

/// Of those in `bits`, what madvise(2) refuses: this kernel has it not.
std::uint64_t UnknownAdvice(Host& host, std::uint64_t bits) {
  std::uint64_t unknown = 0;
  for (int bit = 0; bit < 64; ++bit) {
    const std::uint64_t one = std::uint64_t{1} << bit;
    if ((bits & one) == 0) continue;
    if (AdviceError(host, one == kGuardInstall ? kGuardInstallAdvice : bit) == EINVAL) {
      unknown |= one;
    }
  }
  return unknown;
}

/// seccomp(2) looks at the flags before it reads the filter: EFAULT for those that it knows.
int SeccompError(Host& host, std::uint64_t flags) {
  const auto error =
      host.Number(FactKind::kKernel, "seccomp filters, flags " + std::to_string(flags), [&] {
        const bool refused = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, nullptr) != 0;
        return refused && errno != EFAULT ? errno : 0;
      });
  return static_cast<int>(error.value_or(0));
}

int ClockError(Host& host, std::uint64_t clock) {
  const auto error = host.Number(FactKind::kKernel, "clock " + std::to_string(clock), [&] {
    timespec resolution;
    return clock_getres(static_cast<clockid_t>(clock), &resolution) == 0 ? 0 : errno;
  });
  return static_cast<int>(error.value_or(0));
}

constexpr std::uint64_t kFirstSecurebits = SECURE_ALL_BITS | SECURE_ALL_LOCKS;  // of all kernels

/// Tried by a child: they cannot all be taken back.
bool HasSecurebit(std::uint64_t one) {
  const pid_t child = fork();
  if (child == 0) {
    _exit(prctl(PR_SET_SECUREBITS, prctl(PR_GET_SECUREBITS) | static_cast<long>(one)) != 0);
  }
  int status = 1;
  while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
  return status == 0;
}

/// Those that all kernels have not, and that have a name.
std::uint64_t LaterSecurebits() {
  std::uint64_t bits = 0;
  for (const FlagName& row : SecurebitKind::Names()) bits |= row.value;
  return bits & ~kFirstSecurebits;
}

std::optional<std::uint64_t> kept_securebits;  // of those

/// Of those in `bits`, what prctl(2) refuses.
std::uint64_t UnknownSecurebits(Host& host, std::uint64_t bits) {
  std::uint64_t unknown = 0;
  for (int bit = 0; bit < 32; ++bit) {
    const std::uint64_t one = std::uint64_t{1} << bit;
    if ((bits & one) == 0) continue;
    const auto refused = host.Number(FactKind::kKernel, "securebit " + std::to_string(bit), [&] {
      const bool has = kept_securebits ? (*kept_securebits & one) != 0 : HasSecurebit(one);
      return has ? 0 : EPERM;
    });
    if (refused.value_or(0) != 0) unknown |= one;
  }
  return unknown;
}

/// The caller's, which the root begins with.
std::uint64_t OwnSecurebits(Host& host) {
  const auto own = host.Number(FactKind::kKernel, "securebits of this process",
                               [] { return std::max(0, prctl(PR_GET_SECUREBITS)); });
  return own.value_or(0);
}

/// What is asked of no map at all: EBADF where the kernel has it.
int BpfError(Host& host) {
  const auto error = host.Number(FactKind::kKernel, "BPF_MAP_UPDATE_BATCH of bpf(2)", [] {
    bpf_attr attribute{};
    attribute.batch.map_fd = ~0u;
    const bool done = syscall(__NR_bpf, BPF_MAP_UPDATE_BATCH, &attribute, sizeof attribute) == 0;
    return done || errno == EBADF ? 0 : errno;
  });
  return static_cast<int>(error.value_or(0));
}

int TimeNamespaceError(Host& host) {
  const auto error = host.Number(FactKind::kKernel, "time namespaces", [] {
    return access("/proc/self/ns/time_for_children", F_OK) == 0 ? 0 : errno;
  });
  return static_cast<int>(error.value_or(0));
}

/// Those that it has.
std::uint64_t KnownMembarriers(Host& host) {
  const auto known = host.Number(FactKind::kKernel, "membarrier commands", [] {
    return std::max(0L, syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0));
  });
  return known.value_or(~std::uint64_t{0});
}

class KernelQuestion : public QuestionOn<KernelQuestion> {
 public:
  using QuestionOn::QuestionOn;

  template <typename Body>
  void On(const Body&) {}

  void On(const CreateThread& create) { threads_[pid_].push_back(create.tid); }

  void On(const Exit& exit) {
    threads_.erase(pid_);
    if (exit.status.core_dumped.value_or(false)) {
      findings_.Warn("the zombie's status will not say that its core was dumped: none is written");
    }
  }

  void On(const OpenFile& open) {
    if (As<BpfMap>(*open.file) != nullptr) CheckBpf();
  }

  void On(const MapRegion& map) {
    CheckAdvice(map.madvise.bits);
    if (map.special == SpecialRegion::kSysvIpc && !own_ipc_) CheckSegment(map.shmid.value_or(0));
  }
  void On(const ProtectRegion& protect) { CheckAdvice(protect.madvise.bits); }

  void On(const SetAttr& set) {
    const Attributes& attributes = *set.attributes;
    own_ipc_ = own_ipc_ || attributes.ipc.has_value();
    if (attributes.registers) with_registers_.insert(set.tid.value_or(pid_));
    const auto profile = attributes.creds ? attributes.creds->lsm_profile : Rare<Text>();
    if (profile && !profile->bytes.empty() && profile->bytes != "unconfined") {
      findings_.Unsupported("creds.lsm_profile \"" + profile->bytes + "\"");
    }
    if (attributes.time && context_.options.time_namespace && TimeNamespaceError(host_) != 0) {
      findings_.Wrong("this kernel has no time namespaces", "--no-timens does without");
    }
    if (attributes.membarrier) CheckMembarrier(attributes.membarrier->bits);
    if (attributes.seccomp) CheckSeccomp(*attributes.seccomp);
    if (attributes.creds) CheckSecurebits(attributes.creds->secbits);
    for (const PosixTimer& timer : attributes.posix_timers) CheckClock(timer.clock);
  }

  void On(const Resume&) {
    std::vector<Pid>& tids = threads_[pid_];
    tids.push_back(pid_);
    for (const Pid tid : tids) {
      if (with_registers_.contains(tid)) continue;
      findings_.Wrong("thread " + std::to_string(tid) + " has no registers to go on from");
    }
    threads_.erase(pid_);
  }

 private:
  void CheckBpf() {
    const int error = BpfError(host_);
    if (error == ENOSYS) findings_.Wrong("this kernel has no bpf(2)", "CONFIG_BPF_SYSCALL has it");
    if (error == EPERM && ReadCredentials(host_).Has(CAP_BPF)) {
      findings_.Wrong("bpf(2) is forbidden to this process: " + std::string(std::strerror(error)),
                      "run without the seccomp filter that does it");
    }
    if (error == EINVAL) findings_.Wrong("this kernel has no BPF_MAP_UPDATE_BATCH", kNewerKernel);
  }

  void CheckAdvice(std::uint64_t bits) {
    const std::uint64_t fresh = bits & ~known_advice_;
    if (fresh == 0) return;
    if (const std::uint64_t unknown = UnknownAdvice(host_, fresh); unknown != 0) {
      findings_.Wrong("this kernel has no " + NamesOf<MadviseKind>(unknown), kNewerKernel);
    }
    known_advice_ |= fresh;
  }

  void CheckSegment(std::uint64_t id) {
    const std::string name = "System V segment " + std::to_string(id);
    const auto error = host_.Number(FactKind::kFiles, name, [&] {
      shmid_ds segment;
      return shmctl(static_cast<int>(id), IPC_STAT, &segment) == 0 ? 0 : errno;
    });
    if (error.value_or(0) == 0) return;
    findings_.Wrong(name + ": " + std::strerror(static_cast<int>(*error)));
  }

  void CheckMembarrier(std::uint64_t commands) {
    const std::uint64_t unknown = commands & ~KnownMembarriers(host_);
    if (unknown == 0) return;
    findings_.Wrong("this kernel has no " + NamesOf<MembarrierKind>(unknown), kNewerKernel);
  }

  void CheckSeccomp(const Seccomp& seccomp) {
    for (const SeccompFilter& filter : seccomp.filters) {
      const std::uint64_t flags = filter.flags.bits & ~std::uint64_t{SECCOMP_FILTER_FLAG_TSYNC};
      const int error = SeccompError(host_, flags);
      if (error == 0) continue;
      findings_.Wrong("this kernel has no seccomp filters with " +
                          (flags == 0 ? "no flags" : NamesOf<SeccompFlagKind>(flags)) + ": " +
                          std::strerror(error),
                      kNewerKernel);
    }
  }

  void CheckSecurebits(const Securebits& securebits) {
    // cap_task_prctl()
    if (!own_securebits_) own_securebits_ = OwnSecurebits(host_);
    const std::uint64_t own = *own_securebits_, locks = own & SECURE_ALL_LOCKS;
    const std::uint64_t kept = (locks >> 1 & (own ^ securebits.bits)) | (locks & ~securebits.bits);
    if (kept != 0) {
      findings_.Wrong("securebits of the caller are locked, and other than planned: " +
                          NamesOf<SecurebitKind>(kept),
                      "run without them: as root, outside of what sets them");
    }
    const std::uint64_t fresh = securebits.bits & ~known_securebits_;
    known_securebits_ |= fresh;
    const std::uint64_t unknown = UnknownSecurebits(host_, fresh);
    if (unknown == 0) return;
    findings_.Wrong("this kernel does not know " + NamesOf<SecurebitKind>(unknown), kNewerKernel);
  }

  void CheckClock(const Clock& clock) {
    const int error = ClockError(host_, clock.value);
    if (error == 0) return;
    findings_.Wrong(
        "this kernel has no clock " + std::to_string(clock.value) + ": " + std::strerror(error),
        kNewerKernel);
  }

  std::uint64_t known_advice_ = 0;
  std::optional<std::uint64_t> own_securebits_;
  std::uint64_t known_securebits_ = kFirstSecurebits;  ///< said, or fine
  bool own_ipc_ = false;                               ///< the plan makes the segments
  std::unordered_set<Pid> with_registers_;
  std::unordered_map<Pid, std::vector<Pid>> threads_;
};

}  // namespace

void KeepSecurebits() {
  std::uint64_t has = 0;
  for (std::uint64_t rest = LaterSecurebits(); rest != 0; rest &= rest - 1) {
    const std::uint64_t one = rest & ~(rest - 1);
    if (HasSecurebit(one)) has |= one;
  }
  kept_securebits = has;
}

std::unique_ptr<Question> AskTheKernel(Context& context) {
  return std::make_unique<KernelQuestion>(context);
}

void AskAllOfTheKernel(Host& host) {
  std::uint64_t advice = kGuardInstall;
  for (const FlagName& row : MadviseKind::Names()) advice |= row.value;
  (void)UnknownAdvice(host, advice);
  // Any of them together.
  std::uint64_t flags = 0;
  for (const FlagName& row : SeccompFlagKind::Names()) flags |= row.value;
  flags &= ~std::uint64_t{SECCOMP_FILTER_FLAG_TSYNC};
  for (std::uint64_t some = flags;; some = (some - 1) & flags) {
    (void)SeccompError(host, some);
    if (some == 0) break;
  }
  constexpr std::uint64_t kMostClock = CLOCK_TAI;
  for (std::uint64_t clock = 0; clock <= kMostClock; ++clock) (void)ClockError(host, clock);
  (void)UnknownSecurebits(host, LaterSecurebits());
  (void)OwnSecurebits(host);
  (void)BpfError(host);
  (void)TimeNamespaceError(host);
  (void)KnownMembarriers(host);
}

}  // namespace crgen::preflight
