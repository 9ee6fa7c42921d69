// SPDX-License-Identifier: Apache-2.0
// Files that paths lead to: what a process opens, its executable and its directories.
#include <fcntl.h>
#include <sys/fanotify.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <optional>
#include <unordered_map>

#include "dsl/references.h"
#include "model/printable.h"
#include "model/proc_path.h"
#include "preflight/file_facts.h"
#include "preflight/question.h"
#include "preflight/root_view.h"
#include "preflight/socket_files.h"
#include "preflight/watched_inodes.h"

namespace crgen::preflight {
namespace {

std::string Octal(unsigned mode) {
  char text[16];
  std::snprintf(text, sizeof text, "0%o", mode);
  return text;
}

struct Facts {
  int fd = -1;  ///< O_PATH
  int error = 0;
  struct stat status = {};
  std::optional<std::string> build_id;
};

/// Whether this process, with the capabilities that it has, may use the file so.
bool Allows(const Facts& facts, int access) {
  return syscall(SYS_faccessat2, facts.fd, "", access, AT_EMPTY_PATH | AT_EACCESS) == 0;
}

class FileQuestion : public QuestionOn<FileQuestion> {
 public:
  explicit FileQuestion(Context& context)
      : QuestionOn(context), root_(context.mounts, context.files), inodes_(root_) {}

  template <typename Body>
  void On(const Body&) {}

  void On(const OpenFile& open) {
    ForEachOpened(open, [&](Fd, const File& file, bool) {
      if (!file.external) std::visit([&](const auto& body) { Open(file, body); }, file.body);
    });
  }

  void On(const SetAttr& set) {
    const Attributes& attributes = *set.attributes;
    for (const DescriptorState& late : attributes.descriptors) {
      std::visit([&](const auto& state) { Set(state); }, late.state);
    }
    if (attributes.mm && !attributes.mm->exe_unlinked) CheckExecutable(attributes.mm->exe.bytes);
    if (!attributes.fs) return;
    const FsAttributes& fs = *attributes.fs;
    if (!fs.root_unlinked) CheckDirectory(fs.root.bytes);
    if (!fs.cwd_unlinked) CheckDirectory(fs.cwd.bytes);
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
    const std::string& path = fifo.path.bytes;
    if (fifo.unlinked) return CheckPlace(path, *fifo.unlinked);
    if (Later(path)) return;
    const Facts& facts = Look(path, description.flags.Has(O_NOFOLLOW));
    if (facts.error != 0) return findings_.Wrong(path + ": " + PathErrorText(facts.error));
    if (!S_ISFIFO(facts.status.st_mode)) {
      return findings_.Wrong(path + " is no FIFO", "mkfifo " + path);
    }
    // For both sides, whatever the plan says: so that nobody waits for the other one.
    CheckAccess({O_RDWR}, path, facts);
  }
  void Open(const File&, const UnixSocket& socket) {
    if (socket.backlog && !context_.other_network) CheckBacklog(*socket.backlog);
    if (!socket.HasFile() || socket.accept_from) return;
    const std::string path = socket.Path();
    if (Later(path)) return;
    const Facts& folder = LookAtSocketFolder(path.substr(0, path.rfind('/') + 1));
    if (!CheckFolder(folder, "directory", "the socket " + path, "")) return;
    const NameState state = LookAtName(root_.IsOwn() ? path : InFolder(folder.fd, path));
    if (state == NameState::kOther) {
      findings_.Wrong(path + " is another file: the plan has a socket of that name",
                      "move it away");
    } else if (state == NameState::kInUse) {
      findings_.Wrong(path + " is the socket of somebody who runs", "end who has it");
    }
  }

  /// As a path of this process: the last part of `path`, in a folder that is held.
  static std::string InFolder(int folder, const std::string& path) {
    return "/proc/self/fd/" + std::to_string(folder) + path.substr(path.rfind('/'));
  }

