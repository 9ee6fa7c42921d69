// SPDX-License-Identifier: Apache-2.0
// The comparison of processes, threads, attributes and descriptors with a snapshot.
#include <gtest/gtest.h>

#include "tests/support/check_compare_support.h"

namespace crgen {
namespace {

using namespace test;  // NOLINT: the vocabulary of these tests

TEST_F(CheckCompareTest, TheRightProgram) { EXPECT_EQ(Differences("", {}), Strings{}); }

TEST_F(CheckCompareTest, Tree) {
  EXPECT_EQ(Differences("child's group", {}), (Strings{"process 2: pgid: expected 2, found 1",
                                                       "process 3: pgid: expected 2, found 1"}));
  EXPECT_EQ(
      Differences("5", {CloseOf(5, 0), CloseOf(5, 3), UnmapOf(5, 0, 0x1000000)}),
      (Strings{"process 5: pgid: expected 5, found 1", "process 5: sid: expected 5, found 1"}));
  EXPECT_EQ(Differences("subreaper", {}),
            Strings{"process 2: child_subreaper: expected true, found false"});
  EXPECT_EQ(Differences("zombie", {ExitOf(4, 8)}),
            Strings{"process 4: exit status: expected code 7, found code 8"});
  EXPECT_EQ(Differences("zombie", {KilledBy(4, SIGKILL)}),
            Strings{"process 4: exit status: expected code 7, found SIGKILL"});
  EXPECT_EQ(Differences("zombie", {ResumeOf(4)}),
            Strings{"process 4: state: expected zombie, found running"});
  EXPECT_EQ(Differences("zombie", {ExitOf(4, 7), WaitOf(1, 4)}),
            Strings{"process 4: expected, does not exist"});
  EXPECT_EQ(Differences("zombie", {ExitOf(4, 7), ForkOf(1, 8), ExitOf(8)}),
            Strings{"process 8: is a zombie, not expected (commands[40])"});
  EXPECT_EQ(Differences("stop", {ResumeOf(5)}),
            Strings{"process 5: state: expected stopped, found running"});
  EXPECT_EQ(Differences("stop", {StopOf(5, SIGSTOP)}),
            Strings{"process 5: stop signal: expected SIGTSTP, found SIGSTOP"});
  EXPECT_EQ(Differences("grandchild",
                        {ForkOf(2, 3, CLONE_FILES | CLONE_PARENT), UnmapOf(3, 0x20000, 0x100000)}),
            Strings{"process 3: parent: expected 2, found 1"});
}

TEST_F(CheckCompareTest, PidNamespace) {
  EXPECT_EQ(Differences("tree", {ForkOf(0, 1, CLONE_NEWPID), SidOf(1)}),
            Strings{"root: pid namespace: expected the restorer's, found a new one"});
  snapshot_.pid_namespace = PidNamespace{{"key"}};
  EXPECT_EQ(Differences("tree", {ForkOf(0, 1), SidOf(1)}),
            Strings{"root: pid namespace: expected that of outside, key, found the restorer's"});
}

TEST_F(CheckCompareTest, OtherNamespacesAndFs) {
  const Program child = {UnmapOf(3, 0x20000, 0x100000)};
  EXPECT_EQ(Differences("grandchild", Program{ForkOf(2, 3, CLONE_FILES | CLONE_NEWNET)} + child),
            Strings{"process 3: namespaces: expected the restorer's, found new ones: "
                    "CLONE_NEWNET"});
  EXPECT_EQ(Differences("grandchild", Program{ForkOf(2, 3, CLONE_FILES | CLONE_FS)} + child),
            (Strings{"process 2: cwd, root and umask: expected of its own, found shared with "
                     "another process",
                     "process 3: cwd, root and umask: expected of its own, found shared with "
                     "another process"}));
}

TEST_F(CheckCompareTest, ThreadsAndAttributes) {
  EXPECT_EQ(Differences("thread", {}), Strings{"process 2 thread 6: expected, does not exist"});
  EXPECT_EQ(Differences("thread", {ThreadOf(2, 6), CommOf(2, "thread", 6), ThreadOf(2, 8)}),
            Strings{"process 2 thread 8: exists, not expected"});
  EXPECT_EQ(Differences("thread", {ThreadOf(2, 6)}),
            Strings{"process 2 thread 6: attributes.comm: expected, not set"});
  EXPECT_EQ(Differences("thread", {ThreadOf(2, 6), CommOf(2, "x", 6)}),
            Strings{"process 2 thread 6: attributes.comm: expected \"thread\", found \"x\""});
  Attributes other = Own();
  other.fs->umask = 077;
  other.personality = Hex{5};
  EXPECT_EQ(Differences("attributes",
                        {AttrOf(1, Own()), AttrOf(2, other), AttrOf(3, Own()), AttrOf(5, Own())}),
            (Strings{"process 2: attributes.fs.umask: expected 18, found 63",
                     "process 2: attributes.personality: set, not expected"}));
  EXPECT_EQ(Differences("attributes", {AttrOf(1, Own()), AttrOf(2, Own()), AttrOf(5, Own())}),
            (Strings{"process 3: attributes.fs: expected, not set",
                     "process 3: attributes.comm: expected, not set"}));
  Attributes comm;
  comm.comm = Text{"process"};
  Attributes fs;
  fs.fs = Own().fs;
  EXPECT_EQ(Differences("attributes", {AttrOf(1, comm), AttrOf(1, fs), AttrOf(2, Own()),
                                       AttrOf(3, Own()), AttrOf(5, Own())}),
            Strings{});
}

TEST_F(CheckCompareTest, FsIsSetForAllWhoShareIt) {
  Attributes own, other;
  own.fs = other.fs = Own().fs;
  other.fs->umask = 077;
  const Program rest = {AttrOf(1, Own()), AttrOf(3, Own()), AttrOf(5, Own())};
  const Program shared = {ForkOf(2, 9, CLONE_FS), AttrOf(2, Own()), AttrOf(9, other), ExitOf(9),
                          WaitOf(2, 9)};
  const Program copied = {ForkOf(2, 9), AttrOf(2, Own()), AttrOf(9, other), ExitOf(9),
                          WaitOf(2, 9)};
  EXPECT_EQ(Differences("attributes", rest + copied), Strings{});
  EXPECT_EQ(Differences("attributes", rest + shared),
            Strings{"process 2: attributes.fs.umask: expected 18, found 63"});
  EXPECT_EQ(Differences("attributes", rest + shared + Program{AttrOf(2, own)}), Strings{});
}

TEST_F(CheckCompareTest, StateNamesNewNamespaces) {
  SimulatedState state;
  Diagnostics diag;
  (void)CheckProgram({ForkOf(0, 1, CLONE_NEWPID | CLONE_NEWNET), ForkOf(1, 2, CLONE_NEWNS)}, &state,
                     diag);
  const std::string text = DescribeState(state);
  const std::string tree =
      "1 group 0 session 0 in the restorer namespaces CLONE_NEWPID|CLONE_NEWNET\n"
      "  2 group 0 session 0 in the restorer namespaces CLONE_NEWNS|CLONE_NEWNET\n";
  EXPECT_EQ(text.substr(0, tree.size()), tree);
}

/// They are set when nobody is born any more.
TEST_F(CheckCompareTest, AttributesOfTheHandOverAreNotHandedOn) {
  Attributes oom;
  oom.oom_score_adj = 5;
  EXPECT_EQ(Differences("tree", {ForkOf(0, 1), SidOf(1), AttrOf(1, oom)}),
            (Strings{"process 1: attributes.oom_score_adj: set, not expected"}));
}

TEST_F(CheckCompareTest, ListsInAnyOrder) {
  auto limits = [](std::initializer_list<std::uint32_t> resources) {
    Attributes attributes = Own();
    for (std::uint32_t resource : resources) attributes.rlimits.push_back({{resource}, 1, 2});
    return attributes;
  };
  snapshot_.processes[0].attributes = std::make_shared<const Attributes>(limits({1, 2}));
  auto attributes = [&](const Attributes& of_root) {
    return Program{AttrOf(1, of_root), AttrOf(2, Own()), AttrOf(3, Own()), AttrOf(5, Own())};
  };
  EXPECT_EQ(Differences("attributes", attributes(limits({2, 1}))), Strings{});
  EXPECT_EQ(Differences("attributes", Program{AttrOf(1, limits({2}))} + attributes(limits({1}))),
            Strings{});
  EXPECT_EQ(Differences("attributes", attributes(limits({1, 3}))),
            Strings{"process 1: attributes.rlimits[1].resource: expected RLIMIT_DATA, found "
                    "RLIMIT_STACK"});
  EXPECT_EQ(Differences("attributes", attributes(limits({1}))),
            Strings{"process 1: attributes.rlimits: expected 2 entries, found 1 entries"});
}

TEST_F(CheckCompareTest, LeadersOwnSignals) {
  const std::vector<PendingSignal> signals = {{{SIGUSR1}, {std::string(128, 'i')}}};
  snapshot_.processes[0].leader_signal_queue = signals;
  Attributes queue;
  queue.signal_queue = signals;
  EXPECT_EQ(Differences("vdso", {MapSpecial(1, 0x50000, 0x52000, SpecialRegion::kVdso),
                                 AttrOf(1, queue, 1)}),
            Strings{});
  EXPECT_EQ(Differences("vdso",
                        {MapSpecial(1, 0x50000, 0x52000, SpecialRegion::kVdso), AttrOf(1, queue)}),
            (Strings{"process 1: attributes.signal_queue: expected 0 entries, found 1 entries",
                     "process 1: leader's signal queue: expected 1 entries, found 0 entries"}));
}

TEST_F(CheckCompareTest, Descriptors) {
  const Program right = {CloseOf(2, 3), DupOf(2, 0, 5, true), OpenOf(2, 6, OtherOf(3))};
  EXPECT_EQ(Differences("child's files", right + Program{CloseOf(2, 6)}),
            Strings{"process 2 fd 6: expected file 3, not open"});
  EXPECT_EQ(Differences("child's files", right + Program{DupOf(2, 6, 7)}),
            Strings{"process 2 fd 7: open, not expected: file 3"});
  EXPECT_EQ(Differences("child's files", right + Program{DupOf(2, 0, 5)}),
            Strings{"process 2 fd 5: cloexec: expected true, found false"});
  EXPECT_EQ(
      Differences("child's files",
                  right + Program{CloseOf(2, 5), OpenOf(2, 5, RegFile(50, O_RDWR, "/data"), true)}),
      Strings{"process 2 fd 5: description: expected file 2, shared with all its "
              "descriptors, found another opening, file 50 (commands[36])"});
  EXPECT_EQ(Differences("child's files", {CloseOf(2, 3), DupOf(2, 0, 5, true), DupOf(2, 0, 6)}),
            Strings{"process 2 fd 6: description: expected file 3, found file 2 (commands[2]), "
                    "which is shared with descriptors of file 2"});
  EXPECT_EQ(Differences("child's files",
                        {CloseOf(2, 3), DupOf(2, 0, 5, true), OpenOf(2, 6, OtherOf(3, "TTY"))}),
            Strings{"process 2 fd 6: type: expected PIPE, found TTY"});
  EXPECT_EQ(Differences("child's files",
                        {CloseOf(2, 3), DupOf(2, 0, 5, true), OpenOf(2, 6, OtherOf(33))}),
            Strings{});
}

TEST_F(CheckCompareTest, FileBodies) {
  auto files = [](std::shared_ptr<const File> data) {
    return Program{OpenOf(1, 0, std::move(data)), OpenOf(1, 3, NewMemfd(4, 7, 2 * kMib)),
                   OpenOf(1, 9, RegFile(1000, O_RDONLY, "/lib"))};
  };
  EXPECT_EQ(Differences("files", files(RegFile(2, O_RDWR | O_APPEND, "/data"))),
            Strings{"process 1 fd 0: file.flags: expected O_RDWR, found O_RDWR|O_APPEND"});
  EXPECT_EQ(Differences("files", files(RegFile(2, O_RDWR, "/date"))),
            Strings{"process 1 fd 0: file.path: expected \"/data\", found \"/date\""});
  RegularFile body;
  body.path = {"/data"};
  body.pos = 5;
  EXPECT_EQ(Differences("files", files(std::make_shared<const File>(File{{2}, {O_RDWR}, body}))),
            Strings{"process 1 fd 0: file.pos: set, not expected"});
  EXPECT_EQ(Differences("files", files(OtherOf(2))),
            Strings{"process 1 fd 0: type: expected REG, found PIPE"});
}

TEST_F(CheckCompareTest, SharedTables) {
  EXPECT_EQ(Differences("grandchild", {ForkOf(2, 3), UnmapOf(3, 0x20000, 0x100000)}),
            Strings{"process 3: descriptor table: expected one shared with another process, found "
                    "one of its own"});
  EXPECT_EQ(Differences("forks", {ForkOf(1, 2), ForkOf(1, 4), ForkOf(1, 5, CLONE_FILES)}).empty(),
            false);
}

TEST_F(CheckCompareTest, NothingAtAll) {
  Diagnostics diag;
  EXPECT_TRUE(Failed(CompareWithSnapshot(SimulatedState(), snapshot_, nullptr, diag)));
  EXPECT_EQ(diag.entries().front().where, "process 1");
  snapshot_.processes.pop_back();
  EXPECT_TRUE(Failed(CompareWithSnapshot(SimulatedState(), snapshot_, nullptr, diag)));
}

/// No command can be left out: what a test of single differences might forget.
TEST_F(CheckCompareTest, EveryCommandCounts) {
  const Program program = With("", {});
  for (std::size_t i = 0; i < program.size(); ++i) {
    Program less = program;
    less.erase(less.begin() + static_cast<std::ptrdiff_t>(i));
    SimulatedState state;
    Diagnostics diag;
    const Result rules = CheckProgram(less, &state, diag);
    const Result same = CompareWithSnapshot(state, snapshot_, ReadImage, diag);
    EXPECT_TRUE(Failed(rules) || Failed(same)) << "without commands[" << i << "]";
    EXPECT_TRUE(Failed(same)) << "without commands[" << i << "]";
  }
}

TEST_F(CheckCompareTest, Description) {
  SimulatedState state;
  Diagnostics diag;
  EXPECT_TRUE(Succeeded(CheckProgram(With("", {}), &state, diag)));
  const std::string text = DescribeState(state);
  const std::string tree =
      "1 group 1 session 1\n"
      "  2 group 2 session 1 subreaper\n"
      "    3 group 2 session 1\n"
      "  4 group 1 session 1 zombie: code 7\n"
      "  5 group 5 session 5 stopped by SIGTSTP\n";
  EXPECT_EQ(text.substr(0, tree.size()), tree);
  for (const char* line :
       {"process 2\n  thread 6\n    comm \"thread\"\n", "  fs {cwd \"",
        "  fd 0 #1 REG \"/data\" O_RDWR\n", "  fd 5 #1 cloexec\n",
        "  descriptor table of process 2\n",
        "  0x50000-0x52000 prot PROT_READ|PROT_EXEC "
        "MAP_PRIVATE|MAP_ANONYMOUS vdso\n",
        "  0x26000-0x27000 guard\n", "  0x11000-0x12000 pages from pages-1.img at 0\n"}) {
    EXPECT_NE(text.find(line), std::string::npos) << line << "\n" << text;
  }
}

}  // namespace
}  // namespace crgen
