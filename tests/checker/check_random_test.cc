// SPDX-License-Identifier: Apache-2.0
// Random programs: the checker ends, does not crash, and keeps what must always hold, whatever it
// is given.
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "checker/kernel/kernel.h"
#include "tests/support/check_support.h"
#include "tests/support/choice.h"

namespace crgen {
namespace {

using namespace test;  // NOLINT: the vocabulary of these tests

constexpr unsigned kSeed = 20240611;

class RandomProgram : private Choice {
 public:
  explicit RandomProgram(unsigned seed) : Choice(seed) {}

  Program Make(std::size_t length) {
    Program program = {ForkOf(0, Below(2) == 0 ? 1 : 2)};
    while (program.size() < length) program.push_back(One());
    return program;
  }

 private:
  Pid AnyPid() { return static_cast<Pid>(Below(9)); }
  Fd AnyFd() { return static_cast<Fd>(Below(6)) - 1; }
  std::uint64_t Address() {
    constexpr std::uint64_t kOdd[] = {0xffffffffff600000,     0xffffffffff601000, ~std::uint64_t{0},
                                      std::uint64_t{1} << 63, 0xfffffffffffff000, 0x1001};
    return Below(12) == 0 ? kOdd[Below(6)] : std::uint64_t{Below(16)} * kPageSize;
  }
  std::uint64_t Advice() { return Below(2) == 0 ? kGuardInstall : MadviseBit(Below(20)); }
  std::shared_ptr<const File> AnyFile() {
    const std::uint64_t id = ++files_ - (Below(10) == 0 ? 1 : 0);
    switch (Below(4)) {
      case 0:
        return RegFile(id, Below(4));
      case 1:
        return NewMemfd(id, Below(4), Below(0x5000), Below(32));
      case 2:
        return OldMemfd(id, Below(4), Below(3) == 0 ? Below(32) : 0);
      default:
        return Below(8) == 0 ? nullptr : OtherOf(id);
    }
  }
  Command AnyMapping(Pid pid) {
    MapRegion map = Mapping(Address(), Address(), Below(8), Below(2) == 0 ? kAnon : Below(64));
    if (Below(3) == 0) map.fd = AnyFd();
    if (Below(2) == 0) map.offset = Address();
    if (Below(3) == 0) {
      map.flags = {MAP_SHARED | MAP_ANONYMOUS};
      map.shmem = ShmemView{Below(3), Address(), std::nullopt};
      if (Below(2) == 0) map.shmem->size = Address();
    }
    if (Below(6) == 0) map.special = static_cast<SpecialRegion>(Below(5));
    if (Below(4) == 0) map.madvise = {Advice()};
    return {pid, map};
  }
  Command AnyAttributes(Pid pid) {
    Attributes attributes;
    if (Below(3) == 0) attributes.child_subreaper = Below(2) == 0;
    if (Below(4) == 0) attributes.sigactions.push_back({Signal{SIGCHLD}, {Below(3)}, {}, {}, {}});
    if (Below(30) == 0) attributes.creds = Creds{};
    attributes.signal_queue.resize(Below(3));
    return AttrOf(pid, attributes, Below(2) == 0 ? std::optional<Pid>(AnyPid()) : std::nullopt);
  }
  Command One() {
    const Pid pid = Below(3) == 0 ? 2 : AnyPid();
    switch (Below(24)) {
      case 0:
        return SidOf(pid);
      case 1:
        return PgidOf(pid, AnyPid());
      case 2:
        return ThreadOf(pid, AnyPid());
      case 3:
        return ExitOf(pid, Below(300));
      case 4:
        return WaitOf(pid, AnyPid());
      case 5:
        return OpenOf(pid, AnyFd(), AnyFile());
      case 6:
        return OpenPair(pid, AnyFd(), AnyFile(), AnyFd(), AnyFile());
      case 7:
        return DupOf(pid, AnyFd(), AnyFd());
      case 8:
        return CloseOf(pid, AnyFd());
      case 9:
      case 10:
      case 11:
        return AnyMapping(pid);
      case 12:
        return UnmapOf(pid, Address(), Address());
      case 13:
        return MoveOf(pid, Address(), Address(), Address());
      case 14:
        return ProtectOf(pid, Address(), Address(), Below(8));
      case 15:
        return AdviseOf(pid, Address(), Address(), Advice());
      case 16:
      case 17:
        return LoadOf(pid, Address(), Below(20) == 0 ? Address() : Below(4), Address());
      case 18:
        return AnyAttributes(pid);
      case 19:
        return Below(4) == 0 ? StopOf(pid) : CommOf(pid, "name");
      default:
        return ForkOf(pid, AnyPid(),
                      Below(4) == 0   ? CLONE_FILES
                      : Below(6) == 0 ? CLONE_PARENT
                                      : 0);
    }
  }

