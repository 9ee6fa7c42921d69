// SPDX-License-Identifier: Apache-2.0
#include "restorer/user_namespace.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/futex.h>
#include <linux/sched.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <fstream>

#include "restorer/cleanup.h"
#include "restorer/deadline.h"
#include "restorer/mounts.h"
#include "restorer/namespaces.h"
#include "restorer/problem.h"
#include "restorer/script.h"
#include "restorer/services.h"
#include "restorer/supervisor_calls.h"

namespace crgen::restorer {
namespace {

constexpr std::size_t kMostMounts = 8192;

struct OwnKind {
  const char* name;
  std::uint64_t flag;
};
constexpr OwnKind kFilled[] = {{"uts", CLONE_NEWUTS}, {"ipc", CLONE_NEWIPC}, {"net", CLONE_NEWNET}};

/// Those that the supervisor fills.
std::uint64_t OwnNamespaces(const Program& program, const RestoreOptions& options) {
  std::uint64_t flags = 0;
  for (const Command& command : program) {
    const auto* set = std::get_if<SetAttr>(&command.body);
    if (set == nullptr) continue;
    if (set->attributes->uts) flags |= CLONE_NEWUTS;
    if (set->attributes->ipc) flags |= CLONE_NEWIPC;
  }
  if (HasNewNetwork(program, options)) flags |= CLONE_NEWNET;
  for (const OwnKind& kind : kFilled) {
    if (options.namespaces.joined.contains(kind.name)) flags &= ~kind.flag;
  }
  return flags;
}

/// waitpid(2), through interruptions (Ticks).
pid_t Reap(pid_t pid, int* status) {
  pid_t reaped;
  do reaped = waitpid(pid, status, __WALL);
  while (reaped < 0 && errno == EINTR);
  return reaped;
}

long WakeOf(Word* word) { return syscall(__NR_futex, word, FUTEX_WAKE, 1, nullptr, nullptr, 0); }

}  // namespace

/// What the holder and the supervisor tell each other.
struct UserHolder::Shared {
  Word go;    ///< the maps are written
  Word done;  ///< the holder is ready, or has failed
  int error;
  const char* call;  ///< that failed; in both processes at the same address
  std::size_t mounts;
  const char* types[kMostMounts];
  int contexts[kMostMounts];

