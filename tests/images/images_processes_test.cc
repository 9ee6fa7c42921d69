// SPDX-License-Identifier: Apache-2.0
// Processes, threads, descriptors and files as real dumps have them: what is read.
#include <gtest/gtest.h>

#include "tests/support/image_builder.h"
#include "tests/support/namespace_images.h"

namespace crgen {
namespace {

using namespace test;  // NOLINT: the vocabulary of these tests

TEST(ImageProcesses, TheThreadListOfAZombieIsGarbage) {
  for (std::vector<std::uint32_t> threads : std::vector<std::vector<std::uint32_t>>{
           {0}, {0xffffffff}, {0x80000000}, {10}, {11}, {}, {1, 2, 3}}) {
    Dump dump;
    dump.AddZombie(11, 10, 0xc800);
    dump.Node(11).clear_threads();
    for (std::uint32_t tid : threads) dump.Node(11).add_threads(tid);
    const Snapshot snapshot = LoadGood(dump);
    EXPECT_TRUE(snapshot.tree.nodes[1].zombie);
    EXPECT_TRUE(snapshot.tree.nodes[1].tids.empty());
    EXPECT_EQ(snapshot.processes[1].state, ProcessState::kZombie);
    EXPECT_EQ(snapshot.processes[1].table, -1);
    EXPECT_EQ(snapshot.processes[1].exit_status.code, 200u);
  }
}

TEST(ImageProcesses, ExitStatus) {
  Dump dump;
  dump.AddZombie(11, 10, 0);
  dump.AddZombie(12, 10, 0xff00);
  dump.AddZombie(13, 10, 9);
  dump.AddZombie(14, 10, 0x8b);
  const Snapshot snapshot = LoadGood(dump);
  auto status = [&](int i) { return snapshot.processes[i].exit_status; };
  EXPECT_EQ(status(1), (ExitStatus{0, std::nullopt, std::nullopt}));
  EXPECT_EQ(status(2), (ExitStatus{255, std::nullopt, std::nullopt}));
  EXPECT_EQ(status(3), (ExitStatus{std::nullopt, Signal{9}, false}));
  EXPECT_EQ(status(4), (ExitStatus{std::nullopt, Signal{11}, true}));
}

TEST(ImageProcesses, Stopped) {
  Dump dump;
  dump.AddProcess(11, 10);
  dump.cores[10].mutable_tc()->set_task_state(3);
  dump.cores[11].mutable_tc()->set_task_state(3);
  dump.cores[11].mutable_tc()->set_stop_signo(20);
  const Snapshot snapshot = LoadGood(dump);
  EXPECT_EQ(snapshot.processes[0].state, ProcessState::kStopped);
  EXPECT_EQ(snapshot.processes[0].stop_signal, Signal{19}) << "absent in old dumps";
  EXPECT_EQ(snapshot.processes[1].stop_signal, Signal{20});
}

TEST(ImageProcesses, DescriptorTables) {
  Dump dump;
  dump.AddProcess(11, 10);
  dump.AddProcess(12, 11);
  dump.AddProcess(13, 10);
  dump.ids[11].set_files_id(10);
  dump.ids[12].set_files_id(10);
  dump.tables.erase(11);
  dump.tables.erase(12);
  dump.tables[13].clear();
  pb::fdinfo_entry& last = dump.AddDescriptor(10, 7, 3);
  last.set_flags(1);
  dump.AddDescriptor(10, 2, 2);
  const Snapshot snapshot = LoadGood(dump);
  EXPECT_EQ(snapshot.processes[0].table, snapshot.processes[1].table);
  EXPECT_EQ(snapshot.processes[0].table, snapshot.processes[2].table) << "a chain";
  EXPECT_NE(snapshot.processes[0].table, snapshot.processes[3].table);
  EXPECT_EQ(snapshot.tables[0].slots,
            (std::vector<Descriptor>{
                {0, false, FileIndex(2)}, {2, false, FileIndex(1)}, {7, true, FileIndex(2)}}));
  EXPECT_TRUE(snapshot.tables[1].slots.empty());
}

TEST(ImageProcesses, RegularFiles) {
  Dump dump;
  pb::reg_file_entry& reg = *dump.files[2].mutable_reg();
  reg.set_flags(0x80401);  // O_CLOEXEC is the descriptor's
  reg.set_pos(~std::uint64_t{0});
  reg.mutable_fown()->set_pid(10);
  reg.mutable_fown()->set_signum(29);
  dump.files[1].mutable_reg()->set_pos(5);
  dump.files[1].mutable_reg()->set_size(9);
  const Snapshot snapshot = LoadGood(dump);
  const RegularFile& file = *As<RegularFile>(*snapshot.files[2]);
  EXPECT_EQ(file.path.bytes, "/dev/null");
  EXPECT_EQ(snapshot.files[2]->flags.bits, 0x401u);
  EXPECT_EQ(file.pos, std::nullopt) << "do not seek";
  ASSERT_EQ(snapshot.late.size(), 1u);
  EXPECT_EQ(snapshot.late[0].file, 2);
  const FileOwner& owner = std::get<OwnerSetting>(snapshot.late[0].state).owner;
  EXPECT_EQ(owner.pid, PidReference{10});
  EXPECT_EQ(owner.signal, Signal{29});
  const RegularFile& other = *As<RegularFile>(*snapshot.files[1]);
  EXPECT_EQ(other.pos, 5u);
  EXPECT_EQ(other.size, 9u);
}

TEST(ImageProcesses, PersonalityIsHexThatWasReadAsDecimal) {
  for (auto [in, expected] : std::vector<std::pair<std::uint32_t, std::uint64_t>>{
           {40000, 0x40000}, {8, 8}, {400008, 0x400008}, {99999999, 0x99999999}}) {
    Dump dump;
    dump.cores[10].mutable_tc()->set_personality(in);
    const Snapshot snapshot = LoadGood(dump);
    EXPECT_EQ(snapshot.processes[0].attributes->personality, Hex{expected});
  }
  EXPECT_EQ(LoadGood(Dump()).processes[0].attributes->personality, std::nullopt);
}

TEST(ImageProcesses, SignalActionsSkip9And19) {
  Dump dump;
  for (int i = 0; i < 62; ++i) {
    dump.cores[10].mutable_tc()->mutable_sigactions(i)->set_sigaction(1000 + i);
  }
  const Snapshot snapshot = LoadGood(dump);
  const std::vector<SignalAction>& actions = snapshot.processes[0].attributes->sigactions;
  ASSERT_EQ(actions.size(), 62u);
  std::uint64_t handler = 1000;
  std::size_t at = 0;
  for (std::uint32_t signal = 1; signal <= 64; ++signal) {
    if (signal == 9 || signal == 19) continue;
    EXPECT_EQ(actions[at].signal, Signal{signal});
    EXPECT_EQ(actions[at++].handler.value, handler++);
  }
}

TEST(ImageProcesses, TheBlockedSignalsOfALeaderStandInThePartOfTheProcess) {
  Dump dump;
  dump.AddThread(10, 12);
  dump.cores[10].mutable_tc()->set_blk_sigset(1);
  dump.cores[10].mutable_thread_core()->set_blk_sigset(2);
  dump.cores[12].mutable_thread_core()->set_blk_sigset(4);
  const Snapshot snapshot = LoadGood(dump);
  EXPECT_EQ(snapshot.processes[0].attributes->signal_mask, Hex{1});
  ASSERT_EQ(snapshot.processes[0].threads.size(), 1u);
  EXPECT_EQ(snapshot.processes[0].threads[0].tid, 12);
  EXPECT_EQ(snapshot.processes[0].threads[0].attributes->signal_mask, Hex{4});
  EXPECT_EQ(snapshot.tree.nodes[0].tids, std::vector<Pid>{12});
}

TEST(ImageProcesses, PendingSignals) {
  auto siginfo = [](char number) { return number + std::string(127, '\0'); };
  Dump dump;
  dump.AddThread(10, 12);
  dump.cores[10].mutable_tc()->mutable_signals_s()->add_signals()->set_siginfo(siginfo(10));
  dump.cores[10].mutable_tc()->mutable_signals_s()->add_signals()->set_siginfo(siginfo(64));
  dump.cores[10].mutable_thread_core()->mutable_signals_p()->add_signals()->set_siginfo(siginfo(1));
  dump.cores[12].mutable_thread_core()->mutable_signals_p()->add_signals()->set_siginfo(siginfo(2));
  const Snapshot snapshot = LoadGood(dump);
  const Process& process = snapshot.processes[0];
  ASSERT_EQ(process.attributes->signal_queue.size(), 2u);
  EXPECT_EQ(process.attributes->signal_queue[1], (PendingSignal{{64}, {siginfo(64)}}));
  ASSERT_EQ(process.leader_signal_queue.size(), 1u);
  EXPECT_EQ(process.leader_signal_queue[0].signal, Signal{1});
  ASSERT_EQ(process.threads[0].attributes->signal_queue.size(), 1u);
  EXPECT_EQ(process.threads[0].attributes->signal_queue[0].signal, Signal{2});
}

TEST(ImageProcesses, SeccompFiltersInTheOrderInWhichTheyWereInstalled) {
  Dump dump;
  dump.AddThread(10, 12);
  pb::seccomp_entry& seccomp = dump.seccomp.emplace();
  for (auto [program, prev] : std::vector<std::pair<std::string, int>>{
           {"newest  ", -1}, {"middle  ", 0}, {"oldest  ", 1}, {"other   ", -1}}) {
    pb::seccomp_filter& filter = *seccomp.add_seccomp_filters();
    filter.set_filter(program);
    if (prev >= 0) filter.set_prev(prev);
  }
  dump.cores[10].mutable_thread_core()->set_seccomp_mode(2);
  dump.cores[10].mutable_thread_core()->set_seccomp_filter(2);
  dump.cores[12].mutable_thread_core()->set_seccomp_mode(1);
  const Snapshot snapshot = LoadGood(dump);
  std::vector<std::string> programs;
  for (const SeccompFilter& filter : snapshot.processes[0].attributes->seccomp->filters) {
    programs.push_back(filter.program.bytes);
  }
  EXPECT_EQ(programs, (std::vector<std::string>{"oldest  ", "middle  ", "newest  "}));
  const std::optional<Seccomp>& strict = snapshot.processes[0].threads[0].attributes->seccomp;
  ASSERT_TRUE(strict);
  EXPECT_EQ(strict->mode, SeccompMode{1});
  EXPECT_TRUE(strict->filters.empty());
}

TEST(ImageProcesses, CapabilitiesAreTwoWords) {
  Dump dump;
  pb::creds_entry& creds = *dump.cores[10].mutable_thread_core()->mutable_creds();
  creds.add_cap_prm(0x89abcdef);
  creds.add_cap_prm(0x123);
  creds.add_cap_eff(5);
  const Snapshot snapshot = LoadGood(dump);
  EXPECT_EQ(snapshot.processes[0].attributes->creds->cap_prm, Hex{0x12389abcdef});
  EXPECT_EQ(snapshot.processes[0].attributes->creds->cap_eff, Hex{5});
  EXPECT_EQ(snapshot.processes[0].attributes->creds->cap_inh, Hex{0});
}

TEST(ImageProcesses, APidNamespaceOfItsOwnIsPlannedIfTheRootIsPid1) {
  Dump dump;
  dump.tree.clear();
  dump.cores.clear();
  dump.ids.clear();
  dump.mms.clear();
  dump.fs.clear();
  dump.tables.clear();
  dump.pagemaps.clear();
  dump.AddProcess(1, 0);
  dump.inventory.mutable_root_ids()->set_pid_ns_id(1);
  dump.ids[1].set_pid_ns_id(7);
  EXPECT_TRUE(LoadGood(dump).new_pid_namespace);
  dump.ids[1].set_pid_ns_id(1);
  EXPECT_FALSE(LoadGood(dump).new_pid_namespace);
}

TEST(ImageProcesses, APidNamespaceFromOutside) {
  Dump dump;
  AddOwnNamespace(dump, "pid", 7);
  dump.pids[7].set_ext_key("key");
  const Snapshot snapshot = LoadGood(dump);
  EXPECT_EQ(snapshot.pid_namespace, PidNamespace{{"key"}});
  EXPECT_FALSE(snapshot.new_pid_namespace);
}

TEST(ImageProcesses, OtherFilesAreLeftAlone) {
  Dump dump;
  dump.edits = {Put("dump.log", "text"), Put("core-10.img.bak", "text"), Put("stats-dump", "text")};
  EXPECT_EQ(LoadGood(dump).processes.size(), 1u);
}

TEST(ImageProcesses, TheTreeAlone) {
  Dump dump;
  dump.AddThread(10, 12);
  dump.AddProcess(11, 10);
  dump.AddZombie(13, 11);
  dump.cores[11].mutable_tc()->set_child_subreaper(true);
  for (bool cores : {true, false}) {
    Files files = dump.Build();
    std::erase_if(files, [&](const auto& file) {
      return file.first != "pstree.img" && !(cores && file.first.starts_with("core-"));
    });
    Diagnostics diag;
    TreeSnapshot tree;
    EXPECT_EQ(LoadTree(*OpenMemory(files), &tree, diag), Result::kOk);
    EXPECT_EQ(GradedLines(diag), std::vector<std::string>());
    ASSERT_EQ(tree.nodes.size(), 3u);
    EXPECT_EQ(tree.nodes[0].tids, std::vector<Pid>{12});
    EXPECT_EQ(tree.nodes[1].subreaper, cores);
    EXPECT_EQ(tree.nodes[2].parent, 1);
    EXPECT_TRUE(tree.nodes[2].zombie);
  }
}

}  // namespace
}  // namespace crgen
