// SPDX-License-Identifier: Apache-2.0
// User namespaces of the plan's own: what the kernel says of them after a restore, what is refused
// by name, and that nothing is left of one that fails.
#include <fcntl.h>
#include <linux/nsfs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include <algorithm>

#include "tests/support/mounts_fixture.h"
#include "tests/support/plan_files.h"

namespace crgen::test {
namespace {

constexpr const char* kUserMap = "0 100000 1000\n1000 300000 5\n";
constexpr const char* kGroupMap = "0 200000 2000\n";

Json Range(int inside, int outside, int count) {
  return {{"inside", inside}, {"outside", outside}, {"count", count}};
}

class UserTest : public MountsTest {
 protected:
  /// Root 1 with all namespaces, and a child of it, which are 1003 and 7 there.
  Plan UserPlan(const Json& more = {}) const {
    Plan plan;
    AddRoot(plan, {"CLONE_NEWPID", "CLONE_NEWUSER"}, 1);
    Json namespaces = {{"uts", {{"id", 4}, {"nodename", "a-node"}, {"domainname", "a-domain"}}},
                       {"ipc", {{"id", 5}, {"sysctls", Sysctls()}}},
                       {"net", {{"id", 6}}},
                       {"time", {{"monotonic", Now()}, {"boottime", Now()}}},
                       {"mounts", Mounts()}};
    if (!more.is_null()) namespaces.update(more);
    plan.Add("SET_ATTR", 1, {{"attributes", namespaces}});
    plan.MapProgram(1);
    // A pipe that is opened more than once is the supervisor's.
    const Json kFlags[] = {{"O_RDONLY"}, {"O_WRONLY", "O_LARGEFILE"}, {"O_RDONLY", "O_LARGEFILE"}};
    for (int n = 0; n < 3; ++n) {
      plan.Add("OPEN_FILE", 1,
               {{"fd", 5 + n},
                {"file", {{"type", "PIPE"}, {"id", 5 + n}, {"pipe_id", 1}, {"flags", kFlags[n]}}}});
    }
    plan.Fork(1, 2);
    Resume(plan, 1, Credentials(1003, "0x0"));
    Resume(plan, 2, Credentials(7, "0x21"));
    return plan;
  }
  /// Root 1 alone, in a network and with mounts of its own, which does not go on yet.
  Plan MountedPlan() const {
    Plan plan;
    AddRoot(plan, {"CLONE_NEWPID", "CLONE_NEWUSER"}, 1);
    plan.Add("SET_ATTR", 1, {{"attributes", {{"net", {{"id", 6}}}, {"mounts", Mounts()}}}});
    plan.MapProgram(1);
    return plan;
  }
  static void AddRoot(Plan& plan, const Json& flags, int pid) {
    plan.Add("FORK", 0,
             {{"child_pid", pid},
              {"flags", flags},
              {"uid_map", {Range(0, 100000, 1000), Range(1000, 300000, 5)}},
              {"gid_map", Json::array({Range(0, 200000, 2000)})}});
  }
  static void Resume(Plan& plan, int pid, const Json& creds) {
    plan.Resume(pid, Plan::Registers(kPause), {{"creds", creds}, {"dumpable", 0}});
  }
  static Json Sysctls() {
    return {{"sem_msl", 111},      {"sem_mns", 22222}, {"sem_opm", 33},    {"sem_mni", 44},
            {"msgmax", 5555},      {"msgmnb", 6666},   {"msgmni", 77},     {"shmmax", "0x88"},
            {"shmall", "0x99999"}, {"shmmni", 1010},   {"queues_max", 12}, {"msg_max", 13},
            {"msgsize_max", 1400}};
  }
  static Json Now() { return {{"sec", 5}, {"nsec", 0}}; }