  /// In the holder.
  [[noreturn]] void Hold(pid_t parent, const FirstIds& ids);
  long Prepare(pid_t parent, const FirstIds& ids);
};

std::optional<UserNamespace> OwnUserNamespace(const Program& program) {
  for (const Command& command : program) {
    const auto* fork = std::get_if<Fork>(&command.body);
    if (fork == nullptr || command.pid != 0) continue;
    if (!fork->flags.Has(CLONE_NEWUSER)) return std::nullopt;
    return UserNamespace{fork->uid_map, fork->gid_map};
  }
  return std::nullopt;
}

FirstIds::FirstIds(const UserNamespace& user) {
  const auto first = [](const IdMap& map) { return IsMapped(map, 0) ? 0 : map.front().inside; };
  uid = first(user.uid_map);
  gid = first(user.gid_map);
}

Creds CredsInside(const UserNamespace& user, const Creds& own) {
  constexpr unsigned kLastKnown = 40;
  unsigned last = kLastKnown;
  std::ifstream("/proc/sys/kernel/cap_last_cap") >> last;
  const std::uint64_t all = ~std::uint64_t{0} >> (63 - std::min(last, 63u));
  const FirstIds first(user);
  Creds creds;
  creds.uid = creds.euid = creds.suid = creds.fsuid = first.uid;
  creds.gid = creds.egid = creds.sgid = creds.fsgid = first.gid;
  creds.cap_prm.value = creds.cap_eff.value = creds.cap_bnd.value = all;
  creds.no_new_privs = own.no_new_privs;
  return creds;
}

/// 0, or a negative errno. A change of ids undoes what prctl(2) has set.
long UserHolder::Shared::Prepare(pid_t parent, const FirstIds& ids) {
  const auto must = [&](const char* name, long result) {
    if (result < 0 && error == 0) {
      error = errno;
      call = name;
    }
    return result;
  };
  must("prctl(PR_SET_PDEATHSIG)", prctl(PR_SET_PDEATHSIG, SIGKILL));
  while (__atomic_load_n(&go, __ATOMIC_SEQ_CST) == 0) {
    if (getppid() != parent) _exit(1);
    const timespec second = {1, 0};
    syscall(__NR_futex, &go, FUTEX_WAIT, 0, &second, nullptr, 0);
  }
  must("setgroups", syscall(SYS_setgroups, 0, nullptr));
  must("setresgid", syscall(SYS_setresgid, ids.gid, ids.gid, ids.gid));
  must("setresuid", syscall(SYS_setresuid, ids.uid, ids.uid, ids.uid));
  // Its memory is still one of the first user namespace: else nobody inside would reach it.
  must("prctl(PR_SET_DUMPABLE)", prctl(PR_SET_DUMPABLE, 1, 0, 0, 0));
  must("prctl(PR_SET_PDEATHSIG)", prctl(PR_SET_PDEATHSIG, SIGKILL));
  if (getppid() != parent) _exit(1);
  for (std::size_t i = 0; i < mounts && error == 0; ++i) {
    contexts[i] = static_cast<int>(must(types[i], syscall(SYS_fsopen, types[i], 1)));
  }
  return error;
}

void UserHolder::Shared::Hold(pid_t parent, const FirstIds& ids) {
  Prepare(parent, ids);
  __atomic_store_n(&done, 1, __ATOMIC_SEQ_CST);
  WakeOf(&done);
  for (;;) pause();
}

std::string UserHolder::WriteMap(const char* file, const IdMap& map) const {
  std::string text;
  for (const IdRange& range : map) {
    text += std::to_string(range.inside) + " " + std::to_string(range.outside) + " " +
            std::to_string(range.count) + "\n";
  }
  const std::string path = "/proc/" + std::to_string(pid_) + "/" + file;
  const int fd = FailsOnPurpose() ? -1 : open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (fd < 0) return ErrorText(std::string("open of ") + file);
  const bool written =
      !FailsOnPurpose() && write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  std::string problem = written ? "" : ErrorText(std::string("write of ") + file);
  close(fd);
  return problem;
}

std::string UserHolder::Start(const Program& program, const RestoreOptions& options,
                              const HostFiles& files) {
  const UserNamespace user = *OwnUserNamespace(program);
  const FirstIds ids(user);
  first_ = ids;
  // The tree takes images over as they are open here.
  std::string problem;
  files.ForEachImage([&](const std::string& name, int fd) {
    const int readable = FailsOnPurpose() || !problem.empty() ? -1 : Reopen(fd, O_RDONLY);
    if (readable < 0 || dup3(readable, fd, O_CLOEXEC) < 0) {
      if (problem.empty()) problem = ErrorText(name);
    }
    if (readable >= 0) close(readable);
  });
  if (!problem.empty()) return problem;
  void* page =
      mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) return ErrorText("mmap");
  shared_ = new (page) Shared{};
  std::vector<std::uint64_t> made;
  if (const std::vector<Mount>* mounts = OwnMounts(program)) {
    for (const Mount& mount : *mounts) {
      if (!IsMadeOutside(mount) || made.size() == kMostMounts) continue;
      shared_->types[made.size()] = mount.fstype.c_str();
      made.push_back(mount.id);
    }
  }
  shared_->mounts = made.size();

