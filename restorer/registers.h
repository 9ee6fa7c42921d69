// SPDX-License-Identifier: Apache-2.0
// What ptrace(2) puts into a stopped thread.
#pragma once

#include <sys/user.h>

#include <vector>

#include "model/attributes.h"

namespace crgen::restorer {

/// The general registers, as PTRACE_SETREGS takes them. orig_rax says that no system call is to be
/// restarted: what was interrupted was made to restart when the registers were saved.
user_regs_struct GeneralRegisters(const Registers& from);

/// The XSAVE area (Intel SDM 1, 13.4, standard form) of `size` bytes, which is what this machine's
/// kernel takes as NT_X86_XSTATE. Components that the machine does not have are left out, and
/// `*missing` gets their bits.
std::vector<char> XsaveArea(const Fpu& from, std::size_t size, std::uint64_t* missing);

}  // namespace crgen::restorer
