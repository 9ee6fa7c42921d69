// SPDX-License-Identifier: Apache-2.0
// Terminals in dumps that tests make up.
#pragma once

#include <fcntl.h>

#include <array>
#include <cstdint>

#include "tests/support/image_builder.h"

namespace crgen::test {

/// An entry of tty-info.img with these numbers; the modes of a new terminal.
inline void AddTerminal(Dump& dump, const std::array<std::uint32_t, 4>& numbers) {
  const auto& [id, type, session, group] = numbers;
  constexpr std::uint32_t kModes = 0x8a3b, kCharacters = 19, kFirstSlave = 136 << 8;
  constexpr std::uint32_t kMaster = 0x502, kConsole = 0x501, kOwn = 0x500, kVirtual = 0x401,
                          kSerial = 0x440;
  pb::tty_info_entry& info = dump.terminals.emplace_back();
  info.set_id(id);
  info.set_type(type);
  info.set_locked(false);
  info.set_exclusive(false);
  info.set_packet_mode(false);
  info.set_sid(session);
  info.set_pgrp(group);
  info.set_rdev(type == pb::TTY_PTY && id % 2 == 1 ? kMaster
                : type == pb::TTY_CONSOLE          ? kConsole
                : type == pb::TTY_VT               ? kVirtual
                : type == pb::TTY_CTTY             ? kOwn
                : type == pb::TTY_SERIAL           ? kSerial
                                                   : kFirstSlave + id / 2);
  info.set_uid(0);
  info.set_gid(0);
  pb::termios_entry& modes = *info.mutable_termios();
  modes.set_c_lflag(kModes);
  for (std::uint32_t i = 0; i < kCharacters; ++i) modes.add_c_cc(i);
  info.mutable_winsize()->set_ws_row(24);
  info.mutable_winsize()->set_ws_col(80);
  if (type == pb::TTY_PTY) info.mutable_pty()->set_index(id / 2);
}

/// A description of a terminal.
inline void AddTty(Dump& dump, std::uint32_t id, std::uint32_t terminal) {
  pb::tty_file_entry& tty = *dump.AddOther(id, pb::FD_TTY).mutable_tty();
  tty.set_id(id);
  tty.set_tty_info_id(terminal);
  tty.set_flags(O_RDWR);
}

}  // namespace crgen::test