  const pid_t parent = getpid();
  SpareNumbers numbers(program);
  pid_t number = 0;
  clone_args arguments = {};
  arguments.flags = CLONE_NEWUSER | CLONE_FILES | OwnNamespaces(program, options);
  if (!made.empty()) arguments.flags |= CLONE_NEWNS;  // fsopen(2) takes rights in its own
  arguments.exit_signal = SIGCHLD;
  arguments.set_tid = reinterpret_cast<std::uint64_t>(&number);
  arguments.set_tid_size = 1;
  do {
    number = numbers.Next();
    pid_ = FailsOnPurpose()
               ? -1
               : static_cast<pid_t>(syscall(__NR_clone3, &arguments, sizeof arguments));
  } while (pid_ < 0 && errno == EEXIST && number > 1);
  if (pid_ < 0) return ErrorText("clone3(CLONE_NEWUSER)");
  if (pid_ == 0) shared_->Hold(parent, ids);
  problem = WriteMap("uid_map", user.uid_map);
  if (problem.empty()) problem = WriteMap("gid_map", user.gid_map);
  if (problem.empty()) {
    user_ = OpenNamespace("user");
    struct stat facts;
    if (user_ < 0 || fstat(user_, &facts) != 0) problem = ErrorText("open of the user namespace");
    inode_ = facts.st_ino;
  }
  if (problem.empty()) problem = Await();
  for (std::size_t i = 0; i < made.size() && problem.empty(); ++i) {
    contexts_[made[i]] = shared_->contexts[i];
  }
  return problem;
}

/// Lets it go on, until it is ready.
std::string UserHolder::Await() {
  constexpr long kLookEvery = 100'000'000;  // ns
  __atomic_store_n(&shared_->go, 1, __ATOMIC_SEQ_CST);
  WakeOf(&shared_->go);
  while (__atomic_load_n(&shared_->done, __ATOMIC_SEQ_CST) == 0) {
    if (AskedToStop()) return "interrupted";
    if (waitpid(pid_, nullptr, WNOHANG | __WALL) != 0) {
      return "the process that holds the user namespace has died";
    }
    const timespec moment = {0, kLookEvery};
    syscall(__NR_futex, &shared_->done, FUTEX_WAIT, 0, &moment, nullptr, 0);
  }
  if (shared_->error == 0) return "";
  errno = shared_->error;
  return ErrorText("in the user namespace: " + std::string(shared_->call));
}

std::string UserHolder::End() {
  if (pid_ <= 0) return "";
  // Reaped here and nowhere else, so the number is still its own.
  int status = 0;
  if (FailsOnPurpose() || kill(pid_, SIGKILL) != 0 || Reap(pid_, &status) < 0) {
    return ErrorText("the end of who holds the user namespace");
  }
  pid_ = -1;
  close(user_);
  return "";
}

int UserHolder::OpenNamespace(const std::string& kind) const {
  if (FailsOnPurpose()) return -1;
  return open(("/proc/" + std::to_string(pid_) + "/ns/" + kind).c_str(), O_RDONLY | O_CLOEXEC);
}

int UserHolder::TakeContext(std::uint64_t mount) {
  const auto found = contexts_.find(mount);
  return found == contexts_.end() ? -1 : contexts_.extract(found).mapped();
}

bool UserHolder::Enter() const {
  return setns(user_, CLONE_NEWUSER) == 0 && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0;
}

/// The descriptor that `make` gives in a child, which has the same ones and dies with this process.
/// `make(must)`: must(what, result) ends the child where a call has failed. -1: errno, and `*call`
/// says of what.
template <typename Make>
int UserHolder::InChild(const char** call, const Make& make) const {
  shared_->error = 0;
  clone_args arguments = {};
  arguments.flags = CLONE_FILES;
  arguments.exit_signal = SIGCHLD;
  const pid_t parent = getpid();
  *call = "clone3";
  const long child = FailsOnPurpose() ? -1 : syscall(__NR_clone3, &arguments, sizeof arguments);
  if (child < 0) return -1;
  if (child == 0) {
    const auto must = [&](const char* what, long result) {
      if (result >= 0) return static_cast<int>(result);
      shared_->error = errno;
      shared_->call = what;
      _exit(1);
    };
    must("prctl(PR_SET_PDEATHSIG)", prctl(PR_SET_PDEATHSIG, SIGKILL));
    if (getppid() != parent) _exit(1);
    shared_->contexts[0] = make(must);
    _exit(0);
  }
  int status = 0;
  const pid_t reaped = Reap(static_cast<pid_t>(child), &status);
  if (reaped == child && status == 0) return shared_->contexts[0];
  *call = shared_->error != 0 ? shared_->call : "a child that makes it";
  errno = shared_->error != 0 ? shared_->error : ECHILD;
  return -1;
}

