// SPDX-License-Identifier: Apache-2.0
// cgroups(7): places of processes and threads, directories and properties, CRIU's modes, other
// roots, a namespace; and nothing is left of a restore that fails.
#include <fcntl.h>
#include <sys/stat.h>

#include <filesystem>

#include "tests/support/restorer_support.h"

namespace crgen::test {
namespace {

using Plan = PlanBuilder;

constexpr const char* kTop = "/crgen-test";

class RestorerCgroupsTest : public RestorerTest {
 protected:
  void SetUp() override {
    RestorerTest::SetUp();
    if (IsSkipped()) return;
    char name[] = "/tmp/crgen-cgroups-XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    mounts_ = name;
    if (!Mount("unified", "cgroup2", nullptr)) GTEST_SKIP() << "this system has no cgroup2";
    has_pids_ = PlaceOf(getpid(), "pids") != "none" && Mount("pids", "cgroup", "pids");
    RemoveAll();
  }
  void TearDown() override {
    KillEverybody();
    RemoveAll();
    for (const char* name : {"unified", "pids"}) {
      umount2((mounts_ + "/" + name).c_str(), MNT_DETACH);
      rmdir((mounts_ + "/" + name).c_str());
    }
    rmdir(mounts_.c_str());
    RestorerTest::TearDown();
  }

  bool Mount(const std::string& name, const char* type, const char* options) {
    const std::string at = mounts_ + "/" + name;
    return mkdir(at.c_str(), 0700) == 0 && mount("none", at.c_str(), type, 0, options) == 0;
  }
  std::string Unified(const std::string& path) const { return mounts_ + "/unified" + path; }
  std::string Pids(const std::string& path) const { return mounts_ + "/pids" + path; }

  /// All that these tests could have made, the lowest first; files of cgroups go with their folder.
  void RemoveAll() const {
    for (const char* path : {"/crgen-test/a/x", "/crgen-test/a", "/crgen-test/b", "/crgen-test",
                             "/crgen-other/a", "/crgen-other/b", "/crgen-other"}) {
      for (const std::string& at : {Unified(path), Pids(path)}) {
        for (int i = 0; i < 100 && rmdir(at.c_str()) != 0 && errno == EBUSY; ++i) usleep(10000);
      }
    }
  }
  void ExpectNothingMade() const {
    for (const std::string& at : {Unified(kTop), Pids(kTop)}) {
      EXPECT_FALSE(std::filesystem::exists(at)) << at;
    }
  }

  /// The third field of /proc/PID/cgroup.
  static std::string PlaceOf(int pid, const std::string& controllers) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/cgroup");
    for (std::string line; std::getline(file, line);) {
      const std::size_t begin = line.find(':') + 1, end = line.find(':', begin);
      if (line.substr(begin, end - begin) == controllers) return line.substr(end + 1);
    }
    return "none";
  }
  static std::string LineOf(const std::string& path) {
    std::ifstream file(path);
    std::string line;
    std::getline(file, line);
    return line;
  }

  static Json Directory(const std::string& controllers, const std::string& path,
                        Json properties = Json::array()) {
    Json directory = {{"controllers", controllers}, {"path", path}};
    if (!properties.empty()) directory["properties"] = properties;
    return directory;
  }
  static Json Property(const std::string& name, const std::string& value) {
    return {{"name", name}, {"value", value}};
  }
  static Json At(const std::string& path, const std::string& controllers = "") {
    return {{"controllers", controllers}, {"path", path}};
  }
  static void Move(Plan& plan, int pid, Json paths, Json directories = Json::array()) {
    Json cgroup = {{"paths", std::move(paths)}};
    if (!directories.empty()) cgroup["directories"] = std::move(directories);
    plan.Add("SET_ATTR", pid, {{"attributes", {{"cgroup", std::move(cgroup)}}}});
  }

