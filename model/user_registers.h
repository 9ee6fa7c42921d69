// SPDX-License-Identifier: Apache-2.0
// Registers as ptrace(2) and core files have them.
#pragma once

#include <sys/user.h>

#include "model/attributes.h"

namespace crgen {

/// All of them, `orig_ax` too.
inline user_regs_struct UserRegisters(const Registers& from) {
  user_regs_struct to = {};
  to.r15 = from.r15.value, to.r14 = from.r14.value, to.r13 = from.r13.value;
  to.r12 = from.r12.value, to.rbp = from.bp.value, to.rbx = from.bx.value;
  to.r11 = from.r11.value, to.r10 = from.r10.value, to.r9 = from.r9.value;
  to.r8 = from.r8.value, to.rax = from.ax.value, to.rcx = from.cx.value;
  to.rdx = from.dx.value, to.rsi = from.si.value, to.rdi = from.di.value;
  to.orig_rax = from.orig_ax.value;
  to.rip = from.ip.value, to.cs = from.cs.value, to.eflags = from.flags.value;
  to.rsp = from.sp.value, to.ss = from.ss.value;
  to.fs_base = from.fs_base.value, to.gs_base = from.gs_base.value;
  to.ds = from.ds.value, to.es = from.es.value, to.fs = from.fs.value, to.gs = from.gs.value;
  return to;
}

}  // namespace crgen
