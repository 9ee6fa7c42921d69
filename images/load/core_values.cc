// SPDX-License-Identifier: Apache-2.0
#include "images/load/core_values.h"

#include <sys/syscall.h>

#include <algorithm>
#include <cerrno>

#include "model/fxsave.h"

namespace crgen {
namespace {

/// A mask of 64 capabilities from 32-bit words, low word first.
Hex CapabilitySet(const google::protobuf::RepeatedField<std::uint32_t>& words) {
  Hex set;
  for (int i = 0; i < std::min(2, words.size()); ++i) {
    set.value |= std::uint64_t{words[i]} << (32 * i);
  }
  return set;
}

/// The words of a register area; empty if all are zero, which is what an absent area means.
template <typename Words>
std::vector<Hex> Area(const Words& words) {
  if (std::all_of(words.begin(), words.end(), [](auto word) { return word == 0; })) return {};
  std::vector<Hex> area;
  area.reserve(static_cast<std::size_t>(words.size()));
  for (auto word : words) area.push_back({word});
  return area;
}

}  // namespace

Hex PersonalityOf(std::uint32_t decimal) {
  Hex personality;
  for (int shift = 0; decimal != 0; decimal /= 10, shift += 4) {
    personality.value |= std::uint64_t{decimal % 10} << shift;
  }
  return personality;
}

Registers RegistersOf(const pb::user_x86_regs_entry& from) {
  Registers to;
#define CRGEN_REGISTER(name) to.name.value = from.name()
  CRGEN_REGISTER(r15);
  CRGEN_REGISTER(r14);
  CRGEN_REGISTER(r13);
  CRGEN_REGISTER(r12);
  CRGEN_REGISTER(bp);
  CRGEN_REGISTER(bx);
  CRGEN_REGISTER(r11);
  CRGEN_REGISTER(r10);
  CRGEN_REGISTER(r9);
  CRGEN_REGISTER(r8);
  CRGEN_REGISTER(ax);
  CRGEN_REGISTER(cx);
  CRGEN_REGISTER(dx);
  CRGEN_REGISTER(si);
  CRGEN_REGISTER(di);
  CRGEN_REGISTER(orig_ax);
  CRGEN_REGISTER(ip);
  CRGEN_REGISTER(cs);
  CRGEN_REGISTER(flags);
  CRGEN_REGISTER(sp);
  CRGEN_REGISTER(ss);
  CRGEN_REGISTER(fs_base);
  CRGEN_REGISTER(gs_base);
  CRGEN_REGISTER(ds);
  CRGEN_REGISTER(es);
  CRGEN_REGISTER(fs);
  CRGEN_REGISTER(gs);
#undef CRGEN_REGISTER
  return to;
}

void RestartPoll(Registers* registers) {
  constexpr std::uint64_t kInterrupted = -static_cast<std::uint64_t>(EINTR);
  constexpr std::uint64_t kInstruction = 2;  // bytes of syscall
  if (registers->orig_ax.value != __NR_poll || registers->ax.value != kInterrupted) return;
  registers->ax = registers->orig_ax;
  registers->ip.value -= kInstruction;
}

std::uint64_t CarriedComponents(const pb::user_x86_xsave_entry& xsave) {
  constexpr std::uint64_t kFxsaveArea = 3, kXsaveCet = 0x800;  // by bit of xstate_bv
  std::uint64_t carried = kFxsaveArea | (xsave.has_cet() ? kXsaveCet : 0);
  const auto add = [&](int bit, const auto& words) {
    if (!words.empty()) carried |= std::uint64_t{1} << bit;
  };
  add(2, xsave.ymmh_space());
  add(3, xsave.bndreg_state());
  add(4, xsave.bndcsr_state());
  add(5, xsave.opmask_reg());
  add(6, xsave.zmm_upper());
  add(7, xsave.hi16_zmm());
  add(9, xsave.pkru());
  return carried;
}

Fpu FpuOf(const pb::user_x86_fpregs_entry& from) {
  Fpu to;
  to.cwd = from.cwd();
  to.swd = from.swd();
  to.twd = from.twd();
  to.fop = from.fop();
  to.rip.value = from.rip();
  to.rdp.value = from.rdp();
  to.mxcsr.value = from.mxcsr();
  to.mxcsr_mask.value = from.mxcsr_mask();
  to.st_space = Area(from.st_space());
  to.xmm_space = Area(from.xmm_space());
  if (!from.has_xsave()) return to;
  const pb::user_x86_xsave_entry& xsave = from.xsave();
  to.xstate_bv = Hex{xsave.xstate_bv() & CarriedComponents(xsave) & kXsaveComponents};
  to.ymmh_space = Area(xsave.ymmh_space());
  to.bndreg_state = Area(xsave.bndreg_state());
  to.bndcsr_state = Area(xsave.bndcsr_state());
  to.opmask_reg = Area(xsave.opmask_reg());
  to.zmm_upper = Area(xsave.zmm_upper());
  to.hi16_zmm = Area(xsave.hi16_zmm());
  to.pkru = Area(xsave.pkru());
  return to;
}

TlsDescriptor TlsOf(const pb::user_desc_t& from) {
  return {from.entry_number(),    {from.base_addr()}, from.limit(),          from.seg_32bit(),
          from.contents_h(),      from.contents_l(),  from.read_exec_only(), from.limit_in_pages(),
          from.seg_not_present(), from.usable()};
}

Creds CredsOf(const pb::creds_entry& from) {
  Creds to;
  to.uid = from.uid();
  to.euid = from.euid();
  to.suid = from.suid();
  to.fsuid = from.fsuid();
  to.gid = from.gid();
  to.egid = from.egid();
  to.sgid = from.sgid();
  to.fsgid = from.fsgid();
  to.groups.assign(from.groups().begin(), from.groups().end());
  to.cap_inh = CapabilitySet(from.cap_inh());
  to.cap_prm = CapabilitySet(from.cap_prm());
  to.cap_eff = CapabilitySet(from.cap_eff());
  to.cap_bnd = CapabilitySet(from.cap_bnd());
  to.cap_amb = CapabilitySet(from.cap_amb());
  to.secbits.bits = from.secbits();
  to.no_new_privs = from.no_new_privs() != 0;
  if (from.has_lsm_profile()) to.lsm_profile = Text{from.lsm_profile()};
  if (from.has_lsm_sockcreate()) to.lsm_sockcreate = Text{from.lsm_sockcreate()};
  return to;
}

IntervalTimer TimerOf(const pb::itimer_entry& from) {
  return {from.isec(), from.iusec(), from.vsec(), from.vusec()};
}

Clock ClockOf(std::uint32_t clock_id) {
  constexpr std::uint32_t kOfProcess = ~std::uint32_t{0} << 3 | 2, kOfThread = kOfProcess | 4;
  return clock_id == kOfProcess  ? Clock{CLOCK_PROCESS_CPUTIME_ID}
         : clock_id == kOfThread ? Clock{CLOCK_THREAD_CPUTIME_ID}
                                 : Clock{clock_id};
}

PosixTimer TimerOf(const pb::posix_timer_entry& from) {
  PosixTimer to;
  to.id = from.it_id();
  to.clock = ClockOf(from.clock_id());
  to.signal.value = from.si_signo();
  to.notify.value = from.it_sigev_notify();
  to.sigev_value.value = from.sival_ptr();
  to.overrun = from.overrun();
  to.interval_sec = from.isec();
  to.interval_nsec = from.insec();
  to.value_sec = from.vsec();
  to.value_nsec = from.vnsec();
  if (from.has_notify_thread_id()) to.notify_tid = from.notify_thread_id();
  return to;
}

}  // namespace crgen