  /// listen(2) takes no more than that.
  void CheckBacklog(std::uint32_t backlog) {
    if (most_pending_ < 0) std::ifstream("/proc/sys/net/core/somaxconn") >> most_pending_;
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
    if (Later(path)) return;
    const Facts& facts = Look(path, description.flags.Has(O_NOFOLLOW));
    if (facts.error != 0) {
      return findings_.Wrong(path + ": " + std::strerror(facts.error), "modprobe tun");
    }
    constexpr unsigned kMajor = 10, kMinor = 200;
    if (!S_ISCHR(facts.status.st_mode) || facts.status.st_rdev != makedev(kMajor, kMinor)) {
      return findings_.Wrong(path + " is not the device of tun(4), 10:200");
    }
    CheckAccess(description.flags, path, facts);
  }
  void Open(const File&, const OtherFile& other) {
    findings_.Unsupported("files of type " + other.type);
  }

  template <typename Late>
  void Set(const Late&) {}
  void Set(const InotifyWatches& watches) {
    for (const InotifyWatch& watch : watches.watches) {
      if (watch.unlinked) continue;
      Hold("watch " + std::to_string(watch.wd), watch.path, watch.handle);
    }
  }
  void Set(const FanotifyMarks& marks) {
    for (const FanotifyMark& mark : marks.marks) {
      if (mark.unlinked) continue;
      // A mount of the plan's own is another one than that of which it is a copy.
      if (!root_.IsOwn() && mark.type.value == FAN_MARK_MOUNT) continue;
      Hold("a mark", mark.path, mark.handle);
    }
  }
  void Hold(const std::string& name, const std::optional<Text>& path,
            const std::optional<InodeHandle>& handle) {
    if (path && root_.IsMadeLater(path->bytes)) return;
    const std::string key = WatchedKey(path, handle);
    if (context_.files.watched(key) >= 0) return;
    const WatchedInodes::Found found = inodes_.Find(path, handle);
    if (found.fd < 0) return findings_.Wrong(name + " is on " + found.problem);
    if (!found.problem.empty()) findings_.Warn(name + " is on " + found.problem);
    context_.files.HoldWatched(key, found.fd);
  }

  void Open(const File& description, const RegularFile& file) {
    if (file.unlinked) return CheckPlace(file.path.bytes, *file.unlinked);
    if (file.opened_by && !CheckFolderOf(file.path.bytes)) return;
    const std::string& path = file.opened_by ? file.opened_by->bytes : file.path.bytes;
    if (Later(path)) return;
    Facts& facts = Look(path, description.flags.Has(O_NOFOLLOW));
    if (facts.error != 0) return findings_.Wrong(path + ": " + PathErrorText(facts.error));
    const mode_t type = facts.status.st_mode & S_IFMT;
    if (type == S_IFIFO || type == S_IFSOCK) {
      return findings_.Wrong(path + " is a " + (type == S_IFIFO ? "FIFO" : "socket") +
                             ": the plan says REG");
    }
    CheckUnchanged(file, facts);
    if (!description.flags.Has(O_PATH)) CheckAccess(description.flags, path, facts);
  }

  /// A file without a name gets its old one back for a moment, or another one in its folder.
  void CheckPlace(const std::string& path, const Unlinked& file) {
    if (!CheckFolderOf(path) || root_.IsMadeLater(path)) return;
    const Facts& folder = FolderOf(path);
    if (folder.error != 0) return;  // told
    CheckRoom(path, folder, file);
    const std::uint32_t type = file.mode.value_or(0) & S_IFMT;
    if (type != S_IFCHR && type != S_IFBLK) return;
    struct statvfs mount = {};
    if (fstatvfs(folder.fd, &mount) != 0 || (mount.f_flag & ST_NODEV) == 0) return;
    findings_.Wrong("the device " + path + " is on a file system mounted nodev: nobody opens it",
                    "mount -o remount,dev for the restore");
  }

