// SPDX-License-Identifier: Apache-2.0
// Terminals: who opens them, and which session gets which.
#include <fcntl.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/support/snapshot_builder.h"

namespace crgen::test {
namespace {

constexpr Pid kRoot = 1, kLeader = 2;

Tty End(TtyDriver driver) {
  Tty tty;
  tty.tty_id.value = 4;
  tty.driver = driver;
  tty.index = 4;
  return tty;
}

FileIndex AddFile(Snapshot& snapshot, const Tty& tty) {
  const FileIndex index(snapshot.files.size());
  snapshot.files.push_back(
      std::make_shared<File>(File{{++snapshot.highest_file_id}, {O_RDWR}, tty}));
  return index;
}

void AddSlot(Snapshot& snapshot, std::size_t process, Fd fd, FileIndex file) {
  snapshot.tables[snapshot.processes[process].table].slots.push_back({fd, false, file});
}

/// The root has the master; its child leads a session on the slave, in which the grandchild is the
/// foreground.
MadeDump Session() {
  MadeDump dump = SnapshotBuilder::Build("1 1 1 [ 2 2 2 [ 3 3 2 [] ] ]", R"(
fd 1: 0=a
fd 2: 0=b
fd 3: 0=c)");
  Snapshot& snapshot = dump.snapshot;
  const FileIndex master = AddFile(snapshot, End(kPtyMaster));
  const FileIndex slave = AddFile(snapshot, End(kPtySlave));
  AddSlot(snapshot, 0, 3, master);
  AddSlot(snapshot, 1, 4, slave);
  AddSlot(snapshot, 2, 4, slave);
  Terminal& terminal = snapshot.terminals[TtyId{4}];
  terminal.state.winsize = Winsize{24, 80, 0, 0};
  terminal.ends[0].mode = 0620;
  terminal.ends[1].packet = true;
  terminal.name = End(kPtySlave);
  terminal.leader = kLeader;
  snapshot.late.push_back({master, TtyLock{}, {}});
  snapshot.late.push_back({slave, TtyForeground{PidReference{3}}, ProcessIndex(1)});
  return dump;
}

/// Who opens ends of terminals, in order, with what stands there.
std::string Openings(const Program& program) {
  std::string text;
  for (const Command& command : program) {
    const auto* open = std::get_if<OpenFile>(&command.body);
    const auto* tty = open == nullptr ? nullptr : As<Tty>(*open->file);
    if (tty == nullptr) continue;
    text += std::to_string(command.pid) + (IsPtyMaster(*tty) ? " ptm" : " pts");
    if (tty->winsize) text += " winsize";
    if (tty->mode) text += " mode";
    if (tty->packet) text += " packet";
    if (tty->controlling) text += " controlling";
    text += "\n";
  }
  return text;
}

TEST(GenerateTerminalsTest, ASessionGetsItsBeforeItHasMembers) {
  const PlanVerdict verdict(Session());
  EXPECT_EQ(verdict.problems, "");
  EXPECT_EQ(Openings(verdict.program),
            "2 pts winsize mode controlling\n"
            "2 pts\n"
            "1 ptm packet\n");
}

/// What the program ends in is not the snapshot if its session has no terminal, or another one.
TEST(GenerateTerminalsTest, TheComparisonSeesSessions) {
  MadeDump dump = Session();
  const PlanVerdict verdict(dump);
  ASSERT_EQ(verdict.problems, "");
  Diagnostics diag;
  SimulatedState state;
  ASSERT_EQ(CheckProgram(verdict.program, &state, diag), Result::kOk);
  for (const Pid leader : {Pid{0}, kRoot}) {
    dump.snapshot.terminals[TtyId{4}].leader = leader;
    Diagnostics differences;
    EXPECT_EQ(CompareWithSnapshot(state, dump.snapshot, dump.images.Reader(), differences),
              Result::kError);
  }
  dump.snapshot.terminals[TtyId{4}].leader = kLeader;
  dump.snapshot.terminals[TtyId{4}].state.winsize->rows = 25;
  Diagnostics differences;
  EXPECT_EQ(CompareWithSnapshot(state, dump.snapshot, dump.images.Reader(), differences),
            Result::kError);
  ASSERT_EQ(differences.entries().size(), 1u);
  EXPECT_NE(differences.entries()[0].what.find("winsize"), std::string::npos);
}

/// /dev/tty is what it is to who opens it.
TEST(GenerateTerminalsTest, WhoHasNoTerminalOpensNoDevTty) {
  MadeDump dump = Session();
  Tty own;
  own.tty_id.value = 1006;
  own.driver = kOwnTerminal;
  const FileIndex file = AddFile(dump.snapshot, own);
  AddSlot(dump.snapshot, 2, 5, file);
  EXPECT_EQ(PlanVerdict(dump).problems, "");
  AddSlot(dump.snapshot, 0, 5, file);
  EXPECT_NE(PlanVerdict(dump).problems.find("/dev/tty, which process 1 would have to open"),
            std::string::npos);
}

}  // namespace
}  // namespace crgen::test
