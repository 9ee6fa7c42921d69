// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <unordered_map>

#include "checker/files/rules.h"

namespace crgen::check {

/// A terminal that something has opened; of a pty both ends. Whoever restores keeps it until
/// everybody runs.
struct TerminalObject {
  TerminalState state;
  TerminalEnd ends[2];  ///< of a pty the slave, the master; of others the first alone
  bool opened[2] = {};  ///< likewise
  TtyDriver driver;     ///< of its first description
  Tty name;             ///< likewise: index, path and device
  std::size_t command = 0;
};

/// pty(7), ioctl_tty(2).
template <>
class FileRules<Tty> : public PlainRules<Tty> {
 public:
  std::optional<Refusal> Check(const File& file, const Tty& tty) const;
  std::optional<Refusal> CheckOpening(const Kernel& kernel, const File& file, const Tty& tty,
                                      const File*) const;
  void Opened(const Kernel& kernel, Description& description, const Tty& tty, Description*);
  std::optional<TtyId> Controls(const Tty& tty) const {
    return tty.controlling ? std::optional(tty.tty_id) : std::nullopt;
  }
  /// TIOCSCTTY stays when the descriptor is gone.
  bool ObjectLives(const Tty& tty) const { return tty.controlling; }
  bool ServesOtherwise(const Tty&, std::size_t) const { return true; }
  /// What the terminal has is compared with the terminal.
  void Compare(const std::string& where, const Tty& expected, const Tty& found,
               Diagnostics& diag) const;
  std::string Text(const Tty& tty) const;

  /// nullptr: nothing has opened it.
  const TerminalObject* Find(TtyId id) const {
    const auto known = terminals_.find(id);
    return known == terminals_.end() ? nullptr : &known->second;
  }

  /// The terminal that a description is of: /dev/tty is that of who has opened it.
  TtyId Meant(FileId id, const Tty& tty) const {
    const auto own = own_.find(id);
    return own == own_.end() ? tty.tty_id : own->second;
  }

 private:
  std::optional<Refusal> CheckSession(const Kernel& kernel, const Tty& tty) const;

  std::unordered_map<TtyId, TerminalObject> terminals_;
  std::unordered_map<std::uint32_t, TtyId> ptys_;     ///< by index
  std::unordered_map<TtyId, std::int64_t> sessions_;  ///< that they control
  std::unordered_map<FileId, TtyId> own_;             ///< of descriptions of /dev/tty
};

/// write(2) into the other end.
template <>
struct LateRules<TtyInput> {
  static std::optional<Refusal> Check(const Kernel& kernel, const Description& description,
                                      const TtyInput& late);
};

/// TIOCSPGRP.
template <>
struct LateRules<TtyForeground> {
  static std::optional<Refusal> Check(const Kernel& kernel, const Description& description,
                                      const TtyForeground& late);
};

/// TIOCSPTLCK.
template <>
struct LateRules<TtyLock> {
  static std::optional<Refusal> Check(const Kernel& kernel, const Description& description,
                                      const TtyLock& late);
};

}  // namespace crgen::check
