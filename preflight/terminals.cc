// SPDX-License-Identifier: Apache-2.0
// Terminals: indices of ptys that are free, devices that are what they were, the caller's own.
#include <fcntl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <bitset>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <initializer_list>
#include <optional>
#include <unordered_map>

#include "dsl/descriptor_tables.h"
#include "model/mount_paths.h"
#include "model/printable.h"
#include "preflight/doing.h"
#include "preflight/file_status.h"
#include "preflight/pty_holders.h"
#include "preflight/question.h"
#include "preflight/root_view.h"

namespace crgen::preflight {
namespace {

constexpr std::uint64_t kOneBuffer = 4095;  // N_TTY_BUF_SIZE, and one less

/// Whether somebody has written more to an end of a terminal than one buffer.
bool HasMuchInput(const Command& command) {
  const auto* set = std::get_if<SetAttr>(&command.body);
  if (set == nullptr) return false;
  const auto& all = set->attributes->descriptors;
  return std::any_of(all.begin(), all.end(), [](const DescriptorState& late) {
    const auto* input = std::get_if<TtyInput>(&late.state);
    return input != nullptr && input->input.bytes > kOneBuffer;
  });
}

/// Bytes that a line discipline with these modes does not hand on as they are: n_tty.c,
/// n_tty_set_termios(). Once it has, a line's end stays one.
std::bitset<256> NotHandedOn(const Termios& modes) {
  std::bitset<256> bytes;
  const auto has = [](const Hex& flags, std::uint64_t flag) { return (flags.value & flag) != 0; };
  const auto control = [&](std::initializer_list<std::size_t> characters) {
    for (const std::size_t c : characters) {
      const bool used = c < modes.cc.size() && modes.cc[c] != 0;  // 0: _POSIX_VDISABLE
      if (used) bytes.set(modes.cc[c] & 0xff);
    }
  };
  if (has(modes.lflag, ISIG)) control({VINTR, VQUIT, VSUSP});
  if (has(modes.lflag, ICANON)) {
    control({VERASE, VKILL, VEOF});
    if (has(modes.lflag, IEXTEN)) control({VWERASE, VREPRINT, VLNEXT});
  }
  if (has(modes.iflag, IXON)) control({VSTART, VSTOP});
  if (has(modes.iflag, IGNCR | ICRNL)) bytes.set('\r');
  if (has(modes.iflag, INLCR)) bytes.set('\n');
  if (has(modes.iflag, PARMRK)) bytes.set(0xff);
  for (std::size_t c = 0; c < bytes.size(); ++c) {
    const bool stripped = has(modes.iflag, ISTRIP) && c >= 0x80;
    const bool lowered = has(modes.iflag, IUCLC) && std::isupper(static_cast<int>(c & 0x7f)) != 0;
    if (stripped || lowered) bytes.set(c);
  }
  return bytes;
}

constexpr const char* kMostPtys = "/proc/sys/kernel/pty/max";
constexpr const char* kPtmx = "/dev/ptmx";

/// A standard stream that is one, the lowest; -1: none.
int CallersTerminal() {
  for (int fd = 0; fd <= 2; ++fd) {
    if (isatty(fd) != 0) return fd;
  }
  return -1;
}

class TerminalQuestion : public QuestionOn<TerminalQuestion> {
 public:
  explicit TerminalQuestion(Context& context)
      : QuestionOn(context),
        root_(context.mounts, context.files),
        much_input_(std::any_of(context.program.begin(), context.program.end(), HasMuchInput)) {}

  void Ask(const Command& command) override {
    if (much_input_) tables_.Follow(command);
    QuestionOn::Ask(command);
  }

  template <typename Body>
  void On(const Body&) {}

  void On(const OpenFile& open) {
    const auto* tty = As<Tty>(*open.file);
    if (tty == nullptr || open.file->external) return;
    if (tty->termios && tty->termios->line != 0) {
      findings_.Unsupported("a terminal with line discipline " +
                            std::to_string(tty->termios->line) + ": only 0, N_TTY, is restored");
    }
    if (!known_.emplace(tty->tty_id, tty).second) return;
    if (tty->index) CheckPty(*tty->index);
    if (tty->path) CheckDevice(*tty);
    if (tty->driver == kCurrentTerminal) CheckCallers();
  }

  void On(const SetAttr& set) {
    for (const DescriptorState& late : set.attributes->descriptors) {
      const auto* input = std::get_if<TtyInput>(&late.state);
      if (input != nullptr && input->input.bytes > kOneBuffer) CheckInput(late.fd, *input);
      if (std::holds_alternative<TtyForeground>(late.state) && has_callers_.value_or(0) != 0) {
        CheckForeground();
      }
    }
  }

