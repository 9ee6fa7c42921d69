// SPDX-License-Identifier: Apache-2.0
// Terminals: indices of ptys that are free, devices that are what they were, the caller's own.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <unordered_set>

#include "model/mount_paths.h"
#include "model/printable.h"
#include "preflight/question.h"
#include "preflight/root_view.h"

namespace crgen::preflight {
namespace {

constexpr std::uint64_t kOneBuffer = 4095;  // N_TTY_BUF_SIZE, and one less

/// Whether that descriptor of a process is an end of the pty: a slave by its name, a master by what
/// proc(5) says of it.
bool IsEndOf(const std::filesystem::path& process, const std::filesystem::path& fd,
             const std::string& slave, const std::string& index) {
  std::error_code error;
  const std::string target = std::filesystem::read_symlink(fd, error).string();
  if (target == slave) return true;
  if (!target.ends_with("/ptmx")) return false;
  std::ifstream info(process / "fdinfo" / fd.filename());
  for (std::string word, value; info >> word;) {
    if (word == "tty-index:" && info >> value) return value == index;
  }
  return false;
}

/// "process 812 (bash) has it"; empty: nobody that this process may look at.
std::string HolderOf(std::uint32_t index) {
  namespace fs = std::filesystem;
  const std::string number = std::to_string(index), slave = "/dev/pts/" + number;
  std::error_code error;
  for (fs::directory_iterator it("/proc", error), end; !error && it != end; it.increment(error)) {
    const std::string pid = it->path().filename().string();
    if (pid.find_first_not_of("0123456789") != std::string::npos) continue;
    std::error_code gone;
    for (fs::directory_iterator fd(it->path() / "fd", gone), last; !gone && fd != last;
         fd.increment(gone)) {
      if (!IsEndOf(it->path(), fd->path(), slave, number)) continue;
      std::string name;
      std::getline(std::ifstream(it->path() / "comm"), name);
      return "process " + pid + " (" + name + ") has it";
    }
  }
  return "";
}

class TerminalQuestion : public QuestionOn<TerminalQuestion> {
 public:
  explicit TerminalQuestion(Context& context)
      : QuestionOn(context), root_(context.mounts, context.files) {}

  template <typename Body>
  void On(const Body&) {}

  void On(const OpenFile& open) {
    const auto* tty = As<Tty>(*open.file);
    if (tty == nullptr || open.file->external) return;
    if (tty->termios && tty->termios->line != 0) {
      findings_.Unsupported("a terminal with line discipline " +
                            std::to_string(tty->termios->line) + ": only 0, N_TTY, is restored");
    }
    if (!known_.insert(tty->tty_id).second) return;
    if (tty->index) CheckPty(*tty->index);
    if (tty->path) CheckDevice(*tty);
    if (tty->driver == kCurrentTerminal) CheckCallers();
  }

  void On(const SetAttr& set) {
    for (const DescriptorState& late : set.attributes->descriptors) {
      const auto* input = std::get_if<TtyInput>(&late.state);
      if (input != nullptr && input->input.bytes > kOneBuffer) {
        findings_.Unsupported(std::to_string(input->input.bytes) +
                              " unread bytes of a terminal: more than " +
                              std::to_string(kOneBuffer) + " are not restored");
      }
      if (std::holds_alternative<TtyForeground>(late.state) && callers_ >= 0) CheckForeground();
    }
  }

 private:
  void CheckPty(std::uint32_t index) {
    // All lower ones are made on the way to it.
    std::uint32_t most = 0;
    if (std::ifstream("/proc/sys/kernel/pty/max") >> most && index >= most) {
      return findings_.Wrong(
          "pty " + std::to_string(index) + ": kernel.pty.max is " + std::to_string(most),
          "raise it");
    }
    if (context_.mounts == nullptr) return CheckIndex(index);
    const Mount& mount = *MountPaths(*context_.mounts).MountOf("/dev/pts");
    if (mount.fstype == "devpts") return;  // a new one, with no terminal yet
    findings_.Unsupported("pty " + std::to_string(index) +
                          " in a mount namespace of the plan's own without a new devpts at "
                          "/dev/pts");
  }

  void CheckIndex(std::uint32_t index) {
    const std::string path = "/dev/pts/" + std::to_string(index);
    struct stat status;
    if (stat("/dev/ptmx", &status) != 0) {
      return findings_.Wrong("/dev/ptmx: " + std::string(std::strerror(errno)), "mount devpts");
    }
    std::string holder;
    for (bool asked = false;; asked = true) {
      if (lstat(path.c_str(), &status) != 0) {
        if (errno != ENOENT) findings_.Wrong(path + ": " + std::strerror(errno));
        return;
      }
      if (!asked) holder = HolderOf(index);
      if (!holder.empty() || patience_ == 0) break;
      // The kernel removes one that was closed a moment ago in its own time.
      --patience_;
      usleep(10'000);
    }
    findings_.Wrong("pty " + std::to_string(index) +
                        " is taken: " + (holder.empty() ? path + " exists" : holder),
                    "end who has it, or restore in another instance of devpts");
  }

  void CheckDevice(const Tty& tty) {
    const std::string& path = tty.path->bytes;
    if (root_.IsMadeInside(path)) {
      return findings_.Unsupported("the terminal " + Printable(path) + kMadeInside);
    }
    if (root_.IsMadeLater(path)) return;
    struct stat status;
    if (!Stat(path, &status)) {
      return findings_.Wrong(path + ": " + std::strerror(errno));
    }
    if (S_ISCHR(status.st_mode) && static_cast<std::uint32_t>(status.st_rdev) == *tty.rdev) return;
    findings_.Wrong(path + " is not the terminal that it was: another device, or none");
  }

  /// As stat(2), where the plan's paths begin.
  bool Stat(const std::string& path, struct stat* status) const {
    if (root_.IsOwn()) return stat(path.c_str(), status) == 0;
    const int fd = root_.Open(path, 0);
    if (fd < 0) return false;
    const bool known = fstat(fd, status) == 0;
    close(fd);
    return known;
  }

  void CheckCallers() {
    for (int fd = 2; fd >= 0; --fd) {
      if (isatty(fd) != 0) callers_ = fd;
    }
    if (callers_ >= 0) return;
    findings_.Wrong(
        "the plan goes on on the terminal of who restores, and no standard stream is one",
        "run crrestore on a terminal");
  }

  void CheckForeground() {
    if (tcgetpgrp(callers_) >= 0) return;
    findings_.Wrong(
        "the plan has jobs on the terminal of who restores, which controls another "
        "session",
        "run crrestore from a shell on that terminal");
  }

  const RootView root_;
  std::unordered_set<TtyId> known_;
  int patience_ = 100;  ///< hundredths of a second
  int callers_ = -1;
};

}  // namespace

std::unique_ptr<Question> AskForTerminals(Context& context) {
  return std::make_unique<TerminalQuestion>(context);
}

}  // namespace crgen::preflight
