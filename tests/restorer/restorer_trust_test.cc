// SPDX-License-Identifier: Apache-2.0
// What others can change between the look at a name and its use, or before.
#include <poll.h>
#include <sys/xattr.h>

#include "preflight/trusted_path.h"
#include "tests/support/trust_fixture.h"

namespace crgen::test {
namespace {

long System(long number, auto... arguments) {
  const long result = syscall(number, arguments...);
  return result < 0 ? -errno : result;
}

TEST_F(RestorerTrustTest, OnlyLinksOfRootAreFollowed) {
  const auto system = [](long number, auto... arguments) { return System(number, arguments...); };
  using Way = TrustedPath<decltype(system)>;
  const auto look = [&](const std::string& name, Way::Foreign foreign = Way::Foreign::kRefuse) {
    Way way(system, foreign);
    const long fd = way.Open(Path(name).c_str(), O_CLOEXEC);
    if (fd < 0) return std::pair(fd, std::string());
    const std::string found = fs::read_symlink("/proc/self/fd/" + std::to_string(fd)).string() +
                              (way.owner().any && foreign == Way::Foreign::kFollow
                                   ? " of " + std::to_string(way.owner().uid)
                                   : "");
    close(static_cast<int>(fd));
    return std::pair(0l, found);
  };
  const auto found = [&](const std::string& name) { return std::pair(0l, Path(name)); };
  const auto refused = std::pair(Way::kForeign, std::string());
  EXPECT_EQ(look("root/file"), found("root/file"));
  EXPECT_EQ(look("user/own"), found("user/own"));
  EXPECT_EQ(look("user/link/file"), refused);
  EXPECT_EQ(look("user/link"), refused);
  // Root's, where nobody else writes: also a relative one, in the middle, through another, or
  // beside the root directory of a sticky folder that all may write.
  Link("root/../root", "relative", 0);
  Link(Path("relative"), "twice", 0);
  EXPECT_EQ(look("twice/file"), found("root/file"));
  EXPECT_EQ(look("twice//./../root/file"), found("root/file"));
  // Root's, but the user can move it to another place.
  Link(Path("root"), "user/roots", 0);
  EXPECT_EQ(look("user/roots/file"), refused);
  // The user's, in a folder of root's.
  Link(Path("root"), "users", kUser);
  EXPECT_EQ(look("users/file"), refused);
  // Root's link to the user's folder, and on through his.
  Link(Path("user"), "to-user", 0);
  EXPECT_EQ(look("to-user/own"), found("user/own"));
  EXPECT_EQ(look("to-user/link/file"), refused);
  fs::create_directory(Path("open"));
  chmod(Path("open").c_str(), 0775);
  Link(Path("root"), "open/link", 0);
  EXPECT_EQ(look("open/link/file"), refused);
  Link("loop", "loop", 0);
  EXPECT_EQ(look("loop").first, -ELOOP);
  EXPECT_EQ(look("root/none").first, -ENOENT);
  EXPECT_EQ(look("root/file/none").first, -ENOTDIR);
  const auto follow = Way::Foreign::kFollow;
  EXPECT_EQ(look("root", follow), found("root"));
  EXPECT_EQ(look("twice", follow), found("root"));
  EXPECT_EQ(look("user/link", follow), std::pair(0l, Path("root") + " of 1000"));
  EXPECT_EQ(look("users", follow), std::pair(0l, Path("root") + " of 1000"));
  EXPECT_EQ(look("user/own", follow), std::pair(0l, Path("user/own") + " of 1000"));
}

/// A folder hands an ACL on to what is made in it, and the mode of an unlinked file would grant
/// rights to whom that names.
TEST_F(RestorerTrustTest, NoAclOfAFolderForAnUnlinkedFile) {
  struct Entry {
    std::uint16_t tag, rights;
    std::uint32_t id;
  };
  struct {
    std::uint32_t version = 2;
    Entry entries[5] = {{1, 7, ~0u}, {2, 7, kUser}, {4, 5, ~0u}, {16, 7, ~0u}, {32, 0, ~0u}};
  } acl;
  if (setxattr(Path("root").c_str(), "system.posix_acl_default", &acl, sizeof acl, 0) != 0) {
    GTEST_SKIP() << "no ACLs here: " << std::strerror(errno);
  }
  Plan plan = Begin();
  const Json unlinked = {{"id", 1}, {"mode", 0100660}, {"uid", 0}, {"gid", 0}, {"size", 0}};
  Open(plan, 3, {{"type", "REG"}, {"path", Path("root/gone")}, {"unlinked", unlinked}});
  plan.Resume(Pid(0));
  const Outcome outcome = Run(plan);
  ASSERT_EQ(outcome.status, 0) << outcome.errors;
  const std::string file = "/proc/" + std::to_string(Pid(0)) + "/fd/3";
  EXPECT_EQ(getxattr(file.c_str(), "system.posix_acl_access", nullptr, 0), -1);
  EXPECT_EQ(errno, ENODATA);
}

TEST_F(RestorerTrustTest, NoFileBehindALinkOfTheUser) {
  const char* why = "a symbolic link on the way is not root's";
  Plan plan = Begin();
  Open(plan, 3, {{"type", "REG"}, {"path", Path("user/link/file")}});
  EndAsUser(plan);
  Fails(plan, 3, why);
  plan = Begin();
  plan.Add("SET_ATTR", Pid(0),
           {{"attributes", {{"fs", {{"cwd", Path("user/link")}, {"root", "/"}, {"umask", 18}}}}}});
  EndAsUser(plan);
  Fails(plan, 3, why);
  plan = Begin();
  Open(plan, 3,
       {{"type", "REG"},
        {"path", Path("user/link/gone")},
        {"unlinked", {{"id", 1}, {"mode", 0100600}, {"uid", kUser}, {"gid", kUser}, {"size", 0}}}});
  EndAsUser(plan);
  Fails(plan, 3, why);
  // As root has moved a tree.
  Link(Path("root"), "moved", 0);
  plan = Begin();
  Open(plan, 3, {{"type", "REG"}, {"path", Path("moved/file")}, {"flags", {"O_RDONLY"}}});
  plan.Resume(Pid(0));
  const Outcome outcome = Run(plan);
  EXPECT_EQ(outcome.status, 0) << outcome.errors;
}

/// Where the user has a link on the way, a name is bound with his rights.
TEST_F(RestorerTrustTest, ASocketsNameGoesNowhereWhereTheUserMayNotGo) {
  Plan plan = Begin();
  Open(plan, 3, Owned(1, Path("user/link/s")));
  EndAsUser(plan);
  Fails(plan, 5, "EACCES");
  EXPECT_FALSE(fs::exists(Path("root/s")));
  EXPECT_EQ(Facts("root/file").st_mode, 0100600u);
  // A socket file of root's that nobody has any more makes no room for him.
  MakeStale("root/s");
  const struct stat before = Facts("root/s");
  Fails(plan, 5, "EACCES");
  EXPECT_EQ(Facts("root/s").st_ino, before.st_ino);
  EXPECT_EQ(Facts("root/s").st_uid, 0u);
  EXPECT_EQ(Facts("root/s").st_mode, before.st_mode);
}

TEST_F(RestorerTrustTest, ASocketsNameMayGoThroughALinkOfTheUser) {
  MakeStale("user/own/s");
  Give("user/own/s");
  Plan plan = Begin();
  Open(plan, 3, Owned(1, Path("user/to-own/s")));
  Json relative = Owned(2, "own/r");
  relative["name_directory"] = Path("user");
  Open(plan, 4, relative);
  EndAsUser(plan);
  const Outcome outcome = Run(plan);
  ASSERT_EQ(outcome.status, 0) << outcome.errors;
  for (const char* name : {"user/own/s", "user/own/r"}) {
    EXPECT_EQ(Facts(name).st_mode, 0140777u);
    EXPECT_EQ(Facts(name).st_uid, static_cast<uid_t>(kUser));
    EXPECT_EQ(Facts(name).st_gid, static_cast<gid_t>(kUser));
    const int client = ConnectTo(Path(name));
    EXPECT_GE(client, 0) << name;
    close(client);
  }
}

/// The user turns a link around all the time: what root has never becomes his.
TEST_F(RestorerTrustTest, ALinkThatTurnsAround) {
  constexpr int kRounds = 15;
  const std::string link = Path("user/turns");
  Link(Path("user/own"), "user/turns", kUser);
  std::ofstream(Path("root/s")) << "secret";
  const pid_t user = StartUser([&] {
    for (const char* to : {"root", "user/own"}) {
      [[maybe_unused]] int rc = symlink(Path(to).c_str(), (link + ".new").c_str());
      rc = rename((link + ".new").c_str(), link.c_str());
    }
  });
  int restored = 0;
  for (int i = 0; i < kRounds; ++i) {
    Plan plan = Begin();
    for (int fd = 3; fd < 9; ++fd) Open(plan, fd, Owned(fd, link + "/s" + std::to_string(fd)));
    Open(plan, 9, Owned(9, link + "/s"));
    EndAsUser(plan);
    restored += Run(plan).status == 0;
    KillEverybody();
    for (int fd = 3; fd < 9; ++fd) {
      EXPECT_FALSE(fs::exists(Path("root/s" + std::to_string(fd))));
      fs::remove(Path("user/own/s" + std::to_string(fd)));
    }
    fs::remove(Path("user/own/s"));
    EXPECT_EQ(Facts("root/s").st_uid, 0u);
    EXPECT_TRUE(S_ISREG(Facts("root/s").st_mode));
  }
  std::printf("%d of %d were restored\n", restored, kRounds);
  Stop(user);
}

/// Strangers connect as soon as there is a listener: its connections are the plan's all the same.
TEST_F(RestorerTrustTest, AcceptsNobodyElsesConnection) {
  const std::string abstract = std::string(1, '\0') + "crrestore-trust";
  const pid_t user = StartUser([&] {
    const int fd = ConnectTo(abstract);
    if (fd < 0) return;
    poll(nullptr, 0, 20);
    close(fd);
  });
  Plan plan = Begin();
  Open(plan, 3, Socket(1, abstract));
  for (int fd = 100; fd < 1100; ++fd) Open(plan, fd, {{"type", "EVENTFD"}, {"counter", 0}});
  constexpr int kPairs = 20;
  for (int i = 0; i < kPairs; ++i) {
    Json client = Socket(10 + 2 * i, ""), accepted = Socket(11 + 2 * i, abstract);
    for (Json* end : {&client, &accepted}) {
      (*end)["state"] = "connected";
      (*end)["flags"] = {"O_RDWR"};
      end->erase("backlog");
      (*end)["id"] = (*end)["socket_id"];
    }
    client.erase("name");
    client["connect_to"] = 1;
    accepted["accept_from"] = 3;
    plan.Add(
        "OPEN_FILE", Pid(0),
        {{"fd", 10 + 2 * i}, {"file", client}, {"peer", {{"fd", 11 + 2 * i}, {"file", accepted}}}});
  }
  plan.Resume(Pid(0));
  const Outcome outcome = Run(plan);
  Stop(user);
  ASSERT_EQ(outcome.status, 0) << outcome.errors;
  for (int i = 0; i < kPairs; ++i) {
    const int client = Take(10 + 2 * i), accepted = Take(11 + 2 * i);
    EXPECT_EQ(PeerOf(accepted).pid, Pid(0));
    EXPECT_EQ(PeerOf(accepted).uid, 0u);
    ASSERT_EQ(write(client, "x", 1), 1);
    pollfd ready = {accepted, POLLIN, 0};
    EXPECT_EQ(poll(&ready, 1, 0), 1);
    close(client);
    close(accepted);
  }
}

TEST_F(RestorerTrustTest, SocketsAreTheirProcesss) {
  const std::string abstract = std::string(1, '\0') + "crrestore-owned";
  Plan plan = Begin();
  Open(plan, 3, Socket(1, abstract));
  Open(plan, 4,
       {{"type", "INETSK"},
        {"family", "AF_INET"},
        {"socket_type", "SOCK_STREAM"},
        {"protocol", "IPPROTO_TCP"},
        {"state", "TCP_LISTEN"},
        {"source", {{"address", "127.0.0.1"}, {"port", 23456}}},
        {"backlog", 3}});
  Json one = Socket(5, ""), other = Socket(6, "");
  for (Json* end : {&one, &other}) {
    (*end)["state"] = "connected";
    (*end)["flags"] = {"O_RDWR"};
    (*end)["id"] = (*end)["socket_id"];
    end->erase("backlog");
    end->erase("name");
  }
  plan.Add("OPEN_FILE", Pid(0), {{"fd", 5}, {"file", one}, {"peer", {{"fd", 6}, {"file", other}}}});
  EndAsUser(plan);
  const Outcome outcome = Run(plan);
  ASSERT_EQ(outcome.status, 0) << outcome.errors;
  const int client = ConnectTo(abstract);
  ASSERT_GE(client, 0);
  const int end = Take(5);
  for (const int fd : {client, end}) {
    EXPECT_EQ(PeerOf(fd).pid, Pid(0));
    EXPECT_EQ(PeerOf(fd).uid, static_cast<uid_t>(kUser));
    EXPECT_EQ(PeerOf(fd).gid, static_cast<gid_t>(kUser));
    gid_t groups[100];
    socklen_t size = sizeof groups;
    EXPECT_EQ(getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size), 0);
    EXPECT_EQ(size, sizeof groups[0]);
    EXPECT_EQ(groups[0], static_cast<gid_t>(kUser));
    close(fd);
  }
  for (int fd = 3; fd <= 6; ++fd) {
    const int socket = Take(fd);
    struct stat facts = {};
    EXPECT_EQ(fstat(socket, &facts), 0);
    EXPECT_EQ(facts.st_uid, static_cast<uid_t>(kUser)) << fd;
    EXPECT_EQ(facts.st_gid, static_cast<gid_t>(kUser)) << fd;
    close(socket);
  }
}

TEST_F(RestorerTrustTest, NobodyKeepsANameOfAnUnlinkedFile) {
  const pid_t user = StartUser([&] {
    [[maybe_unused]] const int rc = rename(Path("user/gone").c_str(), Path("user/kept").c_str());
  });
  Plan plan = Begin();
  // The one with the content, the one that is taken, and many that take their time.
  Json content = {{{"at", 0}, {"source", {{"image", "content.img"}, {"offset", 0}}}, {"bytes", 5}}};
  Json first = {{"id", 1}, {"mode", 0100600}, {"uid", 0}, {"gid", 0}, {"size", 5}};
  first["content"] = content;
  Open(plan, 3, {{"type", "REG"}, {"path", Path("root/first")}, {"unlinked", first}});
  for (int fd = 4; fd < 400; ++fd) {
    Open(plan, fd,
         {{"type", "REG"},
          {"path", Path(fd == 4 ? "user/gone" : "root/gone" + std::to_string(fd))},
          {"unlinked", {{"id", fd}, {"link_of", 1}}}});
  }
  plan.Resume(Pid(0));
  const Outcome outcome = Run(plan);
  Stop(user);
  ASSERT_TRUE(fs::exists(Path("user/kept"))) << "the user was too late";
  EXPECT_EQ(outcome.status, 5) << outcome.errors;
  EXPECT_NE(outcome.errors.find("1 names instead of 0: who may write in its folder has kept one"),
            std::string::npos)
      << outcome.errors;
}

TEST_F(RestorerTrustTest, AFailureRemovesNoSocketFileOfOthers) {
  MakeStale("user/stale");
  Plan plan = Begin();
  plan.Map(Pid(0), 0x100000000000, 1 << 30, {"PROT_READ", "PROT_WRITE"});  // more than there is
  Open(plan, 3, Socket(1, Path("user/stale")));
  plan.Resume(Pid(0));
  Fails(plan, 5, "Cannot allocate memory");
  EXPECT_TRUE(S_ISSOCK(Facts("user/stale").st_mode));
}

/// Who is killed first leaves it to the other one.
TEST_F(RestorerTrustTest, WhoeverIsKilledLeavesNoName) {
  constexpr int kSockets = 300;
  Plan plan = Begin();
  for (int i = 0; i < kSockets; ++i) {
    Open(plan, 3 + i, Socket(1 + i, Path("root/s" + std::to_string(i))));
  }
  for (int i = 0; i < 5000; ++i) {
    plan.Map(Pid(0), 0x10000000ull + static_cast<unsigned>(i) * 0x2000ull, 1, {"PROT_READ"});
  }
  plan.Resume(Pid(0));
  KillWhenThere(plan, Path("root/s10"), [](const fs::path& name) {
    return name.filename().string().starts_with("pid") || fs::is_socket(name);
  });
}

/// Folders that nobody has any more are there as long as something is made in them; where their
/// names are taken they have others.
TEST_F(RestorerTrustTest, WhoeverIsKilledLeavesNoNameOfTheMoment) {
  std::ofstream(Path("root/taken")) << "live";
  Plan plan = Begin();
  const auto gone = [&](int fd, const std::string& name, unsigned mode, Json flags, Json more) {
    Json unlinked = {{"id", fd}, {"mode", mode}, {"uid", 0}, {"gid", 0}};
    unlinked.update(more);
    Open(plan, fd,
         {{"type", "REG"}, {"path", Path(name)}, {"flags", flags}, {"unlinked", unlinked}});
  };
  for (const int fd : {3, 4}) {
    gone(fd, fd == 3 ? "root/gone" : "root/taken", S_IFDIR | 0700, {"O_RDONLY", "O_DIRECTORY"},
         Json::object());
  }
  for (int fd = 5; fd < 3000; ++fd) {
    gone(fd, "root/gone/folder/" + std::to_string(fd), S_IFREG | 0600, {"O_RDWR"}, {{"size", 0}});
  }
  plan.Resume(Pid(0));
  const std::string file = Path("root/file"), taken = Path("root/taken");
  KillWhenThere(plan, Path("root/gone/folder"),
                [&](const fs::path& name) { return name != file && name != taken; });
  EXPECT_TRUE(fs::exists(taken));
}

}  // namespace
}  // namespace crgen::test

int main(int argc, char** argv) { return crgen::test::MainInNewPidNamespace(argc, argv); }
