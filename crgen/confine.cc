// SPDX-License-Identifier: Apache-2.0
#include "crgen/confine.h"

#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/landlock.h>
#include <linux/membarrier.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <sched.h>
#include <seccomp.h>
#include <spdlog/spdlog.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <climits>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <memory>
#include <utility>

#include "images/source/scoped_fd.h"
#include "preflight/fixed_arguments.h"
#include "preflight/socket_files.h"

// Newer than the headers of Debian 12.
#ifndef LANDLOCK_ACCESS_FS_TRUNCATE
#define LANDLOCK_ACCESS_FS_TRUNCATE (1ULL << 14)
#endif

namespace crgen {
namespace {

bool confined = false;

void SayMissing(const char* what, int error) {
  spdlog::info("not confined by {}: {}", what, std::strerror(error));
}

#ifndef CRGEN_UNCONFINED

/// As <linux/landlock.h> of kernels that know all of these: an older one takes less of it.
struct Ruleset {
  std::uint64_t files = 0;
  std::uint64_t ports = 0;   // ABI 4
  std::uint64_t scoped = 0;  // ABI 6
};

constexpr std::uint64_t kReadFile = LANDLOCK_ACCESS_FS_READ_FILE;
constexpr std::uint64_t kReadFolder = kReadFile | LANDLOCK_ACCESS_FS_READ_DIR;
constexpr std::uint64_t kFill = kReadFolder | LANDLOCK_ACCESS_FS_WRITE_FILE |
                                LANDLOCK_ACCESS_FS_TRUNCATE | LANDLOCK_ACCESS_FS_MAKE_REG |
                                LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |
                                LANDLOCK_ACCESS_FS_REMOVE_DIR;
constexpr std::uint64_t kFirstAbi = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1;

std::uint64_t FilesOf(long abi) {
  return kFirstAbi | (abi >= 2 ? LANDLOCK_ACCESS_FS_REFER : 0) |
         (abi >= 3 ? LANDLOCK_ACCESS_FS_TRUNCATE : 0);
}

/// An errno; 0: done.
int Allow(int rules, const std::string& path, std::uint64_t file, std::uint64_t folder) {
  const ScopedFd place(open(path.c_str(), O_PATH | O_CLOEXEC));
  struct stat status;
  if (place.get() < 0 || fstat(place.get(), &status) != 0) return 0;
  landlock_path_beneath_attr rule = {};
  rule.allowed_access = S_ISDIR(status.st_mode) ? folder : file;
  rule.parent_fd = place.get();
  const bool added =
      syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0;
  return added || errno == EBADFD ? 0 : errno;  // EBADFD: a pipe, which Landlock does not know
}

int RestrictFiles(const Access& access) {
  const long abi =
      syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  if (abi < 1) return errno;
  Ruleset all;
  all.files = FilesOf(abi);
  all.ports = 3;   // bind(2) and connect(2) of TCP
  all.scoped = 3;  // abstract unix sockets, signals
  const std::size_t size = abi >= 6   ? sizeof all
                           : abi >= 4 ? offsetof(Ruleset, scoped)
                                      : offsetof(Ruleset, ports);
  const ScopedFd rules(static_cast<int>(syscall(SYS_landlock_create_ruleset, &all, size, 0)));
  if (rules.get() < 0) return errno;
  for (const std::string& path : access.read) {
    if (const int error = Allow(rules.get(), path, kReadFile, kReadFolder); error != 0) {
      return error;
    }
  }
  for (const std::string& path : access.fill) {
    if (const int error = Allow(rules.get(), path, 0, kFill & all.files); error != 0) return error;
  }
  return syscall(SYS_landlock_restrict_self, rules.get(), 0) == 0 ? 0 : errno;
}

struct ReleaseFilter {
  void operator()(void* filter) const { seccomp_release(filter); }
};
using Filter = std::unique_ptr<void, ReleaseFilter>;

constexpr int kGetMdwe = 66;  // PR_GET_MDWE, Linux 6.3
constexpr scmp_datum_t kNewNamespaces = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS |
                                        CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;
constexpr scmp_datum_t kOpensToChange =
    O_ACCMODE | O_CREAT | O_TRUNC | (O_TMPFILE & ~static_cast<scmp_datum_t>(O_DIRECTORY));

/// Of an argument, by number.
scmp_arg_cmp Equals(unsigned argument, scmp_datum_t value) {
  return {argument, SCMP_CMP_EQ, value, 0};
}
scmp_arg_cmp Masked(unsigned argument, scmp_datum_t mask, scmp_datum_t value) {
  return {argument, SCMP_CMP_MASKED_EQ, mask, value};
}

/// A filter of allowed system calls; the first error of libseccomp is kept.
class Allowed {
 public:
  Allowed() : filter_(seccomp_init(SCMP_ACT_ERRNO(EPERM))) {
    if (filter_ == nullptr) error_ = ENOMEM;
    // Calls of another architecture would be numbers of other meaning.
    Keep(seccomp_attr_set(filter_.get(), SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS));
    Keep(seccomp_attr_set(filter_.get(), SCMP_FLTATR_CTL_NNP, 0));  // Confine() sets it
  }

