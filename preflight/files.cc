// SPDX-License-Identifier: Apache-2.0
// Files that paths lead to: what a process opens, its executable and its directories.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <optional>
#include <set>
#include <unordered_map>

#include "dsl/references.h"
#include "model/file_kind.h"
#include "model/one_of.h"
#include "model/printable.h"
#include "model/proc_path.h"
#include "preflight/descriptors.h"
#include "preflight/doing.h"
#include "preflight/file_facts.h"
#include "preflight/file_look.h"
#include "preflight/held_locks.h"
#include "preflight/held_mounts.h"
#include "preflight/limits.h"
#include "preflight/question.h"
#include "preflight/room.h"
#include "preflight/socket_names.h"

namespace crgen::preflight {
namespace {

constexpr const char* kMostPending = "/proc/sys/net/core/somaxconn";

class FileQuestion : public QuestionOn<FileQuestion> {
 public:
  explicit FileQuestion(Context& context)
      : QuestionOn(context),
        root_(context.mounts, context.files),
        look_(host_, context.files, root_),
        room_(look_, findings_),
        names_(context, root_, look_),
        leases_(host_, HeldLocks::Kinds::kLeases) {}

  template <typename Body>
  void On(const Body&) {}

  void On(const OpenFile& open) {
    ForEachOpened(open, [&](Fd, const File& file, bool) {
      if (!file.external) std::visit([&](const auto& body) { Open(file, body); }, file.body);
    });
  }

  void On(const SetAttr& set) {
    const Attributes& attributes = *set.attributes;
    if (attributes.mm && !attributes.mm->exe_unlinked) CheckExecutable(*attributes.mm);
    if (!attributes.fs || IsElsewhere({})) return;
    const FsAttributes& fs = *attributes.fs;
    if (!fs.root_unlinked) CheckDirectory(fs.root.bytes);
    if (fs.root.bytes.size() > 1 && !fs.root_unlinked) names_.LookBelow(fs.root.bytes);
    if (!fs.cwd_unlinked) CheckDirectory(fs.cwd.bytes);
  }

  void Finish() override {
    const std::uint64_t held = HeldDescriptors(context_.program);
    const rlim_t most = LimitOf(host_, RLIMIT_NOFILE).rlim_max;
    if (held <= most) return;
    findings_.Wrong("files without a name take about " + std::to_string(held) +
                        " descriptors of the restore, above RLIMIT_NOFILE, " + std::to_string(most),
                    "ulimit -n");
  }

 private:
  // Every type has its own: what the kernel alone provides needs nothing of the host.
  void Open(const File&, const Memfd&) {}
  void Open(const File&, const Eventfd&) {}
  void Open(const File&, const Signalfd&) {}
  void Open(const File&, const Timerfd&) {}
  void Open(const File&, const Eventpoll&) {}
  void Open(const File&, const Pipe&) {}
  void Open(const File& description, const Fifo& fifo) {
    if (IsElsewhere(fifo.mount)) {
      return CheckElsewhere(fifo.path, fifo.mount, fifo.unlinked || fifo.opened_by);
    }
    if (fifo.unlinked) return CheckPlace(fifo.path.bytes, *fifo.unlinked, 0);
    if (fifo.opened_by && !CheckFolderOf(fifo.path.bytes)) return;
    const std::string& path = fifo.opened_by ? fifo.opened_by->bytes : fifo.path.bytes;
    if (Later(path)) return;
    const Facts& facts = Look(path, description.flags.Has(O_NOFOLLOW));
    if (!IsThere(facts, path)) return;
    if (!S_ISFIFO(facts.status.mode)) {
      return findings_.Wrong(path + " is no FIFO", "mkfifo " + path);
    }
    // For both sides, whatever the plan says: so that nobody waits for the other one.
    CheckAccess({O_RDWR}, path, facts);
  }
  void Open(const File&, const UnixSocket& socket) {
    if (socket.backlog && !context_.other_network) CheckBacklog(*socket.backlog);
    if (!socket.HasFile() || socket.accept_from) return;
    names_.Look(socket, IsElsewhere(socket.mount), Later(socket.Path()),
                [&](const Facts& folder, const std::string& name) {
                  return CheckFolder(folder, "directory", name, "");
                });
  }

  /// listen(2) takes no more than that.
  void CheckBacklog(std::uint32_t backlog) {
    if (most_pending_ < 0) most_pending_ = host_.NumberIn<std::int64_t>(kMostPending, -1);
    if (most_pending_ < 0 || backlog <= static_cast<std::uint64_t>(most_pending_)) return;
    findings_.Wrong("a backlog of " + std::to_string(backlog) + " is above net.core.somaxconn, " +
                        std::to_string(most_pending_),
                    "sysctl net.core.somaxconn=" + std::to_string(backlog));
  }

