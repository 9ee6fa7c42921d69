// SPDX-License-Identifier: Apache-2.0
#include "restorer/terminals.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>

#include "restorer/deadline.h"
#include "restorer/supervisor_calls.h"

namespace crgen::restorer {
namespace {

constexpr std::size_t kOneBuffer = 4095;  // N_TTY_BUF_SIZE, and one less
constexpr unsigned kPatience = 10;        // seconds
constexpr useconds_t kMoment = 10'000;

/// struct termios of the kernel; the C library's is another one.
struct KernelTermios {
  std::uint32_t iflag = 0, oflag = 0, cflag = CS8 | CREAD | B38400, lflag = 0;
  std::uint8_t line = 0;
  std::uint8_t cc[kControlCharacters] = {};
};

KernelTermios ToKernel(const Termios& from) {
  KernelTermios to;
  to.iflag = static_cast<std::uint32_t>(from.iflag.value);
  to.oflag = static_cast<std::uint32_t>(from.oflag.value);
  to.cflag = static_cast<std::uint32_t>(from.cflag.value);
  to.lflag = static_cast<std::uint32_t>(from.lflag.value);
  to.line = static_cast<std::uint8_t>(from.line);
  std::copy(from.cc.begin(), from.cc.end(), to.cc);
  return to;
}

bool IsNothing(const Termios& locked) {
  return (locked.iflag.value | locked.oflag.value | locked.cflag.value | locked.lflag.value |
          locked.line) == 0 &&
         std::all_of(locked.cc.begin(), locked.cc.end(), [](auto bits) { return bits == 0; });
}

template <typename Argument>
bool Ioctl(int fd, unsigned long request, Argument argument) {
  return !FailsOnPurpose() && ioctl(fd, request, argument) == 0;
}

bool SetTermios(int fd, const KernelTermios& termios) { return Ioctl(fd, TCSETS, &termios); }

bool SetWinsize(int fd, const Winsize& size) {
  struct winsize to = {};
  to.ws_row = static_cast<unsigned short>(size.rows);
  to.ws_col = static_cast<unsigned short>(size.columns);
  to.ws_xpixel = static_cast<unsigned short>(size.xpixel);
  to.ws_ypixel = static_cast<unsigned short>(size.ypixel);
  return Ioctl(fd, TIOCSWINSZ, &to);
}

std::string NameOf(const Tty& tty) {
  return tty.index  ? "pty " + std::to_string(*tty.index)
         : tty.path ? "terminal " + tty.path->bytes
                    : "the terminal of who restores";
}

constexpr const char* kFromImage = "pread of the image";

bool ReadWhole(int image, std::uint64_t offset, std::string* bytes) {
  std::size_t done = 0;
  while (done < bytes->size()) {
    const ssize_t got =
        pread(image, bytes->data() + done, bytes->size() - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got == 0) errno = ENODATA;
    if (got <= 0) return false;
    done += static_cast<std::size_t>(got);
  }
  return true;
}

/// What there is from `skipped` on.
bool ReadImage(const TtyInput& input, std::uint64_t skipped, std::string* bytes,
               const HostFiles& files) {
  const int image = Reopen(files.image(input.input.image), O_RDONLY);
  const bool whole = image >= 0 && ReadWhole(image, input.input.offset + skipped, bytes);
  const int error = errno;
  if (image >= 0) close(image);
  errno = error;
  return whole;
}

/// In pieces that fill the kernel's buffers: of a large write(2) each takes one, which may stay
/// half empty.
bool WriteWhole(int fd, const std::string& bytes) {
  constexpr std::size_t kPiece = 256;
  Deadline deadline(kPatience);
  for (std::size_t done = 0; done < bytes.size();) {
    const ssize_t put = FailsOnPurpose()
                            ? -1
                            : write(fd, bytes.data() + done, std::min(kPiece, bytes.size() - done));
    if (put > 0) done += static_cast<std::size_t>(put);
    if (put < 0 && errno != EAGAIN && errno != EINTR) return false;
    if (put > 0 || done == bytes.size()) continue;
    if (deadline.Passed()) {
      errno = ETIMEDOUT;
      return false;
    }
    pollfd room = {fd, POLLOUT, 0};
    poll(&room, 1, 100);
  }
  return true;
}

/// Who has that description waits in write(2) perhaps, and this must not.
bool WriteAtOnce(int fd, const std::string& bytes) {
  const int flags = fcntl(fd, F_GETFL);
  fcntl(fd, F_SETFL, flags | O_NONBLOCK);
  const bool written = WriteWhole(fd, bytes);
  const int error = errno;
  fcntl(fd, F_SETFL, flags);
  errno = error;
  return written;
}

/// What is written goes through a queue of the kernel before it can be read.
bool AwaitInput(int reader, std::size_t bytes) {
  Deadline deadline(kPatience);
  for (;;) {
    int there = 0;
    if (!Ioctl(reader, TIOCINQ, &there)) return false;
    if (static_cast<std::size_t>(there) >= std::min(bytes, kOneBuffer)) return true;
    if (deadline.Passed()) {
      errno = ETIMEDOUT;
      return false;
    }
    usleep(1000);
  }
}

}  // namespace

int CallersTerminal() {
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (isatty(fd) != 0) return fd;
  }
  return -1;
}

