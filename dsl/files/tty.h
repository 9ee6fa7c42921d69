// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "dsl/describe.h"
#include "dsl/image_bytes.h"
#include "model/files/tty.h"

namespace crgen {

template <>
struct Describe<Termios> {
  static constexpr auto kFields =
      std::tuple{Required("iflag", &Termios::iflag, "c_iflag"),
                 Required("oflag", &Termios::oflag, "c_oflag"),
                 Required("cflag", &Termios::cflag, "c_cflag"),
                 Required("lflag", &Termios::lflag, "c_lflag"),
                 Optional("line", &Termios::line, "the line discipline; default 0"),
                 Optional("ispeed", &Termios::ispeed, "c_ispeed"),
                 Optional("ospeed", &Termios::ospeed, "c_ospeed"),
                 Required("cc", &Termios::cc, "19 control characters")};
};

template <>
struct Describe<Winsize> {
  static constexpr auto kFields = std::tuple{Required("rows", &Winsize::rows, "ws_row"),
                                             Required("columns", &Winsize::columns, "ws_col"),
                                             Optional("xpixel", &Winsize::xpixel, "ws_xpixel"),
                                             Optional("ypixel", &Winsize::ypixel, "ws_ypixel")};
};

template <>
struct Describe<Tty> {
  static constexpr auto kFields = std::tuple{
      Required("tty_id", &Tty::tty_id, "the terminal; both ends of a pty have one"),
      Required("driver", &Tty::driver,
               "`ptm`, `pts`: a pty; `current`: the terminal of who restores; `tty`: /dev/tty"),
      Optional("index", &Tty::index, "of a pty: the number in /dev/pts"),
      Optional("path", &Tty::path, "with `console`, `vt`, `serial`: absolute"),
      Optional("rdev", &Tty::rdev, "of what `path` leads to, as stat(2) has it"),
      Optional("termios", &Tty::termios,
               "at the first OPEN_FILE of the terminal, when all is read"),
      Optional("locked_termios", &Tty::locked_termios, "likewise: TIOCSLCKTRMIOS"),
      Optional("winsize", &Tty::winsize, "likewise: TIOCSWINSZ"),
      Optional("hung_up", &Tty::hung_up, "likewise: its master is gone"),
      Optional("exclusive", &Tty::exclusive, "at the first OPEN_FILE of this end: TIOCEXCL"),
      Optional("packet", &Tty::packet, "likewise, of a `ptm`: TIOCPKT"),
      Optional("mode", &Tty::mode, "likewise, of a `pts`: permissions of its file"),
      Optional("uid", &Tty::uid, "its owner"),
      Optional("gid", &Tty::gid, "its group"),
      Optional("controlling", &Tty::controlling,
               "TIOCSCTTY by who opens it, who leads a session without a terminal")};
};

template <>
struct Describe<TtyInput> {
  static constexpr auto kFields = std::tuple{
      Required("input", &TtyInput::input, "was written to this end, and nobody has read it")};
};

template <>
struct Describe<TtyForeground> {
  static constexpr auto kFields =
      std::tuple{Required("foreground", &TtyForeground::foreground,
                          "TIOCSPGRP, by a process whose controlling terminal it is")
                     .Within(kPids)};
};

template <>
struct Describe<TtyLock> {
  static constexpr auto kFields =
      std::tuple{Required("locked", &TtyLock::locked, "TIOCSPTLCK: true")};
};

}  // namespace crgen
