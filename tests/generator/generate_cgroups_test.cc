// SPDX-License-Identifier: Apache-2.0
// Plans for processes in cgroups(7), and their comparison with the snapshot.
#include "tests/support/check_support.h"
#include "tests/support/snapshot_builder.h"

namespace crgen::test {
namespace {

using Strings = std::vector<std::string>;

CgroupDirectory DirectoryOf(const std::string& controllers, const std::string& path) {
  return {controllers, {path}, {}, {}};
}

const std::vector<CgroupDirectory> kTwo = {DirectoryOf("cpu", "/a"), DirectoryOf("cpu", "/a/b")};

/// Attributes of a process of the made snapshots, changed.
void Place(MadeDump* dump, std::size_t process, const std::string& path,
           std::optional<Text> prefix = {}) {
  auto& attributes = dump->snapshot.processes[process].attributes;
  auto changed = attributes == nullptr ? std::make_shared<Attributes>()
                                       : std::make_shared<Attributes>(*attributes);
  changed->cgroup = CgroupMembership{{{"cpu", {path}, std::move(prefix)}, {"pids", {"/"}, {}}}, {}};
  attributes = std::move(changed);
}

MadeDump TwoPlaces() {
  MadeDump dump = SnapshotBuilder::Build("1 1 1 [ 2 1 1 [ 3 1 1 [] ] 4 1 1 [] ]", "");
  for (const std::size_t process : {0, 3}) Place(&dump, process, "/a");
  for (const std::size_t process : {1, 2}) Place(&dump, process, "/a/b");
  dump.snapshot.cgroup_directories = kTwo;
  dump.snapshot.cgroup_directories.push_back(DirectoryOf("pids", "/"));
  return dump;
}

std::vector<std::pair<Pid, CgroupMembership>> MovesIn(const Program& program) {
  std::vector<std::pair<Pid, CgroupMembership>> moves;
  for (const Command& command : program) {
    const auto* set = std::get_if<SetAttr>(&command.body);
    if (set != nullptr && set->attributes->cgroup) {
      moves.emplace_back(command.pid, *set->attributes->cgroup);
    }
  }
  return moves;
}

/// What a creator hands on is not said again, and of a move no more than what changes.
TEST(GenerateCgroups, MovesWhomNobodyHasMoved) {
  const MadeDump dump = TwoPlaces();
  const PlanVerdict verdict(dump);
  EXPECT_EQ(verdict.problems, "");
  const auto moves = MovesIn(verdict.program);
  ASSERT_EQ(moves.size(), 2u);
  EXPECT_EQ(moves[0].first, 1);
  EXPECT_EQ(moves[0].second.paths.size(), 2u);
  EXPECT_EQ(moves[0].second.directories, dump.snapshot.cgroup_directories);
  EXPECT_EQ(moves[1].first, 2);
  EXPECT_EQ(moves[1].second, (CgroupMembership{{{"cpu", {"/a/b"}, {}}}, {}}));
  EXPECT_TRUE(std::holds_alternative<SetAttr>(verdict.program[1].body)) << "first after FORK";
}

TEST(GenerateCgroups, ThePrefixIsTheRootsAlone) {
  MadeDump dump = TwoPlaces();
  for (const std::size_t process : {0, 3}) Place(&dump, process, "/a", Text{"/a"});
  for (const std::size_t process : {1, 2}) Place(&dump, process, "/a/b", Text{"/a"});
  const PlanVerdict verdict(dump);
  EXPECT_EQ(verdict.problems, "");
  const auto moves = MovesIn(verdict.program);
  ASSERT_EQ(moves.size(), 2u);
  EXPECT_EQ(moves[0].second.paths[0].prefix, Text{"/a"});
  EXPECT_EQ(moves[1].second.paths[0].prefix, std::nullopt);
}

TEST(GenerateCgroups, OnlyAChildIsElsewhere) {
  MadeDump dump = SnapshotBuilder::Build("1 1 1 [ 2 1 1 [] ]", "");
  Place(&dump, 1, "/a");
  dump.snapshot.cgroup_directories = {kTwo[0], DirectoryOf("pids", "/")};
  const PlanVerdict verdict(dump);
  EXPECT_EQ(verdict.problems, "");
  const auto moves = MovesIn(verdict.program);
  ASSERT_EQ(moves.size(), 2u);
  EXPECT_EQ(moves[0].first, 1);
  EXPECT_TRUE(moves[0].second.paths.empty());
  EXPECT_EQ(moves[1].second.paths.size(), 2u);
}

TEST(CompareCgroups, EachDifference) {
  const MadeDump dump = TwoPlaces();
  const PlanVerdict verdict(dump);
  const auto differences = [&](const std::function<void(CgroupMembership&)>& change) {
    Program program = verdict.program;
    for (Command& command : program) {
      auto* set = std::get_if<SetAttr>(&command.body);
      if (set == nullptr || !set->attributes->cgroup || command.pid != 1) continue;
      auto changed = std::make_shared<Attributes>(*set->attributes);
      change(*changed->cgroup);
      set->attributes = std::move(changed);
    }
    SimulatedState state;
    Diagnostics rules, diag;
    EXPECT_TRUE(Succeeded(CheckProgram(program, &state, rules)));
    (void)CompareWithSnapshot(state, dump.snapshot, dump.images.Reader(), diag);
    return Lines(diag);
  };
  EXPECT_EQ(differences([](CgroupMembership&) {}), Strings{});
  EXPECT_EQ(
      differences([](CgroupMembership& it) { it.paths[0].path.bytes = "/a/b"; }),
      (Strings{"process 1: attributes.cgroup.paths[0].path: expected \"/a\", found \"/a/b\"",
               "process 4: attributes.cgroup.paths[0].path: expected \"/a\", found \"/a/b\""}));
  EXPECT_EQ(differences([](CgroupMembership& it) { it.directories[0].perms.emplace(); }),
            Strings{"cgroup cpu:/a: directory.perms: set, not expected"});
  EXPECT_EQ(
      differences([](CgroupMembership& it) { it.directories.push_back(DirectoryOf("cpu", "/c")); }),
      Strings{"cgroup cpu:/c: exists, not expected"});
  EXPECT_EQ(differences([](CgroupMembership& it) {
              it.directories[0].properties.push_back({"cpu.shares", {"1"}, {}});
            }),
            Strings{"cgroup cpu:/a: directory.properties: expected 0 entries, found 1 entries"});
}

}  // namespace
}  // namespace crgen::test
