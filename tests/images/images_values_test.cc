// Values that no kernel gives a task, a file or a mapping: what is changed in a good dump, and the
// place where it is refused. A plan with them would fail in the middle of a restore, or give rights
// that the dump does not.
#include <gtest/gtest.h>

#include "tests/support/image_builder.h"

namespace crgen {
namespace {

using namespace test;  // NOLINT: the vocabulary of these tests

constexpr std::uint32_t kNoId = 0xffffffff;
constexpr std::uint64_t kTop = 0xfffffffffff000;  // the end of the user's part

pb::thread_core_entry& ThreadOf(Dump& d) { return *d.cores[10].mutable_thread_core(); }
pb::creds_entry& CredsOf(Dump& d) { return *ThreadOf(d).mutable_creds(); }
pb::task_core_entry& TaskOf(Dump& d) { return *d.cores[10].mutable_tc(); }
pb::thread_info_x86& InfoOf(Dump& d) { return *d.cores[10].mutable_thread_info(); }

pb::posix_timer_entry& AddTimer(Dump& d, std::uint32_t id = 0) {
  pb::task_timers_entry& timers = *TaskOf(d).mutable_timers();
  timers.mutable_real();
  timers.mutable_virt();
  timers.mutable_prof();
  pb::posix_timer_entry& timer = *timers.add_posix();
  timer.set_it_id(id);
  timer.set_si_signo(34);
  return timer;
}

pb::user_desc_t& AddTls(Dump& d, std::uint32_t number) {
  pb::user_desc_t& entry = *InfoOf(d).add_tls();
  entry.set_entry_number(number);
  entry.set_seg_not_present(false);
  entry.set_seg_32bit(true);
  return entry;
}

std::string Core(const std::string& rest) { return "error core-10.img[0]." + rest; }

TEST(ImageValues, WhatDecidesAboutRightsIsThere) {
  const std::string keeps = " would keep the restorer's";
  RunCases({
      {"credentials",
       [](Dump& d) { ThreadOf(d).clear_creds(); },
       {Core("thread_core.creds: absent: without it the thread" + keeps)}},
      {"credentials of a thread",
       [](Dump& d) {
         d.AddThread(10, 12);
         d.cores[12].mutable_thread_core()->clear_creds();
       },
       {"error core-12.img[0].thread_core.creds: absent: without it the thread" + keeps}},
      {"limits",
       [](Dump& d) { TaskOf(d).clear_rlimits(); },
       {Core("tc.rlimits: 0 entries, expected 16: without a limit the process" + keeps)}},
      {"one limit",
       [](Dump& d) { TaskOf(d).mutable_rlimits()->mutable_rlimits()->RemoveLast(); },
       {Core("tc.rlimits: 15 entries, expected 16: without a limit the process" + keeps)}},
      {"dumpable",
       [](Dump& d) { d.mms[10].clear_dumpable(); },
       {"error mm-10.img[0].dumpable: absent: without it the process" + keeps}},
      {"umask",
       [](Dump& d) { d.fs[10].clear_umask(); },
       {"error fs-10.img[0].umask: absent: without it the process" + keeps}},
      {"seccomp of a CRIU before 3.9",
       [](Dump& d) { TaskOf(d).set_old_seccomp_mode(2); },
       {"unsupported core-10.img[0].tc.old_seccomp_mode: a seccomp mode as CRIU before 3.9 has "
        "it"}},
  });
}

TEST(ImageValues, Ids) {
  const std::string none = ": 4294967295 is no id, it means \"unchanged\"";
  RunCases({
      {"user",
       [](Dump& d) {
         CredsOf(d).set_uid(kNoId);
         CredsOf(d).set_euid(kNoId);
         CredsOf(d).set_suid(kNoId);
         CredsOf(d).set_fsuid(kNoId);
       },
       {Core("thread_core.creds.uid" + none), Core("thread_core.creds.euid" + none),
        Core("thread_core.creds.suid" + none), Core("thread_core.creds.fsuid" + none)}},
      {"group",
       [](Dump& d) {
         CredsOf(d).set_gid(kNoId);
         CredsOf(d).set_egid(kNoId);
         CredsOf(d).set_sgid(kNoId);
         CredsOf(d).set_fsgid(kNoId);
       },
       {Core("thread_core.creds.gid" + none), Core("thread_core.creds.egid" + none),
        Core("thread_core.creds.sgid" + none), Core("thread_core.creds.fsgid" + none)}},
      {"a supplementary group",
       [](Dump& d) {
         CredsOf(d).add_groups(1);
         CredsOf(d).add_groups(kNoId);
       },
       {Core("thread_core.creds.groups[1]: 4294967295 is no id")}},
      {"as many groups as there can be",
       [](Dump& d) { CredsOf(d).mutable_groups()->Resize(65536, 7); },
       {}},
      {"one more",
       [](Dump& d) { CredsOf(d).mutable_groups()->Resize(65537, 7); },
       {Core("thread_core.creds.groups: 65537 groups, expected at most 65536")}},
  });
}

TEST(ImageValues, Capabilities) {
  RunCases({
      {"effective and not permitted",
       [](Dump& d) {
         CredsOf(d).add_cap_prm(1);
         CredsOf(d).add_cap_eff(3);
       },
       {Core("thread_core.creds.cap_eff: 0x2 of it is not permitted (cap_prm)")}},
      {"ambient and not inheritable",
       [](Dump& d) {
         CredsOf(d).add_cap_prm(7);
         CredsOf(d).add_cap_inh(2);
         CredsOf(d).add_cap_amb(6);
       },
       {Core("thread_core.creds.cap_amb: 0x4 of it is not permitted and inheritable")}},
      {"all at once",
       [](Dump& d) {
         CredsOf(d).add_cap_prm(7);
         CredsOf(d).add_cap_inh(7);
         CredsOf(d).add_cap_amb(7);
         CredsOf(d).add_cap_eff(7);
         CredsOf(d).add_cap_bnd(0);
       },
       {}},
      {"one that no kernel has",
       [](Dump& d) {
         CredsOf(d).add_cap_bnd(0);
         CredsOf(d).add_cap_bnd(0x200);
       },
       {"unsupported core-10.img[0].thread_core.creds.cap_bnd: capabilities 0x20000000000, which "
        "have no name"}},
      {"three words",
       [](Dump& d) { CredsOf(d).mutable_cap_inh()->Resize(3, 0); },
       {Core("thread_core.creds.cap_inh: 3 words, expected at most 2")}},
      {"securebits without a name",
       [](Dump& d) { CredsOf(d).set_secbits(0x10001); },
       {"unsupported core-10.img[0].thread_core.creds.secbits: bits 0x10000, which have no name"}},
      {"no_new_privs",
       [](Dump& d) { CredsOf(d).set_no_new_privs(2); },
       {Core("thread_core.creds.no_new_privs: 2, expected at most 1")}},
  });
}

TEST(ImageValues, OfAProcess) {
  RunCases({
      {"a limit above its maximum",
       [](Dump& d) { TaskOf(d).mutable_rlimits()->mutable_rlimits(7)->set_cur(3); },
       {Core("tc.rlimits[7].cur: 3 is above the maximum, 2")}},
      {"without limit",
       [](Dump& d) {
         TaskOf(d).mutable_rlimits()->mutable_rlimits(7)->set_cur(-1);
         TaskOf(d).mutable_rlimits()->mutable_rlimits(7)->set_max(-1);
       },
       {}},
      {"oom_score_adj at both ends", [](Dump& d) { TaskOf(d).set_oom_score_adj(-1000); }, {}},
      {"oom_score_adj below",
       [](Dump& d) { TaskOf(d).set_oom_score_adj(-1001); },
       {Core("tc.oom_score_adj: -1001, expected -1000 to 1000")}},
      {"oom_score_adj above",
       [](Dump& d) { TaskOf(d).set_oom_score_adj(1001); },
       {Core("tc.oom_score_adj: 1001, expected -1000 to 1000")}},
      {"dumpable",
       [](Dump& d) { d.mms[10].set_dumpable(3); },
       {"error mm-10.img[0].dumpable: 3, expected 0, 1 or 2"}},
      {"dumpable below",
       [](Dump& d) { d.mms[10].set_dumpable(-1); },
       {"error mm-10.img[0].dumpable: -1, expected 0, 1 or 2"}},
      {"umask",
       [](Dump& d) { d.fs[10].set_umask(01000); },
       {"error fs-10.img[0].umask: 512, expected at most 511"}},
      {"a long name",
       [](Dump& d) { TaskOf(d).set_comm("0123456789abcdef"); },
       {Core("tc.comm: 16 bytes, expected at most 15")}},
      {"a name with a NUL",
       [](Dump& d) { ThreadOf(d).set_comm(std::string("a\0b", 3)); },
       {Core("thread_core.comm: contains a NUL")}},
      {"personality",
       [](Dump& d) { TaskOf(d).set_personality(100000000); },
       {Core("tc.personality: 100000000 has more than 8 digits")}},
      {"membarrier",
       [](Dump& d) { TaskOf(d).set_membarrier_registration_mask(0x204); },
       {"unsupported core-10.img[0].tc.membarrier_registration_mask: bits 0x200, which have no "
        "name"}},
      {"SIGKILL and SIGSTOP are never pending",
       [](Dump& d) {
         for (const char* signal : {"\x09", "\x13", "\x0a"}) {
           TaskOf(d).mutable_signals_s()->add_signals()->set_siginfo(signal +
                                                                     std::string(127, '\0'));
         }
       },
       {Core("tc.signals_s[0].siginfo: signal 9, which no task can have pending: it acts at once"),
        Core("tc.signals_s[0].siginfo: signal 19, which no task can have pending: it acts at "
             "once")}},
      {"code that ends before it begins",
       [](Dump& d) {
         d.mms[10].set_mm_start_code(2);
         d.mms[10].set_mm_end_code(1);
       },
       {"error mm-10.img[0].mm_start_code: 0x2 is behind mm_end_code, 0x1"}},
      {"a stack at the top",
       [](Dump& d) { d.mms[10].set_mm_start_stack(kTop); },
       {"error mm-10.img[0].mm_start_stack: 0xfffffffffff000 is not in the user's part of the "
        "address space"}},
  });
}

TEST(ImageValues, Timers) {
  const std::string timer = "tc.timers.posix[0]";
  RunCases({
      {"good", [](Dump& d) { AddTimer(d).set_vnsec(999999999); }, {}},
      {"microseconds",
       [](Dump& d) {
         AddTimer(d);
         TaskOf(d).mutable_timers()->mutable_virt()->set_vusec(1000000);
       },
       {Core("tc.timers.virt.vusec: 1000000, expected at most 999999")}},
      {"seconds",
       [](Dump& d) {
         AddTimer(d);
         TaskOf(d).mutable_timers()->mutable_real()->set_isec(std::uint64_t{1} << 63);
       },
       {Core("tc.timers.real.isec: 9223372036854775808, expected at most 9223372036854775807")}},
      {"nanoseconds",
       [](Dump& d) { AddTimer(d).set_insec(1000000000); },
       {Core(timer + ".insec: 1000000000, expected at most 999999999")}},
      {"an id",
       [](Dump& d) { AddTimer(d, 0x80000000); },
       {Core(timer + ".it_id: 2147483648, expected at most 2147483647")}},
      {"an id twice",
       [](Dump& d) {
         AddTimer(d, 5);
         AddTimer(d, 5);
       },
       {Core("tc.timers.posix[1].it_id: timer 5 stands twice")}},
      {"a clock",
       [](Dump& d) { AddTimer(d).set_clock_id(0xfffffff2); },
       {"unsupported core-10.img[0]." + timer + ".clock_id: clock 0xfffffff2, which has no name"}},
      {"a notification",
       [](Dump& d) { AddTimer(d).set_it_sigev_notify(3); },
       {Core(timer + ".it_sigev_notify: 3, expected SIGEV_SIGNAL (0), SIGEV_NONE (1), SIGEV_THREAD "
                     "(2) or SIGEV_THREAD_ID (4)")}},
      {"a thread is to be named",
       [](Dump& d) { AddTimer(d).set_it_sigev_notify(4); },
       {Core(timer + ".notify_thread_id: absent, but the timer is SIGEV_THREAD_ID")}},
      {"no signal",
       [](Dump& d) { AddTimer(d).set_si_signo(0); },
       {Core(timer + ".si_signo: 0, expected a signal 1 to 64")}},
      {"none is wanted",
       [](Dump& d) {
         pb::posix_timer_entry& silent = AddTimer(d);
         silent.set_si_signo(0);
         silent.set_it_sigev_notify(1);
       },
       {}},
  });
}

TEST(ImageValues, ATimerWhoseThreadHasEndedNotifiesNobody) {
  for (int tid : {13, -282857328}) {
    Dump dump;
    dump.AddThread(10, 12);
    std::uint32_t id = 0;
    for (int notified : {tid, 12, 10}) {
      pb::posix_timer_entry& timer = AddTimer(dump, id++);
      timer.set_it_sigev_notify(4);
      timer.set_notify_thread_id(notified);
    }
    const Loaded loaded = Load(dump);
    EXPECT_EQ(
        Lines(loaded.diag),
        std::vector<std::string>(
            {"warning core-10.img[0].tc.timers.posix[0].notify_thread_id: " + std::to_string(tid) +
             " is no thread of pid 10 any more: the timer runs on and notifies nobody "
             "(SIGEV_NONE)"}));
    const std::vector<PosixTimer>& timers = loaded.snapshot.processes[0].attributes->posix_timers;
    ASSERT_EQ(timers.size(), 3u);
    EXPECT_EQ(timers[0].notify, SigevNotify{1});
    EXPECT_EQ(timers[0].notify_tid, std::nullopt);
    EXPECT_EQ(timers[1].notify, SigevNotify{4});
    EXPECT_EQ(timers[1].notify_tid, 12);
    EXPECT_EQ(timers[2].notify_tid, 10);
  }
}

TEST(ImageValues, OfAThread) {
  RunCases({
      {"priority without real time",
       [](Dump& d) {
         ThreadOf(d).set_sched_policy(0);
         ThreadOf(d).set_sched_prio(1);
       },
       {Core("thread_core.sched_prio: 1, expected 0 for policy SCHED_OTHER")}},
      {"real time without priority",
       [](Dump& d) { ThreadOf(d).set_sched_policy(1); },
       {Core("thread_core.sched_prio: 0, expected 1 to 99 for policy SCHED_FIFO")}},
      {"reset on fork",
       [](Dump& d) {
         ThreadOf(d).set_sched_policy(0x40000002);
         ThreadOf(d).set_sched_prio(99);
       },
       {}},
      {"nice",
       [](Dump& d) {
         ThreadOf(d).set_sched_policy(0);
         ThreadOf(d).set_sched_nice(20);
       },
       {Core("thread_core.sched_nice: 20, expected -20 to 19")}},
      {"SCHED_DEADLINE",
       [](Dump& d) { ThreadOf(d).set_sched_policy(6); },
       {"unsupported core-10.img[0].thread_core.sched_policy: SCHED_DEADLINE, whose parameters no "
        "image has"}},
      {"a policy of the future",
       [](Dump& d) { ThreadOf(d).set_sched_policy(9); },
       {"unsupported core-10.img[0].thread_core.sched_policy: policy 9, which has no name"}},
      {"parent-death signal",
       [](Dump& d) { ThreadOf(d).set_pdeath_sig(65); },
       {Core("thread_core.pdeath_sig: 65, expected at most 64")}},
      {"robust list",
       [](Dump& d) {
         ThreadOf(d).set_futex_rla(0x1000);
         ThreadOf(d).set_futex_rla_len(23);
       },
       {Core("thread_core.futex_rla_len: 23, expected 24")}},
      {"rseq",
       [](Dump& d) {
         ThreadOf(d).mutable_rseq_entry()->set_rseq_abi_pointer(0x1010);
         ThreadOf(d).mutable_rseq_entry()->set_rseq_abi_size(32);
       },
       {Core("thread_core.rseq_entry: 32 bytes at 0x1010, expected at least 32 at a multiple of 32 "
             "in the user's part")}},
      {"a small alternative stack",
       [](Dump& d) { ThreadOf(d).mutable_sas()->set_ss_size(2047); },
       {Core("thread_core.sas.ss_size: 2047, expected at least 2048")}},
      {"none", [](Dump& d) { ThreadOf(d).mutable_sas()->set_ss_flags(2); }, {}},
      {"a mode of it",
       [](Dump& d) { ThreadOf(d).mutable_sas()->set_ss_flags(0x80000003); },
       {Core("thread_core.sas.ss_flags: 0x80000003 is no mode of sigaltstack(2)")}},
      {"a mode of seccomp",
       [](Dump& d) { ThreadOf(d).set_seccomp_mode(3); },
       {"unsupported core-10.img[0].thread_core.seccomp_mode: mode 3, which has no name"}},
      {"filters",
       [](Dump& d) {
         pb::seccomp_entry& seccomp = d.seccomp.emplace();
         seccomp.add_seccomp_filters()->set_filter("");
         seccomp.add_seccomp_filters()->set_filter(std::string(9, '\0'));
         seccomp.add_seccomp_filters()->set_filter(std::string(4097 * 8, '\0'));
         pb::seccomp_filter& good = *seccomp.add_seccomp_filters();
         good.set_filter(std::string(4096 * 8, '\0'));
         good.set_flags(0x11);
       },
       {"error seccomp.img[0].seccomp_filters[0].filter: 0 bytes, expected 1 to 4096 instructions "
        "of 8 bytes",
        "error seccomp.img[0].seccomp_filters[1].filter: 9 bytes, expected 1 to 4096 instructions "
        "of 8 bytes",
        "error seccomp.img[0].seccomp_filters[2].filter: 32776 bytes, expected 1 to 4096 "
        "instructions of 8 bytes",
        "unsupported seccomp.img[0].seccomp_filters[3].flags: bits 0x10, which have no name"}},
  });
}

TEST(ImageValues, Registers) {
  const std::string no_address = " is not in the user's part of the address space";
  const std::string no_segment = " is no selector of a user's segment";
  RunCases({
      {"addresses at the top",
       [](Dump& d) {
         InfoOf(d).mutable_gpregs()->set_ip(kTop);
         InfoOf(d).mutable_gpregs()->set_fs_base(kTop);
         InfoOf(d).mutable_gpregs()->set_gs_base(~std::uint64_t{0});
       },
       {Core("thread_info.gpregs.ip: 0xfffffffffff000" + no_address),
        Core("thread_info.gpregs.fs_base: 0xfffffffffff000" + no_address),
        Core("thread_info.gpregs.gs_base: 0xffffffffffffffff" + no_address)}},
      {"below it",
       [](Dump& d) {
         InfoOf(d).mutable_gpregs()->set_ip(kTop - 1);
         InfoOf(d).mutable_gpregs()->set_fs_base(kTop - 1);
       },
       {}},
      {"vsyscall", [](Dump& d) { InfoOf(d).mutable_gpregs()->set_ip(0xffffffffff600400); }, {}},
      {"segments of the kernel",
       [](Dump& d) {
         InfoOf(d).mutable_gpregs()->set_cs(0x10);
         InfoOf(d).mutable_gpregs()->set_ss(0);
         InfoOf(d).mutable_gpregs()->set_ds(0x10003);
       },
       {Core("thread_info.gpregs.cs: 0x10" + no_segment),
        Core("thread_info.gpregs.ss: 0x0" + no_segment),
        Core("thread_info.gpregs.ds: 0x10003" + no_segment)}},
      {"reserved bits",
       [](Dump& d) { InfoOf(d).mutable_fpregs()->set_mxcsr(0x11f80); },
       {Core("thread_info.fpregs.mxcsr: 0x11f80 has reserved bits")}},
      {"a long area",
       [](Dump& d) {
         InfoOf(d).mutable_fpregs()->mutable_xsave()->mutable_ymmh_space()->Resize(65, 0);
       },
       {Core("thread_info.fpregs.xsave.ymmh_space: 65 words, expected 64")}},
      {"components that the image lacks (AMX)",
       [](Dump& d) { InfoOf(d).mutable_fpregs()->mutable_xsave()->set_xstate_bv(0x602e7); },
       {"unsupported core-10.img[0].thread_info.fpregs.xsave.xstate_bv: components 0x60000, whose "
        "content the image lacks"}},
      {"thread-local storage",
       [](Dump& d) {
         AddTls(d, 11);
         AddTls(d, 12);
         AddTls(d, 12);
         AddTls(d, 13).set_seg_32bit(false);
       },
       {Core("thread_info.tls[0].entry_number: 11, expected 12 to 14"),
        Core("thread_info.tls[2].entry_number: 12 stands twice"),
        Core("thread_info.tls[3]: is no 32-bit data segment, which set_thread_area(2) wants")}},
  });
}

TEST(ImageValues, Files) {
  const std::string file = "error files.img[2].reg.";
  auto reg = [](Dump& d) { return d.files[2].mutable_reg(); };
  RunCases({
      {"the last position", [=](Dump& d) { reg(d)->set_pos((std::uint64_t{1} << 63) - 1); }, {}},
      {"behind it",
       [=](Dump& d) { reg(d)->set_pos(std::uint64_t{1} << 63); },
       {file + "pos: 0x8000000000000000 is no position in a file"}},
      {"size",
       [=](Dump& d) { reg(d)->set_size(std::uint64_t{1} << 63); },
       {file + "size: 9223372036854775808, expected at most 9223372036854775807"}},
      {"mode",
       [=](Dump& d) { reg(d)->set_mode(0200000); },
       {file + "mode: 65536, expected at most 65535"}},
      {"flags without a name",
       [=](Dump& d) { reg(d)->set_flags(0x1000002); },
       {"unsupported files.img[2].reg.flags: bits 0x1000000, which have no name"}},
      {"the signal of an owner",
       [=](Dump& d) { reg(d)->mutable_fown()->set_signum(65); },
       {file + "fown.signum: 65, expected at most 64"}},
      {"an owner",
       [=](Dump& d) {
         reg(d)->mutable_fown()->set_pid(0x80000000);
         reg(d)->mutable_fown()->set_pid_type(3);
         reg(d)->mutable_fown()->set_uid(kNoId);
         reg(d)->mutable_fown()->set_euid(kNoId);
       },
       {file + "fown.pid: 2147483648, expected at most 2147483647",
        "unsupported files.img[2].reg.fown.pid_type: 3, which has no name",
        file + "fown.uid: 4294967295 is no id", file + "fown.euid: 4294967295 is no id"}},
      {"a position in a memfd",
       [](Dump& d) {
         d.AddMemfd(4, 77, 5, "m", 0);
         d.files[3].mutable_memfd()->set_pos(std::uint64_t{1} << 63);
         d.AddDescriptor(10, 1, 4, pb::FD_MEMFD);
       },
       {"error files.img[3].memfd.pos: 0x8000000000000000 is no position in a file"}},
  });
}

TEST(ImageValues, StatusesOfZombies) {
  std::vector<DumpCase> cases;
  for (std::uint32_t signal : {17, 18, 19, 20, 21, 22, 23, 28}) {
    const std::string status = HexText(signal);
    cases.push_back({status,
                     [=](Dump& d) { d.AddZombie(11, 10, signal); },
                     {"error core-11.img[0].tc.exit_code: " + status + " is no wait status"}});
  }
  RunCases(cases);
}

}  // namespace
}  // namespace crgen