int Terminals::OpenPtmx() const {
  constexpr int kFlags = O_RDWR | O_NOCTTY | O_CLOEXEC;
  return devpts_ < 0 ? open("/dev/ptmx", kFlags) : openat(devpts_, "ptmx", kFlags);
}

int Terminals::OpenSlave(std::uint32_t index, int flags) const {
  const std::string name = std::to_string(index);
  return devpts_ < 0 ? open(("/dev/pts/" + name).c_str(), flags)
                     : openat(devpts_, name.c_str(), flags);
}

/// open(2) of a terminal that is no pty.
int Terminals::OpenDevice(const Tty& tty) const {
  constexpr int kFlags = O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC;
  if (!tty.path) return Reopen(CallersTerminal(), kFlags);
  if (paths_.IsOwn()) return open(tty.path->bytes.c_str(), kFlags);
  const int place = paths_.Open(tty.path->bytes, 0);
  if (place < 0) return -1;
  const int fd = Reopen(place, kFlags);
  const int error = errno;
  close(place);
  errno = error;
  return fd;
}

/// The kernel gives out the lowest free index.
std::string Terminals::MakePty(std::uint32_t index, Terminal* terminal) {
  const std::string name = "pty " + std::to_string(index);
  for (std::uint32_t last = 0; !spare_.contains(index);) {
    const int master = FailsOnPurpose() ? -1 : OpenPtmx();
    const bool made = master >= 0 && Ioctl(master, TIOCGPTN, &last);
    if (!made) {
      std::string problem = ErrorText(name + ": /dev/ptmx");
      if (master >= 0) close(master);
      return problem;
    }
    spare_.emplace(last, master);
    if (last > index) return name + " is taken";
  }
  terminal->master = spare_.extract(index).mapped();
  int unlocked = 0;
  if (!Ioctl(terminal->master, TIOCSPTLCK, &unlocked)) return ErrorText(name + ": TIOCSPTLCK");
  terminal->slave = ioctl(terminal->master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
  return terminal->slave < 0 ? ErrorText(name + ": TIOCGPTPEER") : "";
}

std::string Terminals::Make(const Tty& tty, Terminal* terminal) {
  terminal->name = tty;
  terminal->state = StateIn(tty);
  if (IsPty(tty)) {
    if (std::string problem = MakePty(*tty.index, terminal); !problem.empty()) return problem;
  } else {
    terminal->slave = OpenDevice(tty);
    struct stat status;
    if (terminal->slave < 0 || fstat(terminal->slave, &status) != 0) {
      return ErrorText(NameOf(tty));
    }
    if (tty.rdev && static_cast<std::uint32_t>(status.st_rdev) != *tty.rdev) {
      return NameOf(tty) + " is another device than it was";
    }
  }
  // Before it has a foreground group, which would get SIGWINCH.
  if (tty.winsize && !SetWinsize(terminal->slave, *tty.winsize)) {
    return ErrorText(NameOf(tty) + ": TIOCSWINSZ");
  }
  return "";
}

std::string Terminals::Open(const File& file, const Tty& tty, int* description) {
  const auto [known, first] = terminals_.try_emplace(tty.tty_id);
  Terminal& terminal = known->second;
  if (first) {
    if (std::string problem = Make(tty, &terminal); !problem.empty()) return problem;
  }
  const bool master = IsPtyMaster(tty);
  const TerminalEnd own = EndIn(tty);
  if (own != TerminalEnd{}) terminal.ends[master ? 1 : 0] = own;
  if (master) {
    terminal.master_held = true;
    *description = fcntl(terminal.master, F_DUPFD_CLOEXEC, 0);
    return *description < 0 ? ErrorText(NameOf(tty)) : "";
  }
  const int flags = static_cast<int>(file.flags.bits & ~std::uint64_t{O_ASYNC}) | O_NOCTTY;
  if (tty.index && (file.flags.bits & kLargeFile) == 0) {
    // Not by its name: open(2) would have added that flag. O_CLOEXEC would stay with the
    // description.
    *description = ioctl(terminal.master, TIOCGPTPEER, flags);
    if (*description >= 0) fcntl(*description, F_SETFD, FD_CLOEXEC);
  } else {
    const std::string path = "/proc/self/fd/" + std::to_string(terminal.slave);
    *description = tty.index ? OpenSlave(*tty.index, flags | O_CLOEXEC)
                             : open(path.c_str(), flags | O_CLOEXEC);
  }
  if (*description < 0) return ErrorText(NameOf(tty));
  struct stat there, wanted;
  if (fstat(*description, &there) != 0 || fstat(terminal.slave, &wanted) != 0) {
    return ErrorText(NameOf(tty));
  }
  if (there.st_rdev == wanted.st_rdev && there.st_dev == wanted.st_dev) return "";
  return NameOf(tty) + ": /dev/pts is not where /dev/ptmx makes terminals";
}

void Terminals::Made() {
  for (const auto& [index, master] : spare_) close(master);
  spare_.clear();
  for (auto& [id, terminal] : terminals_) {
    if (!terminal.state.hung_up) continue;
    for (int* fd : {&terminal.master, &terminal.slave}) {
      if (*fd >= 0) close(*fd);
      *fd = -1;
    }
  }
}

const char* Terminals::SetEnd(const TerminalEnd& end, int fd) {
  int on = 1;
  if (end.exclusive && !Ioctl(fd, TIOCEXCL, 0)) return "TIOCEXCL";
  if (end.packet && !Ioctl(fd, TIOCPKT, &on)) return "TIOCPKT";
  return nullptr;
}

/// nullptr, or the call that failed.
const char* Terminals::Set(const Terminal& terminal) const {
  const TerminalState& state = terminal.state;
  if (state.termios && !SetTermios(terminal.slave, ToKernel(*state.termios))) return "TCSETS";
  if (state.locked_termios && !IsNothing(*state.locked_termios)) {
    const KernelTermios locked = ToKernel(*state.locked_termios);
    if (!Ioctl(terminal.slave, TIOCSLCKTRMIOS, &locked)) return "TIOCSLCKTRMIOS";
  }
  const TerminalEnd& own = terminal.ends[0];
  constexpr std::uint32_t kUnchanged = ~std::uint32_t{0};
  if ((own.uid || own.gid) &&
      (FailsOnPurpose() || fchown(terminal.slave, own.uid ? ids_.Uid(*own.uid) : kUnchanged,
                                  own.gid ? ids_.Gid(*own.gid) : kUnchanged) != 0)) {
    return "fchown";
  }
  if (own.mode && (FailsOnPurpose() || fchmod(terminal.slave, *own.mode) != 0)) return "fchmod";
  if (const char* failed = SetEnd(own, terminal.slave)) return failed;
  return SetEnd(terminal.ends[1], terminal.master);
}

/// Through a line discipline that changes nothing; of a terminal that is read line by line, lines
/// stay lines. For a slave, as much as its buffer takes: FeedRest.
const char* Terminals::Feed(const Terminal& terminal, bool to_master, const TtyInput& input,
                            const HostFiles& files) {
  std::string bytes(
      to_master ? std::min<std::uint64_t>(input.input.bytes, kOneBuffer) : input.input.bytes, '\0');
  if (!ReadImage(input, 0, &bytes, files)) return kFromImage;
  KernelTermios modes;
  std::size_t readable = bytes.size();
  if (to_master) {
    const auto& wanted = terminal.state.termios;
    const std::size_t last_line = bytes.rfind('\n') + 1;
    const bool goes_on = bytes.size() < input.input.bytes;
    const bool lines = wanted && (wanted->lflag.value & ICANON) != 0 &&
                       (last_line == bytes.size() || (goes_on && last_line != 0));
    if (lines) readable = last_line;
    modes.lflag = lines ? ICANON : 0;
    modes.cc[VMIN] = lines ? 0 : 1;
  } else {
    // What is in the slave already stays lines.
    if (!Ioctl(terminal.slave, TCGETS, &modes)) return "TCGETS";
    modes.oflag = 0;
  }
  if (!SetTermios(terminal.slave, modes)) return "TCSETS";
  const int writer = to_master ? terminal.master : terminal.slave;
  const int reader = to_master ? terminal.slave : terminal.master;
  if (!WriteAtOnce(writer, bytes)) return "write";
  if (!AwaitInput(reader, readable)) return "TIOCINQ";
  // The beginning of a line is not counted, and comes at once behind the others.
  if (readable < bytes.size()) usleep(kMoment);
  return nullptr;
}

/// What the buffer of a slave has no room for waits before its line discipline, as it did: with the
/// modes that the terminal is to have.
const char* Terminals::FeedRest(const Terminal& terminal, const TtyInput& input,
                                const HostFiles& files) {
  if (input.input.bytes <= kOneBuffer) return nullptr;
  std::string bytes(input.input.bytes - kOneBuffer, '\0');
  if (!ReadImage(input, kOneBuffer, &bytes, files)) return kFromImage;
  return WriteAtOnce(terminal.master, bytes) ? nullptr : "write";
}

RestoreProblem Terminals::Set(const Program& program, const LateFiles& late_files,
                              const HostFiles& files) {
  if (terminals_.empty()) return {};
  const BlockedTtou blocked;
  const auto for_each_late = [&](auto&& function) -> RestoreProblem {
    for (std::size_t i = 0; i < program.size(); ++i) {
      const auto* set = std::get_if<SetAttr>(&program[i].body);
      if (set == nullptr) continue;
      const std::vector<DescriptorState>& entries = set->attributes->descriptors;
      for (std::size_t k = 0; k < entries.size(); ++k) {
        const auto* tty = As<Tty>(*late_files.at(i)[k]);
        if (tty == nullptr || !terminals_.contains(tty->tty_id)) continue;
        const Terminal& terminal = terminals_.at(tty->tty_id);
        const char* failed = function(terminal, *tty, entries[k].state);
        if (failed != nullptr) {
          return {ErrorText(NameOf(*tty) + ": " + failed), static_cast<std::int64_t>(i)};
        }
      }
    }
    return {};
  };
  RestoreProblem problem =
      for_each_late([&](const Terminal& terminal, const Tty& tty, const LateState& state) {
        const auto* input = std::get_if<TtyInput>(&state);
        return input == nullptr ? nullptr : Feed(terminal, IsPtyMaster(tty), *input, files);
      });
  if (problem) return problem;
  for (const auto& [id, terminal] : terminals_) {
    if (terminal.state.hung_up) continue;
    if (const char* failed = Set(terminal)) {
      return {ErrorText(NameOf(terminal.name) + ": " + failed), -1};
    }
  }
  problem = for_each_late([&](const Terminal& terminal, const Tty& tty, const LateState& state) {
    const auto* input = std::get_if<TtyInput>(&state);
    return input == nullptr || !IsPtyMaster(tty) ? nullptr : FeedRest(terminal, *input, files);
  });
  if (problem) return problem;
  return for_each_late([](const Terminal& terminal, const Tty&, const LateState& state) {
    int locked = 1;
    const bool locks = std::holds_alternative<TtyLock>(state);
    return locks && !Ioctl(terminal.master, TIOCSPTLCK, &locked) ? "TIOCSPTLCK" : nullptr;
  });
}

std::string Terminals::SendOrphans(const std::string& path) const {
  for (const auto& [id, terminal] : terminals_) {
    if (terminal.master < 0 || terminal.master_held) continue;
    const auto problem = [&, &terminal = terminal](const char* call) {
      return ErrorText("the master of " + NameOf(terminal.name) + ", to " + path + ": " + call);
    };
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) {
      errno = ENAMETOOLONG;
      return problem("connect");
    }
    std::memcpy(address.sun_path, path.c_str(), path.size());
    const int channel = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (channel < 0) return problem("socket");
    std::string name = "/dev/pts/" + std::to_string(*terminal.name.index);
    iovec text = {name.data(), name.size()};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
    msghdr message = {};
    message.msg_iov = &text;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* const header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(header), &terminal.master, sizeof(int));
    const bool connected =
        connect(channel, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    const bool sent = connected && sendmsg(channel, &message, MSG_NOSIGNAL) >= 0;
    std::string failed = sent ? "" : problem(connected ? "sendmsg" : "connect");
    close(channel);
    if (!failed.empty()) return failed;
  }
  return "";
}

ForegroundGroups Terminals::Foreground() const {
  ForegroundGroups groups;
  for (const auto& [id, terminal] : terminals_) {
    pid_t group = 0;
    const bool pty = terminal.master >= 0;
    const int fd = pty ? terminal.master : terminal.slave;
    if (fd < 0 || ioctl(fd, TIOCGPGRP, &group) != 0 || group <= 1) continue;
    (pty ? groups.of_ptys : groups.of_outside).push_back(group);
  }
  return groups;
}

void Terminals::Close() {
  for (auto& [id, terminal] : terminals_) {
    for (const int fd : {terminal.master, terminal.slave}) {
      if (fd >= 0) close(fd);
    }
  }
  terminals_.clear();
}

}  // namespace crgen::restorer