  /// The root in /crgen-test/a, its child in /crgen-test/b, whose child is there too; `depth`: a
  /// property of a.
  Plan Three(const std::string& depth = "5", Json more = Json::array()) {
    Json a = Directory("", "/crgen-test/a", {Property("cgroup.max.depth", depth)});
    a["perms"] = {{"mode", 0711}, {"uid", 12}, {"gid", 34}};
    for (const Json& property : more) a["properties"].push_back(property);
    Plan plan;
    plan.Fork(0, Pid(0));
    Move(plan, Pid(0), {At("/crgen-test/a")},
         {Directory("", "/crgen-test"), a, Directory("", "/crgen-test/b")});
    plan.MapProgram(Pid(0));
    plan.Fork(Pid(0), Pid(1));
    Move(plan, Pid(1), {At("/crgen-test/b")});
    plan.Fork(Pid(1), Pid(2));
    for (int i = 0; i < 3; ++i) plan.Resume(Pid(i));
    return plan;
  }
  void ExpectThree(const std::string& top = kTop) {
    EXPECT_EQ(PlaceOf(Pid(0), ""), top + "/a");
    EXPECT_EQ(PlaceOf(Pid(1), ""), top + "/b");
    EXPECT_EQ(PlaceOf(Pid(2), ""), top + "/b");
  }
  std::string Depth() const { return LineOf(Unified("/crgen-test/a/cgroup.max.depth")); }
  void MakeExisting() {
    for (const char* path : {"/crgen-test", "/crgen-test/a", "/crgen-test/b"}) {
      ASSERT_EQ(mkdir(Unified(path).c_str(), 0755), 0) << std::strerror(errno);
    }
    std::ofstream(Unified("/crgen-test/a/cgroup.max.depth")) << "7";
  }
  void ExpectRefused(const Outcome& outcome, int status, const std::string& why) {
    EXPECT_EQ(outcome.status, status);
    EXPECT_NE(outcome.errors.find(why), std::string::npos) << outcome.errors;
    EXPECT_TRUE(Left().empty());
  }