int UserHolder::MakeNetwork() const {
  const char* call = "";
  return InChild(&call, [&](const auto& must) {
    must("setns(CLONE_NEWUSER)", Enter() ? 0 : -1);
    must("unshare(CLONE_NEWNET)", unshare(CLONE_NEWNET));
    return must("open", open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC));
  });
}

/// Its parent, who is here for this alone, has ended by then.
long UserHolder::CloneInside(const clone_args& arguments) const {
  shared_->error = 0;
  clone_args midwife = {};
  midwife.exit_signal = SIGCHLD;
  const pid_t parent = getpid();
  const long made = syscall(__NR_clone3, &midwife, sizeof midwife);
  if (made < 0) return -1;
  if (made == 0) {
    long root = -1;
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == parent && Enter()) {
      clone_args inside = arguments;
      inside.flags |= CLONE_PARENT;
      inside.exit_signal = 0;  // its parent's
      root = syscall(__NR_clone3, &inside, sizeof inside);
      if (root == 0) return 0;
    }
    shared_->error = root < 0 ? errno : 0;
    shared_->contexts[0] = static_cast<int>(root);
    _exit(0);
  }
  int status = 0;
  const pid_t reaped = Reap(static_cast<pid_t>(made), &status);
  errno = reaped != made || status != 0 ? ECHILD : shared_->error;
  return errno != 0 ? -1 : shared_->contexts[0];
}

bool UserHolder::BecomeFirst() const {
  return Enter() && setgroups(0, nullptr) == 0 &&
         setresgid(first_->gid, first_->gid, first_->gid) == 0 &&
         setresuid(first_->uid, first_->uid, first_->uid) == 0;
}

/// In a child: the copy gets its flags, and is mounted where nobody sees it by the time when all
/// mounts of that namespace go into one that belongs to the user namespace, which locks them.
int UserHolder::CopyMount(int place, std::uint64_t attributes, const char** call) const {
  struct stat wanted;
  *call = "fstat";
  if (FailsOnPurpose() || fstat(place, &wanted) != 0) return -1;
  const bool folder = S_ISDIR(wanted.st_mode);
  const char* const there = folder ? "/" : "/proc/version";
  return InChild(call, [&](const auto& must) {
    const int copy = must(
        "open_tree",
        syscall(SYS_open_tree, place, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH));
    must("unshare(CLONE_NEWNS)", unshare(CLONE_NEWNS));
    must("mount(MS_SLAVE)", mount(nullptr, "/", nullptr, MS_REC | MS_SLAVE, nullptr));
    const struct {
      std::uint64_t set, clear, propagation, user;
    } attribute = {attributes, kAllAttributes, MS_SLAVE, 0};
    must("mount_setattr",
         syscall(SYS_mount_setattr, copy, "", AT_EMPTY_PATH, &attribute, sizeof attribute));
    must("move_mount", syscall(SYS_move_mount, copy, "", AT_FDCWD, there, MOVE_MOUNT_F_EMPTY_PATH));
    if (folder) must("fchdir", fchdir(copy));
    close(copy);
    must("setns(CLONE_NEWUSER)", Enter() ? 0 : -1);
    must("unshare(CLONE_NEWNS)", unshare(CLONE_NEWNS));
    return must("open_tree",
                syscall(SYS_open_tree, AT_FDCWD, folder ? "" : there,
                        OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (folder ? AT_EMPTY_PATH : 0u)));
  });
}

}  // namespace crgen::restorer
