// SPDX-License-Identifier: Apache-2.0
// Namespaces of the plan's own: what the kernel says of them after a restore, what is refused
// before it, and that nothing of them is left of one that fails.
#include <fcntl.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <functional>

#include "tests/support/mounts_fixture.h"

namespace crgen::test {
namespace {

std::string NamespaceOf(const std::string& process, const std::string& kind) {
  return fs::read_symlink("/proc/" + process + "/ns/" + kind);
}

class NamespacesTest : public MountsTest {
 protected:
  /// What `ask` says in that namespace of the restored process.
  static std::string Inside(const std::string& kind, const std::function<std::string()>& ask) {
    int ends[2];
    if (pipe(ends) != 0) return "no pipe";
    const pid_t child = fork();
    if (child == 0) {
      const int fd = open(("/proc/" + Process() + "/ns/" + kind).c_str(), O_RDONLY);
      const std::string text = fd >= 0 && setns(fd, 0) == 0 ? ask() : "no way in";
      _exit(write(ends[1], text.data(), text.size()) < 0);
    }
    close(ends[1]);
    char text[4096] = "";
    [[maybe_unused]] const ssize_t got = read(ends[0], text, sizeof text - 1);
    close(ends[0]);
    waitpid(child, nullptr, 0);
    return text;
  }

  /// "mountpoint root options - type source superblock's options" of each mount, without numbers.
  static std::vector<std::string> MountInfo() {
    std::vector<std::string> lines;
    std::istringstream text(TextOf("/proc/" + Process() + "/mountinfo"));
    for (std::string line; std::getline(text, line);) {
      std::istringstream words(line);
      std::string id, parent, device, root, place, options, word, rest;
      words >> id >> parent >> device >> root >> place >> options;
      while (words >> word) rest += " " + word;
      lines.push_back(place + " " + options + rest);
    }
    return lines;
  }
};

const Json kUts = {{"id", 4}, {"nodename", "a-node"}, {"domainname", "a-domain"}};
const Json kIpc = {{"id", 5},
                   {"sysctls",
                    {{"sem_msl", 111},
                     {"sem_mns", 22222},
                     {"sem_opm", 33},
                     {"sem_mni", 44},
                     {"msgmax", 5555},
                     {"msgmnb", 6666},
                     {"msgmni", 77},
                     {"shmmax", "0x8888888"},
                     {"shmall", "0x99999"},
                     {"shmmni", 1010},
                     {"shm_rmid_forced", true},
                     {"queues_max", 12},
                     {"msg_max", 13},
                     {"msgsize_max", 1400},
                     {"msg_default", 11},
                     {"msgsize_default", 1200},
                     {"sem_next_id", 17}}}};

TEST_F(NamespacesTest, UtsAndIpc) {
  const std::string own = TextOf("/proc/sys/kernel/hostname");
  ASSERT_NO_FATAL_FAILURE(Restore(PlanWith({{"uts", kUts}, {"ipc", kIpc}})));
  const auto sysctl = [](const char* name) { return TextOf(std::string("/proc/sys/") + name); };
  const auto of = [&](const char* kind, const char* name) {
    return Inside(kind, [&] { return sysctl(name); });
  };
  EXPECT_EQ(of("uts", "kernel/hostname"), "a-node\n");
  EXPECT_EQ(of("uts", "kernel/domainname"), "a-domain\n");
  EXPECT_EQ(of("ipc", "kernel/sem"), "111\t22222\t33\t44\n");
  const std::pair<const char*, const char*> kValues[] = {
      {"kernel/msgmax", "5555\n"},       {"kernel/msgmnb", "6666\n"},
      {"kernel/msgmni", "77\n"},         {"kernel/shmmax", "143165576\n"},
      {"kernel/shmall", "629145\n"},     {"kernel/shmmni", "1010\n"},
      {"kernel/shm_rmid_forced", "1\n"}, {"fs/mqueue/queues_max", "12\n"},
      {"fs/mqueue/msg_max", "13\n"},     {"fs/mqueue/msgsize_max", "1400\n"},
      {"fs/mqueue/msg_default", "11\n"}, {"fs/mqueue/msgsize_default", "1200\n"},
      {"kernel/sem_next_id", "17\n"},    {"kernel/msg_next_id", "-1\n"}};
  for (const auto& [name, value] : kValues) EXPECT_EQ(of("ipc", name), value) << name;
  EXPECT_EQ(sysctl("kernel/hostname"), own);
}

TEST_F(NamespacesTest, AnEmptyNetwork) {
  for (const bool up : {false, true}) {
    ASSERT_NO_FATAL_FAILURE(Restore(PlanWith({{"net", {{"id", 6}}}}), up ? "--net-lo-up" : ""));
    EXPECT_NE(NamespaceOf(Process(), "net"), NamespaceOf("self", "net"));
    const std::string flags = Inside("net", [] {
      ifreq request = {};
      std::snprintf(request.ifr_name, sizeof request.ifr_name, "lo");
      const int fd = socket(AF_INET, SOCK_DGRAM, 0);
      const bool known = ioctl(fd, SIOCGIFFLAGS, &request) == 0;
      return std::string(!known ? "?" : (request.ifr_flags & IFF_UP) != 0 ? "up" : "down");
    });
    EXPECT_EQ(flags, up ? "up" : "down");
    KillEverybody();
  }
}

/// Who has a network namespace of its own, for as long as this lives.
class Holder {
 public:
  Holder() {
    int ends[2];
    if (pipe(ends) != 0) return;
    pid_ = fork();
    if (pid_ == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (unshare(CLONE_NEWNET | CLONE_NEWUTS) != 0) _exit(1);
      close(ends[1]);
      for (;;) pause();
    }
    close(ends[1]);
    char byte;
    [[maybe_unused]] const ssize_t end = read(ends[0], &byte, 1);
    close(ends[0]);
  }
  ~Holder() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  std::string Name() const { return std::to_string(pid_); }
  std::string Path() const { return "/proc/" + Name() + "/ns/net"; }

