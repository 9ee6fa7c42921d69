// SPDX-License-Identifier: Apache-2.0
// Commands of the caller's at the stages of a restore: when they run, what they can do and know.
#include <sys/types.h>

#include <csignal>

#include "tests/support/mounts_fixture.h"

namespace crgen::test {
namespace {

class ActionScriptsTest : public MountsTest {
 protected:
  static Json Network() { return {{"net", {{"id", 6}}}}; }
  /// A command that writes its stage down, and then does `more`.
  std::string Script(const std::string& more = ":") const {
    return "--action-script 'echo $CRTOOLS_SCRIPT_ACTION ${CRTOOLS_INIT_PID:-none} >> " + folder_ +
           "/stages; " + more + "' ";
  }
  /// "STAGE PID" of each, one a line.
  std::string Stages() const { return TextOf(folder_ + "/stages"); }
  static bool IsThere() { return kill(Pid(0), 0) == 0; }
};

TEST_F(ActionScriptsTest, RunAtCriusStages) {
  const std::string look =
      "[ $CRTOOLS_IMAGE_DIR -ef " + folder_ + " ] || exit 9; " +
      "case $CRTOOLS_SCRIPT_ACTION in "
      "setup-namespaces) nsenter --net=/proc/$CRTOOLS_INIT_PID/ns/net ip link set lo up;; "
      "pre-restore) ;; "
      "*) nsenter --net=/proc/$CRTOOLS_INIT_PID/ns/net cat /proc/net/if_inet6 >> " +
      folder_ + "/addresses;; esac";
  const Outcome outcome =
      Run(PlanWith(Network()), "--detach " + Script(look) + "--action-script 'echo said'");
  ASSERT_EQ(outcome.status, 0) << outcome.errors;
  std::istringstream lines(Stages());
  std::string stages, restorer;
  for (std::string stage, pid; lines >> stage >> pid;) {
    if (stage == "setup-namespaces") restorer = pid;
    const bool early = stage == "setup-namespaces" || stage == "post-setup-namespaces";
    EXPECT_EQ(pid, stage == "pre-restore" ? "none" : early ? restorer : Process()) << stage;
    stages += stage + " ";
  }
  EXPECT_NE(restorer, Process());
  EXPECT_EQ(stages,
            "pre-restore setup-namespaces post-setup-namespaces post-restore network-unlock "
            "pre-resume post-resume ");
  // lo is up from then on, in that namespace.
  const std::string addresses = TextOf(folder_ + "/addresses");
  EXPECT_EQ(std::count(addresses.begin(), addresses.end(), '\n'), 5) << addresses;
  EXPECT_EQ(outcome.errors, "said\nsaid\nsaid\nsaid\nsaid\nsaid\nsaid\n");
  EXPECT_EQ(TextOf("/proc/" + Process() + "/environ").find("CRTOOLS"), std::string::npos);
}

TEST_F(ActionScriptsTest, AFailureLeavesNothing) {
  for (const std::string stage : {"pre-restore", "setup-namespaces", "post-setup-namespaces",
                                  "post-restore", "network-unlock", "pre-resume"}) {
    fs::remove(folder_ + "/stages");
    const Outcome outcome = Run(
        PlanWith(Network()),
        "--detach --pidfile pid " +
            Script("[ $CRTOOLS_SCRIPT_ACTION != " + stage + " ] || { echo not today; exit 3; }"));
    EXPECT_EQ(outcome.status, 5) << stage;
    EXPECT_NE(outcome.errors.find(", " + stage + ": not today"), std::string::npos)
        << outcome.errors;
    EXPECT_EQ(Stages().find(stage + " "), Stages().rfind('\n', Stages().size() - 2) + 1) << stage;
    EXPECT_FALSE(IsThere()) << stage;
    EXPECT_FALSE(fs::exists(folder_ + "/pid")) << stage;
  }
}

TEST_F(ActionScriptsTest, TheLastIsTooLateToFail) {
  const Outcome outcome =
      Run(PlanWith(Network()),
          "--detach " + Script("[ $CRTOOLS_SCRIPT_ACTION != post-resume ] || exit 3"));
  EXPECT_EQ(outcome.status, 0);
  EXPECT_NE(outcome.errors.find("warning: --action-script "), std::string::npos) << outcome.errors;
  EXPECT_NE(outcome.errors.find(", post-resume: exit code 3"), std::string::npos) << outcome.errors;
  EXPECT_TRUE(IsThere());
}

TEST_F(ActionScriptsTest, WaitsNoLongerThanItsTime) {
  const Outcome outcome = Run(PlanWith(Network()),
                              "--detach --timeout 1 --action-script "
                              "'[ $CRTOOLS_SCRIPT_ACTION != post-restore ] || sleep 1000'");
  EXPECT_EQ(outcome.status, 5);
  EXPECT_NE(outcome.errors.find("no end after 1 s (--timeout): killed"), std::string::npos)
      << outcome.errors;
  EXPECT_FALSE(IsThere());
}

TEST_F(ActionScriptsTest, NothingIsLeftOfFailures) {
  const Outcome any = Run(PlanWith(Network()), "--preflight " + Script());
  EXPECT_EQ(any.status, 0) << any.errors;
  EXPECT_EQ(Stages(), "");
  const auto look = [&](const Outcome& outcome) {
    if (outcome.status == 0) KillEverybody();
  };
  EXPECT_GT(FailEachCall(PlanWith(Network()), "--detach " + Script(), look), 20);
}

}  // namespace
}  // namespace crgen::test

int main(int argc, char** argv) { return crgen::test::MainInNewPidNamespace(argc, argv); }
