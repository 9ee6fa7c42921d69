// SPDX-License-Identifier: Apache-2.0
// Attributes that stand elsewhere than where they belong: filters of all threads, clocks.
#include <gtest/gtest.h>

#include "tests/support/image_builder.h"
#include "tests/support/tty_images.h"

namespace crgen {
namespace {

using namespace test;  // NOLINT: the vocabulary of these tests

TEST(ImageAttributes, FiltersWithTsyncAreOfAllThreads) {
  Dump dump;
  dump.AddThread(10, 12);
  pb::seccomp_entry& seccomp = dump.seccomp.emplace();
  for (const int flags : {1, 1, 0}) {
    pb::seccomp_filter& filter = *seccomp.add_seccomp_filters();
    filter.set_filter("program" + std::to_string(seccomp.seccomp_filters_size()));
    filter.set_flags(flags);
  }
  seccomp.mutable_seccomp_filters(0)->set_prev(1);
  seccomp.mutable_seccomp_filters(1)->set_prev(2);
  dump.cores[10].mutable_thread_core()->set_seccomp_mode(2);
  dump.cores[10].mutable_thread_core()->set_seccomp_filter(0);
  const Snapshot snapshot = LoadGood(dump);
  EXPECT_EQ(snapshot.processes[0].attributes->seccomp->filters.size(), 3u);
  const std::optional<Seccomp>& thread = snapshot.processes[0].threads[0].attributes->seccomp;
  ASSERT_TRUE(thread);
  ASSERT_EQ(thread->filters.size(), 2u);
  EXPECT_EQ(thread->filters[1].program.bytes, "program2");
}

TEST(ImageAttributes, TimerSlackOfNewerDumpsIsEachThreads) {
  Dump dump;
  dump.AddThread(10, 12);
  EXPECT_FALSE(LoadGood(dump).processes[0].attributes->timer_slack);
  dump.cores[10].mutable_thread_core()->set_timerslack_ns(1);
  dump.cores[12].mutable_thread_core()->set_timerslack_ns(70000);
  const Snapshot snapshot = LoadGood(dump);
  EXPECT_EQ(snapshot.processes[0].attributes->timer_slack, 1u);
  EXPECT_EQ(snapshot.processes[0].threads[0].attributes->timer_slack, 70000u);
}

TEST(ImageAttributes, TheClocksAreTheHostsOrThoseOfTheTreesTimeNamespace) {
  pb::timens_entry entry;
  entry.mutable_monotonic()->set_tv_sec(5);
  entry.mutable_monotonic()->set_tv_nsec(6);
  entry.mutable_boottime()->set_tv_sec(7);
  entry.mutable_boottime()->set_tv_nsec(8);
  const Clocks expected = {{5, 6}, {7, 8}};
  const auto with = [&](const std::string& file) {
    return [&, file](Files& files) { files[file] = ImageOf("TIMENS", entry); };
  };
  Dump dump;
  EXPECT_FALSE(LoadGood(dump).processes[0].attributes->time);
  dump.edits = {with("timens-0.img")};
  EXPECT_EQ(LoadGood(dump).processes[0].attributes->time, expected);
  dump.inventory.mutable_root_ids()->set_time_ns_id(1);
  dump.ids[10].set_time_ns_id(9);
  dump.edits = {with("timens-9.img")};
  EXPECT_EQ(LoadGood(dump).processes[0].attributes->time, expected);
}

/// In poll(2) when it was dumped, which says EINTR of that. A handler that is about to run ends it.
TEST(ImageAttributes, APollIsMadeOnceMore) {
  constexpr std::uint64_t kInterrupted = -std::uint64_t{4}, kBehind = 0x400007;
  const auto loaded = [&](std::uint64_t call, bool pending) {
    Dump dump;
    pb::user_x86_regs_entry& registers = *dump.cores[10].mutable_thread_info()->mutable_gpregs();
    registers.set_orig_ax(call);
    registers.set_ax(kInterrupted);
    registers.set_ip(kBehind);
    std::string info(128, '\0');
    info[0] = 17;
    if (pending) {
      dump.cores[10].mutable_tc()->mutable_signals_s()->add_signals()->set_siginfo(info);
    }
    const Registers result = *LoadGood(dump).processes[0].attributes->registers;
    return std::pair{result.ax.value, result.ip.value};
  };
  constexpr std::uint64_t kPoll = 7, kNanosleep = 35;
  EXPECT_EQ(loaded(kPoll, false), (std::pair{kPoll, kBehind - 2}));
  EXPECT_EQ(loaded(kPoll, true), (std::pair{kInterrupted, kBehind}));
  EXPECT_EQ(loaded(kNanosleep, false), (std::pair{kInterrupted, kBehind}));
}

/// The modes of the terminal of who restores are those of the job that had it, if that is here.
TEST(ImageAttributes, ModesOfTheCallersTerminal) {
  const auto modes = [](std::uint32_t foreground) {
    Dump dump;
    dump.Node(10).set_sid(77);
    AddTerminal(dump, {8, pb::TTY_PTY, 77, foreground});
    AddTty(dump, 4, 8);
    dump.AddDescriptor(10, 3, 4, pb::FD_TTY);
    return LoadGood(dump).terminals.at(TtyId{4}).state.termios.has_value();
  };
  EXPECT_TRUE(modes(10));
  EXPECT_FALSE(modes(77));
}

}  // namespace
}  // namespace crgen
