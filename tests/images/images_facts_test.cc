// What real dumps hold and readers are apt to get wrong: how it is read.
#include <gtest/gtest.h>

#include "tests/support/image_builder.h"

namespace crgen {
namespace {

using namespace test;  // NOLINT: the vocabulary of these tests

using Numbers = std::vector<std::uint64_t>;

/// start, pages and offset in the pages image of each run.
std::vector<Numbers> RunsOf(const std::vector<PageRun>& runs) {
  std::vector<Numbers> out;
  for (const PageRun& run : runs) out.push_back({run.start, run.nr_pages, run.image_offset});
  return out;
}

std::vector<Numbers> PagesOf(const Snapshot& snapshot, std::size_t process = 0) {
  return RunsOf(snapshot.processes[process].memory.pages);
}

TEST(ImageFacts, PageCountsStandInOneOfTwoFields) {
  struct Case {
    std::string name;
    std::optional<std::uint64_t> count;
    std::uint32_t old_count;
    std::uint64_t expected;
  };
  for (const Case& test : std::vector<Case>{{"old", std::nullopt, 2, 2},
                                            {"new", 2, 0, 2},
                                            {"both, the new one counts", 1, 2, 1},
                                            {"a new one of 0 counts", 0, 2, 0}}) {
    Dump dump;
    pb::pagemap_entry run;
    run.set_vaddr(0x10000);
    run.set_compat_nr_pages(test.old_count);
    if (test.count) run.set_nr_pages(*test.count);
    run.set_flags(kPresent);
    dump.pagemaps["pagemap-10.img"].runs = {run};
    const Snapshot snapshot = LoadGood(dump);
    std::uint64_t pages = 0;
    for (const PageRun& got : snapshot.processes[0].memory.pages) pages += got.nr_pages;
    EXPECT_EQ(pages, test.expected) << test.name;
  }
}

TEST(ImageFacts, FlagsOfRuns) {
  Dump dump;
  pb::pagemap_entry no_flags = PagesAt(0x10000, 1);
  no_flags.clear_flags();
  dump.pagemaps["pagemap-10.img"].runs = {no_flags, PagesAt(0x11000, 1, kPresent | kLazy)};
  EXPECT_EQ(PagesOf(LoadGood(dump)), (std::vector<Numbers>{{0x10000, 1, 0}, {0x11000, 1, 4096}}));
}

TEST(ImageFacts, OnlyPresentRunsTakeRoomInThePagesImage) {
  Dump dump;
  dump.AddArea(10, 0x12000, 6, kRegular | kAnonPrivate);
  dump.pagemaps["pagemap-10.img"].runs = {PagesAt(0x10000, 1), PagesAt(0x11000, 3, kInParent),
                                          PagesAt(0x14000, 1), PagesAt(0x16000, 1)};
  dump.pagemaps["parent/pagemap-10.img"] = {3, {PagesAt(0x11000, 3)}};
  const Snapshot snapshot = LoadGood(dump);
  EXPECT_EQ(PagesOf(snapshot), (std::vector<Numbers>{{0x10000, 1, 0},
                                                     {0x11000, 1, 0},
                                                     {0x12000, 2, 4096},
                                                     {0x14000, 1, 4096},
                                                     {0x16000, 1, 8192}}));
}

TEST(ImageFacts, OneRunMaySpanAreas) {
  Dump dump;
  dump.AddArea(10, 0x12000, 1, kRegular | kAnonPrivate).set_prot(kRead);
  pb::vma_entry& file = dump.AddArea(10, 0x13000, 2, kRegular | kFilePrivate);
  file.set_shmid(1);
  dump.pagemaps["pagemap-10.img"].runs = {PagesAt(0x11000, 3)};
  EXPECT_EQ(PagesOf(LoadGood(dump)),
            (std::vector<Numbers>{{0x11000, 1, 0}, {0x12000, 1, 4096}, {0x13000, 1, 8192}}));
}

TEST(ImageFacts, PagesOfWhatTheKernelProvidesAreNotLoaded) {
  Dump dump;
  dump.AddArea(10, 0x12000, 1, kRegular | kAnonPrivate | kVdso);
  dump.AddArea(10, 0x13000, 1, kRegular | kAnonPrivate);
  dump.pagemaps["pagemap-10.img"].runs = {PagesAt(0x11000, 3)};
  EXPECT_EQ(PagesOf(LoadGood(dump)), (std::vector<Numbers>{{0x11000, 1, 0}, {0x13000, 1, 8192}}));
}

TEST(ImageFacts, AChildMayLackPagesOfItsParent) {
  Dump dump;
  dump.AddProcess(11, 10);
  dump.pagemaps["pagemap-11.img"].runs = {PagesAt(0x11000, 1)};
  dump.AddProcess(12, 10);
  dump.pagemaps["pagemap-12.img"].runs = {};
  const Snapshot snapshot = LoadGood(dump);
  EXPECT_EQ(PagesOf(snapshot, 0), (std::vector<Numbers>{{0x10000, 2, 0}}));
  EXPECT_EQ(PagesOf(snapshot, 1), (std::vector<Numbers>{{0x11000, 1, 0}}));
  EXPECT_EQ(PagesOf(snapshot, 2), (std::vector<Numbers>{}));
  EXPECT_EQ(snapshot.page_images, (std::vector<std::string>{"pages-10.img", "pages-11.img"}));
}

TEST(ImageFacts, TheThreadListOfAZombieIsGarbage) {
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

TEST(ImageFacts, ExitStatus) {
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

TEST(ImageFacts, Stopped) {
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

TEST(ImageFacts, TheFileOfAMappingNeedNotBeOpen) {
  Dump dump;
  dump.AddFile(4, "/lib/a").mutable_reg()->set_flags(2);
  dump.AddArea(10, 0x20000, 1, kRegular | kFilePrivate).set_shmid(4);
  dump.AddArea(10, 0x21000, 1, kRegular | kFilePrivate).set_shmid(3);
  const Snapshot snapshot = LoadGood(dump);
  const AddressSpace& memory = snapshot.processes[0].memory;
  ASSERT_EQ(memory.regions.size(), 3u);
  EXPECT_EQ(snapshot.files[memory.regions[1].file]->id.value, 4u);
  EXPECT_EQ(snapshot.files[memory.regions[2].file]->id.value, 3u) << "open as fd 0 too";
  EXPECT_EQ(snapshot.tables[0].slots, (std::vector<Descriptor>{{0, false, 2}}));
  EXPECT_EQ(snapshot.files[memory.exe]->id.value, 1u);
}

TEST(ImageFacts, HowAMappedFileIsOpened) {
  struct Case {
    std::uint32_t status, prot;
    std::optional<std::uint32_t> fdflags;
    std::uint64_t expected;
  };
  for (const Case& test : std::vector<Case>{{kFilePrivate, kReadWrite, std::nullopt, 0},
                                            {kFileShared, kReadWrite, std::nullopt, 2},
                                            {kFileShared, kRead, std::nullopt, 0},
                                            {kFilePrivate, kReadWrite, 0, 0},
                                            {kFilePrivate, kRead, 2, 2},
                                            {kFileShared, kRead, 2, 2},
                                            {kFileShared, kRead, 0, 0},
                                            {kFileShared, kReadWrite, 0x8002, 2}}) {
    Dump dump;
    pb::vma_entry& area = dump.AddArea(10, 0x20000, 1, kRegular | test.status);
    area.set_shmid(3);
    area.set_prot(test.prot);
    if (test.fdflags) area.set_fdflags(*test.fdflags);
    const Snapshot snapshot = LoadGood(dump);
    EXPECT_EQ(snapshot.processes[0].memory.regions[1].open_flags.bits, test.expected)
        << test.status << " " << test.prot << " " << test.fdflags.value_or(99);
  }
}

TEST(ImageFacts, OffsetsAreInBytes) {
  Dump dump;
  pb::vma_entry& file = dump.AddArea(10, 0x20000, 1, kRegular | kFilePrivate);
  file.set_shmid(3);
  file.set_pgoff(0x3000);
  pb::vma_entry& shared = dump.AddArea(10, 0x30000, 2, kRegular | kAnonShared);
  shared.set_shmid(7);
  shared.set_pgoff(0x1000);
  const Snapshot snapshot = LoadGood(dump);
  EXPECT_EQ(snapshot.processes[0].memory.regions[1].offset, 0x3000u);
  EXPECT_EQ(snapshot.processes[0].memory.regions[2].offset, 0x1000u);
  EXPECT_EQ(snapshot.shmems.at(0).size, 0x3000u);
}

TEST(ImageFacts, GuardRangesStandBehindAllOthers) {
  Dump dump;
  dump.AddArea(10, 0x20000, 2, kRegular | kAnonPrivate);
  dump.AddArea(10, 0x22000, 2, kRegular | kAnonPrivate).set_prot(kRead);
  dump.AddArea(10, 0x11000, 1, kGuard);
  dump.pagemaps["pagemap-10.img"].runs = {PagesAt(0x10000, 1)};
  dump.AddArea(10, 0x20000, 1, kGuard);
  dump.AddArea(10, 0x21000, 2, kGuard);  // in two areas
  const Snapshot snapshot = LoadGood(dump);
  const AddressSpace& memory = snapshot.processes[0].memory;
  EXPECT_EQ(memory.regions.size(), 3u);
  EXPECT_EQ(memory.guards, (std::vector<AddressRange>{
                               {0x11000, 0x12000}, {0x20000, 0x21000}, {0x21000, 0x23000}}));
}

TEST(ImageFacts, TheKernelsOwnAreas) {
  Dump dump;
  dump.AddArea(10, 0x20000, 4, kRegular | kAnonPrivate | kVvar).set_prot(kRead);
  dump.AddArea(10, 0x24000, 2, kRegular | kAnonPrivate | kVdso).set_prot(5);
  dump.AddArea(10, 0xffffffffff600000, 1, kAnonPrivate | kVsyscall).set_prot(4);
  dump.AddProcess(11, 10);
  dump.AddArea(11, 0x30000, 4, kRegular | kAnonPrivate | kVvar).set_madv(0x10000);
  const Snapshot snapshot = LoadGood(dump);
  const std::vector<Region>& regions = snapshot.processes[0].memory.regions;
  ASSERT_EQ(regions.size(), 4u);
  EXPECT_EQ(regions[1].kind, RegionKind::kVvar);
  EXPECT_EQ(regions[1].madvise.bits, 0x10000u) << "DONTDUMP, which the kernel gives it";
  EXPECT_EQ(regions[2].kind, RegionKind::kVdso);
  EXPECT_EQ(regions[2].madvise.bits, 0u);
  EXPECT_EQ(regions[3].kind, RegionKind::kVsyscall);
  EXPECT_EQ(snapshot.processes[1].memory.regions[1].madvise.bits, 0x10000u);
}

TEST(ImageFacts, DescriptorTables) {
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
            (std::vector<Descriptor>{{0, false, 2}, {2, false, 1}, {7, true, 2}}));
  EXPECT_TRUE(snapshot.tables[1].slots.empty());
}

TEST(ImageFacts, RegularFiles) {
  Dump dump;
  pb::reg_file_entry& reg = *dump.files[2].mutable_reg();
  reg.set_flags(0x80401);  // O_CLOEXEC is the descriptor's
  reg.set_pos(~std::uint64_t{0});
  reg.mutable_fown()->set_pid(10);
  reg.mutable_fown()->set_signum(29);
  dump.files[1].mutable_reg()->set_pos(5);
  dump.files[1].mutable_reg()->set_size(9);
  const Snapshot snapshot = LoadGood(dump);
  const RegularFile& file = *AsRegular(*snapshot.files[2]);
  EXPECT_EQ(file.path.bytes, "/dev/null");
  EXPECT_EQ(snapshot.files[2]->flags.bits, 0x401u);
  EXPECT_EQ(file.pos, std::nullopt) << "do not seek";
  ASSERT_EQ(snapshot.late.size(), 1u);
  EXPECT_EQ(snapshot.late[0].file, 2);
  const FileOwner& owner = std::get<OwnerSetting>(snapshot.late[0].state).owner;
  EXPECT_EQ(owner.pid, PidReference{10});
  EXPECT_EQ(owner.signal, Signal{29});
  const RegularFile& other = *AsRegular(*snapshot.files[1]);
  EXPECT_EQ(other.pos, 5u);
  EXPECT_EQ(other.size, 9u);
}

TEST(ImageFacts, PersonalityIsHexThatWasReadAsDecimal) {
  for (auto [in, expected] : std::vector<std::pair<std::uint32_t, std::uint64_t>>{
           {40000, 0x40000}, {8, 8}, {400008, 0x400008}, {99999999, 0x99999999}}) {
    Dump dump;
    dump.cores[10].mutable_tc()->set_personality(in);
    const Snapshot snapshot = LoadGood(dump);
    EXPECT_EQ(snapshot.processes[0].attributes->personality, Hex{expected});
  }
  EXPECT_EQ(LoadGood(Dump()).processes[0].attributes->personality, std::nullopt);
}

TEST(ImageFacts, SignalActionsSkip9And19) {
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

TEST(ImageFacts, TheBlockedSignalsOfALeaderStandInThePartOfTheProcess) {
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

TEST(ImageFacts, PendingSignals) {
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

TEST(ImageFacts, SeccompFiltersInTheOrderInWhichTheyWereInstalled) {
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

TEST(ImageFacts, CapabilitiesAreTwoWords) {
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

/// A memfd object of `pages` pages by this name, mapped shared by process 10.
Dump WithObject(const std::string& name, std::uint64_t pages = 2) {
  Dump dump;
  dump.AddMemfd(4, 77, 5, name, pages);
  pb::vma_entry& area = dump.AddArea(10, 0x20000, 2, kRegular | kFileShared | kMemfd);
  area.set_shmid(4);
  area.set_fdflags(2);
  dump.pagemaps["pagemap-shmem-5.img"] = {6, {PagesAt(0x1000, 1)}};
  return dump;
}

TEST(ImageFacts, SharedAnonymousMemoryStandsThereAsAMemfd) {
  const Snapshot snapshot = LoadGood(WithObject("/dev/zero"));
  EXPECT_TRUE(snapshot.memfds.empty());
  ASSERT_EQ(snapshot.shmems.size(), 1u);
  EXPECT_EQ(snapshot.shmems[0].id, ShmemId{5});
  EXPECT_EQ(snapshot.shmems[0].size, 0x2000u);
  EXPECT_EQ(RunsOf(snapshot.shmems[0].pages), (std::vector<Numbers>{{0x1000, 1, 0}}));
  const Region& region = snapshot.processes[0].memory.regions[1];
  EXPECT_EQ(region.kind, RegionKind::kSharedAnonymous);
  EXPECT_EQ(region.object, 0);
  EXPECT_EQ(region.flags.bits, kMapShared | kMapAnonymous);
}

TEST(ImageFacts, ButItIsAMemfdIf) {
  auto expect_memfd = [](const Dump& dump, const std::string& why) {
    const Snapshot snapshot = LoadGood(dump);
    EXPECT_TRUE(snapshot.shmems.empty()) << why;
    ASSERT_EQ(snapshot.memfds.size(), 1u) << why;
    EXPECT_EQ(snapshot.memfds[0].inode_id, InodeId{77}) << why;
    EXPECT_EQ(RunsOf(snapshot.memfds[0].pages), (std::vector<Numbers>{{0x1000, 1, 0}})) << why;
    EXPECT_EQ(snapshot.processes[0].memory.regions[1].kind, RegionKind::kSharedMemfd) << why;
    EXPECT_EQ(snapshot.processes[0].memory.regions[1].object, 0) << why;
  };
  expect_memfd(WithObject("buffer"), "it has a name");
  Dump open = WithObject("/dev/zero");
  open.AddDescriptor(10, 9, 4, pb::FD_MEMFD);
  expect_memfd(open, "it is open");
  Dump mapped = WithObject("/dev/zero");
  mapped.AddArea(10, 0x30000, 1, kRegular | kFilePrivate | kMemfd).set_shmid(4);
  expect_memfd(mapped, "it is mapped privately too");
}

TEST(ImageFacts, AnonymousAndNamedObjectsTogether) {
  Dump dump = WithObject("/dev/zero");
  dump.AddMemfd(5, 78, 8, "buffer", 1);
  dump.AddArea(10, 0x30000, 1, kRegular | kFilePrivate | kMemfd).set_shmid(5);
  dump.AddArea(10, 0x40000, 3, kRegular | kAnonShared).set_shmid(9);
  dump.AddProcess(11, 10);
  dump.AddArea(11, 0x40000, 4, kRegular | kAnonShared).set_shmid(9);
  dump.pagemaps["pagemap-shmem-9.img"] = {19, {PagesAt(0, 4)}};
  const Snapshot snapshot = LoadGood(dump);
  ASSERT_EQ(snapshot.shmems.size(), 2u);
  EXPECT_EQ(snapshot.shmems[0].id, ShmemId{9});
  EXPECT_EQ(snapshot.shmems[0].size, 0x4000u) << "as far as the longest view";
  EXPECT_EQ(RunsOf(snapshot.shmems[0].pages), (std::vector<Numbers>{{0, 4, 0}}));
  EXPECT_EQ(snapshot.shmems[1].id, ShmemId{5});
  ASSERT_EQ(snapshot.memfds.size(), 1u);
  EXPECT_EQ(snapshot.memfds[0].name.bytes, "buffer");
  const std::vector<Region>& regions = snapshot.processes[0].memory.regions;
  EXPECT_EQ(regions[1].object, 1);
  EXPECT_EQ(regions[2].kind, RegionKind::kPrivateMemfd);
  EXPECT_EQ(regions[2].object, 0);
  EXPECT_EQ(regions[3].kind, RegionKind::kSharedAnonymous);
  EXPECT_EQ(regions[3].object, 0);
  EXPECT_EQ(snapshot.processes[1].memory.regions[1].object, 0);
}

TEST(ImageFacts, AMemfdOfSize0HasNoPages) {
  Dump dump;
  dump.AddMemfd(4, 77, 5, "a", 0);
  dump.AddMemfd(5, 78, 5, "b", 0);
  dump.AddDescriptor(10, 4, 4, pb::FD_MEMFD);
  dump.AddDescriptor(10, 5, 5, pb::FD_MEMFD);
  EXPECT_EQ(LoadGood(dump).memfds.size(), 2u);
}

TEST(ImageFacts, AnAioRingHasItsNumberOfRequests) {
  Dump dump;
  dump.AddArea(10, 0x20000, 2, kAioRing).set_flags(kMapShared);
  pb::aio_ring_entry& ring = *dump.mms[10].add_aios();
  ring.set_id(0x20000);
  ring.set_nr_req(31);
  const Snapshot snapshot = LoadGood(dump);
  EXPECT_EQ(snapshot.processes[0].memory.regions[1].kind, RegionKind::kAioRing);
  EXPECT_EQ(snapshot.processes[0].memory.regions[1].nr_req, 31u);
}

TEST(ImageFacts, APidNamespaceOfItsOwnIsPlannedIfTheRootIsPid1) {
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

TEST(ImageFacts, WhatIsUnknownIsTolerated) {
  Dump dump;
  dump.AddZombie(11, 10);
  dump.edits = {Put("dump.log", "text"), Put("core-10.img.bak", "text"),
                Put("amdgpu-kfd-1.img", "text"), Put("stats-dump", "text"), [](Files& files) {
                  for (auto& [name, content] : files) {
                    if (name == "inventory.img" || name.find("pages-") != std::string::npos ||
                        name.find(".img") == std::string::npos || name == "core-10.img.bak" ||
                        name == "amdgpu-kfd-1.img") {
                      continue;
                    }
                    // Field 1000, "new", at the end of every entry.
                    std::string changed = content.substr(0, 8);
                    for (std::size_t at = 8; at < content.size();) {
                      std::uint32_t length = 0;
                      std::memcpy(&length, content.data() + at, sizeof length);
                      AppendEntry(content.substr(at + 4, length) + "\xc2\x3e\x03new", &changed);
                      at += 4 + length;
                    }
                    content = changed;
                  }
                }};
  EXPECT_EQ(LoadGood(dump).processes.size(), 2u);
}

TEST(ImageFacts, TheTreeAlone) {
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
    EXPECT_EQ(Lines(diag), std::vector<std::string>());
    ASSERT_EQ(tree.nodes.size(), 3u);
    EXPECT_EQ(tree.nodes[0].tids, std::vector<Pid>{12});
    EXPECT_EQ(tree.nodes[1].subreaper, cores);
    EXPECT_EQ(tree.nodes[2].parent, 1);
    EXPECT_TRUE(tree.nodes[2].zombie);
  }
}

}  // namespace
}  // namespace crgen