  std::uint64_t files_ = 0;
};

void ExpectMemoryInvariants(const check::Space& space) {
  std::uint64_t end = 0;
  space.regions.ForEach([&](AddressRange range, const check::MappedRegion&) {
    EXPECT_LE(end, range.start);
    EXPECT_LT(range.start, range.end);
    end = range.end;
  });
  auto inside = [&](AddressRange range) { EXPECT_FALSE(space.regions.FirstHole(range)); };
  space.pages.ForEach([&](AddressRange range, const check::PageSource&) {
    inside(range);
    EXPECT_FALSE(space.guards.FirstOverlap(range));
  });
  space.guards.ForEach([&](AddressRange range, const check::NoValue&) { inside(range); });
  std::map<std::uint64_t, std::uint64_t> views;
  space.regions.ForEach([&](AddressRange range, const check::MappedRegion& region) {
    if (region.backing->kind != RegionKind::kSharedAnonymous) return;
    views[region.backing->object->id] += range.size();
  });
  std::map<std::uint64_t, std::uint64_t> counted;
  space.shmem_views.ForEach([&](std::uint64_t id, std::uint64_t size) { counted[id] = size; });
  EXPECT_EQ(views, counted);
}

/// setsid(2) and setpgid(2) keep a group inside one session, and a parent is never a zombie.
void ExpectTreeInvariants(const check::Kernel& kernel) {
  std::map<Pid, Pid> session_of_group;
  std::set<Pid> pids;
  for (std::size_t at = 1; at < kernel.tasks.size(); ++at) {
    const check::Task& task = kernel.tasks[at];
    if (task.state == check::TaskState::kGone) continue;
    EXPECT_TRUE(pids.insert(task.pid).second);
    EXPECT_EQ(session_of_group.try_emplace(task.pgid, task.sid).first->second, task.sid);
    const check::Task& parent = kernel.tasks[kernel.ParentOf(task)];
    EXPECT_TRUE(parent.pid == 0 || parent.state == check::TaskState::kExecuting ||
                parent.state == check::TaskState::kResumed);
    if (task.space != nullptr) ExpectMemoryInvariants(*task.space);
  }
}

TEST(CheckRandom, AnyProgram) {
  Snapshot nothing;
  for (unsigned seed = kSeed; seed < kSeed + 3000; ++seed) {
    SCOPED_TRACE(seed);
    SimulatedState state;
    Diagnostics diag;
    (void)CheckProgram(RandomProgram(seed).Make(200), &state, diag);
    ExpectTreeInvariants(*state.kernel());
    (void)DescribeState(state);
    (void)CompareWithSnapshot(state, nothing, nullptr, diag);
    if (HasFailure()) break;
  }
}

/// What is left when all commands that break a rule are taken out breaks none: a failed command
/// changes nothing.
TEST(CheckRandom, FailedCommandsChangeNothing) {
  for (unsigned seed = kSeed; seed < kSeed + 300; ++seed) {
    SCOPED_TRACE(seed);
    Program program = RandomProgram(seed).Make(200);
    SimulatedState state;
    Diagnostics diag;
    (void)CheckProgram(program, &state, diag);
    Program good;
    std::set<std::size_t> bad;
    for (const std::string& line : Lines(diag)) {
      if (line.rfind("commands[", 0) == 0) bad.insert(std::stoul(line.substr(9)));
    }
    // Of a process that cannot execute only the first command is reported; those that follow are
    // told by taking the reported ones out until nothing is reported.
    while (!bad.empty()) {
      good.clear();
      for (std::size_t i = 0; i < program.size(); ++i) {
        if (bad.count(i) == 0) good.push_back(program[i]);
      }
      program = good;
      bad.clear();
      Diagnostics again;
      SimulatedState less;
      (void)CheckProgram(program, &less, again);
      EXPECT_EQ(DescribeState(less), DescribeState(state));
      for (const std::string& line : Lines(again)) {
        if (line.rfind("commands[", 0) == 0) bad.insert(std::stoul(line.substr(9)));
      }
    }
    if (::testing::Test::HasFailure()) break;
  }
}

}  // namespace
}  // namespace crgen
