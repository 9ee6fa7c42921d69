// SPDX-License-Identifier: Apache-2.0
// Values of core messages in the form that the model has. Private to images/.
#pragma once

#include <cstdint>

#include "images/proto/core.pb.h"
#include "model/attributes.h"

namespace crgen {

/// The hex text of procfs was read as a decimal number: 00040000 became 40000.
Hex PersonalityOf(std::uint32_t decimal);

Registers RegistersOf(const pb::user_x86_regs_entry& from);
/// A poll(2) that the dumper has interrupted is made once more, as the kernel does where no handler
/// runs. The dumper writes EINTR instead, which programs without handlers do not expect; from other
/// causes that call never ends so.
void RestartPoll(Registers* registers);
/// By bit of xstate_bv: those of which the image has the content.
std::uint64_t CarriedComponents(const pb::user_x86_xsave_entry& xsave);
/// Other components are as at the start of a thread.
Fpu FpuOf(const pb::user_x86_fpregs_entry& from);
TlsDescriptor TlsOf(const pb::user_desc_t& from);
Creds CredsOf(const pb::creds_entry& from);
IntervalTimer TimerOf(const pb::itimer_entry& from);
PosixTimer TimerOf(const pb::posix_timer_entry& from);
/// timer_create(2)'s, of posix_timer_entry.clock_id, which has the times of the caller itself as
/// /proc/PID/timers does (kernel: MAKE_PROCESS_CPUCLOCK(0, CPUCLOCK_SCHED), likewise of a thread).
Clock ClockOf(std::uint32_t clock_id);

}  // namespace crgen