 private:
  pid_t pid_ = -1;
};

TEST_F(NamespacesTest, ANetworkFromOutside) {
  const Holder holder;
  const std::string inode = NamespaceOf(holder.Name(), "net");
  const Plan plan = PlanWith({{"net", {{"id", 6}, {"external", "extRootNetNS"}}}});
  for (const std::string& arguments :
       {"--inherit-fd fd[9]:extRootNetNS 9<" + holder.Path(),
        "--external net[" + holder.Path() + "]:extRootNetNS", "--join-ns net:" + holder.Path(),
        "--join-ns net:" + holder.Name()}) {
    SCOPED_TRACE(arguments);
    ASSERT_NO_FATAL_FAILURE(Restore(plan, arguments));
    EXPECT_EQ(NamespaceOf(Process(), "net"), inode);
    KillEverybody();
  }
  ASSERT_NO_FATAL_FAILURE(Restore(plan, "--empty-ns net"));
  EXPECT_NE(NamespaceOf(Process(), "net"), inode);
  EXPECT_NE(NamespaceOf(Process(), "net"), NamespaceOf("self", "net"));
}

TEST_F(NamespacesTest, JoinedInThePlaceOfThePlans) {
  const Holder holder;
  ASSERT_NO_FATAL_FAILURE(Restore(PlanWith({{"uts", kUts}}), "--join-ns uts:" + holder.Name()));
  EXPECT_EQ(NamespaceOf(Process(), "uts"), NamespaceOf(holder.Name(), "uts"));
  EXPECT_NE(TextOf("/proc/sys/kernel/hostname"), "a-node\n");
}

TEST_F(NamespacesTest, Mounts) {
  const std::string own = TextOf("/proc/self/mountinfo");
  const Json directories = {{"fs", {{"cwd", "/tmp/folder"}, {"root", "/"}, {"umask", 18}}}};
  Json mounts = Mounts();
  mounts.push_back({{"id", 11},
                    {"parent", 1},
                    {"mountpoint", "/groups"},
                    {"root", "/"},
                    {"superblock", 15},
                    {"fstype", "cgroup2"},
                    {"flags", {"MS_NOSUID", "MS_RELATIME"}}});
  ASSERT_NO_FATAL_FAILURE(
      Restore(PlanWith({{"ipc", kIpc}, {"net", {{"id", 6}}}, {"mounts", mounts}},
                       "/tmp/folder/file", directories),
              MountArguments()));
  const std::string root = "/proc/" + Process() + "/root";
  EXPECT_EQ(TextOf(root + "/file"), "of the root");
  EXPECT_EQ(TextOf(root + "/tmp/folder/file"), "of the archive");
  EXPECT_EQ(TextOf(root + "/data/file"), "of outside");
  // Of the root's file system, and not what is mounted there.
  EXPECT_TRUE(fs::exists(root + "/copy/mqueue"));
  EXPECT_FALSE(fs::exists(root + "/copy/pts/ptmx"));
  EXPECT_TRUE(fs::exists(root + "/dev/pts/ptmx"));
  EXPECT_EQ(fs::read_symlink("/proc/" + Process() + "/cwd"), "/tmp/folder");
  EXPECT_EQ(fs::read_symlink("/proc/" + Process() + "/fd/0"), "/tmp/folder/file");
  const std::vector<std::string> found = MountInfo();
  ASSERT_EQ(found.size(), 11u);
  const auto has = [&](const std::string& head, const std::string& tail) {
    EXPECT_TRUE(std::any_of(found.begin(), found.end(),
                            [&](const std::string& line) {
                              return line.starts_with(head) && line.find(tail) != std::string::npos;
                            }))
        << head << " …" << tail;
  };
  has("/ rw,relatime", "");
  has("/proc rw,nosuid,relatime", " - proc proc rw");
  has("/proc/sys ro,relatime", " - proc proc rw");
  has("/tmp rw,nosuid,relatime", " - tmpfs scratch ro,size=64k");
  has("/data rw,noexec,noatime", "");
  has("/dev/pts rw,nosuid,relatime", " - devpts none rw,gid=5,mode=620,ptmxmode=666");
  has("/dev/mqueue rw,nosuid,relatime", " - mqueue none rw");
  has("/sys rw,nosuid,relatime", " - sysfs none rw");
  has("/copy rw,nosuid,relatime", "");
  has("/proc/sys/net rw,nosuid,relatime", " - proc proc rw");
  has("/groups rw,nosuid,relatime", " - cgroup2 ");
  EXPECT_EQ(TextOf("/proc/self/mountinfo"), own);
}

/// What the dumper has found by itself is where it was, if the caller says so.
TEST_F(NamespacesTest, MountsThatTheDumperHasFound) {
  Json mounts = Mounts();
  mounts[4]["external"] = "auto:" + folder_ + "/outside";
  const Plan plan = PlanWith({{"mounts", mounts}});
  const Outcome refused = Run(plan, "--detach --root " + Root());
  EXPECT_EQ(refused.status, 3);
  EXPECT_NE(refused.errors.find("comes from outside, and is not given"), std::string::npos)
      << refused.errors;
  ASSERT_NO_FATAL_FAILURE(Restore(plan, "--external mnt[] --root " + Root()));
  EXPECT_EQ(TextOf("/proc/" + Process() + "/root/data/file"), "of outside");
}

/// What the caller gives may be shared with others: none of them sees what is mounted on it.
TEST_F(NamespacesTest, SharesNothingWithWhatItIsGiven) {
  for (const std::string& place : {Root(), folder_ + "/outside"}) {
    ASSERT_EQ(mount(place.c_str(), place.c_str(), nullptr, MS_BIND, nullptr), 0);
    ASSERT_EQ(mount(nullptr, place.c_str(), nullptr, MS_SHARED, nullptr), 0);
  }
  const std::string own = TextOf("/proc/self/mountinfo");
  ASSERT_NO_FATAL_FAILURE(Restore(PlanWith({{"mounts", Mounts()}}), MountArguments()));
  EXPECT_EQ(TextOf("/proc/self/mountinfo"), own);
  EXPECT_EQ(TextOf("/proc/" + Process() + "/mountinfo").find("shared:"), std::string::npos);
  KillEverybody();
  for (const std::string& place : {Root(), folder_ + "/outside"}) {
    EXPECT_EQ(umount2(place.c_str(), MNT_DETACH), 0);
  }
}

TEST_F(NamespacesTest, WhatTheCallerMustGive) {
  const Plan mounts = PlanWith({{"mounts", Mounts()}});
  const Plan net = PlanWith({{"net", {{"id", 6}, {"external", "key"}}}});
  const Plan none = PlanWith({{"comm", "x"}});
  Json more = Mounts();
  more.push_back({{"id", 11},
                  {"parent", 5},
                  {"mountpoint", "/data/not/there"},
                  {"root", "/"},
                  {"superblock", 20},
                  {"fstype", "tmpfs"},
                  {"flags", Json::array()}});
  const Plan lacking = PlanWith({{"mounts", more}});
  struct Case {
    const Plan& plan;
    std::string arguments, said;
  };
  const Case kCases[] = {
      {mounts, "--external mnt[data]:" + folder_ + "/outside",
       "the plan has a mount namespace of its own (--root DIR says where its root file system is)"},
      {mounts, "--root " + Root(),
       "what is mounted at /data comes from outside, and is not given (--external "
       "mnt[data]:PATH)"},
      {mounts, "--root /no/such --external mnt[data]:" + folder_,
       "--root /no/such: No such file or directory"},
      {mounts, "--root " + Root() + " --external mnt[data]:/no/such",
       "--external mnt[data]: /no/such: No such file or directory"},
      {net, "",
       "the network namespace key comes from outside, and is not handed over (--inherit-fd "
       "fd[N]:key, --join-ns net:PATH, or --empty-ns net for a new one)"},
      {net, "--inherit-fd fd[9]:key 9</dev/null",
       "handed over as key, is no namespace (such a file is /proc/PID/ns/net, or what "
       "ip-netns(8) has mounted)"},
      {net, "--join-ns net:/dev/null", "--join-ns net: /dev/null is no namespace"},
      {net, "--join-ns net:/proc/self/ns/uts",
       "--join-ns net: /proc/self/ns/uts is a namespace of the kind uts (such a file is "
       "/proc/PID/ns/net)"},
      {net, "--external net[/proc/self/ns/ipc]:key", "is a namespace of the kind ipc"},
      {mounts, "--root " + Root() + " --external mnt[data]:/dev/null",
       "what is to be mounted at /data is no directory, and what is there is a directory (give one "
       "of the same kind)"},
      {lacking, MountArguments(),
       "nothing is at /data/not/there in what is given for the mount on /data, and something is "
       "mounted there (make a directory of that name)"},
      {none, "--root " + Root(), "the plan has no mount namespace of its own"},
      {none, "--net-lo-up", "the plan has no network namespace of its own"},
  };
  for (const Case& it : kCases) {
    const Outcome outcome = Run(it.plan, "--detach " + it.arguments);
    EXPECT_EQ(outcome.status, 3) << it.arguments;
    EXPECT_NE(outcome.errors.find(it.said), std::string::npos) << outcome.errors;
    EXPECT_EQ(std::count(outcome.errors.begin(), outcome.errors.end(), '\n'), 1) << outcome.errors;
    EXPECT_EQ(Left(), std::vector<int>());
  }
}

TEST_F(NamespacesTest, OptionsThatAreNone) {
  const Plan plan = PlanWith({{"comm", "x"}});
  for (const char* option :
       {"--external mnt[data]", "--external file[1:2]:x", "--external net[4026531840]:key",
        "--external mnt[]:/x", "--external mnt[a]:/x --external mnt[a]:/y", "--join-ns user:/x",
        "--join-ns net:", "--empty-ns mnt", "--empty-ns net --join-ns net:/x"}) {
    EXPECT_EQ(Run(plan, std::string("--detach ") + option).status, 2) << option;
  }
}

TEST_F(NamespacesTest, FilesOfTheRootAreLookedAtBefore) {
  const Json namespaces = {{"mounts", Mounts()}};
  const Outcome none = Run(PlanWith(namespaces, "/no/such"), "--detach " + MountArguments());
  EXPECT_EQ(none.status, 3);
  EXPECT_NE(none.errors.find("/no/such: No such file or directory"), std::string::npos)
      << none.errors;
  // What the restorer's own root has counts for nothing.
  const Outcome other = Run(PlanWith(namespaces, "/etc/passwd"), "--detach " + MountArguments());
  EXPECT_EQ(other.status, 3) << other.errors;
}

/// A socket is bound in the root that is given, or in a file system that is new, and nothing is
/// left there of a restore that fails.
TEST_F(NamespacesTest, SocketsThatHaveAPath) {
  for (const char* place : {"/socket", "/data/socket", "/tmp/socket"}) {
    SCOPED_TRACE(place);
    Json mounts = Mounts();
    for (Json& mount : mounts) {
      if (mount["mountpoint"] == "/tmp") mount.erase("sb_flags");
    }
    const auto plan = [&](const std::string& file) {
      Plan made;
      made.Fork(0, Pid(0));
      made.Add("SET_ATTR", Pid(0), {{"attributes", {{"mounts", mounts}}}});
      made.MapProgram(Pid(0));
      made.Add("OPEN_FILE", Pid(0),
               {{"fd", 3},
                {"file",
                 {{"type", "UNIXSK"},
                  {"id", 1},
                  {"flags", {"O_RDWR"}},
                  {"socket_id", 1},
                  {"socket_type", "SOCK_STREAM"},
                  {"state", "listening"},
                  {"backlog", 5},
                  {"name", place}}}});
      if (!file.empty()) {
        made.Add("OPEN_FILE", Pid(0),
                 {{"fd", 4},
                  {"file", {{"type", "REG"}, {"id", 2}, {"path", file}, {"flags", {"O_RDONLY"}}}}});
      }
      made.Resume(Pid(0));
      return made;
    };
    const auto left = [&] {
      return fs::exists(Root() + "/socket") || fs::exists(folder_ + "/outside/socket");
    };
    // What is not in the tmpfs is seen too late for preflight.
    EXPECT_EQ(Run(plan("/tmp/none"), "--detach " + MountArguments()).status, 5);
    EXPECT_FALSE(left());
    ASSERT_NO_FATAL_FAILURE(Restore(plan(""), MountArguments()));
    EXPECT_TRUE(fs::is_socket("/proc/" + Process() + "/root" + place));
    KillEverybody();
    fs::remove(Root() + "/socket");
    fs::remove(folder_ + "/outside/socket");
  }
}

TEST_F(NamespacesTest, AMountpointThatIsNot) {
  fs::remove(Root() + "/data");
  fs::create_symlink("/proc", Root() + "/data");
  const Outcome outcome = Run(PlanWith({{"mounts", Mounts()}}), "--detach " + MountArguments());
  EXPECT_EQ(outcome.status, 3);
  EXPECT_NE(outcome.errors.find("what is to be mounted at /data is a directory, and what is there "
                                "is no directory"),
            std::string::npos)
      << outcome.errors;
  EXPECT_EQ(Left(), std::vector<int>());
}

/// Whichever call fails, nothing is left, and nothing of the caller's has changed.
TEST_F(NamespacesTest, NothingIsLeftOfFailures) {
  const Plan plan = PlanWith({{"uts", kUts}, {"net", {{"id", 6}}}, {"mounts", Mounts()}});
  const std::string own = TextOf("/proc/self/mountinfo");
  const auto look = [&](const Outcome&) { EXPECT_EQ(TextOf("/proc/self/mountinfo"), own); };
  EXPECT_GT(FailEachCall(plan, "--detach " + MountArguments(), look), 50);
}

}  // namespace
}  // namespace crgen::test

int main(int argc, char** argv) { return crgen::test::MainInNewPidNamespace(argc, argv); }
