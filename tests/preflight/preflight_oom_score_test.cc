// SPDX-License-Identifier: Apache-2.0
// Which oom_score_adj a caller without CAP_SYS_RESOURCE may give to what it restores; the kernel is
// asked what it takes.
#include "tests/support/restorer_support.h"

namespace crgen::test {
namespace {

using Plan = PlanBuilder;

constexpr const char* kWithout = "setpriv --bounding-set=-sys_resource ";

std::string Set(int score) {
  return "echo " + std::to_string(score) + " >/proc/self/oom_score_adj";
}

class PreflightOomScoreTest : public RestorerTest {
 protected:
  /// After `words` of a shell, without the capability.
  Outcome RunAfter(const std::string& words, int planned) {
    Plan plan;
    plan.Fork(0, Pid(0));
    plan.MapProgram(Pid(0));
    plan.Resume(Pid(0), Plan::Registers(kPause), {{"oom_score_adj", planned}});
    const std::string script = folder_ + "/run";
    std::ofstream(script) << "#!/bin/sh\n" << words << kWithout << CRRESTORE_BINARY << " \"$@\"\n";
    chmod(script.c_str(), 0755);
    return Run(plan, "--detach", "", script.c_str());
  }
  int Found() {
    int found = -1;
    std::ifstream("/proc/" + std::to_string(Pid(0)) + "/oom_score_adj") >> found;
    return found;
  }
};

/// As far down as who had the capability last has set it.
TEST_F(PreflightOomScoreTest, IsWhatTheKernelTakes) {
  const std::string whole =
      kWithout + ("sh -c '" + Set(300)) + " && " + Set(0) + " && ! " + Set(-1) + "' 2>/dev/null";
  if (system(whole.c_str()) != 0) GTEST_SKIP() << "who tests has another lowest than 0";
  // The shell of the script may have the capability, that which it starts has not.
  const std::string raised = kWithout + ("sh -c '" + Set(300)) + "; exec \"$0\" \"$@\"' ";
  for (const int score : {300, 100, 0}) {
    const Outcome outcome = RunAfter("exec " + raised, score);
    EXPECT_EQ(outcome.status, 0) << score << outcome.errors;
    EXPECT_EQ(Found(), score);
    KillEverybody();
  }
  const Outcome outcome = RunAfter("exec " + raised, -1);
  EXPECT_EQ(outcome.status, 3);
  EXPECT_NE(outcome.errors.find("CAP_SYS_RESOURCE is missing, for oom_score_adj -1 below 0, the "
                                "lowest without it"),
            std::string::npos)
      << outcome.errors;
  EXPECT_TRUE(Left().empty());
}

/// All processes begin with 0.
TEST_F(PreflightOomScoreTest, IsResetFirst) {
  if (system((Set(-1) + " 2>/dev/null").c_str()) != 0) GTEST_SKIP() << "no CAP_SYS_RESOURCE";
  const Outcome outcome = RunAfter(Set(200) + "\nexec ", 250);
  EXPECT_EQ(outcome.status, 3);
  EXPECT_NE(outcome.errors.find("oom_score_adj 0 below 200"), std::string::npos) << outcome.errors;
  EXPECT_TRUE(Left().empty());
}

}  // namespace
}  // namespace crgen::test

int main(int argc, char** argv) { return crgen::test::MainInNewPidNamespace(argc, argv); }
