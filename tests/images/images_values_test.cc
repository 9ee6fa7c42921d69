// SPDX-License-Identifier: Apache-2.0
// Values that no table of errors can say: long ones, and what a timer without its thread becomes.
#include <gtest/gtest.h>

#include "tests/support/dump_edit.h"
#include "tests/support/image_builder.h"

namespace crgen {
namespace {

using namespace test;  // NOLINT: the vocabulary of these tests

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

std::string Core(const std::string& rest) { return "error core-10.img[0]." + rest; }

TEST(ImageValues, LongOnes) {
  RunCases({
      {"a long auxiliary vector",
       [](Dump& d) { d.mms[10].mutable_mm_saved_auxv()->Resize(257, 1); },
       {"error mm-10.img[0].mm_saved_auxv: 257 words, expected at most 256"}},
      {"a short siginfo for the process",
       [](Dump& d) {
         pb::signal_queue_entry& queue = *d.cores[10].mutable_tc()->mutable_signals_s();
         queue.add_signals()->set_siginfo(std::string("\x0a") + std::string(127, '\0'));
         queue.add_signals()->set_siginfo("\x0a");
       },
       {"error core-10.img[0].tc.signals_s[1].siginfo: 1 bytes with signal 0, expected 128 bytes "
        "with a signal 1 to 64"}},
      {"signal 65 for the leader",
       [](Dump& d) {
         d.cores[10].mutable_thread_core()->mutable_signals_p()->add_signals()->set_siginfo(
             std::string("\x41") + std::string(127, '\0'));
       },
       {"error core-10.img[0].thread_core.signals_p[0].siginfo: 128 bytes with signal 65, "
        "expected 128 bytes with a signal 1 to 64"}},
      {"signal 0 for a thread",
       [](Dump& d) {
         d.AddThread(10, 12);
         d.cores[12].mutable_thread_core()->mutable_signals_p()->add_signals()->set_siginfo(
             std::string(128, '\0'));
       },
       {"error core-12.img[0].thread_core.signals_p[0].siginfo: 128 bytes with signal 0, "
        "expected 128 bytes with a signal 1 to 64"}},
      {"pages, but no runs",
       [](Dump& d) {
         d.pagemaps["pagemap-10.img"].runs.clear();
         d.edits = {Put("pages-10.img", std::string(kPage, 'x'))};
       },
       {"error pages-10.img: has 4096 bytes, pagemap-10.img wants 0"}},
      {"as many groups as there can be",
       [](Dump& d) { CredsOf(d).mutable_groups()->Resize(65536, 7); },
       {}},
      {"one more",
       [](Dump& d) { CredsOf(d).mutable_groups()->Resize(65537, 7); },
       {Core("thread_core.creds.groups: 65537 groups, expected at most 65536")}},
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
      {"a long area",
       [](Dump& d) {
         InfoOf(d).mutable_fpregs()->mutable_xsave()->mutable_ymmh_space()->Resize(65, 0);
       },
       {Core("thread_info.fpregs.xsave.ymmh_space: 65 words, expected 64")}},
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
        GradedLines(loaded.diag),
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

/// A watch on what has no name any more, and is only a directory of a process.
TEST(ImageValues, WatchesOnDirectoriesWithoutAName) {
  for (const std::string directory : {"cwd_id", "root_id"}) {
    const std::string watch = "files.img[4].ify.wd[0].";
    const std::vector<std::string> edits = {"ghost 4 \"/gone\" 10 \"\"",
                                            "ghost-file-a.img[0].mode = 0x41ed",
                                            "ghost-file-a.img[0].dev = 7",
                                            "ghost-file-a.img[0].ino = 99",
                                            "fs-10.img[0]." + directory + " = 4",
                                            "other 5 INOTIFY",
                                            "descriptor 10 1 5 INOTIFY",
                                            "files.img[4].ify.id = 5",
                                            watch + "wd = 1",
                                            watch + "mask = 4",
                                            watch + "i_ino = 99",
                                            watch + "s_dev = 7",
                                            watch + "f_handle.bytes = 8",
                                            watch + "f_handle.handle[0] = 13"};
    Dump dump;
    for (const std::string& edit : edits) ASSERT_EQ(ApplyEdit(edit, &dump), "") << edit;
    const Loaded loaded = Load(dump);
    ASSERT_EQ(loaded.snapshot.late.size(), 1u) << directory;
    const auto& watched = std::get<InotifyWatches>(loaded.snapshot.late[0].state).watches.at(0);
    EXPECT_EQ(watched.unlinked, UnlinkedId{1}) << directory;
    EXPECT_EQ(watched.handle, std::nullopt) << directory;
  }
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

/// The dumper takes no more from an end of a pty.
TEST(ImageValues, AsMuchUnreadInputAsAnImageHas) {
  std::vector<DumpCase> cases;
  for (const std::size_t bytes : {16383, 16384, 16385}) {
    const auto edit = [=](Dump& d) {
      for (const char* line :
           {"terminal 9 1 0 0", "terminal 8 1 0 0", "tty-info.img[1].termios.c_lflag = 0",
            "tty 4 9", "tty 5 8", "descriptor 10 3 4 TTY", "descriptor 10 4 5 TTY",
            "tty-data.img[0].tty_id = 8"}) {
        EXPECT_EQ(ApplyEdit(line, &d), "") << line;
      }
      d.unread.at(0).set_data(std::string(bytes, 'x'));
    };
    cases.push_back({std::to_string(bytes), edit, {}});
  }
  cases[1].expected = {
      "warning tty-data.img[0]: what waits to be read behind 16384 bytes is in no image, if there "
      "is any"};
  cases[2].expected = {"error tty-data.img[0].data: 16385, expected at most 16384"};
  RunCases(cases);
}

}  // namespace
}  // namespace crgen