  void Calls(std::initializer_list<int> calls) {
    for (const int call : calls) Keep(seccomp_rule_add(filter_.get(), SCMP_ACT_ALLOW, call, 0));
  }
  /// All of `conditions`, which are of different arguments; several rules of a call: any of them.
  void If(int call, std::initializer_list<scmp_arg_cmp> conditions) {
    Keep(seccomp_rule_add_array(filter_.get(), SCMP_ACT_ALLOW, call,
                                static_cast<unsigned>(conditions.size()), conditions.begin()));
  }
  void Unknown(int call) { Keep(seccomp_rule_add(filter_.get(), SCMP_ACT_ERRNO(ENOSYS), call, 0)); }
  int Load() {
    if (error_ == 0) Keep(seccomp_load(filter_.get()));
    return error_;
  }

 private:
  void Keep(int result) {
    if (result < 0 && error_ == 0) error_ = -result;
  }

  Filter filter_;
  int error_ = 0;
};

/// What whoever is confined may do: see files, read those that are open, use threads, clocks, and
/// signals to itself.
void AllowReading(Allowed& allowed) {
  allowed.Calls(
      {SCMP_SYS(read),       SCMP_SYS(pread64),  SCMP_SYS(readv),      SCMP_SYS(preadv),
       SCMP_SYS(lseek),      SCMP_SYS(fstat),    SCMP_SYS(stat),       SCMP_SYS(lstat),
       SCMP_SYS(newfstatat), SCMP_SYS(statx),    SCMP_SYS(access),     SCMP_SYS(faccessat),
       SCMP_SYS(faccessat2), SCMP_SYS(readlink), SCMP_SYS(readlinkat), SCMP_SYS(getdents64),
       SCMP_SYS(getcwd),     SCMP_SYS(dup),      SCMP_SYS(fadvise64),  SCMP_SYS(poll)});
  // Not F_SETOWN, which sends signals.
  for (const int command : {F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_DUPFD, F_DUPFD_CLOEXEC}) {
    allowed.If(SCMP_SYS(fcntl), {Equals(1, static_cast<scmp_datum_t>(command))});
  }
  // Threads, but no processes. That of clone3(2) is in memory: who gets ENOSYS takes clone(2).
  allowed.If(SCMP_SYS(clone), {Masked(0, CLONE_THREAD | kNewNamespaces, CLONE_THREAD)});
  allowed.Unknown(SCMP_SYS(clone3));
  allowed.Calls({SCMP_SYS(futex), SCMP_SYS(set_robust_list), SCMP_SYS(rseq), SCMP_SYS(sched_yield),
                 SCMP_SYS(sched_getaffinity), SCMP_SYS(gettid), SCMP_SYS(getpid), SCMP_SYS(exit),
                 SCMP_SYS(exit_group), SCMP_SYS(wait4)});
  // Signals, to this process alone.
  allowed.Calls({SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn),
                 SCMP_SYS(sigaltstack), SCMP_SYS(restart_syscall)});
  allowed.If(SCMP_SYS(tgkill), {Equals(0, static_cast<scmp_datum_t>(getpid()))});
  // Clocks, chance, and what this process is.
  allowed.Calls({SCMP_SYS(clock_gettime), SCMP_SYS(clock_getres), SCMP_SYS(clock_nanosleep),
                 SCMP_SYS(nanosleep), SCMP_SYS(gettimeofday), SCMP_SYS(time), SCMP_SYS(getrandom),
                 SCMP_SYS(getuid), SCMP_SYS(geteuid), SCMP_SYS(getgid), SCMP_SYS(getegid),
                 SCMP_SYS(getrlimit), SCMP_SYS(uname), SCMP_SYS(sysinfo)});
}

int RestrictCalls(bool fills) {
  Allowed allowed;
  AllowReading(allowed);
  allowed.Calls({SCMP_SYS(write), SCMP_SYS(pwrite64), SCMP_SYS(writev), SCMP_SYS(close),
                 SCMP_SYS(ftruncate), SCMP_SYS(fsync)});
  // Its flags are in memory, where no filter looks: here Landlock alone refuses.
  allowed.Calls({SCMP_SYS(openat2)});
  if (fills) {
    allowed.Calls({SCMP_SYS(open), SCMP_SYS(openat), SCMP_SYS(mkdirat), SCMP_SYS(unlinkat)});
  } else {
    allowed.If(SCMP_SYS(open), {Masked(1, kOpensToChange, O_RDONLY)});
    allowed.If(SCMP_SYS(openat), {Masked(2, kOpensToChange, O_RDONLY)});
  }
  for (const std::uint64_t request : {TCGETS, TIOCGWINSZ}) {
    allowed.If(SCMP_SYS(ioctl), {Equals(1, request)});
  }
  // Memory, none of which is executable.
  allowed.Calls({SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(brk)});
  allowed.If(SCMP_SYS(mmap), {Masked(2, PROT_EXEC, 0)});
  allowed.If(SCMP_SYS(mprotect), {Masked(2, PROT_EXEC, 0)});
  allowed.If(SCMP_SYS(prlimit64), {Equals(0, 0)});
  return allowed.Load();
}

scmp_datum_t AddressOf(const void* at) { return reinterpret_cast<scmp_datum_t>(at); }

/// Memory above `from`: what is below stays as it is, kFixedArguments among it. No file is written
/// through it, and none of it is executable.
void AllowMemory(Allowed& allowed, scmp_datum_t from) {
  const scmp_arg_cmp above = {0, SCMP_CMP_GE, from, 0};
  const scmp_arg_cmp data = Masked(2, PROT_EXEC, 0);
  allowed.Calls({SCMP_SYS(brk)});  // which ends where its memory has begun
  allowed.If(SCMP_SYS(munmap), {above});
  allowed.If(SCMP_SYS(madvise), {above});
  allowed.If(SCMP_SYS(mremap), {above, Masked(3, MREMAP_FIXED, 0)});
  allowed.If(SCMP_SYS(mprotect), {above, data});
  allowed.If(SCMP_SYS(mmap), {above, data, Masked(3, MAP_SHARED, 0)});
  allowed.If(SCMP_SYS(mmap), {data, Masked(3, MAP_SHARED | MAP_FIXED, 0)});
}

/// openat2(2), fsopen(2) and fsconfig(2), whose arguments are in memory: those of kFixedArguments.
void AllowFixed(Allowed& allowed) {
  const FixedArguments& fixed = kFixedArguments;
  for (const open_how& way : fixed.ways) {
    allowed.If(SCMP_SYS(openat2), {Equals(2, AddressOf(&way)), Equals(3, sizeof way)});
  }
  for (const char* system : {fixed.tmpfs, fixed.cgroup, fixed.cgroup2}) {
    allowed.If(SCMP_SYS(fsopen), {Equals(0, AddressOf(system))});
  }
  allowed.If(SCMP_SYS(fsconfig),
             {Equals(1, FSCONFIG_SET_STRING), Equals(2, AddressOf(fixed.name))});
}

/// Questions of preflight/; `probe`: that of KeepProbe().
void AllowAsking(Allowed& allowed, int probe) {
  // Opened to be read, or to be looked at.
  allowed.If(SCMP_SYS(open), {Masked(1, kOpensToChange, O_RDONLY)});
  allowed.If(SCMP_SYS(openat), {Masked(2, kOpensToChange, O_RDONLY)});
  allowed.If(SCMP_SYS(open_by_handle_at), {Masked(2, O_PATH, O_PATH)});
  allowed.Calls({SCMP_SYS(name_to_handle_at), SCMP_SYS(statfs), SCMP_SYS(fstatfs)});
  for (const std::uint64_t request : {TCGETS, TIOCGPGRP, SIOCGIFINDEX}) {
    allowed.If(SCMP_SYS(ioctl), {Equals(1, request)});
  }
  // A socket is bound, and closed: there is nobody to whom anything is sent.
  for (const scmp_datum_t family : {AF_INET, AF_INET6, AF_NETLINK}) {
    allowed.If(SCMP_SYS(socket), {Equals(0, family)});
  }
  const auto unix_probe = static_cast<scmp_datum_t>(probe);
  if (probe >= 0) allowed.If(SCMP_SYS(connect), {Equals(0, unix_probe)});
  constexpr std::pair<scmp_datum_t, scmp_datum_t> kOptions[] = {
      {SOL_SOCKET, SO_REUSEADDR},
      {SOL_SOCKET, SO_REUSEPORT},
      {SOL_SOCKET, SO_BINDTODEVICE},
      {IPPROTO_IPV6, IPV6_V6ONLY},
      {IPPROTO_IP, IP_FREEBIND},
      {IPPROTO_IPV6, IPV6_FREEBIND},
      {SOL_NETLINK, NETLINK_ADD_MEMBERSHIP}};
  for (const auto& [level, name] : kOptions) {
    allowed.If(SCMP_SYS(setsockopt), {Equals(1, level), Equals(2, name)});
  }
  // File systems that are mounted nowhere. What has no size changes no mount.
  allowed.If(SCMP_SYS(fsconfig), {Equals(1, FSCONFIG_SET_FLAG)});
  allowed.If(SCMP_SYS(fsconfig), {Equals(1, FSCONFIG_CMD_CREATE)});
  allowed.Calls({SCMP_SYS(fsmount), SCMP_SYS(open_tree)});
  allowed.If(SCMP_SYS(mount_setattr), {Equals(4, 0)});
  // Features of the kernel.
  for (const int option : {PR_GET_SECUREBITS, kGetMdwe}) {
    allowed.If(SCMP_SYS(prctl), {Equals(0, static_cast<scmp_datum_t>(option))});
  }
  allowed.If(SCMP_SYS(seccomp), {Equals(0, SECCOMP_SET_MODE_FILTER), Equals(2, 0)});
  allowed.If(SCMP_SYS(bpf), {Equals(0, BPF_MAP_UPDATE_BATCH)});
  allowed.If(SCMP_SYS(membarrier), {Equals(0, MEMBARRIER_CMD_QUERY)});
  allowed.If(SCMP_SYS(shmctl), {Equals(1, IPC_STAT)});
  allowed.Calls({SCMP_SYS(getpriority)});
  allowed.If(SCMP_SYS(prlimit64), {Equals(0, 0), Equals(2, 0)});
  allowed.If(SCMP_SYS(prlimit64), {Equals(0, 0), Equals(1, RLIMIT_NOFILE)});
}

/// Nobody closes what is written to, or the probe, and gets another file of that number; nor is the
/// probe bound.
void AllowDescriptors(Allowed& allowed, int answers, int probe) {
  const auto last = static_cast<unsigned>(std::max({STDERR_FILENO, answers, probe}));
  const unsigned first = std::bit_ceil(last + 1);
  for (unsigned fd = 0; fd < first;) {  // so that none below is free
    fd = static_cast<unsigned>(open("/dev/null", O_PATH | O_CLOEXEC));
    if (fd >= first) close(static_cast<int>(fd));
  }
  // The kernel takes the lower half of the argument alone, which a filter can compare by its bits.
  for (scmp_datum_t bit = first; bit <= INT_MAX; bit <<= 1) {
    for (const int call : {SCMP_SYS(close), SCMP_SYS(bind)}) {
      allowed.If(call, {Masked(0, bit, bit)});
    }
  }
  for (const int fd : {STDERR_FILENO, answers}) {
    const scmp_arg_cmp there = Equals(0, static_cast<scmp_datum_t>(fd));
    allowed.If(SCMP_SYS(write), {there});
    allowed.If(SCMP_SYS(writev), {there});
  }
}

/// Where memory is mapped, which is above the program and its heap.
bool IsBelowMapped(const void* address) {
  void* const page = mmap(nullptr, kPageSize, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) return false;
  munmap(page, kPageSize);
  return address < page;
}

int RestrictToAsking(int answers) {
  Allowed allowed;
  AllowReading(allowed);
  const int probe = KeepProbe();
  AllowAsking(allowed, probe);
  AllowDescriptors(allowed, answers, probe);
  const FixedArguments* const behind = &kFixedArguments + 1;
  if (IsBelowMapped(behind)) {
    AllowMemory(allowed, AddressOf(behind));
    AllowFixed(allowed);
  } else {
    SayMissing("what openat2(2) is given, while asking", ERANGE);
    AllowMemory(allowed, 0);
    allowed.Calls({SCMP_SYS(openat2), SCMP_SYS(fsopen), SCMP_SYS(fsconfig)});
  }
  return allowed.Load();
}

#endif

}  // namespace

#ifdef CRGEN_UNCONFINED

// What sanitizers, or gcov, do at the end of a program, it could not do.
void Confine(const Access&) {
  SayMissing("Landlock and seccomp", ENOTSUP);
  confined = true;
}

void ConfineToAsking(int) {}

#else

void Confine(const Access& access) {
  confined = true;
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
    return SayMissing("Landlock and seccomp", errno);
  }
  if (const int error = RestrictFiles(access); error != 0) SayMissing("Landlock", error);
  if (const int error = RestrictCalls(!access.fill.empty()); error != 0) {
    SayMissing("seccomp", error);
  }
}

void ConfineToAsking(int answers) {
  // Who has no CAP_SYS_ADMIN is refused.
  if (const int error = RestrictToAsking(answers); error != 0) {
    SayMissing("seccomp, while asking", error);
  }
}

#endif

bool IsConfined() { return confined; }

}  // namespace crgen
