// SPDX-License-Identifier: Apache-2.0
// What several processes share and nobody can inherit: descriptors of processes, and files below
// /proc, that are older than their process; sets of epoll(7) that only messages carry.
#include <gtest/gtest.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>

#include "dsl/json/program_json.h"
#include "tests/support/choice.h"
#include "tests/support/seed.h"
#include "tests/support/snapshot_builder.h"

namespace crgen::test {
namespace {

class World : private Choice {
 public:
  World(const std::string& tree, const std::string& text, unsigned seed = 0)
      : Choice(seed), dump(SnapshotBuilder::Build(tree, text)) {}

  MadeDump dump;

  FileIndex Add(FileBody body) {
    Snapshot& snapshot = dump.snapshot;
    const FileId id{++snapshot.highest_file_id};
    snapshot.files.push_back(std::make_shared<File>(File{id, {O_RDWR}, std::move(body)}));
    return FileIndex(snapshot.files.size() - 1);
  }
  FileIndex AddPidfd(Pid target) { return Add(Pidfd{PidReference{target}, {}, false}); }
  bool Hold(std::size_t process, FileIndex file, Fd fd, bool cloexec = false) {
    auto& slots = dump.snapshot.tables[dump.snapshot.processes[process].table].slots;
    const auto place = std::ranges::lower_bound(slots, fd, {}, &Descriptor::fd);
    if (place != slots.end() && place->fd == fd) return false;
    slots.insert(place, {fd, cloexec, file});
    return true;
  }
  void AddRandom() {
    const auto processes = static_cast<std::uint32_t>(dump.snapshot.processes.size());
    for (std::uint32_t i = 0; i < 1 + Below(4); ++i) {
      const auto target = static_cast<Pid>(1 + Below(processes));
      RegularFile in_proc;
      in_proc.path = Text{"/proc/" + std::to_string(target) + "/comm"};
      const FileIndex file = Below(3) == 0 ? Add(in_proc) : AddPidfd(target);
      for (std::uint32_t n = 0; n < 1 + Below(4); ++n) {
        Hold(Below(processes), file, static_cast<Fd>(1 + Below(8)), Below(3) == 0);
      }
    }
  }
};

std::size_t Taken(const Program& program) {
  return static_cast<std::size_t>(std::ranges::count_if(program, [](const Command& command) {
    const auto* open = std::get_if<OpenFile>(&command.body);
    return open != nullptr && open->from;
  }));
}

TEST(GenerateTakenTest, WhoIsOlderTakesIt) {
  World world("1 1 1 [ 2 1 1 [] 3 1 1 [] ]", "fd 1: 0=a\nfd 2: 0=a\nfd 3: 0=a");
  const FileIndex file = world.AddPidfd(3);
  for (const std::size_t process : {0, 1, 2}) world.Hold(process, file, 4);
  const PlanVerdict verdict(world.dump);
  EXPECT_EQ(verdict.problems, "");
  EXPECT_EQ(Taken(verdict.program), 2u);
}

/// As before: it costs no command.
TEST(GenerateTakenTest, WhoIsYoungerInheritsIt) {
  World world("1 1 1 [ 2 1 1 [] 3 1 1 [] ]", "fd 1: 0=a\nfd 2: 0=a\nfd 3: 0=a");
  const FileIndex file = world.AddPidfd(2);
  for (const std::size_t process : {0, 2}) world.Hold(process, file, 4);
  const PlanVerdict verdict(world.dump);
  EXPECT_EQ(verdict.problems, "");
  EXPECT_EQ(Taken(verdict.program), 0u);
}

TEST(GenerateTakenTest, RandomOnesEndInTheSnapshot) {
  const unsigned first = FirstSeed();
  const std::pair<const char*, const char*> trees[] = {
      {"1 1 1 [ 2 1 1 [] ]", "fd 1: 0=a\nfd 2: 0=a"},
      {"1 1 1 [ 2 1 1 [ 3 1 1 [] ] 4 1 1 [] ]", "fd 1: 0=a\nfd 2: 0=a\nfd 3: 0=a\nfd 4: 0=b"},
      {"1 1 1 [ 2 1 1 [ 3 1 1 [] ] 4 1 1 [] ]", "fd 1,4: 0=a\nfd 2: 0=a\nfd 3: 0=b"}};
  std::size_t taken = 0;
  for (unsigned i = 0; i < 2000; ++i) {
    SCOPED_TRACE("seed " + std::to_string(first + i));
    const auto& [tree, text] = trees[i % std::size(trees)];
    World world(tree, text, first + i);
    world.AddRandom();
    const PlanVerdict verdict(world.dump);
    ASSERT_EQ(verdict.problems, "") << WriteProgram(verdict.program, Layout::kLines);
    taken += Taken(verdict.program);
  }
  std::printf("seed %u: %zu taken\n", first, taken);
  EXPECT_GT(taken, 100u);
}

/// A set that only a message carries is filled by who has what it watches, also if another sends
/// it.
TEST(GenerateTakenTest, ASetInFlight) {
  World world("1 1 1 [ 2 1 1 [] ]", "fd 1: 0=a\nfd 2: 0=a");
  UnixSocket end;
  end.socket_type = SocketType{SOCK_DGRAM};
  end.state = kConnected;
  end.socket_id.value = 1000;
  const FileIndex one = world.Add(end);
  end.socket_id.value = 1001;
  const FileIndex other = world.Add(end);
  const FileIndex set = world.Add(Eventpoll{}), event = world.Add(Eventfd{});
  world.dump.snapshot.socket_pairs.push_back({one, other});
  world.dump.snapshot.socket_queues.push_back({other, {{{"sk-queues.img", 0}, 1, {set}}}});
  world.dump.snapshot.late.push_back(
      {set, EpollTargets{{EpollTarget{7, {EPOLLIN | EPOLLERR | EPOLLHUP}, {1}}}}, ProcessIndex(1)});
  world.Hold(0, one, 3);
  world.Hold(0, other, 4);
  world.Hold(1, event, 7);
  const PlanVerdict verdict(world.dump);
  EXPECT_EQ(verdict.problems, "") << WriteProgram(verdict.program, Layout::kLines);
}

}  // namespace
}  // namespace crgen::test
