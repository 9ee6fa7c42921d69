// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/flags.h"
#include "model/ids.h"
#include "model/image_bytes.h"
#include "model/rare.h"
#include "model/values.h"

namespace crgen {

/// termios(3), as the kernel has it.
struct Termios {
  Hex iflag, oflag, cflag, lflag;
  std::uint32_t line = 0;  ///< the line discipline; 0: N_TTY
  std::uint32_t ispeed = 0;
  std::uint32_t ospeed = 0;
  std::vector<std::uint32_t> cc;  ///< kControlCharacters of them
  friend bool operator==(const Termios&, const Termios&) = default;
};

/// NCCS of the kernel.
inline constexpr std::size_t kControlCharacters = 19;

/// TIOCSWINSZ of ioctl_tty(2).
struct Winsize {
  std::uint32_t rows = 0;
  std::uint32_t columns = 0;
  std::uint32_t xpixel = 0;
  std::uint32_t ypixel = 0;
  friend bool operator==(const Winsize&, const Winsize&) = default;
};

/// What both ends of a pty, or another terminal, have in common.
struct TerminalState {
  Rare<Termios> termios;         ///< absent: it is hung up, or the caller's
  Rare<Termios> locked_termios;  ///< bits that only a privileged process changes
  std::optional<Winsize> winsize;
  bool hung_up = false;
  friend bool operator==(const TerminalState&, const TerminalState&) = default;
};

/// What the ends of a pty have each of their own.
struct TerminalEnd {
  bool exclusive = false;             ///< TIOCEXCL
  bool packet = false;                ///< TIOCPKT, of a master
  std::optional<std::uint32_t> mode;  ///< of a slave's file: permissions
  std::optional<std::uint32_t> uid;
  std::optional<std::uint32_t> gid;
  friend bool operator==(const TerminalEnd&, const TerminalEnd&) = default;
};

struct Terminal;

/// tty_file_entry: a description of a terminal, or of one end of a pty.
struct Tty {
  static constexpr std::string_view kType = "TTY";
  using Object = Terminal;
  TtyId tty_id;
  TtyDriver driver;
  std::optional<std::uint32_t> index;  ///< of a pty
  Rare<Text> path;                     ///< console, vt, serial
  std::optional<std::uint64_t> rdev;   ///< likewise
  // At the first description of the terminal.
  Rare<Termios> termios;
  Rare<Termios> locked_termios;
  std::optional<Winsize> winsize;
  bool hung_up = false;
  // At the first description of this end.
  bool exclusive = false;
  bool packet = false;
  std::optional<std::uint32_t> mode;
  std::optional<std::uint32_t> uid;
  std::optional<std::uint32_t> gid;
  bool controlling = false;  ///< who opens it makes it the controlling terminal of its session
  friend bool operator==(const Tty&, const Tty&) = default;
};

/// Numbers of TtyDriver.
inline constexpr TtyDriver kPtyMaster = {0}, kPtySlave = {1}, kConsole = {2},
                           kVirtualTerminal = {3}, kSerialLine = {4}, kCurrentTerminal = {5},
                           kExternalTerminal = {6}, kOwnTerminal = {7};

inline bool IsPtyMaster(const Tty& tty) { return tty.driver == kPtyMaster; }
inline bool IsPty(const Tty& tty) { return tty.driver == kPtyMaster || tty.driver == kPtySlave; }

inline TerminalState StateIn(const Tty& tty) {
  return {tty.termios, tty.locked_termios, tty.winsize, tty.hung_up};
}
inline TerminalEnd EndIn(const Tty& tty) {
  return {tty.exclusive, tty.packet, tty.mode, tty.uid, tty.gid};
}

/// Late state of an end of a pty: what was written to it, and nobody has read at the other end.
struct TtyInput {
  ImageBytes input;
  friend bool operator==(const TtyInput&, const TtyInput&) = default;
};

/// Late state of a terminal, set by a process that is controlled by it: TIOCSPGRP.
struct TtyForeground {
  PidReference foreground;
  friend bool operator==(const TtyForeground&, const TtyForeground&) = default;
};

/// Late state of a master: TIOCSPTLCK.
struct TtyLock {
  bool locked = true;
  friend bool operator==(const TtyLock&, const TtyLock&) = default;
};

}  // namespace crgen