  std::string mounts_;
  bool has_pids_ = false;
};

TEST_F(RestorerCgroupsTest, MakesWhatIsMissing) {
  const Outcome outcome = Run(Three());
  ASSERT_EQ(outcome.status, 0) << outcome.errors;
  ExpectThree();
  EXPECT_EQ(Depth(), "5");
  struct stat facts = {};
  ASSERT_EQ(stat(Unified("/crgen-test/a").c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 07777, 0711u);
  EXPECT_EQ(facts.st_uid, 12u);
  EXPECT_EQ(facts.st_gid, 34u);
}

TEST_F(RestorerCgroupsTest, InANewPidNamespace) {
  Plan plan;
  plan.Fork(0, 1);
  Move(plan, 1, {At("/crgen-test/a")}, {Directory("", "/crgen-test/a")});
  plan.MapProgram(1);
  plan.Resume(1);
  const Outcome outcome = Run(plan, "--detach --pidns --pidfile pid");
  ASSERT_EQ(outcome.status, 0) << outcome.errors;
  const std::string root = LineOf(folder_ + "/pid");
  ASSERT_FALSE(root.empty());
  EXPECT_EQ(PlaceOf(std::stoi(root), ""), "/crgen-test/a");
  kill(std::stoi(root), SIGKILL);
}

TEST_F(RestorerCgroupsTest, SoftLeavesWhatIsThere) {
  ASSERT_NO_FATAL_FAILURE(MakeExisting());
  for (const char* options : {"--detach", "--detach --manage-cgroups",
                              "--detach --manage-cgroups=soft", "--detach --manage-cgroups=none"}) {
    SCOPED_TRACE(options);
    const Outcome outcome = Run(Three(), options);
    ASSERT_EQ(outcome.status, 0) << outcome.errors;
    ExpectThree();
    EXPECT_EQ(Depth(), "7");
    KillEverybody();
  }
}

TEST_F(RestorerCgroupsTest, FullAndPropsSetThem) {
  for (const char* options :
       {"--detach --manage-cgroups=full", "--detach --manage-cgroups=props"}) {
    SCOPED_TRACE(options);
    ASSERT_NO_FATAL_FAILURE(MakeExisting());
    const Outcome outcome = Run(Three(), options);
    ASSERT_EQ(outcome.status, 0) << outcome.errors;
    ExpectThree();
    EXPECT_EQ(Depth(), "5");
    KillEverybody();
    RemoveAll();
  }
}

TEST_F(RestorerCgroupsTest, ModesRefuseWhatIsThereOrMissing) {
  for (const char* mode : {"none", "props"}) {
    ExpectRefused(Run(Three(), std::string("--detach --manage-cgroups=") + mode), 3,
                  "the cgroup unified:/crgen-test and 2 more are missing");
    ExpectNothingMade();
  }
  ASSERT_NO_FATAL_FAILURE(MakeExisting());
  ExpectRefused(Run(Three(), "--detach --manage-cgroups=strict"), 3,
                "the cgroup unified:/crgen-test and 2 more exist already");
  EXPECT_EQ(Depth(), "7");
}

TEST_F(RestorerCgroupsTest, IgnoreStaysWhereTheCallerIs) {
  const Outcome outcome = Run(Three(), "--detach --manage-cgroups=ignore");
  ASSERT_EQ(outcome.status, 0) << outcome.errors;
  EXPECT_EQ(PlaceOf(Pid(0), ""), PlaceOf(getpid(), ""));
  ExpectNothingMade();
}

TEST_F(RestorerCgroupsTest, Usage) {
  ExpectRefused(Run(Three(), "--manage-cgroups=hard"), 2, "--manage-cgroups=hard: expected none");
  ExpectRefused(Run(Three(), "--manage-cgroups=sofft"), 2, "or ignore; did you mean soft?");
  ExpectRefused(Run(Three(), "--network-lock=nftable"), 2, "did you mean nftables?");
  ExpectRefused(Run(Three(), "--namespaces=calle"), 2, "did you mean caller?");
  ExpectRefused(Run(Three(), "--cgroup-root cpu:x"), 2, "--cgroup-root cpu:x: expected");
}

TEST_F(RestorerCgroupsTest, OtherRoots) {
  for (const char* options : {"--detach --cgroup-root /crgen-other",
                              "--detach --cgroup-root :/crgen-other --cgroup-root /elsewhere"}) {
    SCOPED_TRACE(options);
    const Outcome outcome = Run(Three(), options);
    ASSERT_EQ(outcome.status, 0) << outcome.errors;
    ExpectThree("/crgen-other");
    ExpectNothingMade();
    KillEverybody();
    RemoveAll();
  }
}

TEST_F(RestorerCgroupsTest, Namespace) {
  Plan plan;
  plan.Fork(0, Pid(0));
  Json place = At("/crgen-test/a/x");
  place["prefix"] = "/crgen-test/a";
  Move(plan, Pid(0), {place}, {Directory("", "/crgen-test/a"), Directory("", "/crgen-test/a/x")});
  plan.MapProgram(Pid(0));
  plan.Fork(Pid(0), Pid(1));
  plan.Resume(Pid(0));
  plan.Resume(Pid(1));
  const Outcome outcome = Run(plan);
  ASSERT_EQ(outcome.status, 0) << outcome.errors;
  const auto space = [](const std::string& pid) {
    return std::filesystem::read_symlink("/proc/" + pid + "/ns/cgroup").string();
  };
  EXPECT_NE(space(std::to_string(Pid(0))), space("self"));
  EXPECT_EQ(space(std::to_string(Pid(0))), space(std::to_string(Pid(1))));
  EXPECT_EQ(PlaceOf(Pid(1), ""), "/crgen-test/a/x");
  // Seen from inside, the prefix is the root.
  const pid_t inside = fork();
  if (inside == 0) {
    const std::string path = "/proc/" + std::to_string(Pid(0)) + "/ns/cgroup";
    const bool in = setns(open(path.c_str(), O_RDONLY), CLONE_NEWCGROUP) == 0;
    _exit(in && PlaceOf(Pid(0), "") == "/x" ? 0 : 1);
  }
  int status = 0;
  waitpid(inside, &status, 0);
  EXPECT_EQ(status, 0);
}

TEST_F(RestorerCgroupsTest, FreezesLast) {
  const Outcome outcome = Run(Three("5", {Property("cgroup.freeze", "1")}));
  ASSERT_EQ(outcome.status, 0) << outcome.errors;
  ExpectThree();
  const std::string events = Unified("/crgen-test/a/cgroup.events");
  bool frozen = false;
  for (int i = 0; i < 500 && !frozen; ++i) {
    std::ifstream file(events);
    for (std::string line; std::getline(file, line);) frozen |= line == "frozen 1";
    if (!frozen) usleep(10000);
  }
  EXPECT_TRUE(frozen);
  EXPECT_EQ(LineOf(Unified("/crgen-test/a/cgroup.freeze")), "1");
}

TEST_F(RestorerCgroupsTest, RefusesAFrozenPlace) {
  ASSERT_NO_FATAL_FAILURE(MakeExisting());
  std::ofstream(Unified("/crgen-test/a/cgroup.freeze")) << "1";
  for (int i = 0; i < 100; ++i) {
    const std::filesystem::path events = Unified("/crgen-test/a/cgroup.events");
    std::ifstream file(events);
    std::stringstream text;
    text << file.rdbuf();
    if (text.str().find("frozen 1") != std::string::npos) break;
    usleep(10000);
  }
  ExpectRefused(Run(Three()), 3, "the cgroup unified:/crgen-test/a is frozen");
}

TEST_F(RestorerCgroupsTest, ThreadsAndLimits) {
  if (!has_pids_) GTEST_SKIP() << "this system has no pids hierarchy of cgroups version 1";
  Plan plan;
  plan.Fork(0, Pid(0));
  Move(plan, Pid(0), {At("/crgen-test/a", "pids")},
       {Directory("pids", "/crgen-test/a", {Property("pids.max", "17"), Property("tasks", "")}),
        Directory("pids", "/crgen-test/b")});
  plan.MapProgram(Pid(0));
  plan.Add("CREATE_THREAD", Pid(0), {{"tid", Pid(1)}});
  plan.Add("CREATE_THREAD", Pid(0), {{"tid", Pid(2)}});
  for (const int thread : {1, 2}) {
    Json attributes = {{"creds", "inherit"}, {"registers", Plan::Registers(kPause)}};
    if (thread == 2) attributes["cgroup"] = {{"paths", {At("/crgen-test/b", "pids")}}};
    plan.Add("SET_ATTR", Pid(0), {{"tid", Pid(thread)}, {"attributes", attributes}});
  }
  plan.Resume(Pid(0));
  const Outcome outcome = Run(plan);
  ASSERT_EQ(outcome.status, 0) << outcome.errors;
  EXPECT_EQ(PlaceOf(Pid(0), "pids"), "/crgen-test/a");
  EXPECT_EQ(PlaceOf(Pid(1), "pids"), "/crgen-test/a");
  EXPECT_EQ(PlaceOf(Pid(2), "pids"), "/crgen-test/b");
  EXPECT_EQ(LineOf(Pids("/crgen-test/a/pids.max")), "17");
}

TEST_F(RestorerCgroupsTest, NoSuchHierarchy) {
  Plan plan;
  plan.Fork(0, Pid(0));
  Move(plan, Pid(0), {At("/crgen-test", "no-such-controller")},
       {Directory("no-such-controller", "/crgen-test")});
  plan.MapProgram(Pid(0));
  plan.Resume(Pid(0));
  ExpectRefused(Run(plan), 3,
                "no hierarchy of cgroups here has the controllers no-such-controller");
}

TEST_F(RestorerCgroupsTest, AValueThatTheKernelRefuses) {
  ExpectRefused(Run(Three("deep")), 5, "./crgen-test/a/cgroup.max.depth: write of \"deep\"");
  ExpectNothingMade();
  ExpectRefused(Run(Three("5", {Property("no.such", "1")})), 5, "./crgen-test/a/no.such");
  ExpectNothingMade();
}

/// What was there before keeps its values, too.
TEST_F(RestorerCgroupsTest, AFailureUndoesWhatItHasChanged) {
  ASSERT_NO_FATAL_FAILURE(MakeExisting());
  ExpectRefused(Run(Three("5", {Property("no.such", "1")}), "--detach --manage-cgroups=full"), 5,
                "./crgen-test/a/no.such");
  EXPECT_EQ(Depth(), "7");
  struct stat facts = {};
  ASSERT_EQ(stat(Unified("/crgen-test/a").c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 07777, 0755u);
  EXPECT_EQ(facts.st_uid, 0u);
}

TEST_F(RestorerCgroupsTest, AnyFailingCallLeavesNothing) {
  const Plan plan = Three();
  const auto look = [&](const Outcome& outcome) {
    if (outcome.status != 0) return ExpectNothingMade();
    KillEverybody();
    RemoveAll();
  };
  EXPECT_GT(FailEachCall(plan, "--detach", look), 50);
}

}  // namespace
}  // namespace crgen::test

int main(int argc, char** argv) { return crgen::test::MainInNewPidNamespace(argc, argv); }
