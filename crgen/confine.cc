// SPDX-License-Identifier: Apache-2.0
#include "crgen/confine.h"

#include <fcntl.h>
#include <linux/landlock.h>
#include <sched.h>
#include <seccomp.h>
#include <spdlog/spdlog.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <memory>

#include "images/source/scoped_fd.h"

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

#ifndef CRGEN_SANITIZED

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

constexpr scmp_datum_t kOpensToChange =
    O_ACCMODE | O_CREAT | O_TRUNC | (O_TMPFILE & ~static_cast<scmp_datum_t>(O_DIRECTORY));

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
  void If(int call, const scmp_arg_cmp& condition) {
    Keep(seccomp_rule_add_array(filter_.get(), SCMP_ACT_ALLOW, call, 1, &condition));
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

int RestrictCalls(bool fills) {
  Allowed allowed;
  // Files that are open, or that are opened to be read.
  allowed.Calls(
      {SCMP_SYS(read),       SCMP_SYS(pread64),  SCMP_SYS(readv),      SCMP_SYS(preadv),
       SCMP_SYS(write),      SCMP_SYS(pwrite64), SCMP_SYS(writev),     SCMP_SYS(lseek),
       SCMP_SYS(close),      SCMP_SYS(fstat),    SCMP_SYS(stat),       SCMP_SYS(lstat),
       SCMP_SYS(newfstatat), SCMP_SYS(statx),    SCMP_SYS(access),     SCMP_SYS(faccessat),
       SCMP_SYS(faccessat2), SCMP_SYS(readlink), SCMP_SYS(readlinkat), SCMP_SYS(getdents64),
       SCMP_SYS(getcwd),     SCMP_SYS(dup),      SCMP_SYS(ftruncate),  SCMP_SYS(fsync),
       SCMP_SYS(fadvise64),  SCMP_SYS(poll)});
  // Not F_SETOWN, which sends signals.
  for (const int command : {F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_DUPFD, F_DUPFD_CLOEXEC}) {
    allowed.If(SCMP_SYS(fcntl), SCMP_A1(SCMP_CMP_EQ, static_cast<scmp_datum_t>(command)));
  }
  // Its flags are in memory, where no filter looks: here Landlock alone refuses.
  allowed.Calls({SCMP_SYS(openat2)});
  if (fills) {
    allowed.Calls({SCMP_SYS(open), SCMP_SYS(openat), SCMP_SYS(mkdirat), SCMP_SYS(unlinkat)});
  } else {
    allowed.If(SCMP_SYS(open), SCMP_A1(SCMP_CMP_MASKED_EQ, kOpensToChange, O_RDONLY));
    allowed.If(SCMP_SYS(openat), SCMP_A2(SCMP_CMP_MASKED_EQ, kOpensToChange, O_RDONLY));
  }
  for (const std::uint64_t request : {TCGETS, TIOCGWINSZ}) {
    allowed.If(SCMP_SYS(ioctl), SCMP_A1(SCMP_CMP_EQ, request));
  }
  // Memory, none of which is executable.
  allowed.Calls({SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(brk)});
  allowed.If(SCMP_SYS(mmap), SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
  allowed.If(SCMP_SYS(mprotect), SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
  // Threads, but no processes. That of clone3(2) is in memory: who gets ENOSYS takes clone(2).
  allowed.If(SCMP_SYS(clone), SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD));
  allowed.Unknown(SCMP_SYS(clone3));
  allowed.Calls({SCMP_SYS(futex), SCMP_SYS(set_robust_list), SCMP_SYS(rseq), SCMP_SYS(sched_yield),
                 SCMP_SYS(sched_getaffinity), SCMP_SYS(gettid), SCMP_SYS(getpid), SCMP_SYS(exit),
                 SCMP_SYS(exit_group), SCMP_SYS(wait4)});
  // Signals, to this process alone.
  allowed.Calls({SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn),
                 SCMP_SYS(sigaltstack), SCMP_SYS(restart_syscall)});
  allowed.If(SCMP_SYS(tgkill), SCMP_A0(SCMP_CMP_EQ, static_cast<scmp_datum_t>(getpid())));
  // Clocks, chance, and what this process is.
  allowed.Calls({SCMP_SYS(clock_gettime), SCMP_SYS(clock_getres), SCMP_SYS(clock_nanosleep),
                 SCMP_SYS(nanosleep), SCMP_SYS(gettimeofday), SCMP_SYS(time), SCMP_SYS(getrandom),
                 SCMP_SYS(getuid), SCMP_SYS(geteuid), SCMP_SYS(getgid), SCMP_SYS(getegid),
                 SCMP_SYS(getrlimit), SCMP_SYS(uname), SCMP_SYS(sysinfo)});
  allowed.If(SCMP_SYS(prlimit64), SCMP_A0(SCMP_CMP_EQ, 0));
  return allowed.Load();
}

int RefuseChanges() {
  const Filter filter(seccomp_init(SCMP_ACT_ALLOW));
  if (filter == nullptr) return ENOMEM;
  int error = -seccomp_attr_set(filter.get(), SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
  if (error == 0) error = -seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_NNP, 0);
  for (const int call : {SCMP_SYS(execve),
                         SCMP_SYS(execveat),
                         SCMP_SYS(ptrace),
                         SCMP_SYS(creat),
                         SCMP_SYS(process_vm_writev),
                         SCMP_SYS(truncate),
                         SCMP_SYS(mkdir),
                         SCMP_SYS(mkdirat),
                         SCMP_SYS(rmdir),
                         SCMP_SYS(unlink),
                         SCMP_SYS(unlinkat),
                         SCMP_SYS(rename),
                         SCMP_SYS(renameat),
                         SCMP_SYS(renameat2),
                         SCMP_SYS(link),
                         SCMP_SYS(linkat),
                         SCMP_SYS(symlink),
                         SCMP_SYS(symlinkat),
                         SCMP_SYS(mknod),
                         SCMP_SYS(mknodat),
                         SCMP_SYS(chmod),
                         SCMP_SYS(fchmod),
                         SCMP_SYS(fchmodat),
                         SCMP_SYS(chown),
                         SCMP_SYS(lchown),
                         SCMP_SYS(fchown),
                         SCMP_SYS(fchownat),
                         SCMP_SYS(setxattr),
                         SCMP_SYS(lsetxattr),
                         SCMP_SYS(fsetxattr),
                         SCMP_SYS(mount),
                         SCMP_SYS(umount2),
                         SCMP_SYS(move_mount),
                         SCMP_SYS(pivot_root),
                         SCMP_SYS(init_module),
                         SCMP_SYS(finit_module),
                         SCMP_SYS(kexec_load),
                         SCMP_SYS(reboot),
                         SCMP_SYS(sendmmsg)}) {
    if (error == 0) error = -seccomp_rule_add(filter.get(), SCMP_ACT_ERRNO(EPERM), call, 0);
  }
  for (const scmp_datum_t flag : {O_WRONLY, O_RDWR, O_CREAT, O_TRUNC}) {
    const scmp_arg_cmp at = SCMP_A2(SCMP_CMP_MASKED_EQ, flag, flag);
    const scmp_arg_cmp old = SCMP_A1(SCMP_CMP_MASKED_EQ, flag, flag);
    const std::uint32_t refused = SCMP_ACT_ERRNO(EPERM);
    if (error == 0)
      error = -seccomp_rule_add_array(filter.get(), refused, SCMP_SYS(openat), 1, &at);
    if (error == 0) error = -seccomp_rule_add_array(filter.get(), refused, SCMP_SYS(open), 1, &old);
  }
  return error != 0 ? error : -seccomp_load(filter.get());
}

#endif

}  // namespace

#ifdef CRGEN_SANITIZED

// What sanitizers do at the end of a program, it could not do.
void Confine(const Access&) {
  SayMissing("Landlock and seccomp", ENOTSUP);
  confined = true;
}

void ConfineToAsking() {}

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

void ConfineToAsking() {
  // Who has no CAP_SYS_ADMIN is refused.
  if (const int error = RefuseChanges(); error != 0) SayMissing("seccomp, while asking", error);
}

#endif

bool IsConfined() { return confined; }

}  // namespace crgen
