// SPDX-License-Identifier: Apache-2.0
// The release is one step: whenever both of the restorer's processes are killed, all processes of
// the tree run or none is left.
#include <dirent.h>

#include <optional>

#include "tests/support/pid_space.h"
#include "tests/support/restorer_support.h"

namespace crgen::test {
namespace {

using Plan = PlanBuilder;

constexpr int kProcesses = 6;

class RestorerReleaseTest : public RestorerTest {
 protected:
  /// Of processes in groups and sessions of their own, one with a second thread, one stopped.
  Plan Tree(int root, const Json& flags, bool outside = false) {
    Plan plan;
    plan.Fork(0, root, flags);
    if (outside) plan.Last()["pid_namespace"] = {{"external", "key"}};
    plan.Add("SET_SID", root);
    plan.MapProgram(root);
    for (int n = 1; n < kProcesses; ++n) plan.Fork(root, Pid(n));
    plan.Add("SET_PGID", Pid(1), {{"pgid", Pid(1)}});
    plan.Add("SET_SID", Pid(2));
    for (const int thread : {Pid(6), Pid(7)}) {
      const int process = thread == Pid(6) ? root : Pid(3);
      plan.Add("CREATE_THREAD", process, {{"tid", thread}});
      plan.Add("SET_ATTR", process,
               {{"tid", thread},
                {"attributes", {{"creds", "inherit"}, {"registers", Plan::Registers(kPause)}}}});
    }
    for (int n = 0; n < kProcesses; ++n) {
      const int pid = n == 0 ? root : Pid(n);
      plan.Add("SET_ATTR", pid,
               {{"attributes",
                 {{"creds", "inherit"},
                  {"rlimits", "inherit"},
                  {"registers", Plan::Registers(kPause)}}}});
      plan.Add("RESUME", pid, n == 4 ? Json{{"stopped", "SIGSTOP"}} : Json::object());
    }
    return plan;
  }

  struct Count {
    int present = 0, alive = 0, resumed = 0;
  };
  /// Of all processes but this one, and the init of `space_`. Those that have died are reaped.
  Count Others() const {
    while (waitpid(-1, nullptr, WNOHANG | __WALL) > 0) continue;
    Count count;
    DIR* proc = opendir("/proc");
    for (const dirent* entry = readdir(proc); entry != nullptr; entry = readdir(proc)) {
      const int pid = std::atoi(entry->d_name);
      if (pid <= 1 || (space_ && pid == space_->init())) continue;
      const char state = FactsOf(pid).state;
      count.present += state != 'X';
      count.alive += state != 'X' && state != 'Z';
      count.resumed += Resumed(pid);
    }
    closedir(proc);
    return count;
  }
  /// Until all run or none is left: how many do. Who has lost his tracer may be about to die of it:
  /// it takes two looks.
  int Settled() const {
    Count count;
    bool ran = false;
    for (int look = 0; look < 300; ++look) {
      count = Others();
      const bool run = count.resumed == kProcesses;
      if (count.alive == 0 || (run && ran)) return count.resumed;
      ran = run;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    ADD_FAILURE() << count.alive << " processes are left, and " << count.resumed << " run";
    return -1;
  }
  void EndOthers() {
    space_.reset();
    do kill(-1, SIGKILL);
    while (Others().present != 0);
  }

  /// Both are killed at each call of the one that restores, as far as they have the same numbers
  /// each time: who waits makes one more now and then. In how many cases all have run.
  int KillAtEachCall(const Plan& plan, bool outside = false) {
    int all = 0;
    for (int call = 1; !HasFailure(); ++call) {
      const std::string dying = "CRRESTORE_DYING_CALL=" + std::to_string(call);
      SCOPED_TRACE(dying);
      if (outside) space_.emplace();
      const std::string arguments =
          outside ? "--detach --join-ns pid:" + space_->Path() : "--detach";
      const Outcome outcome = Run(plan, arguments, dying, CRRESTORE_FAULTY_BINARY);
      const int running = Settled();
      EndOthers();
      if (outcome.status == 0) {
        EXPECT_EQ(running, kProcesses) << outcome.errors;
        std::printf("%d calls, at %d of them all ran\n", call - 1, all);
        return all;
      }
      EXPECT_EQ(outcome.status, 128 + SIGKILL) << outcome.errors;
      all += running != 0;
    }
    return all;
  }

  std::optional<PidSpace> space_;  ///< that the tree is born in
};

TEST_F(RestorerReleaseTest, BothKilledAtEachCallLeaveAllOrNone) {
  EXPECT_GE(KillAtEachCall(Tree(Pid(0), Json::array())), 1);
}

/// No signal from inside kills the init: it is the end of its tracer that does.
TEST_F(RestorerReleaseTest, BothKilledAtEachCallLeaveAllOrNoneOfAPidNamespace) {
  EXPECT_GE(KillAtEachCall(Tree(1, {"CLONE_NEWPID"})), 1);
}

TEST_F(RestorerReleaseTest, BothKilledAtEachCallLeaveAllOrNoneInOneOfOutside) {
  EXPECT_GE(KillAtEachCall(Tree(Pid(0), Json::array(), true), true), 1);
}

/// They cannot be told when there are too few descriptors: then the tracer's end kills them, until
/// they are let go one after another.
TEST_F(RestorerReleaseTest, WithoutDescriptorsForItTheyAreLetGoAllTheSame) {
  const Outcome outcome = Run(Tree(Pid(0), Json::array()), "--detach",
                              "ulimit -n 40 && setpriv --bounding-set -sys_resource");
  EXPECT_EQ(outcome.status, 0) << outcome.errors;
  EXPECT_EQ(Settled(), kProcesses);
}

}  // namespace
}  // namespace crgen::test

int main(int argc, char** argv) { return crgen::test::MainInNewPidNamespace(argc, argv); }
