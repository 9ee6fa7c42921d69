// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "checker/files/rules.h"

namespace crgen::check {

/// pidfd_open(2). A process that is gone is one that no program has.
template <>
class FileRules<Pidfd> : public PlainRules<Pidfd> {
 public:
  bool IsOfAProcess(const Pidfd&) const { return true; }
  std::optional<Refusal> Check(const File& file, const Pidfd& pidfd) const;
  /// What it refers to is there.
  std::optional<Refusal> CheckOpening(const Kernel& kernel, const File&, const Pidfd& pidfd,
                                      const File*) const;
  void Opened(const Kernel& kernel, Description& description, const Pidfd& pidfd, Description*);
  /// Which process is dead is compared with all descriptions together.
  void Compare(const std::string& where, const Pidfd& expected, const Pidfd& found,
               Diagnostics& diag) const {
    check::Compare(where, "file.target", expected.target, found.target, diag);
    check::Compare(where, "file.thread", expected.thread, found.thread, diag);
    check::Compare(where, "file.dead", expected.dead.has_value(), found.dead.has_value(), diag);
  }
};

}  // namespace crgen::check