  void Open(const File&, const BpfMap&) {}  // kernel.cc, rights.cc
  void Open(const File&, const Inotify&) {}
  void Open(const File&, const Fanotify&) {}
  void Open(const File&, const Pidfd&) {}
  void Open(const File&, const Tty&) {}            // terminals.cc
  void Open(const File&, const InetSocket&) {}     // sockets.cc
  void Open(const File&, const NetlinkSocket&) {}  // likewise
  void Open(const File&, const PacketSocket&) {}   // likewise
  void Open(const File&, const NamespaceFile&) {}  // every process is in one of each type
  void Open(const File& description, const TunFile& tun) {
    const std::string& path = tun.path.bytes;
    if (IsElsewhere({}) || Later(path)) return;
    const Facts& facts = Look(path, description.flags.Has(O_NOFOLLOW));
    if (!IsThere(facts, path, "modprobe tun")) return;
    constexpr unsigned kMajor = 10, kMinor = 200;
    if (!S_ISCHR(facts.status.mode) || facts.status.special != makedev(kMajor, kMinor)) {
      return findings_.Wrong(path + " is not the device of tun(4), 10:200");
    }
    CheckAccess(description.flags, path, facts);
  }
  void Open(const File&, const OtherFile& other) {
    findings_.Unsupported("files of type " + other.type);
  }

  void Open(const File& description, const RegularFile& file) {
    if (IsElsewhere(file.mount)) {
      return CheckElsewhere(file.path, file.mount, file.unlinked || file.opened_by);
    }
    if (file.unlinked) {
      const std::uint64_t pos = description.flags.Has(O_PATH) ? 0 : file.pos.value_or(0);
      return CheckPlace(file.path.bytes, *file.unlinked, pos);
    }
    if (file.opened_by && !CheckFolderOf(file.path.bytes)) return;
    const std::string& path = file.opened_by ? file.opened_by->bytes : file.path.bytes;
    if (Later(path)) return;
    const Facts& facts = Look(path, description.flags.Has(O_NOFOLLOW));
    if (!IsThere(facts, path)) return;
    const mode_t type = facts.status.mode & S_IFMT;
    if (type == S_IFIFO || type == S_IFSOCK) {
      return findings_.Wrong(path + " is " + FileKindName(type) + ": the plan says REG");
    }
    // Whoever looks into it breaks a lease as the restore would.
    if (type == S_IFREG && IsLeased(path, facts, description.flags)) return;
    CheckUnchanged(file, facts);
    if (type == S_IFREG && file.pos && !description.flags.Has(O_PATH)) {
      CheckPosition(path, facts, *file.pos);
    }
    if (!description.flags.Has(O_PATH)) CheckAccess(description.flags, path, facts);
  }

  /// Somebody has a lease that opening the file would break.
  bool IsLeased(const std::string& path, const Facts& facts, OpenFlags flags) {
    if (leases_.IsEmpty()) return false;
    bool leased = false;
    for (const HeldLock& held : leases_.Of(facts.status)) {
      if (!held.BreaksFor(flags.bits)) continue;
      leased = true;
      findings_.Wrong(path + ": " + leases_.Describe(held), "end that process, or wait for it");
    }
    return leased;
  }

  /// A file without a name gets its old one back for a moment, or another one in its folder.
  void CheckPlace(const std::string& path, const Unlinked& file, std::uint64_t pos) {
    if (!CheckFolderOf(path) || root_.IsMadeLater(path)) return;
    const Facts& folder = FolderOf(path);
    if (!folder.there()) return;  // told
    room_.Add(path, folder, file);
    const std::uint32_t type = file.mode.value_or(0) & S_IFMT;
    if (type == S_IFREG) unlinked_.insert(file.id.value);
    if (unlinked_.contains(file.link_of.value_or(file.id.value))) {
      CheckPosition(path, folder, std::max(pos, file.size.value_or(0)));
    }
    if (type != S_IFCHR && type != S_IFBLK) return;
    if ((look_.MountFlags(folder) & ST_NODEV) == 0) return;
    findings_.Wrong("the device " + path + " is on a file system mounted nodev: nobody opens it",
                    "mount -o remount,dev for the restore");
  }

  /// False: there is no mount to make it in.
  bool CheckFolderOf(const std::string& path) {
    if (!CanMakeIn(context_, path, root_)) return false;
    if (context_.user && root_.IsMadeLater(path)) {
      findings_.Unsupported("the unlinked file " + Printable(path) +
                            " in a file system of a user namespace of the plan's own");
      return false;
    }
    if (!root_.IsMadeLater(path)) CheckFolder(FolderOf(path), "folder", path, " for a moment");
    return true;
  }