 private:
  /// What the first buffer has no room for goes through the line discipline, which it has been
  /// through. A master reads what is there as it is.
  void CheckInput(Fd fd, const TtyInput& late) {
    const Tty* writer = As<Tty>(tables_.At(pid_, fd));
    const auto known = writer == nullptr ? known_.end() : known_.find(writer->tty_id);
    if (known == known_.end() || !IsPtyMaster(*writer) || !known->second->termios) return;
    const Doing doing("reading it", late.input.image);
    const int image = Reopen(context_.files.image(late.input.image), O_RDONLY);
    if (image < 0) return;  // images.cc has told
    std::string bytes(late.input.bytes - kOneBuffer, '\0');
    const ssize_t got = pread(image, bytes.data(), bytes.size(),
                              static_cast<off_t>(late.input.offset + kOneBuffer));
    close(image);
    bytes.resize(static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    const std::bitset<256> changed = NotHandedOn(*known->second->termios);
    const auto found = std::find_if(bytes.begin(), bytes.end(), [&](char byte) {
      return changed.test(static_cast<unsigned char>(byte));
    });
    if (found == bytes.end()) return;
    findings_.Unsupported(
        "byte " + std::to_string(kOneBuffer + static_cast<std::size_t>(found - bytes.begin())) +
        " of what was typed, \"" + Printable(std::string(1, *found)) +
        "\", would be changed by the terminal's modes: the buffer takes " +
        std::to_string(kOneBuffer) + " as they are");
  }

  void CheckPty(std::uint32_t index) {
    // All lower ones are made on the way to it.
    constexpr std::uint32_t kNotKnown = ~std::uint32_t{0};
    const std::uint32_t most = host_.NumberIn(kMostPtys, kNotKnown);
    if (most != kNotKnown && index >= most) {
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
    const auto error = host_.Number(FactKind::kTerminals, kPtmx, [] {
      struct stat status;
      return stat(kPtmx, &status) == 0 ? 0 : errno;
    });
    if (error.value_or(0) != 0) {
      const std::string text = std::strerror(static_cast<int>(*error));
      return findings_.Wrong(std::string(kPtmx) + ": " + text, "mount devpts");
    }
    const std::string name = "pty " + std::to_string(index);
    const auto taken = host_.Text(FactKind::kTerminals, name, [&] { return WhoTakes(index); });
    if (!taken || taken->empty()) return;
    findings_.Wrong(name + " is taken: " + *taken,
                    "end who has it, or restore in another instance of devpts");
  }

  /// "": it is free. A slave that is hung up has its index still, and no name any more.
  std::string WhoTakes(std::uint32_t index) {
    const std::string path = "/dev/pts/" + std::to_string(index);
    std::string holder = holders_.Of(index);
    if (!holder.empty()) return holder;
    struct stat status;
    while (lstat(path.c_str(), &status) == 0) {
      if (patience_ == 0) return path + " exists";
      // The kernel removes one that was closed a moment ago in its own time.
      --patience_;
      usleep(10'000);
    }
    return errno == ENOENT ? "" : path + ": " + std::strerror(errno);
  }

  void CheckDevice(const Tty& tty) {
    const std::string& path = tty.path->bytes;
    if (root_.IsMadeInside(path)) {
      return findings_.Unsupported("the terminal " + Printable(path) + kMadeInside);
    }
    if (root_.IsMadeLater(path)) return;
    const auto text = host_.Text(FactKind::kTerminals, path, [&] { return Stat(path).Text(); });
    if (!text) return;
    const FileStatus status = FileStatus::Of(*text);
    if (status.error != 0) return findings_.Wrong(path + ": " + std::strerror(status.error));
    if (S_ISCHR(status.mode) && static_cast<std::uint32_t>(status.special) == *tty.rdev) return;
    findings_.Wrong(path + " is not the terminal that it was: another device, or none");
  }

  /// As stat(2), where the plan's paths begin.
  FileStatus Stat(const std::string& path) const {
    const int fd = root_.IsOwn() ? OpenPath(AT_FDCWD, path, 0, 0) : root_.Open(path, 0);
    const FileStatus status = StatusOf(fd, errno);
    if (fd >= 0) close(fd);
    return status;
  }

  void CheckCallers() {
    has_callers_ = host_.Number(FactKind::kTerminals, "of who restores",
                                [] { return CallersTerminal() >= 0; });
    if (has_callers_.value_or(1) != 0) return;
    findings_.Wrong(
        "the plan goes on on the terminal of who restores, and no standard stream is one",
        "run crrestore on a terminal");
  }

  void CheckForeground() {
    const auto controlled = host_.Number(FactKind::kTerminals, "of who restores, controlling",
                                         [] { return tcgetpgrp(CallersTerminal()) >= 0; });
    if (controlled.value_or(1) != 0) return;
    findings_.Wrong(
        "the plan has jobs on the terminal of who restores, which controls another "
        "session",
        "run crrestore from a shell on that terminal");
  }

  const RootView root_;
  std::unordered_map<TtyId, const Tty*> known_;  ///< first descriptions
  const bool much_input_;
  DescriptorTables tables_;  ///< where there is much input
  PtyHolders holders_;
  int patience_ = 100;  ///< hundredths of a second
  std::optional<std::uint64_t> has_callers_ = 0;
};

}  // namespace

std::unique_ptr<Question> AskForTerminals(Context& context) {
  return std::make_unique<TerminalQuestion>(context);
}

void AskForAllTerminals(Host& host) { (void)host.File(kMostPtys); }

}  // namespace crgen::preflight