  /// False: there is no mount to make it in.
  bool CheckFolderOf(const std::string& path) {
    if (root_.IsMadeInside(path)) {
      findings_.Unsupported("the unlinked file " + Printable(path) + kMadeInside);
      return false;
    }
    if (!root_.IsMadeLater(path)) CheckFolder(FolderOf(path), "folder", path, " for a moment");
    return true;
  }

  /// Where something is made: the folder of `path`, or the one in which its missing folders are
  /// made.
  const Facts& FolderOf(const std::string& path) {
    std::string folder = path.substr(0, path.rfind('/') + 1);
    while (folder.size() > 1 && Look(folder, false).error == ENOENT) {
      folder.pop_back();
      folder.resize(folder.rfind('/') + 1);
    }
    return Look(folder, false);
  }

  /// `file` is to be made there. False: there is no folder. `folder` and `file`: as messages have
  /// it; `when`: " for a moment", or nothing.
  bool CheckFolder(const Facts& facts, const std::string& folder, const std::string& file,
                   const std::string& when) {
    if (facts.error != 0) {
      findings_.Wrong("the " + folder + " of " + file + ": " + PathErrorText(facts.error));
      return false;
    }
    if (Allows(facts, W_OK | X_OK)) return true;
    const bool read_only = errno == EROFS;
    findings_.Wrong(file + " cannot be made" + when + ": " + std::strerror(errno),
                    read_only ? "mount the file system writable"
                              : "run as the " + folder + "'s owner, or with CAP_DAC_OVERRIDE");
    return true;
  }

  /// For what all unlinked files of a file system have.
  void CheckRoom(const std::string& path, const Facts& facts, const Unlinked& file) {
    std::uint64_t& wanted = wanted_[facts.status.st_dev];
    const std::uint64_t before = wanted;
    for (const ContentRun& part : file.content) wanted += part.bytes;
    struct statvfs system = {};
    if (wanted == before || fstatvfs(facts.fd, &system) != 0) return;
    const std::uint64_t free =
        static_cast<std::uint64_t>(geteuid() == 0 ? system.f_bfree : system.f_bavail) *
        system.f_frsize;
    if (before <= free && wanted > free) {
      findings_.Wrong("the file system of " + path + " has " + std::to_string(free) +
                          " bytes left, and the unlinked files take " + std::to_string(wanted),
                      "make room");
    }
  }

  void CheckUnchanged(const RegularFile& file, Facts& facts) {
    const std::string& path = file.opened_by ? file.opened_by->bytes : file.path.bytes;
    const auto changed = [&](const char* what, const std::string& is, const std::string& was) {
      findings_.Wrong(
          path + " has changed: " + what + " is " + is + ", was " + was + " when it was dumped",
          "put the file back as it was");
    };
    if (file.size && *file.size != static_cast<std::uint64_t>(facts.status.st_size)) {
      return changed("size", std::to_string(facts.status.st_size), std::to_string(*file.size));
    }
    if (file.mode && *file.mode != facts.status.st_mode) {
      return changed("mode", Octal(facts.status.st_mode), Octal(*file.mode));
    }
    if (!file.build_id || !S_ISREG(facts.status.st_mode)) return;
    if (!facts.build_id) {
      const int fd = Reopen(facts.fd, O_RDONLY);
      if (fd < 0) return findings_.Wrong(path + ": " + std::strerror(errno));
      facts.build_id = BuildId(fd);
      close(fd);
    }
    if (SameBuildId(*facts.build_id, file.build_id->bytes)) return;
    changed("build id", facts.build_id->empty() ? "none" : Hexadecimal(*facts.build_id),
            Hexadecimal(file.build_id->bytes));
  }

  void CheckAccess(OpenFlags flags, const std::string& path, const Facts& facts) {
    const std::uint64_t mode = flags.bits & O_ACCMODE;
    const auto may_not = [&](const char* what, const char* capability) {
      const bool read_only = errno == EROFS;
      findings_.Wrong(path + " cannot be opened for " + what + ": " + std::strerror(errno),
                      read_only ? "mount the file system writable"
                                : std::string("run as its owner, or with ") + capability);
    };
    if (mode != O_WRONLY && !Allows(facts, R_OK)) may_not("reading", "CAP_DAC_READ_SEARCH");
    if (mode != O_RDONLY && !Allows(facts, W_OK)) may_not("writing", "CAP_DAC_OVERRIDE");
  }

