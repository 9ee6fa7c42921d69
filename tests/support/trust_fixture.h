// SPDX-License-Identifier: Apache-2.0
// The test plays the user 1000, who has a folder and links of his own, and gets nothing that is
// root's.
#pragma once

#include <fcntl.h>
#include <grp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include <filesystem>
#include <set>

#include "tests/support/restorer_support.h"

namespace crgen::test {

namespace fs = std::filesystem;
using Plan = PlanBuilder;

inline constexpr int kUser = 1000;

class RestorerTrustTest : public RestorerTest {
 protected:
  void SetUp() override {
    RestorerTest::SetUp();
    if (IsSkipped()) return;
    chmod(folder_.c_str(), 0755);
    for (const char* name : {"user", "root", "user/own"}) fs::create_directory(Path(name));
    for (const char* name : {"user", "user/own"}) Give(name);
    std::ofstream(Path("root/file")) << "secret";
    chmod(Path("root/file").c_str(), 0600);
    Link(Path("root"), "user/link", kUser);
    Link(Path("user/own"), "user/to-own", kUser);
    std::ofstream(folder_ + "/content.img") << "hello";
  }
  std::string Path(const std::string& name) const { return folder_ + "/" + name; }
  void Give(const std::string& name) const {
    ASSERT_EQ(lchown(Path(name).c_str(), kUser, kUser), 0);
  }
  void Link(const std::string& target, const std::string& name, int owner) const {
    fs::create_symlink(target, Path(name));
    ASSERT_EQ(lchown(Path(name).c_str(), static_cast<uid_t>(owner), 0), 0);
  }
  struct stat Facts(const std::string& name) const {
    struct stat facts = {};
    EXPECT_EQ(lstat(Path(name).c_str(), &facts), 0) << name;
    return facts;
  }

  static Plan Begin() {
    Plan plan;
    plan.Fork(0, Pid(0));
    plan.MapProgram(Pid(0));
    return plan;
  }
  static void Open(Plan& plan, int fd, Json file, int n = 0) {
    file["id"] = n * 10000 + fd;
    if (!file.contains("flags")) file["flags"] = {"O_RDWR"};
    plan.Add("OPEN_FILE", Pid(n), {{"fd", fd}, {"file", file}});
  }
  static Json Socket(int id, const std::string& name) {
    return {{"type", "UNIXSK"},     {"socket_id", id}, {"socket_type", "SOCK_STREAM"},
            {"state", "listening"}, {"backlog", 5},    {"name", name}};
  }
  static Json Owned(int id, const std::string& name) {
    Json socket = Socket(id, name);
    socket["permissions"] = {{"mode", 0140777}, {"uid", kUser}, {"gid", kUser}};
    return socket;
  }
  static void EndAsUser(Plan& plan) {
    plan.Resume(Pid(0), Plan::Registers(kPause), {{"creds", Credentials(kUser, "0x0")}});
  }
  /// Runs `act` as the user until the test stops it.
  template <typename Act>
  pid_t StartUser(Act&& act) const {
    const pid_t user = fork();
    if (user != 0) return user;
    if (setgroups(0, nullptr) != 0 || setresgid(kUser, kUser, kUser) != 0 ||
        setresuid(kUser, kUser, kUser) != 0) {
      _exit(1);
    }
    for (;;) act();
  }
  static void Stop(pid_t user) {
    kill(user, SIGKILL);
    waitpid(user, nullptr, 0);
  }
  void Fails(const Plan& plan, int status, const std::string& message) {
    const Outcome outcome = Run(plan);
    EXPECT_EQ(outcome.status, status) << outcome.errors;
    EXPECT_NE(outcome.errors.find(message), std::string::npos) << message << "\n" << outcome.errors;
    EXPECT_TRUE(Left().empty());
  }
  /// What the process has as `fd`.
  static int Take(int fd, int n = 0) {
    const auto process = static_cast<int>(syscall(SYS_pidfd_open, Pid(n), 0));
    const auto taken = static_cast<int>(syscall(SYS_pidfd_getfd, process, fd, 0));
    close(process);
    return taken;
  }
  static ucred PeerOf(int socket) {
    ucred peer = {};
    socklen_t size = sizeof peer;
    EXPECT_EQ(getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size), 0);
    return peer;
  }
  static int ConnectTo(const std::string& name, int type = SOCK_STREAM) {
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    name.copy(address.sun_path, sizeof address.sun_path);
    const int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
    if (connect(fd, reinterpret_cast<sockaddr*>(&address), size) == 0) return fd;
    close(fd);
    return -1;
  }
  /// Kills the process that was started, and in another try the one that restores, when `name` is
  /// there: nothing that `is_made` says is of the restore stays in the folder root.
  template <typename IsMade>
  void KillWhenThere(const Plan& plan, const std::string& name, IsMade&& is_made) {
    std::ofstream(folder_ + "/plan.json") << plan.Text();
    for (const bool starter : {true, false}) {
      SCOPED_TRACE(starter ? "the one that was started" : "the one that restores");
      const pid_t pid = fork();
      if (pid == 0) {
        [[maybe_unused]] int rc = chdir(folder_.c_str());
        rc = open("errors", O_WRONLY | O_CREAT | O_TRUNC, 0600);
        dup2(rc, 2);
        execl(CRRESTORE_BINARY, "crrestore", "plan.json", "--detach", "--pidfile", "root/pid",
              nullptr);
        _exit(127);
      }
      int status = 0;
      while (!fs::exists(name)) {
        ASSERT_EQ(waitpid(pid, &status, WNOHANG), 0) << std::ifstream(folder_ + "/errors").rdbuf();
      }
      pid_t restorer = 0;
      std::ifstream("/proc/" + std::to_string(pid) + "/task/" + std::to_string(pid) +
                    "/children") >>
          restorer;
      kill(starter ? pid : restorer, SIGKILL);
      waitpid(pid, nullptr, 0);
      const auto left = [&] {
        std::set<std::string> names;
        for (const auto& entry : fs::directory_iterator(Path("root"))) {
          if (is_made(entry.path())) names.insert(entry.path());
        }
        return names;
      };
      const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
      while ((!left().empty() || !Left().empty()) && std::chrono::steady_clock::now() < deadline) {
        while (waitpid(-1, nullptr, WNOHANG | __WALL) > 0) {
        }
      }
      EXPECT_EQ(left(), std::set<std::string>());
      EXPECT_TRUE(Left().empty());
    }
  }
  void MakeStale(const std::string& name) const {
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    Path(name).copy(address.sun_path, sizeof address.sun_path);
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ASSERT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    close(fd);
  }
};

}  // namespace crgen::test