  /// Where something is made: the folder of `path`, or the one in which its missing folders are
  /// made.
  const Facts& FolderOf(const std::string& path) {
    std::string folder = path.substr(0, path.rfind('/') + 1);
    while (folder.size() > 1 && Look(folder, false).status.error == ENOENT) {
      folder.pop_back();
      folder.resize(folder.rfind('/') + 1);
    }
    return Look(folder, false);
  }

  /// `file` is to be made there. False: there is no folder. `folder` and `file`: as messages have
  /// it; `when`: " for a moment", or nothing.
  bool CheckFolder(const Facts& facts, const std::string& folder, const std::string& file,
                   const std::string& when) {
    if (!IsThere(facts, "the " + folder + " of " + file)) return false;
    const int error = look_.AccessError(facts, W_OK | X_OK);
    if (error == 0) return true;
    const bool read_only = error == EROFS;
    findings_.Wrong(file + " cannot be made" + when + ": " + std::strerror(error),
                    read_only ? "mount the file system writable"
                              : "run as the " + folder + "'s owner, or with CAP_DAC_OVERRIDE");
    return true;
  }

  /// lseek(2) and ftruncate(2) take no more than the file system has room to count.
  void CheckPosition(const std::string& path, const Facts& facts, std::uint64_t pos) {
    const int error = look_.SeekError(facts, pos);
    if (error == 0) return;
    findings_.Wrong("position or size " + std::to_string(pos) + " of " + path +
                        " is none of its file system: " + std::strerror(error),
                    "restore on a file system with larger files, as at the dump");
  }

  void CheckUnchanged(const RegularFile& file, const Facts& facts) {
    const std::string& path = file.opened_by ? file.opened_by->bytes : file.path.bytes;
    const auto changed = [&](const char* what, const std::string& is, const std::string& was) {
      findings_.Wrong(
          path + " has changed: " + what + " is " + is + ", was " + was + " when it was dumped",
          "put the file back as it was");
    };
    if (file.size && *file.size != facts.status.size) {
      return changed("size", std::to_string(facts.status.size), std::to_string(*file.size));
    }
    if (file.mode && *file.mode != facts.status.mode) {
      return changed("mode", ModeText(facts.status.mode), ModeText(*file.mode));
    }
    if (!file.build_id || !S_ISREG(facts.status.mode)) return;
    const auto error = host_.Number(FactKind::kAccess, facts.name + ", opening", [&] {
      const Doing doing("reading its build id", facts.name);
      const int fd = Reopen(facts.fd, O_RDONLY);
      if (fd < 0) return errno;
      build_ids_.try_emplace(facts.name, BuildId(fd));
      close(fd);
      return 0;
    });
    if (error.value_or(0) != 0) {
      return findings_.Wrong(path + ": " + std::strerror(static_cast<int>(*error)));
    }
    const auto here = host_.Text(FactKind::kBuildIds, facts.name,
                                 [&] { return Hexadecimal(build_ids_[facts.name]); });
    if (!here || SameBuildId(BytesOf(*here), file.build_id->bytes)) return;
    changed("build id", here->empty() ? "none" : *here, Hexadecimal(file.build_id->bytes));
  }

  /// Of hexadecimal digits.
  static std::string BytesOf(const std::string& digits) {
    std::string bytes;
    for (std::size_t i = 0; i + 1 < digits.size(); i += 2) {
      unsigned byte = 0;
      std::from_chars(digits.data() + i, digits.data() + i + 2, byte, 16);
      bytes += static_cast<char>(byte);
    }
    return bytes;
  }

  /// False: that is told, or not known.
  bool IsThere(const Facts& facts, const std::string& name, const char* advice = "") {
    const int error = facts.status.error;
    if (error == ENOENT && *advice == '\0') advice = "put the file where it was";
    if (error > 0) findings_.Wrong(name + ": " + PathErrorText(error), advice);
    return error == 0;
  }

  void CheckAccess(OpenFlags flags, const std::string& path, const Facts& facts) {
    const std::uint64_t mode = flags.bits & O_ACCMODE;
    const auto need = [&](int access, const char* what, const char* capability) {
      const int error = look_.AccessError(facts, access);
      if (error == 0) return;
      const bool read_only = error == EROFS;
      findings_.Wrong(path + " cannot be opened for " + what + ": " + std::strerror(error),
                      read_only ? "mount the file system writable"
                                : std::string("run as its owner, or with ") + capability);
    };
    if (mode != O_WRONLY) need(R_OK, "reading", "CAP_DAC_READ_SEARCH");
    if (mode != O_RDONLY) need(W_OK, "writing", "CAP_DAC_OVERRIDE");
  }

