// SPDX-License-Identifier: Apache-2.0
// The kernel: what the program needs of it, and what nobody can restore.
#include <linux/bpf.h>
#include <linux/membarrier.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <ctime>
#include <fstream>
#include <unordered_map>

#include "preflight/question.h"

namespace crgen::preflight {
namespace {

constexpr const char* kNewerKernel = "restore on a kernel that has it";
constexpr std::uint64_t kGuardInstall = std::uint64_t{1} << 63;
constexpr int kGuardInstallAdvice = 102;

template <typename Kind>
std::string NamesOf(std::uint64_t bits) {
  std::string names;
  for (const FlagName& row : Kind::Names()) {
    if ((bits & row.mask) == row.value)
      names += (names.empty() ? "" : ", ") + std::string(row.name);
  }
  return names.empty() ? "bits of no name" : names;
}

/// Of those in `bits`, what madvise(2) refuses on plain memory: this kernel has it not.
std::uint64_t UnknownAdvice(std::uint64_t bits) {
  std::uint64_t unknown = 0;
  for (int bit = 0; bit < 64; ++bit) {
    const std::uint64_t one = std::uint64_t{1} << bit;
    if ((bits & one) == 0) continue;
    void* page =
        mmap(nullptr, kPageSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) return 0;
    const int advice = one == kGuardInstall ? kGuardInstallAdvice : bit;
    if (madvise(page, kPageSize, advice) != 0 && errno == EINVAL) unknown |= one;
    munmap(page, kPageSize);
  }
  return unknown;
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
    if (map.special == SpecialRegion::kAio) CheckAio(map.nr_req.value_or(0));
    if (map.special == SpecialRegion::kSysvIpc && !own_ipc_) CheckSegment(map.shmid.value_or(0));
  }
  void On(const ProtectRegion& protect) { CheckAdvice(protect.madvise.bits); }

  void On(const SetAttr& set) {
    const Attributes& attributes = *set.attributes;
    own_ipc_ = own_ipc_ || attributes.ipc.has_value();
    if (attributes.registers) with_registers_.insert(set.tid.value_or(pid_));
    const auto& profile = attributes.creds ? attributes.creds->lsm_profile : std::nullopt;
    if (profile && !profile->bytes.empty() && profile->bytes != "unconfined") {
      findings_.Unsupported("creds.lsm_profile \"" + profile->bytes + "\"");
    }
    if (attributes.time && context_.options.time_namespace &&
        access("/proc/self/ns/time_for_children", F_OK) != 0) {
      findings_.Wrong("this kernel has no time namespaces", "--no-timens does without");
    }
    if (attributes.membarrier) CheckMembarrier(attributes.membarrier->bits);
    if (attributes.seccomp) CheckSeccomp(*attributes.seccomp);
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
  /// What is asked of no map at all: EBADF where the kernel has it.
  void CheckBpf() {
    bpf_attr attribute{};
    attribute.batch.map_fd = ~0u;
    if (syscall(__NR_bpf, BPF_MAP_UPDATE_BATCH, &attribute, sizeof attribute) == 0) return;
    if (errno == ENOSYS) findings_.Wrong("this kernel has no bpf(2)", "CONFIG_BPF_SYSCALL has it");
    if (errno == EINVAL) findings_.Wrong("this kernel has no BPF_MAP_UPDATE_BATCH", kNewerKernel);
  }

  void CheckAdvice(std::uint64_t bits) {
    const std::uint64_t fresh = bits & ~known_advice_;
    if (fresh == 0) return;
    if (const std::uint64_t unknown = UnknownAdvice(fresh); unknown != 0) {
      findings_.Wrong("this kernel has no " + NamesOf<MadviseKind>(unknown), kNewerKernel);
    }
    known_advice_ |= fresh;
  }

  void CheckAio(std::uint32_t requests) {
    std::uint64_t now = 0, most = 0;
    if (!(std::ifstream("/proc/sys/fs/aio-nr") >> now) ||
        !(std::ifstream("/proc/sys/fs/aio-max-nr") >> most)) {
      return findings_.Wrong("this kernel has no io_setup(2)", "a kernel with CONFIG_AIO has");
    }
    requests_ += requests;
    if (now + requests_ <= most) return;
    findings_.Wrong("rings for " + std::to_string(requests_) + " requests: fs.aio-max-nr leaves " +
                        std::to_string(most - std::min(now, most)),
                    "sysctl fs.aio-max-nr=" + std::to_string(now + requests_));
  }

  void CheckSegment(std::uint64_t id) {
    shmid_ds segment;
    if (shmctl(static_cast<int>(id), IPC_STAT, &segment) == 0) return;
    findings_.Wrong("System V segment " + std::to_string(id) + ": " + std::strerror(errno));
  }

  void CheckMembarrier(std::uint64_t commands) {
    const long known = syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0);
    const std::uint64_t unknown = commands & ~static_cast<std::uint64_t>(known < 0 ? 0 : known);
    if (unknown == 0) return;
    findings_.Wrong("this kernel has no " + NamesOf<MembarrierKind>(unknown), kNewerKernel);
  }

  /// seccomp(2) looks at the flags before it reads the filter: EFAULT for those that it knows.
  void CheckSeccomp(const Seccomp& seccomp) {
    for (const SeccompFilter& filter : seccomp.filters) {
      const std::uint64_t flags = filter.flags.bits & ~std::uint64_t{SECCOMP_FILTER_FLAG_TSYNC};
      if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, nullptr) == 0 || errno == EFAULT) {
        continue;
      }
      findings_.Wrong("this kernel has no seccomp filters with " +
                          (flags == 0 ? "no flags" : NamesOf<SeccompFlagKind>(flags)) + ": " +
                          std::strerror(errno),
                      kNewerKernel);
    }
  }

  void CheckClock(const Clock& clock) {
    timespec resolution;
    if (clock_getres(static_cast<clockid_t>(clock.value), &resolution) == 0) return;
    findings_.Wrong(
        "this kernel has no clock " + std::to_string(clock.value) + ": " + std::strerror(errno),
        kNewerKernel);
  }

  std::uint64_t known_advice_ = 0;
  std::uint64_t requests_ = 0;
  bool own_ipc_ = false;  ///< the plan makes the segments
  std::unordered_set<Pid> with_registers_;
  std::unordered_map<Pid, std::vector<Pid>> threads_;
};

}  // namespace

std::unique_ptr<Question> AskTheKernel(Context& context) {
  return std::make_unique<KernelQuestion>(context);
}

}  // namespace crgen::preflight
