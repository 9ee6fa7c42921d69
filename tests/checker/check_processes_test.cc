// SPDX-License-Identifier: Apache-2.0
// Processes of the checker: every rule kept and broken.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/socket.h>

#include <algorithm>

#include "checker/kernel/kernel.h"
#include "tests/support/check_support.h"

namespace crgen {
namespace {

using namespace test;  // NOLINT: the vocabulary of these tests

const Program kRoot = {ForkOf(0, 10)};
const Program kInitRoot = {ForkOf(0, 1), SidOf(1)};

Command OuterOf(Pid pid, Pid child, const std::string& key = "key", std::uint64_t flags = 0) {
  Command fork = ForkOf(pid, child, flags);
  std::get<Fork>(fork.body).pid_namespace = PidNamespace{{key}};
  return fork;
}

TEST(CheckProcesses, WhoMayExecute) {
  RunCases({
      {"the restorer forks the root", kRoot, ""},
      {"the restorer has one root", kRoot + Program{ForkOf(0, 11)},
       "commands[1] FORK pid 0: EPERM: the restorer has its root, process 10 (commands[0])"},
      {"the restorer forks and waits only",
       {SidOf(0)},
       "commands[0] SET_SID pid 0: EPERM: the restorer may only FORK the root and WAIT"},
      {"a process exists before it executes", kRoot + Program{SidOf(11)},
       "commands[1] SET_SID pid 11: ESRCH: there is no process 11"},
      {"an unknown process is reported once", kRoot + Program{SidOf(11), SidOf(11), ExitOf(11)},
       "commands[1] SET_SID pid 11: ESRCH: there is no process 11"},
      {"a thread executes nothing of its own", kRoot + Program{ThreadOf(10, 11), SidOf(11)},
       "commands[2] SET_SID pid 11: ESRCH: 11 is a thread of process 10 (commands[0])"},
      {"nothing after EXIT", kRoot + Program{ForkOf(10, 11), ExitOf(11), SidOf(11), SidOf(11)},
       "commands[3] SET_SID pid 11: ESRCH: process 11 has exited (commands[2])"},
      {"nothing after RESUME", kRoot + Program{ResumeOf(10), SidOf(10)},
       "commands[2] SET_SID pid 10: ESRCH: process 10 has left the restorer (commands[1])"},
      {"nothing after WAIT", kRoot + Program{ForkOf(10, 11), ExitOf(11), WaitOf(10, 11), SidOf(11)},
       "commands[4] SET_SID pid 11: ESRCH: process 11 has exited (commands[2])"},
  });
}

TEST(CheckProcesses, EndOfProgram) {
  SimulatedState state;
  Diagnostics diag;
  EXPECT_TRUE(Succeeded(CheckProgram(kRoot + Program{ForkOf(10, 11), ExitOf(11)}, &state, diag)));
  EXPECT_EQ(Lines(diag), std::vector<std::string>{});
  FindUnfinished(state, diag);
  EXPECT_EQ(Lines(diag),
            std::vector<std::string>{
                "end of program: a fragment: process 10 is still in the restorer's hands"});
  Diagnostics good;
  EXPECT_TRUE(Succeeded(CheckProgram(kRoot + Program{ResumeOf(10)}, &state, good)));
  EXPECT_TRUE(Succeeded(CheckProgram(kRoot + Program{ExitOf(10)}, &state, good)));
  EXPECT_TRUE(Succeeded(CheckProgram({}, &state, good)));
}

TEST(CheckProcesses, ForkNumbers) {
  RunCases({
      {"a live pid", kRoot + Program{ForkOf(10, 10)},
       "commands[1] FORK pid 10: EEXIST: process 10 (commands[0]) exists"},
      {"a zombie's pid", kRoot + Program{ForkOf(10, 11), ExitOf(11), ForkOf(10, 11)},
       "commands[3] FORK pid 10: EEXIST: zombie 11 (commands[1]) exists"},
      {"a reaped pid is free",
       kRoot + Program{ForkOf(10, 11), ExitOf(11), WaitOf(10, 11), ForkOf(10, 11)}, ""},
      {"a tid", kRoot + Program{ThreadOf(10, 11), ForkOf(10, 11)},
       "commands[2] FORK pid 10: EEXIST: 11 is a thread of process 10 (commands[0])"},
      {"a pgid of a member whose leader is gone",
       kRoot + Program{ForkOf(10, 11), PgidOf(11, 11), ForkOf(11, 12), ExitOf(11), WaitOf(10, 11),
                       ForkOf(10, 11)},
       "commands[6] FORK pid 10: EEXIST: process 12 (commands[3]) is in group 11"},
      {"a sid of a member whose leader is gone",
       kRoot + Program{ForkOf(10, 11), SidOf(11), ForkOf(11, 12), PgidOf(12, 12), ExitOf(11),
                       WaitOf(10, 11), ForkOf(10, 11)},
       "commands[7] FORK pid 10: EEXIST: process 12 (commands[3]) is in session 11"},
      {"a number is free when its last user changes the group",
       kRoot + Program{ForkOf(10, 11), PgidOf(11, 11), ForkOf(11, 12), ExitOf(11), WaitOf(10, 11),
                       PgidOf(12, 12), ForkOf(10, 11)},
       ""},
      {"0 is no pid", kRoot + Program{ForkOf(10, 0)},
       "commands[1] FORK pid 10: EINVAL: pid 0 is not in 1 to 4194303"},
      {"pid_max", kRoot + Program{ForkOf(10, kPidLimit)},
       "commands[1] FORK pid 10: EINVAL: pid 4194304 is not in 1 to 4194303"},
      {"1 belongs to init", kRoot + Program{ForkOf(10, 1)},
       "commands[1] FORK pid 10: EEXIST: 1 is the init of the restorer's pid namespace"},
  });
}

TEST(CheckProcesses, ForkFlags) {
  RunCases({
      {"no threads by FORK", kRoot + Program{ForkOf(10, 11, CLONE_VM)},
       "commands[1] FORK pid 10: EINVAL: flags 0x100 do not make a process of its own"},
      {"CLONE_NEWPID begins with 1", {ForkOf(0, 1, CLONE_NEWPID)}, ""},
      {"CLONE_NEWPID begins with nothing else",
       {ForkOf(0, 10, CLONE_NEWPID)},
       "commands[0] FORK pid 0: EINVAL: the first process of a pid namespace is 1, not 10"},
      {"CLONE_NEWPID for the root only", kRoot + Program{ForkOf(10, 11, CLONE_NEWPID)},
       "commands[1] FORK pid 10: EINVAL: only the root may begin a pid namespace"},
      {"one from outside has an init",
       {OuterOf(0, 1)},
       "commands[0] FORK pid 0: EEXIST: pid_namespace: 1 is its init"},
      {"one from outside has a key",
       {OuterOf(0, 10, "")},
       "commands[0] FORK pid 0: EINVAL: pid_namespace: external is not empty, and has no NUL"},
      {"one from outside, for the root only", kRoot + Program{OuterOf(10, 11)},
       "commands[1] FORK pid 10: EINVAL: pid_namespace: only the root is put into one"},
      {"one from outside is not new",
       {OuterOf(0, 10, "key", CLONE_NEWUSER)},
       "commands[0] FORK pid 0: EINVAL: pid_namespace: the root is born in a new pid or user "
       "namespace"},
      {"its init is there", Program{OuterOf(0, 10), ForkOf(10, 1)},
       "commands[1] FORK pid 10: EEXIST: 1 is the init of the pid namespace from outside"},
      {"the root has no siblings in one from outside",
       Program{OuterOf(0, 10), ForkOf(10, 11, CLONE_PARENT)},
       "commands[1] FORK pid 10: EINVAL: the parent of the root is not in the pid namespace from "
       "outside"},
      {"its init would get orphans",
       Program{OuterOf(0, 10), ForkOf(10, 11), ForkOf(11, 12), ExitOf(11)},
       "commands[3] EXIT pid 11: EINVAL: its children would go to the init of the pid namespace "
       "from outside"},
      {"the root is no sibling",
       {ForkOf(0, 10, CLONE_PARENT)},
       "commands[0] FORK pid 0: EINVAL: the root is the restorer's own child, with a descriptor "
       "table of its own"},
      {"the root has its own descriptors",
       {ForkOf(0, 10, CLONE_FILES)},
       "commands[0] FORK pid 0: EINVAL: the root is the restorer's own child, with a descriptor "
       "table of its own"},
      {"init has no siblings", kInitRoot + Program{ForkOf(1, 2, CLONE_PARENT)},
       "commands[2] FORK pid 1: EINVAL: process 1 is the init of its pid namespace and has no "
       "siblings"},
      {"CLONE_FS with a new mount namespace",
       kRoot + Program{ForkOf(10, 11, CLONE_FS | CLONE_NEWNS)},
       "commands[1] FORK pid 10: EINVAL: CLONE_FS with a new mount or user namespace"},
      {"a sibling is the parent's child",
       kRoot + Program{ForkOf(10, 11), ForkOf(11, 12, CLONE_PARENT), ExitOf(12), WaitOf(10, 12)},
       ""},
      {"a sibling is not the caller's child",
       kRoot + Program{ForkOf(10, 11), ForkOf(11, 12, CLONE_PARENT), ExitOf(12), WaitOf(11, 12)},
       "commands[4] WAIT pid 11: ECHILD: zombie 12 (commands[2]) is a child of process 10 "
       "(commands[0])"},
      {"a sibling has the caller's group and session",
       kRoot + Program{ForkOf(10, 11), SidOf(11), ForkOf(11, 12, CLONE_PARENT), PgidOf(12, 12),
                       PgidOf(12, 11)},
       ""},
      {"a sibling after reparenting is the new parent's",
       kInitRoot + Program{ForkOf(1, 2), ForkOf(2, 3), ExitOf(2), WaitOf(1, 2),
                           ForkOf(3, 4, CLONE_PARENT), ExitOf(4), WaitOf(1, 4)},
       ""},
  });
}

TEST(CheckProcesses, SetSid) {
  const Program two = kRoot + Program{ForkOf(10, 11)};
  RunCases({
      {"once", two + Program{SidOf(11)}, ""},
      {"twice", two + Program{SidOf(11), SidOf(11)},
       "commands[3] SET_SID pid 11: EPERM: process 11 leads session 11 already"},
      {"a group leader", two + Program{PgidOf(11, 11), SidOf(11)},
       "commands[3] SET_SID pid 11: EPERM: process 11 (commands[1]) is in group 11"},
      {"others are in the group that it founded and left",
       two + Program{PgidOf(11, 11), ForkOf(11, 12), ForkOf(10, 13), PgidOf(13, 13), PgidOf(11, 13),
                     SidOf(11)},
       "commands[7] SET_SID pid 11: EPERM: process 12 (commands[3]) is in group 11"},
      {"even a zombie",
       two + Program{PgidOf(11, 11), ForkOf(11, 12), ExitOf(12), ForkOf(10, 13), PgidOf(13, 13),
                     PgidOf(11, 13), SidOf(11)},
       "commands[8] SET_SID pid 11: EPERM: zombie 12 (commands[3]) is in group 11"},
      {"when the zombie is reaped",
       two + Program{PgidOf(11, 11), ForkOf(11, 12), ExitOf(12), ForkOf(10, 13), PgidOf(13, 13),
                     PgidOf(11, 13), WaitOf(11, 12), SidOf(11)},
       ""},
  });
}

TEST(CheckProcesses, SetPgid) {
  const Program two = kRoot + Program{ForkOf(10, 11), ForkOf(10, 12)};
  RunCases({
      {"found and join", two + Program{PgidOf(11, 11), PgidOf(12, 11)}, ""},
      {"come back", two + Program{PgidOf(11, 11), PgidOf(12, 12), PgidOf(12, 11), PgidOf(12, 12)},
       ""},
      {"a session leader", two + Program{SidOf(11), PgidOf(11, 11)},
       "commands[4] SET_PGID pid 11: EPERM: process 11 leads a session"},
      {"no such group", two + Program{PgidOf(11, 12)},
       "commands[3] SET_PGID pid 11: EPERM: there is no group 12"},
      {"a group of another session", two + Program{SidOf(11), PgidOf(12, 11)},
       "commands[4] SET_PGID pid 12: EPERM: group 11 is in session 11, process 12 in session 0"},
      {"a group whose leader left",
       two + Program{PgidOf(11, 11), PgidOf(12, 11), ForkOf(10, 13), PgidOf(13, 13), PgidOf(11, 13),
                     PgidOf(13, 11)},
       ""},
      {"a group that only a zombie holds",
       two + Program{PgidOf(11, 11), ExitOf(11), PgidOf(12, 11)}, ""},
      {"a group that was reaped",
       two + Program{PgidOf(11, 11), ExitOf(11), WaitOf(10, 11), PgidOf(12, 11)},
       "commands[6] SET_PGID pid 12: EPERM: there is no group 11"},
      {"a founder brings its emptied group back",
       two + Program{PgidOf(11, 11), PgidOf(12, 12), PgidOf(11, 12), PgidOf(11, 11)}, ""},
      {"the outer group", two + Program{PgidOf(11, 0)},
       "commands[3] SET_PGID pid 11: EINVAL: group 0 cannot be joined by name"},
      {"a negative group", two + Program{PgidOf(11, -5)},
       "commands[3] SET_PGID pid 11: EINVAL: group -5 cannot be joined by name"},
  });
}

TEST(CheckProcesses, Threads) {
  RunCases({
      {"a free tid", kRoot + Program{ThreadOf(10, 11)}, ""},
      {"a used tid", kRoot + Program{ThreadOf(10, 11), ThreadOf(10, 11)},
       "commands[2] CREATE_THREAD pid 10: EEXIST: 11 is a thread of process 10 (commands[0])"},
      {"a pid", kRoot + Program{ForkOf(10, 11), ThreadOf(11, 10)},
       "commands[2] CREATE_THREAD pid 11: EEXIST: process 10 (commands[0]) exists"},
      {"a number out of range", kRoot + Program{ThreadOf(10, -1)},
       "commands[1] CREATE_THREAD pid 10: EINVAL: tid -1 is not in 1 to 4194303"},
      {"the restorer's init", kRoot + Program{ThreadOf(10, 1)},
       "commands[1] CREATE_THREAD pid 10: EEXIST: 1 is the init of the restorer's pid namespace"},
      {"threads die with their process",
       kRoot + Program{ForkOf(10, 11), ThreadOf(11, 12), ExitOf(11), ForkOf(10, 12)}, ""},
      {"threads are not inherited",
       kRoot + Program{ThreadOf(10, 11), ForkOf(10, 12), ThreadOf(12, 11)},
       "commands[3] CREATE_THREAD pid 12: EEXIST: 11 is a thread of process 10 (commands[0])"},
  });
}

TEST(CheckProcesses, ExitStatus) {
  const Program two = kRoot + Program{ForkOf(10, 11)};
  const std::string at = "commands[2] EXIT pid 11: EINVAL: ";
  RunCases({
      {"a code", two + Program{ExitOf(11, 255)}, ""},
      {"a large code", two + Program{ExitOf(11, 256)}, at + "an exit code is 0 to 255"},
      {"a signal", two + Program{KilledBy(11, SIGKILL)}, ""},
      {"a real-time signal", two + Program{KilledBy(11, 64)}, ""},
      {"a core", two + Program{KilledBy(11, SIGSEGV, true)}, ""},
      {"no core", two + Program{KilledBy(11, SIGKILL, true)},
       at + "no core is dumped with SIGKILL"},
      {"a harmless signal", two + Program{KilledBy(11, SIGCHLD)}, at + "SIGCHLD does not kill"},
      {"a stop signal", two + Program{KilledBy(11, SIGSTOP)}, at + "SIGSTOP does not kill"},
      {"neither", two + Program{{11, Exit{}}}, at + "a status has either a code or a signal"},
      {"both", two + Program{{11, Exit{ExitStatus{1, Signal{SIGKILL}, std::nullopt}}}},
       at + "a status has either a code or a signal"},
      {"init does not exit", kInitRoot + Program{ExitOf(1)},
       "commands[2] EXIT pid 1: SIGKILL: process 1 is the init of its pid namespace: all others "
       "die with it"},
      {"another root may", two + Program{ExitOf(10), WaitOf(0, 10), ExitOf(11), WaitOf(0, 11)}, ""},
  });
}

TEST(CheckProcesses, Reparenting) {
  // 1 - 2 - 3 - 4
  const Program chain = kInitRoot + Program{ForkOf(1, 2), ForkOf(2, 3), ForkOf(3, 4)};
  const Program end = {ExitOf(4)};
  RunCases({
      {"orphans go to init", chain + Program{ExitOf(3), ExitOf(4), WaitOf(1, 4)}, ""},
      {"orphans do not go to the grandparent", chain + Program{ExitOf(3), ExitOf(4), WaitOf(2, 4)},
       "commands[7] WAIT pid 2: ECHILD: zombie 4 (commands[4]) is a child of process 1 "
       "(commands[0])"},
      {"orphans go to the nearest subreaper",
       chain + Program{SubreaperOf(2, true), ExitOf(3), ExitOf(4), WaitOf(2, 4)}, ""},
      {"the flag counts when the parent exits",
       chain +
           Program{SubreaperOf(2, true), SubreaperOf(2, false), ExitOf(3), ExitOf(4), WaitOf(1, 4)},
       ""},
      {"clearing the flag moves nobody back",
       chain +
           Program{SubreaperOf(2, true), ExitOf(3), SubreaperOf(2, false), ExitOf(4), WaitOf(2, 4)},
       ""},
      {"the own flag does not count",
       chain + Program{SubreaperOf(3, true), ExitOf(3), ExitOf(4), WaitOf(1, 4)}, ""},
      {"the flag is not inherited",
       kInitRoot + Program{SubreaperOf(1, true), ForkOf(1, 2), ForkOf(2, 3), ForkOf(3, 4),
                           ExitOf(3), ExitOf(4), WaitOf(1, 4)},
       ""},
      {"a zombie moves too", chain + Program{ExitOf(4), ExitOf(3), WaitOf(1, 4)}, ""},
      {"all children move",
       chain + Program{ForkOf(3, 5), ForkOf(3, 6), ForkOf(1, 7), ExitOf(3), ExitOf(5), ExitOf(6),
                       WaitOf(1, 6), WaitOf(1, 5), ExitOf(7), WaitOf(1, 7), WaitOf(2, 3)},
       ""},
      {"a root that is not 1 is no reaper",
       kRoot + Program{ForkOf(10, 11), ForkOf(11, 12), ExitOf(11), ExitOf(12), WaitOf(0, 12)}, ""},
      {"unless it says so",
       kRoot + Program{SubreaperOf(10, true), ForkOf(10, 11), ForkOf(11, 12), ExitOf(11),
                       ExitOf(12), WaitOf(10, 12)},
       ""},
  });
}

/// Dispositions take effect at the hand-over, when all zombies are there.
TEST(CheckProcesses, WhoIsToIgnoreSigchldHasZombies) {
  const Program two = kRoot + Program{ForkOf(10, 11)};
  const std::string there = "commands[4] FORK pid 10: EEXIST: zombie 11 (commands[1]) exists";
  RunCases({
      {"SIG_IGN", two + Program{SigchldOf(10, 1), ExitOf(11), WaitOf(10, 11)}, ""},
      {"SA_NOCLDWAIT",
       two + Program{SigchldOf(10, 0x1000, SA_NOCLDWAIT), ExitOf(11), WaitOf(10, 11)}, ""},
      {"its pid is taken", two + Program{SigchldOf(10, 1), ExitOf(11), ForkOf(10, 11)}, there},
      {"a zombie that moves to such a parent",
       kInitRoot + Program{SigchldOf(1, 1), ForkOf(1, 2), ForkOf(2, 3), ExitOf(3), ExitOf(2),
                           WaitOf(1, 3), ForkOf(1, 3)},
       ""},
  });
}

TEST(CheckProcesses, ForkHandsOnWhatIsInForceAtOnce) {
  Attributes attributes;
  attributes.comm = Text{"name"};
  attributes.fs = FsAttributes{{"/tmp"}, {"/"}, 0};
  attributes.personality = Hex{0x40000};
  attributes.signal_mask = Hex{1};
  const Program plan = kRoot + Program{AttrOf(10, attributes), ForkOf(10, 11), ThreadOf(10, 12)};
  SimulatedState state;
  Diagnostics diag;
  ASSERT_EQ(CheckProgram(plan, &state, diag), Result::kOk);
  const auto of = [&](Pid pid) {
    const auto& tasks = state.kernel()->tasks;
    return std::find_if(tasks.begin(), tasks.end(), [&](const auto& it) { return it.pid == pid; });
  };
  const Attributes& child = *of(11)->attributes;
  EXPECT_EQ(child.comm, attributes.comm);
  EXPECT_EQ(child.fs, attributes.fs);
  EXPECT_FALSE(child.personality.has_value());
  EXPECT_FALSE(child.signal_mask.has_value());
  const Attributes& thread = *of(10)->threads.at(0).attributes;
  EXPECT_EQ(thread.comm, attributes.comm);
  EXPECT_FALSE(thread.signal_mask.has_value());
}

TEST(CheckProcesses, PathsBeginInTheRestorersRoot) {
  Attributes jailed, plain;
  jailed.fs = FsAttributes{{"/jail"}, {"/jail"}, 0};
  plain.fs = FsAttributes{{"/tmp"}, {"/"}, 0};
  const std::string late =
      "EINVAL: a path is looked up in the restorer's root directory, and the process has "
      "\"/jail\" by now: fs comes later";
  Fifo fifo;
  fifo.path = {"/fifo"};
  UnixSocket named;
  named.socket_id = SocketId{1};
  named.socket_type = SocketType{SOCK_DGRAM};
  named.state = kUnconnected;
  named.name = Text{"/name"};
  UnixSocket abstract = named;
  abstract.name = Text{std::string("\0name", 5)};
  const auto open = [&](auto body) {
    return kRoot + Program{AttrOf(10, jailed),
                           OpenOf(10, 0, std::make_shared<const File>(File{{1}, {O_RDWR}, body}))};
  };
  RunCases({
      {"a FIFO", open(fifo), "commands[2] OPEN_FILE pid 10: " + late},
      {"a socket's name", open(named), "commands[2] OPEN_FILE pid 10: " + late},
      {"no path", open(abstract), ""},
      {"a file", kRoot + Program{AttrOf(10, jailed), OpenOf(10, 0, RegFile(1))},
       "commands[2] OPEN_FILE pid 10: " + late},
      {"of a child", kRoot + Program{AttrOf(10, jailed), ForkOf(10, 11), AttrOf(11, plain)},
       "commands[3] SET_ATTR pid 11: " + late},
      {"of who shares it",
       kRoot + Program{ForkOf(10, 11, CLONE_FS), AttrOf(11, jailed), OpenOf(10, 0, RegFile(1))},
       "commands[3] OPEN_FILE pid 10: " + late},
      {"before", kRoot + Program{AttrOf(10, plain), OpenOf(10, 0, RegFile(1)), AttrOf(10, jailed)},
       ""},
  });
}

TEST(CheckProcesses, WaitRules) {
  const Program two = kRoot + Program{ForkOf(10, 11)};
  RunCases({
      {"a live child", two + Program{WaitOf(10, 11)},
       "commands[2] WAIT pid 10: EAGAIN: process 11 (commands[1]) has not exited: the wait does "
       "not end"},
      {"nobody", two + Program{WaitOf(10, 12)},
       "commands[2] WAIT pid 10: ECHILD: there is no process 12"},
      {"twice", two + Program{ExitOf(11), WaitOf(10, 11), WaitOf(10, 11)},
       "commands[4] WAIT pid 10: ECHILD: process 11 is reaped already"},
      {"another's child", two + Program{ForkOf(11, 12), ExitOf(12), WaitOf(10, 12)},
       "commands[4] WAIT pid 10: ECHILD: zombie 12 (commands[2]) is a child of process 11 "
       "(commands[1])"},
      {"the restorer's child", two + Program{ExitOf(10), WaitOf(0, 10)}, ""},
      {"not the restorer's child", two + Program{ExitOf(11), WaitOf(0, 11)},
       "commands[3] WAIT pid 0: ECHILD: zombie 11 (commands[1]) is a child of process 10 "
       "(commands[0])"},
  });
}

TEST(CheckProcesses, Stopping) {
  // 1 - 2 - 3 in one session, 3 in a group of its own
  const Program chain = kInitRoot + Program{ForkOf(1, 2), PgidOf(2, 2), ForkOf(2, 3), PgidOf(3, 3)};
  RunCases({
      {"a stop signal", kRoot + Program{StopOf(10, SIGTSTP)}, ""},
      {"another signal", kRoot + Program{StopOf(10, SIGKILL)},
       "commands[1] RESUME pid 10: EINVAL: SIGKILL does not stop"},
      {"an exit that orphans a stopped group",
       kInitRoot + Program{ForkOf(1, 2), SidOf(2), ForkOf(2, 3), ForkOf(3, 4), PgidOf(4, 4),
                           StopOf(4), ExitOf(3)},
       "commands[8] EXIT pid 3: SIGHUP: group 4 with the stopped process 4 (commands[5]) becomes "
       "orphaned"},
      {"init takes it over in the same session", chain + Program{StopOf(3), ExitOf(2)}, ""},
      {"the restorer's group",
       kRoot + Program{ForkOf(10, 11), PgidOf(11, 11), ForkOf(10, 12), PgidOf(10, 10), StopOf(12),
                       ExitOf(10)},
       ""},
      {"a running group",
       kInitRoot + Program{ForkOf(1, 2), SidOf(2), ForkOf(2, 3), ForkOf(3, 4), PgidOf(4, 4),
                           ResumeOf(4), ExitOf(3)},
       ""},
  });
}

TEST(CheckProcesses, AttributeRules) {
  const Program two = kRoot + Program{ForkOf(10, 11), ThreadOf(10, 12)};
  Attributes of_process;
  of_process.personality = Hex{1};
  Attributes timer;
  timer.posix_timers.emplace_back().notify_tid = 12;
  timer.posix_timers.back().signal.value = SIGALRM;
  Attributes actions, limits, bounds;
  actions.sigactions.push_back({Signal{65}, {1}, {}, {}, {}});
  limits.rlimits.push_back({Resource{16}, 1, 1});
  bounds.mm.emplace().auxv.resize(257);
  const std::string sealed = "creds or seccomp of the process are set (commands[3])";
  RunCases({
      {"of the leader by name", two + Program{CommOf(10, "a", 10)}, ""},
      {"of a thread", two + Program{CommOf(10, "a", 12)}, ""},
      {"of another's thread", two + Program{CommOf(11, "a", 12)},
       "commands[3] SET_ATTR pid 11: ESRCH: 12 is no thread of process 11 (commands[1])"},
      {"a process's attribute of a thread", two + Program{AttrOf(10, of_process, 12)},
       "commands[3] SET_ATTR pid 10: EINVAL: personality belongs to the process, not to thread 12"},
      {"signals are 1 to 64", two + Program{AttrOf(11, actions)},
       "commands[3] SET_ATTR pid 11: EINVAL: a signal is 1 to 64"},
      {"resources are 0 to 15", two + Program{AttrOf(11, limits)},
       "commands[3] SET_ATTR pid 11: EINVAL: a resource is 0 to 15"},
      {"what exec saved has an end", two + Program{AttrOf(11, bounds)},
       "commands[3] SET_ATTR pid 11: EINVAL: auxv has 257 words"},
      {"no attributes", two + Program{{10, SetAttr{}}},
       "commands[3] SET_ATTR pid 10: EINVAL: there are no attributes"},
      {"a timer for a thread", two + Program{AttrOf(10, timer)}, ""},
      {"a timer for another's thread", two + Program{AttrOf(11, timer)},
       "commands[3] SET_ATTR pid 11: EINVAL: posix timer 0 notifies 12, which is no thread of "
       "process 11 (commands[1])"},
      {"no FORK after creds", two + Program{CredsOf(10), ForkOf(10, 13)},
       "commands[4] FORK pid 10: EPERM: " + sealed},
      {"no CREATE_THREAD after creds of a thread", two + Program{CredsOf(10, 12), ThreadOf(10, 13)},
       "commands[4] CREATE_THREAD pid 10: EPERM: " + sealed},
      {"no OPEN_FILE after creds", two + Program{CredsOf(10), OpenOf(10, 3, RegFile(1))},
       "commands[4] OPEN_FILE pid 10: EPERM: " + sealed},
      {"others may",
       two + Program{CredsOf(10), ForkOf(11, 13), OpenOf(11, 3, RegFile(1)), CommOf(10, "b")}, ""},
  });
}

TEST(CheckProcesses, Warnings) {
  SimulatedState state;
  Diagnostics diag;
  EXPECT_TRUE(Succeeded(CheckProgram(
      {ForkOf(0, 1), ForkOf(1, 2), PgidOf(2, 2), PgidOf(1, 2), ResumeOf(1), ResumeOf(2)}, &state,
      diag)));
  EXPECT_EQ(
      Lines(diag),
      (std::vector<std::string>{
          "commands[3] SET_PGID pid 1: a pid namespace whose init dies as a member of group 2 "
          "never ends"}));
}

TEST(CheckProcesses, LargeAndDeep) {
  constexpr Pid kCount = 100000;
  Program program = {ForkOf(0, 1), SidOf(1), OpenOf(1, 0, RegFile(1)), MapOf(1, 0x1000, 0x9000)};
  for (Pid pid = 1; pid < kCount; ++pid) program.push_back(ForkOf(pid, pid + 1));
  for (Pid pid = 2; pid < kCount; ++pid) program.push_back(ExitOf(pid));
  for (Pid pid = 2; pid < kCount; ++pid) program.push_back(WaitOf(1, pid));
  program.push_back(ResumeOf(kCount));
  program.push_back(ResumeOf(1));
  SimulatedState state;
  Diagnostics diag;
  EXPECT_TRUE(Succeeded(CheckProgram(program, &state, diag)));
  EXPECT_NE(DescribeState(state).find("100000 group 1 session 1"), std::string::npos);
}

}  // namespace
}  // namespace crgen