  /// prctl(2), PR_SET_MM_EXE_FILE.
  void CheckExecutable(const MmAttributes& mm) {
    if (IsElsewhere(mm.exe_mount)) {
      return CheckElsewhere(mm.exe, mm.exe_mount, mm.exe_opened_by.has_value());
    }
    if (mm.exe_opened_by && !CheckFolderOf(mm.exe.bytes)) return;
    const std::string& path = mm.exe_opened_by ? mm.exe_opened_by->bytes : mm.exe.bytes;
    if (Later(path)) return;
    const Facts& facts = Look(path, false);
    const std::string name = "the executable " + path;
    if (!IsThere(facts, name)) return;
    if (!S_ISREG(facts.status.mode)) return findings_.Wrong(name + " is not a regular file");
    if (IsLeased(path, facts, {O_RDONLY}) || look_.AccessError(facts, X_OK) == 0) return;
    const bool noexec = (look_.MountFlags(facts) & ST_NOEXEC) != 0;
    findings_.Wrong(name +
                        (noexec ? " is on a file system mounted noexec" : " has no x permission") +
                        ": PR_SET_MM_EXE_FILE needs it",
                    noexec ? "mount -o remount,exec for the restore" : "chmod +x for the restore");
  }

  void CheckDirectory(const std::string& path) {
    if (path.empty() || Later(path)) return;
    const Facts& facts = Look(path, false);
    const std::string name = "the directory " + path;
    if (!IsThere(facts, name)) return;
    if (!S_ISDIR(facts.status.mode)) return findings_.Wrong(path + " is not a directory");
    const int error = look_.AccessError(facts, X_OK);
    if (error != 0) {
      findings_.Wrong(name + ": " + std::strerror(error),
                      "run as its owner, or with "
                      "CAP_DAC_READ_SEARCH");
    }
  }

  /// In a mount namespace that nobody has looked into, for it is not there yet.
  bool IsElsewhere(const Rare<std::uint64_t>& mount) const {
    return IsInOtherMounts(context_, pid_, mount);
  }
  static constexpr const char* kElsewhere = " in a mount namespace that is not the root's";

  /// `made`: by the supervisor, or there by another name.
  void CheckElsewhere(const Text& path, const Rare<std::uint64_t>& mount, bool made) {
    if (!made) return;
    if (!mount) {
      return findings_.Unsupported("the unlinked file " + Printable(path.bytes) + kElsewhere);
    }
    const auto found = std::ranges::find(*context_.mounts, *mount, &Mount::id);
    const RootView there(context_.mounts, context_.files, found->namespace_id);
    (void)CanMakeIn(context_, path.bytes, there);
  }

  /// With --pidns the restorer has a /proc of the new namespace.
  bool IsOfAnotherProc(const std::string& path) const {
    if (!context_.own_numbers || context_.options.own_numbers || !root_.IsOwn()) return false;
    const auto owner = ParseProcPath(path);
    return owner && (context_.outer_pid_namespace || context_.pids.contains(owner->pid) ||
                     context_.pids.contains(owner->tid));
  }

  /// Only the restore can show it: it is there with a process of the plan, or on another /proc.
  bool Later(const std::string& path) {
    if (IsOfAnotherProc(path)) {
      findings_.Unsupported(path +
                            ": the tree has a pid namespace and no mounts of its own, and in "
                            "this /proc its processes have other numbers");
      return true;
    }
    if (context_.own_numbers && (path + "/").starts_with("/proc/")) return true;
    if (root_.IsMadeLater(path)) return true;
    const auto owner = ParseProcPath(path);
    return owner && (context_.pids.contains(owner->pid) || context_.pids.contains(owner->tid));
  }

  const Facts& Look(const std::string& path, bool link) { return look_.Look(path, link); }
  const RootView root_;
  FileLook look_;
  std::int64_t most_pending_ = -1;
  Room room_;
  std::set<std::uint64_t> unlinked_;                        ///< regular files, by first name
  std::unordered_map<std::string, std::string> build_ids_;  ///< by name of the file
  SocketNames names_;
  HeldLocks leases_;
};

}  // namespace

std::unique_ptr<Question> AskForFiles(Context& context) {
  return std::make_unique<FileQuestion>(context);
}

void AskForAllFiles(Host& host) { (void)host.File(kMostPending); }

}  // namespace crgen::preflight
