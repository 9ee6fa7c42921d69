// SPDX-License-Identifier: Apache-2.0
// Names of unix sockets in places that their path does not tell: hidden, below another root, in
// another mount namespace.
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>

#include "tests/support/mounts_fixture.h"

namespace crgen::test {
namespace {

class SocketPlacesTest : public MountsTest {
 protected:
  static Json At(int id, const Json& parent, const char* place, Json more) {
    Json it = {{"id", id}, {"mountpoint", place}, {"root", "/"}, {"flags", {"MS_RELATIME"}}};
    if (!parent.is_null()) it["parent"] = parent;
    it.update(more);
    return it;
  }
  static Json Tmpfs(int superblock, Json more = Json::object()) {
    more.update({{"superblock", superblock}, {"fstype", "tmpfs"}, {"source", "new"}});
    return more;
  }
  /// A tmpfs hides /tmp, and another one that; /data is of outside. In namespace 20 /tmp is one of
  /// its own.
  static Json Both() {
    const Json second = {{"namespace", 20}};
    const auto in_second = [&](Json more) {
      more.update(second);
      return more;
    };
    return Json::array({At(1, {}, "/", {{"superblock", 10}}),
                        At(2, 1, "/proc", {{"superblock", 11}, {"fstype", "proc"}}),
                        At(3, 1, "/data", {{"external", "data"}, {"superblock", 12}}),
                        At(4, 1, "/tmp", Tmpfs(13)), At(5, 4, "/tmp", Tmpfs(14)),
                        At(11, {}, "/", in_second({{"superblock", 10}})),
                        At(12, 11, "/tmp", in_second(Tmpfs(15)))});
  }
  static Json Socket(int id, const std::string& name, const Json& mount, Json more = {}) {
    Json file = {{"type", "UNIXSK"},
                 {"id", id},
                 {"flags", {"O_RDWR"}},
                 {"socket_id", 10 * id},
                 {"socket_type", "SOCK_DGRAM"},
                 {"state", "unconnected"},
                 {"name", name},
                 {"permissions", {{"mode", 0140600 + id}, {"uid", 0}, {"gid", 0}}}};
    if (!mount.is_null()) file["mount"] = mount;
    if (!more.is_null()) file.update(more);
    return file;
  }
  /// The root has the sockets as descriptors from 10 on, in their order; those from 20 on a child
  /// in namespace 20.
  static Plan PlanOf(const std::vector<Json>& of_root, const std::vector<Json>& of_child = {}) {
    Plan plan;
    plan.Fork(0, Pid(0));
    plan.Add("SET_ATTR", Pid(0), {{"attributes", {{"mounts", Both()}}}});
    plan.MapProgram(Pid(0));
    for (std::size_t i = 0; i < of_root.size(); ++i) {
      plan.Add("OPEN_FILE", Pid(0), {{"fd", 10 + i}, {"file", of_root[i]}});
    }
    plan.Fork(Pid(0), Pid(1));
    plan.Add("SET_ATTR", Pid(1), {{"attributes", {{"setns", {{"mnt", 20}}}}}});
    for (std::size_t i = 0; i < of_child.size(); ++i) {
      plan.Add("OPEN_FILE", Pid(1), {{"fd", 20 + i}, {"file", of_child[i]}});
    }
    plan.Resume(Pid(1));
    plan.Resume(Pid(0));
    return plan;
  }
  static int Copy(int index, int fd) {
    const int process = static_cast<int>(syscall(SYS_pidfd_open, Pid(index), 0));
    const int copy = static_cast<int>(syscall(SYS_pidfd_getfd, process, fd, 0));
    close(process);
    return copy;
  }
  /// The name of a socket, and what comes where that path leads from here.
  static void ExpectAt(const std::string& path, int index, int fd, const std::string& name,
                       int id) {
    const int copy = Copy(index, fd);
    ASSERT_GE(copy, 0) << name;
    sockaddr_un address = {};
    socklen_t size = sizeof address;
    EXPECT_EQ(getsockname(copy, reinterpret_cast<sockaddr*>(&address), &size), 0);
    EXPECT_EQ(std::string(address.sun_path), name);
    struct stat status = {};
    EXPECT_EQ(stat(path.c_str(), &status), 0) << path;
    EXPECT_EQ(status.st_mode, 0140600u + static_cast<unsigned>(id)) << path;
    const int folder = open(fs::path(path).parent_path().c_str(), O_PATH | O_DIRECTORY);
    address = {};
    address.sun_family = AF_UNIX;
    strcpy(address.sun_path,
           ("/proc/self/fd/" + std::to_string(folder) + "/" + fs::path(path).filename().string())
               .c_str());
    const int sender = socket(AF_UNIX, SOCK_DGRAM, 0);
    EXPECT_EQ(sendto(sender, "x", 1, 0, reinterpret_cast<sockaddr*>(&address), sizeof address), 1)
        << path << strerror(errno);
    char byte = 0;
    EXPECT_EQ(recv(copy, &byte, 1, MSG_DONTWAIT), 1) << path;
    for (const int one : {copy, folder, sender}) close(one);
  }
  static std::string Of(int index, const std::string& path) {
    return "/proc/" + std::to_string(Pid(index)) + "/root" + path;
  }
};

TEST_F(SocketPlacesTest, WhereMountsHideThem) {
  fs::create_directories(Root() + "/tmp/a/b");
  const std::string before = TextOf("/proc/self/mountinfo");
  ASSERT_NO_FATAL_FAILURE(Restore(
      PlanOf({Socket(1, "/tmp/hidden", 1), Socket(2, "/tmp/a/b/deep", 1),
              Socket(3, "relative", 1, {{"name_directory", "/tmp"}}),
              Socket(4, "tmp/a/from the root", 1, {{"name_directory", "/"}}),
              Socket(5, "/tmp/hidden", 5), Socket(6, "/b/below", 1, {{"name_root", "/tmp/a"}}),
              Socket(7, "/top", 1, {{"name_root", "/tmp"}})}),
      MountArguments()));
  ExpectAt(Root() + "/tmp/hidden", 0, 10, "/tmp/hidden", 1);
  ExpectAt(Root() + "/tmp/a/b/deep", 0, 11, "/tmp/a/b/deep", 2);
  ExpectAt(Root() + "/tmp/relative", 0, 12, "relative", 3);
  ExpectAt(Root() + "/tmp/a/from the root", 0, 13, "tmp/a/from the root", 4);
  ExpectAt(Of(0, "/tmp/hidden"), 0, 14, "/tmp/hidden", 5);
  ExpectAt(Root() + "/tmp/a/b/below", 0, 15, "/b/below", 6);
  ExpectAt(Root() + "/tmp/top", 0, 16, "/top", 7);
  for (const auto& entry : fs::directory_iterator("/proc/" + Process() + "/fd")) {
    EXPECT_LE(std::stoi(entry.path().filename()), 16);
  }
  EXPECT_EQ(fs::read_symlink("/proc/" + Process() + "/root"), "/");
  EXPECT_EQ(TextOf("/proc/self/mountinfo"), before);
}

TEST_F(SocketPlacesTest, BelowAnotherRoot) {
  ASSERT_NO_FATAL_FAILURE(
      Restore(PlanOf({Socket(1, "/in", {}, {{"name_root", "/data"}}), Socket(2, "/in", {})}),
              MountArguments()));
  ExpectAt(folder_ + "/outside/in", 0, 10, "/in", 1);
  ExpectAt(Root() + "/in", 0, 11, "/in", 2);
}

TEST_F(SocketPlacesTest, InAnotherMountNamespace) {
  ASSERT_NO_FATAL_FAILURE(Restore(PlanOf({Socket(1, "/tmp/name", 12), Socket(2, "/tmp/name", 5)},
                                         {Socket(3, "/tmp/own", 12), Socket(4, "/tmp/other", 5),
                                          Socket(5, "tmp/relative", 12, {{"name_directory", "/"}}),
                                          Socket(6, "/tmp/plain", {})}),
                                  MountArguments()));
  ExpectAt(Of(1, "/tmp/name"), 0, 10, "/tmp/name", 1);
  ExpectAt(Of(0, "/tmp/name"), 0, 11, "/tmp/name", 2);
  ExpectAt(Of(1, "/tmp/own"), 1, 20, "/tmp/own", 3);
  ExpectAt(Of(0, "/tmp/other"), 1, 21, "/tmp/other", 4);
  ExpectAt(Of(1, "/tmp/relative"), 1, 22, "tmp/relative", 5);
  ExpectAt(Of(1, "/tmp/plain"), 1, 23, "/tmp/plain", 6);
}

/// Connections are made there, too, and messages go there.
TEST_F(SocketPlacesTest, ConnectedByNamesThatAreHidden) {
  Json sender = {{"type", "UNIXSK"},
                 {"id", 9},
                 {"flags", {"O_RDWR"}},
                 {"socket_id", 90},
                 {"socket_type", "SOCK_DGRAM"},
                 {"state", "connected"},
                 {"connect_to", 10}};
  ASSERT_NO_FATAL_FAILURE(
      Restore(PlanOf({Socket(1, "/tmp/hidden", 1)}, {sender}), MountArguments()));
  const int one = Copy(1, 20), other = Copy(0, 10);
  char byte = 0;
  EXPECT_EQ(send(one, "x", 1, MSG_DONTWAIT), 1);
  EXPECT_EQ(recv(other, &byte, 1, MSG_DONTWAIT), 1);
  close(one);
  close(other);
}

/// One that nobody has makes room; and what a restore that fails has made is gone.
TEST_F(SocketPlacesTest, NothingIsLeft) {
  Must("cd " + Root() +
       "/tmp && python3 -c 'import socket; "
       "socket.socket(socket.AF_UNIX).bind(\"hidden\")'");
  const std::vector<Json> sockets = {Socket(1, "/tmp/hidden", 1), Socket(2, "/tmp/more", 1),
                                     Socket(3, "/in", 3, {{"name_root", "/data"}}),
                                     Socket(4, "/data2", 11)};
  const Json missing = {
      {"type", "REG"}, {"id", 8}, {"path", "/tmp/none"}, {"mount", 12}, {"flags", {"O_RDONLY"}}};
  const Outcome outcome = Run(PlanOf(sockets, {missing}), "--detach " + MountArguments());
  EXPECT_EQ(outcome.status, 5) << outcome.errors;
  for (const std::string& path :
       {Root() + "/tmp/hidden", Root() + "/tmp/more", folder_ + "/outside/in", Root() + "/data2"}) {
    EXPECT_FALSE(fs::exists(fs::symlink_status(path))) << path;
  }
  std::ofstream(Root() + "/tmp/hidden") << "a file";
  const Outcome taken = Run(PlanOf(sockets), "--detach " + MountArguments());
  EXPECT_EQ(taken.status, 5) << taken.errors;
  EXPECT_NE(taken.errors.find("/tmp/hidden"), std::string::npos) << taken.errors;
  EXPECT_EQ(TextOf(Root() + "/tmp/hidden"), "a file");
}

}  // namespace
}  // namespace crgen::test

int main(int argc, char** argv) { return crgen::test::MainInNewPidNamespace(argc, argv); }