  /// All processes but this one, in whose pid namespace they are.
  static std::vector<int> Others() {
    std::vector<int> others;
    while (waitpid(-1, nullptr, WNOHANG | __WALL) > 0) {
    }
    for (const auto& entry : fs::directory_iterator("/proc")) {
      const std::string name = entry.path().filename();
      if (name.find_first_not_of("0123456789") == name.npos && name != "1") {
        others.push_back(std::stoi(name));
      }
    }
    return others;
  }
  static void KillOthers() {
    for (std::vector<int> others; !(others = Others()).empty();) {
      for (const int pid : others) kill(pid, SIGKILL);
    }
  }
  void TearDown() override {
    if (getpid() == 1) KillOthers();
    MountsTest::TearDown();
  }

  /// Without the blanks in which they are aligned.
  static std::string MapOf(int pid, const char* file) {
    std::ifstream text("/proc/" + std::to_string(pid) + "/" + file);
    std::string all, inside, outside, count;
    while (text >> inside >> outside >> count) all += inside + " " + outside + " " + count + "\n";
    return all;
  }
  static std::string Line(int pid, const std::string& label) {
    std::ifstream status("/proc/" + std::to_string(pid) + "/status");
    for (std::string line; std::getline(status, line);) {
      if (line.starts_with(label + ":\t")) return line.substr(label.size() + 2);
    }
    return "";
  }
  static ino_t InodeOf(int fd) {
    struct stat status = {};
    fstat(fd, &status);
    close(fd);
    return status.st_ino;
  }
  static int Namespace(int pid, const std::string& kind) {
    return open(("/proc/" + std::to_string(pid) + "/ns/" + kind).c_str(), O_RDONLY | O_CLOEXEC);
  }
};

TEST_F(UserTest, EverythingBelongsToIt) {
  const Outcome outcome = Run(UserPlan(), "--detach --pidfile pid " + MountArguments());
  ASSERT_EQ(outcome.status, 0) << outcome.errors;
  std::vector<int> tree = Others();
  ASSERT_EQ(tree.size(), 2u);
  std::ranges::sort(tree);
  const int root = std::stoi(TextOf(folder_ + "/pid"));
  ASSERT_TRUE(std::ranges::count(tree, root));
  const int child = tree[0] == root ? tree[1] : tree[0];
  for (const int pid : {root, child}) {
    EXPECT_EQ(MapOf(pid, "uid_map"), kUserMap);
    EXPECT_EQ(MapOf(pid, "gid_map"), kGroupMap);
    EXPECT_EQ(TextOf("/proc/" + std::to_string(pid) + "/setgroups"), "allow\n");
    const ino_t user = InodeOf(Namespace(pid, "user"));
    for (const char* kind : {"uts", "ipc", "net", "mnt", "pid", "time"}) {
      const int fd = Namespace(pid, kind);
      EXPECT_EQ(InodeOf(ioctl(fd, NS_GET_USERNS)), user) << kind;
      close(fd);
    }
  }
  EXPECT_EQ(Line(root, "Uid"), "300003\t300003\t300003\t300003");
  EXPECT_EQ(Line(root, "Gid"), "201003\t201003\t201003\t201003");
  EXPECT_EQ(Line(root, "CapBnd"), "0000000000000000");
  EXPECT_EQ(Line(child, "Uid"), "100007\t100007\t100007\t100007");
  EXPECT_EQ(Line(child, "Groups"), "200007 ");
  EXPECT_EQ(Line(child, "CapEff"), "0000000000000021");
  EXPECT_EQ(Line(child, "NSpid"), std::to_string(child) + "\t2");
  struct stat file = {};
  ASSERT_EQ(stat(("/proc/" + std::to_string(root) + "/root/tmp/folder/file").c_str(), &file), 0);
  EXPECT_EQ(file.st_uid, 100000u);
  EXPECT_EQ(file.st_gid, 200000u);
}

/// Root of that namespace does not get what the plan takes away (mount_namespaces(7)).
TEST_F(UserTest, FlagsOfWhatIsGivenAreLocked) {
  const Outcome outcome = Run(UserPlan(), "--detach --pidfile pid " + MountArguments());
  ASSERT_EQ(outcome.status, 0) << outcome.errors;
  const int root = std::stoi(TextOf(folder_ + "/pid"));
  const pid_t inside = fork();
  if (inside == 0) {
    const int user = Namespace(root, "user"), mounts = Namespace(root, "mnt");
    if (setns(user, 0) != 0 || setns(mounts, 0) != 0) _exit(2);
    const unsigned long kTaken = MS_REMOUNT | MS_BIND | MS_NOATIME;
    const bool may = mount(nullptr, "/data", nullptr, kTaken, nullptr) == 0;
    const bool more =
        mount(nullptr, "/data", nullptr, kTaken | MS_NOEXEC | MS_RDONLY, nullptr) == 0;
    _exit(may || !more);
  }
  int status = 0;
  waitpid(inside, &status, 0);
  EXPECT_EQ(status, 0);
}

/// A lock would be that of the bind mounts, too.
TEST_F(UserTest, AReadOnlyRootOfWhichAPartIsNot) {
  Json mounts = Mounts();
  mounts[0]["flags"] = {"MS_RDONLY", "MS_RELATIME"};
  const Outcome outcome =
      Run(UserPlan({{"mounts", mounts}}), "--detach --pidfile pid " + MountArguments());
  ASSERT_EQ(outcome.status, 0) << outcome.errors;
  const std::string info =
      TextOf("/proc/" + std::to_string(std::stoi(TextOf(folder_ + "/pid"))) + "/mountinfo");
  EXPECT_NE(info.find(" / ro,relatime "), std::string::npos) << info;
  EXPECT_NE(info.find(" /copy rw,nosuid,relatime "), std::string::npos) << info;
}

/// An owner without an id there is in no second dump.
TEST_F(UserTest, SharedMemoryBelongsToSomebodyInside) {
  Plan plan;
  AddRoot(plan, {"CLONE_NEWPID", "CLONE_NEWUSER"}, 1);
  plan.MapProgram(1);
  plan.Add("MAP_REGION", 1,
           {{"start", "0x10000000"},
            {"end", "0x10001000"},
            {"prot", {"PROT_READ"}},
            {"flags", {"MAP_SHARED", "MAP_ANONYMOUS"}},
            {"shmem", {{"id", 1}, {"offset", 0}, {"size", 4096}}}});
  Resume(plan, 1, Credentials(1003, "0x0"));
  const Outcome outcome = Run(plan, "--detach --pidfile pid");
  ASSERT_EQ(outcome.status, 0) << outcome.errors;
  const std::string process = "/proc/" + std::to_string(std::stoi(TextOf(folder_ + "/pid")));
  struct stat file = {};
  ASSERT_EQ(stat((process + "/map_files/10000000-10001000").c_str(), &file), 0);
  EXPECT_EQ(file.st_uid, 100000u);
  EXPECT_EQ(file.st_gid, 200000u);
}

TEST_F(UserTest, WhatIsRefusedByName) {
  struct Case {
    Plan plan;
    std::string said;
  };
  std::vector<Case> cases;
  const auto add = [&](const std::string& said, const auto& change) {
    Plan plan;
    change(plan);
    cases.push_back({plan, said});
  };
  const auto alone = [](Plan& plan) {
    AddRoot(plan, {"CLONE_NEWUSER"}, Pid(0));
    plan.MapProgram(Pid(0));
  };
  add("several processes or threads in a user namespace of the plan's own without a pid namespace",
      [&](Plan& plan) {
        alone(plan);
        plan.Fork(Pid(0), Pid(1));
        for (const int n : {0, 1}) Resume(plan, Pid(n), Credentials(7, "0x0"));
      });
  add("uid 5000, which nobody in the user namespace of the plan's own has", [&](Plan& plan) {
    alone(plan);
    plan.Add("OPEN_FILE", Pid(0),
             {{"fd", 3},
              {"file",
               {{"type", "MEMFD"},
                {"id", 1},
                {"inode_id", 1},
                {"flags", {"O_RDWR"}},
                {"name", "x"},
                {"size", 0},
                {"uid", 5000},
                {"gid", 0}}}});
    Resume(plan, Pid(0), Credentials(7, "0x0"));
  });
  add("creds that are inherited, in a user namespace of the plan's own", [&](Plan& plan) {
    alone(plan);
    plan.Resume(Pid(0));
  });
  add("a timer that wakes the machine, in a user namespace of the plan's own", [&](Plan& plan) {
    alone(plan);
    plan.Add("OPEN_FILE", Pid(0),
             {{"fd", 3},
              {"file",
               {{"type", "TIMERFD"},
                {"id", 1},
                {"clock", "CLOCK_BOOTTIME_ALARM"},
                {"flags", {"O_RDWR"}}}}});
    Resume(plan, Pid(0), Credentials(7, "0x0"));
  });
  add("a descriptor that is taken from another process, in a user namespace of the plan's own",
      [&](Plan& plan) {
        AddRoot(plan, {"CLONE_NEWUSER", "CLONE_NEWPID"}, 1);
        plan.MapProgram(1);
        const nlohmann::json file = {
            {"type", "PIDFD"}, {"id", 1}, {"flags", {"O_RDWR"}}, {"target", 1}};
        plan.Add("OPEN_FILE", 1, {{"fd", 3}, {"file", file}});
        plan.Add("OPEN_FILE", 1, {{"fd", 4}, {"file", file}, {"from", {{"pid", 1}, {"fd", 3}}}});
        Resume(plan, 1, Credentials(7, "0x0"));
      });
  add("raw sockets, which take rights in a network that is the caller's", [&](Plan& plan) {
    alone(plan);
    plan.Add("OPEN_FILE", Pid(0),
             {{"fd", 3},
              {"file",
               {{"type", "INETSK"},
                {"id", 1},
                {"flags", {"O_RDWR"}},
                {"family", "AF_INET"},
                {"socket_type", "SOCK_RAW"},
                {"protocol", "IPPROTO_ICMP"},
                {"state", "TCP_CLOSE"}}}});
    Resume(plan, Pid(0), Credentials(7, "0x0"));
  });
  for (const Case& it : cases) {
    SCOPED_TRACE(it.said);
    const Outcome outcome = Run(it.plan);
    EXPECT_EQ(outcome.status, 4) << outcome.errors;
    EXPECT_NE(outcome.errors.find(it.said), std::string::npos) << outcome.errors;
    EXPECT_EQ(Others(), std::vector<int>());
  }
}

/// Of root 1, which has a socket of that name; the folder is whose `uid` says.
TEST_F(UserTest, SocketsBelowFoldersOfNobody) {
  fs::create_directories(Root() + "/open");
  fs::permissions(Root() + "/open", fs::perms::all);
  Plan plan = MountedPlan();
  plan.Add("OPEN_FILE", 1,
           {{"fd", 3},
            {"file", UnixSocketFile(1, "SOCK_DGRAM", "unconnected", {{"name", "/open/socket"}})}});
  Resume(plan, 1, Credentials(7, "0x0"));
  struct stat made = {};
  const Outcome outcome = Run(plan, "--detach " + MountArguments());
  ASSERT_EQ(outcome.status, 0) << outcome.errors;
  ASSERT_EQ(lstat((Root() + "/open/socket").c_str(), &made), 0);
  EXPECT_TRUE(S_ISSOCK(made.st_mode));
  EXPECT_EQ(made.st_uid, 100000u);
  KillOthers();
  fs::remove(Root() + "/open/socket");
  // Somebody else outside could lead root inside elsewhere.
  ASSERT_EQ(chown((Root() + "/open").c_str(), 4711, 4711), 0);
  const Outcome refused = Run(plan, "--detach " + MountArguments());
  EXPECT_EQ(refused.status, 4) << refused.errors;
  EXPECT_NE(refused.errors.find("below a directory of uid 4711, who is nobody"), std::string::npos)
      << refused.errors;
  EXPECT_FALSE(fs::exists(Root() + "/open/socket"));
}

/// Without rights outside, as the owner of the file.
TEST_F(UserTest, Leases) {
  std::ofstream(Root() + "/leased") << "x";
  ASSERT_EQ(chown((Root() + "/leased").c_str(), 100007, 200007), 0);
  Plan plan = MountedPlan();
  plan.Add("OPEN_FILE", 1,
           {{"fd", 3},
            {"file", {{"type", "REG"}, {"id", 1}, {"path", "/leased"}, {"flags", {"O_RDONLY"}}}}});
  const Json lease = {{"kind", "LEASE"}, {"type", "F_RDLCK"}};
  plan.Add("SET_ATTR", 1,
           {{"attributes", {{"descriptors", {{{"fd", 3}, {"locks", Json::array({lease})}}}}}}});
  Resume(plan, 1, Credentials(7, "0x0"));
  const Outcome outcome = Run(plan, "--detach --file-locks " + MountArguments());
  ASSERT_EQ(outcome.status, 0) << outcome.errors;
  struct stat status = {};
  ASSERT_EQ(stat((Root() + "/leased").c_str(), &status), 0);
  EXPECT_NE(TextOf("/proc/locks").find(":" + std::to_string(status.st_ino) + " "),
            std::string::npos);
}

/// Whichever call fails, before there is a script and afterwards.
TEST_F(UserTest, NothingIsLeftOfFailures) {
  const Plan plan = UserPlan();
  const std::string own = TextOf("/proc/self/mountinfo");
  for (const char* which : {"CRRESTORE_FAILING_EARLY_CALL=", "CRRESTORE_FAILING_CALL="}) {
    int failures = 0, last_failure = 0;
    // A few calls are allowed to fail. Twenty in a row: there are no more of them.
    for (int call = 1; call <= last_failure + 20; ++call) {
      const Outcome outcome = Run(plan, "--detach " + MountArguments(),
                                  which + std::to_string(call), CRRESTORE_FAULTY_BINARY);
      ASSERT_EQ(TextOf("/proc/self/mountinfo"), own) << call;
      if (outcome.status == 0) {
        KillOthers();
        continue;
      }
      ++failures;
      last_failure = call;
      ASSERT_EQ(outcome.status, 5) << which << call << ": " << outcome.errors;
      ASSERT_EQ(Others(), std::vector<int>()) << which << call << ": " << outcome.errors;
    }
    EXPECT_GT(failures, 20) << which;
  }
}

/// Each call that sets an attribute is left out while it says that it was made.
TEST_F(UserTest, WhatWasNotSetIsReadBack) {
  const Plan plan = UserPlan();
  int refused = 0, without = 0;
  for (int call = 1; without < 20; ++call) {
    const Outcome outcome =
        Run(plan, "--detach " + MountArguments(), "CRRESTORE_SKIPPED_CALL=" + std::to_string(call),
            CRRESTORE_FAULTY_BINARY);
    without = outcome.status == 0 ? without + 1 : 0;
    refused += outcome.status == 5;
    if (outcome.status == 0) {
      for (const int pid : Others()) {
        const std::string uid = Line(pid, "Uid");
        EXPECT_TRUE(uid.starts_with("300003") || uid.starts_with("100007")) << call << uid;
      }
      KillOthers();
    }
    ASSERT_EQ(Others(), std::vector<int>()) << call << ": " << outcome.errors;
  }
  EXPECT_GT(refused, 10);
}

}  // namespace
}  // namespace crgen::test

int main(int argc, char** argv) { return crgen::test::MainInNewPidNamespace(argc, argv); }
