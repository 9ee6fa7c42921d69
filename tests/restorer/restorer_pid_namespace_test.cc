// SPDX-License-Identifier: Apache-2.0
// A tree that is born in a pid namespace which somebody else has made.
#include <filesystem>

#include "tests/support/pid_space.h"
#include "tests/support/restorer_support.h"

namespace crgen::test {
namespace {

namespace fs = std::filesystem;
using Plan = PlanBuilder;

class PidNamespaceTest : public RestorerTest {
 protected:
  static void Root(Plan* plan, Json fields = {{"pid_namespace", {{"external", "key"}}}}) {
    fields["child_pid"] = Pid(0);
    plan->Add("FORK", 0, fields);
  }
  static Plan OneProcess(std::uint64_t at = kPause) {
    Plan plan;
    Root(&plan);
    plan.MapProgram(Pid(0));
    plan.Resume(Pid(0), Plan::Registers(at, 7));
    return plan;
  }
  /// A session leader with a second thread, a child in a group of its own, and a dead one.
  static Plan Tree() {
    Plan plan;
    Root(&plan);
    plan.Add("SET_SID", Pid(0));
    plan.MapProgram(Pid(0));
    plan.Fork(Pid(0), Pid(1));
    plan.Add("SET_PGID", Pid(1), {{"pgid", Pid(1)}});
    plan.Fork(Pid(1), Pid(2));
    plan.Add("EXIT", Pid(2), {{"status", {{"code", 3}}}});
    plan.Add("CREATE_THREAD", Pid(0), {{"tid", Pid(3)}});
    plan.Add("SET_ATTR", Pid(0),
             {{"tid", Pid(3)},
              {"attributes", {{"creds", "inherit"}, {"registers", Plan::Registers(kPause)}}}});
    for (const int n : {0, 1}) plan.Resume(Pid(n));
    return plan;
  }
  /// Each the child of the one before.
  static Plan Chain(int length) {
    Plan plan;
    Root(&plan);
    plan.MapProgram(Pid(0));
    for (int n = 1; n < length; ++n) plan.Fork(Pid(n - 1), Pid(n));
    for (int n = 0; n < length; ++n) plan.Resume(Pid(n));
    return plan;
  }
  /// The one process that it has started; 0: it has none.
  static pid_t ChildOf(pid_t pid) {
    const std::string number = std::to_string(pid);
    pid_t child = 0;
    std::ifstream("/proc/" + number + "/task/" + number + "/children") >> child;
    return child;
  }
  static void ReapOrphans() {
    while (waitpid(-1, nullptr, WNOHANG | __WALL) > 0) continue;
  }
};

TEST_F(PidNamespaceTest, EveryWayInGivesTheNumbersOfThePlan) {
  const std::string own = fs::read_symlink("/proc/self/ns/pid_for_children");
  for (const int way : {0, 1, 2, 3}) {
    const PidSpace space;
    const std::string ways[] = {
        "--inherit-fd fd[9]:key 9<" + space.Path(), "--external pid[" + space.Path() + "]:key",
        "--join-ns pid:" + space.Path(), "--join-ns pid:" + std::to_string(space.init())};
    SCOPED_TRACE(ways[way]);
    const Outcome outcome = Run(Tree(), "--detach --pidfile pid " + ways[way]);
    ASSERT_EQ(outcome.status, 0) << outcome.errors;
    auto there = space.Others();
    ASSERT_EQ(there.size(), 3u);
    const int root = there[Pid(0)], child = there[Pid(1)], dead = there[Pid(2)];
    int told = 0;
    std::ifstream(folder_ + "/pid") >> told;
    EXPECT_EQ(told, root);
    EXPECT_TRUE(Resumed(root) && Resumed(child));
    EXPECT_EQ(PidSpace::InStatus(root, "NSsid:"), Pid(0));
    EXPECT_EQ(PidSpace::InStatus(child, "NSpgid:"), Pid(1));
    EXPECT_EQ(PidSpace::InStatus(child, "NSsid:"), Pid(0));
    EXPECT_EQ(FactsOf(child).ppid, root);
    EXPECT_EQ(FactsOf(dead).ppid, child);
    EXPECT_EQ(FactsOf(dead).state, 'Z');
    EXPECT_EQ(std::distance(fs::directory_iterator("/proc/" + std::to_string(root) + "/task"),
                            fs::directory_iterator()),
              2);
    EXPECT_EQ(fs::read_symlink("/proc/self/ns/pid_for_children"), own);
    kill(root, SIGKILL);
    kill(child, SIGKILL);
    ReapOrphans();
  }
}

TEST_F(PidNamespaceTest, OrANewOneInItsPlace) {
  const Outcome outcome = Run(OneProcess(kExit), "--pidns");
  EXPECT_EQ(outcome.status, 7) << outcome.errors;
}

TEST_F(PidNamespaceTest, TheRestorerEndsAsTheRootDoes) {
  const PidSpace space;
  const Outcome outcome = Run(OneProcess(kExit), "--join-ns pid:" + space.Path());
  EXPECT_EQ(outcome.status, 7) << outcome.errors;
  EXPECT_TRUE(space.Others().empty());
}

TEST_F(PidNamespaceTest, WhatTheCallerMustGive) {
  PidSpace space(Pid(2)), ended;
  const std::string held = folder_ + "/held";
  std::ofstream{held};
  ASSERT_EQ(mount(ended.Path().c_str(), held.c_str(), nullptr, MS_BIND, nullptr), 0);
  ended.End();
  Plan none;
  Root(&none, Json::object());
  none.MapProgram(Pid(0));
  none.Resume(Pid(0));
  struct Case {
    Plan plan;
    std::string arguments, said;
  };
  const Case kCases[] = {
      {OneProcess(), "",
       "the pid namespace key comes from outside, and is not handed over (--inherit-fd "
       "fd[N]:key, --join-ns pid:PATH, or --pidns for a new one)"},
      {Tree(), "--join-ns pid:" + space.Path(),
       "EEXIST: pid 20002 is taken in the pid namespace that is given, by \"restorer_pid_na\", "
       "here " +
           std::to_string(space.Others()[Pid(2)]) + " (--pidns restores"},
      {OneProcess(), "--join-ns pid:" + held,
       "the pid namespace that is given has no init, or one that has ended (--pidns"},
      {OneProcess(), "--inherit-fd fd[9]:key 9</dev/null",
       "descriptor 9, handed over as key, is no namespace (such a file is /proc/PID/ns/pid)"},
      {OneProcess(), "--inherit-fd fd[9]:key 9</proc/self/ns/net",
       "descriptor 9, handed over as key, is a namespace of the kind net (such a file is "
       "/proc/PID/ns/pid)"},
      {OneProcess(), "--pidns --external pid[" + space.Path() + "]:key",
       "]:key and --pidns exclude each other (leave one of them out)"},
      {OneProcess(), "--external pid[/proc/self/ns/uts]:key", "is a namespace of the kind uts"},
      {OneProcess(), "--external pid[/no/such]:key",
       "--external pid[/no/such]: /no/such: No such file or directory"},
      {OneProcess(), "--pidns --join-ns pid:" + space.Path(),
       "--join-ns pid and --pidns exclude each other (leave one of them out)"},
      {none, "--join-ns pid:" + space.Path(),
       "--join-ns pid: the plan has no pid namespace from outside (leave it out)"},
  };
  for (const Case& it : kCases) {
    const Outcome outcome = Run(it.plan, "--detach " + it.arguments);
    EXPECT_EQ(outcome.status, 3) << it.arguments;
    EXPECT_NE(outcome.errors.find(it.said), std::string::npos) << outcome.errors;
    EXPECT_EQ(std::count(outcome.errors.begin(), outcome.errors.end(), '\n'), 1) << outcome.errors;
    EXPECT_EQ(space.Others().size(), 1u);
  }
  EXPECT_EQ(umount2(held.c_str(), MNT_DETACH), 0);
  const Outcome unknown =
      Run(OneProcess(), "--pidns --detach --external pid[" + space.Path() + "]:other");
  EXPECT_EQ(unknown.status, 0);
  EXPECT_NE(unknown.errors.find("other: nothing in the plan has that key"), std::string::npos)
      << unknown.errors;
}

/// All have other numbers in there: whose file it was, nobody knows.
TEST_F(PidNamespaceTest, FilesOfProcessesAreRefusedByName) {
  const PidSpace space;
  Plan plan;
  Root(&plan);
  plan.MapProgram(Pid(0));
  plan.Add(
      "OPEN_FILE", Pid(0),
      {{"fd", 3},
       {"file",
        {{"type", "REG"}, {"id", 1}, {"path", "/proc/4711/status"}, {"flags", {"O_RDONLY"}}}}});
  plan.Resume(Pid(0));
  const Outcome outcome = Run(plan, "--detach --join-ns pid:" + space.Path());
  EXPECT_EQ(outcome.status, 4) << outcome.errors;
  EXPECT_NE(outcome.errors.find("/proc/4711/status: the tree has a pid namespace and no mounts of "
                                "its own, and in this /proc its processes have other numbers"),
            std::string::npos)
      << outcome.errors;
}

/// Whoever was just born, and whose parent dies of it, does not stay behind with that init.
TEST_F(PidNamespaceTest, NobodyIsLeftOfARestorerThatIsKilled) {
  const PidSpace space;
  std::ofstream(folder_ + "/plan.json") << Chain(20).Text();
  const std::string plan = folder_ + "/plan.json";
  int killed = 0;
  for (int delay = 0; delay < 6000; delay += 200) {  // µs
    const pid_t restorer = fork();
    if (restorer == 0) {
      const std::string join = "pid:" + space.Path();
      if (freopen("/dev/null", "w", stderr) == nullptr) _exit(99);
      execl(CRRESTORE_BINARY, CRRESTORE_BINARY, plan.c_str(), "--images", folder_.c_str(),
            "--detach", "--join-ns", join.c_str(), nullptr);
      _exit(99);
    }
    const auto lives = [&] { return FactsOf(restorer).state != 'Z'; };
    pid_t supervisor = 0;
    while (supervisor == 0 && lives()) supervisor = ChildOf(restorer);
    ASSERT_NE(supervisor, 0) << "it has refused the plan";
    while (ChildOf(supervisor) == 0 && lives()) continue;
    usleep(static_cast<unsigned>(delay));
    kill(supervisor, SIGKILL);
    int status = 0;
    ASSERT_EQ(waitpid(restorer, &status, 0), restorer);
    if (status != 0) {
      ++killed;
      EXPECT_EQ(WEXITSTATUS(status), 5);
      // Each has a parent that dies: it is over when it has come to the last.
      const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(5);
      while (!space.Others().empty() && std::chrono::steady_clock::now() < deadline) continue;
      EXPECT_TRUE(space.Others().empty()) << delay;
    }
    for (const auto& [there, here] : space.Others()) kill(here, SIGKILL);
    while (!space.Others().empty()) ReapOrphans();
  }
  EXPECT_GT(killed, 5);
}

/// Nobody can be born in what is not below: setns(2).
TEST_F(PidNamespaceTest, OneAboveIsRefused) {
  std::ofstream(folder_ + "/plan.json") << OneProcess().Text();
  const std::string inside = "cd " + folder_ + " && exec 9</proc/self/ns/pid && unshare -pf " +
                             "--mount-proc " CRRESTORE_BINARY
                             " plan.json --inherit-fd fd[9]:key 2>errors";
  EXPECT_EQ(WEXITSTATUS(system(inside.c_str())), 3);
  std::stringstream errors;
  errors << std::ifstream(folder_ + "/errors").rdbuf();
  EXPECT_NE(errors.str().find("is neither this process's own nor below it: setns(2) refuses it"),
            std::string::npos)
      << errors.str();
}

/// Orphans would go to an init that is not the restorer's.
TEST_F(PidNamespaceTest, NothingIsLeftOfDeaths) {
  const PidSpace space;
  const auto look = [&](const Outcome& outcome) {
    EXPECT_EQ(space.Others().size(), outcome.status == 0 ? 3u : 0u) << outcome.errors;
    for (const auto& [there, here] : space.Others()) kill(here, SIGKILL);
    while (!space.Others().empty()) ReapOrphans();
  };
  EXPECT_GT(FailEachCall([] { return Tree(); }, "--detach --join-ns pid:" + space.Path(), look,
                         "CRRESTORE_DEADLY_CALL"),
            15);
}

TEST_F(PidNamespaceTest, NothingIsLeftOfFailures) {
  const PidSpace space;
  std::string errors;
  const auto look = [&](const Outcome& outcome) {
    errors += outcome.errors;
    if (outcome.status != 0) {
      EXPECT_TRUE(space.Others().empty()) << outcome.errors;
    }
    for (const auto& [there, here] : space.Others()) kill(here, SIGKILL);
    while (!space.Others().empty()) ReapOrphans();
  };
  EXPECT_GT(FailEachCall(Tree(), "--detach --join-ns pid:" + space.Path(), look), 50);
  EXPECT_NE(errors.find("setns(CLONE_NEWPID) of the pid namespace from outside"),
            std::string::npos);
}

}  // namespace
}  // namespace crgen::test

int main(int argc, char** argv) { return crgen::test::MainInNewPidNamespace(argc, argv); }