  /// prctl(2), PR_SET_MM_EXE_FILE.
  void CheckExecutable(const std::string& path) {
    if (Later(path)) return;
    const Facts& facts = Look(path, false);
    const std::string name = "the executable " + path;
    if (facts.error != 0) return findings_.Wrong(name + ": " + PathErrorText(facts.error));
    if (!S_ISREG(facts.status.st_mode)) return findings_.Wrong(name + " is not a regular file");
    if (Allows(facts, X_OK)) return;
    struct statvfs mount = {};
    const bool noexec = fstatvfs(facts.fd, &mount) == 0 && (mount.f_flag & ST_NOEXEC) != 0;
    findings_.Wrong(name +
                        (noexec ? " is on a file system mounted noexec" : " has no x permission") +
                        ": PR_SET_MM_EXE_FILE needs it",
                    noexec ? "mount -o remount,exec for the restore" : "chmod +x for the restore");
  }

  void CheckDirectory(const std::string& path) {
    if (path.empty() || Later(path)) return;
    const Facts& facts = Look(path, false);
    const std::string name = "the directory " + path;
    if (facts.error != 0) return findings_.Wrong(name + ": " + PathErrorText(facts.error));
    if (!S_ISDIR(facts.status.st_mode)) return findings_.Wrong(path + " is not a directory");
    if (!Allows(facts, X_OK)) {
      findings_.Wrong(name + ": " + std::strerror(errno),
                      "run as its owner, or with "
                      "CAP_DAC_READ_SEARCH");
    }
  }

  /// Only the restore can show it: it is there with a process of the plan, or on another /proc.
  bool Later(const std::string& path) const {
    if (context_.own_numbers && (path + "/").starts_with("/proc/")) return true;
    if (root_.IsMadeLater(path)) return true;
    const auto owner = ParseProcPath(path);
    return owner && (context_.pids.contains(owner->pid) || context_.pids.contains(owner->tid));
  }

  Facts& Look(const std::string& path, bool link) {
    const auto [known, fresh] = (link ? links_ : files_).try_emplace(path);
    Facts& facts = known->second;
    if (!fresh) return facts;
    facts.fd = root_.Open(path, link ? O_NOFOLLOW : 0);
    if (facts.fd < 0 || fstat(facts.fd, &facts.status) != 0) facts.error = errno;
    if (facts.fd < 0) return facts;
    link ? context_.files.HoldLink(path, facts.fd) : context_.files.HoldFile(path, facts.fd);
    return facts;
  }

  /// The way to a socket's name may have links of others: the executor has no more rights there.
  Facts& LookAtSocketFolder(const std::string& path) {
    if (!root_.IsOwn()) return Look(path, false);
    const auto [known, fresh] = socket_folders_.try_emplace(path);
    Facts& facts = known->second;
    if (!fresh) return facts;
    facts.fd = OpenPath(AT_FDCWD, path, 0, 0);
    if (facts.fd < 0 || fstat(facts.fd, &facts.status) != 0) facts.error = errno;
    if (facts.fd >= 0) context_.files.HoldFile("folder of sockets " + path, facts.fd);
    return facts;
  }

  const RootView root_;
  std::unordered_map<std::string, Facts> files_, links_, socket_folders_;  ///< by path
  std::int64_t most_pending_ = -1;
  std::unordered_map<dev_t, std::uint64_t> wanted_;  ///< bytes of unlinked files
  WatchedInodes inodes_;
};

}  // namespace

std::unique_ptr<Question> AskForFiles(Context& context) {
  return std::make_unique<FileQuestion>(context);
}

}  // namespace crgen::preflight
