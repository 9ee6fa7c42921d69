// SPDX-License-Identifier: Apache-2.0
// Connections to servers of outside: with the ids of who is to have them, and through no link that
// leads where its owner may not go.
#include <poll.h>

#include "tests/support/trust_fixture.h"

namespace crgen::test {
namespace {

/// Who listens, until it ends.
class Server {
 public:
  Server(const std::string& name, int type) : fd_(socket(AF_UNIX, type | SOCK_CLOEXEC, 0)) {
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    name.copy(address.sun_path, sizeof address.sun_path);
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
    EXPECT_EQ(bind(fd_, reinterpret_cast<sockaddr*>(&address), size), 0) << name;
    if (type == SOCK_STREAM) {
      EXPECT_EQ(listen(fd_, 5), 0);
    }
    if (name[0] == '/') chmod(name.c_str(), 0666);
  }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  ~Server() { close(fd_); }
  /// -1: nobody has come.
  int Accept() const {
    pollfd ready = {fd_, POLLIN, 0};
    return poll(&ready, 1, 0) == 1 ? accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC) : -1;
  }

 private:
  int fd_;
};

/// A connection to somebody outside, anew: with the ids of who is to have it.
class OutsideTrustTest : public RestorerTrustTest {
 protected:
  void SetUp() override {
    RestorerTrustTest::SetUp();
    if (IsSkipped()) return;
    fs::create_directory(Path("closed"));
    chmod(Path("closed").c_str(), 0700);
    Link(Path("closed/s"), "user/to-closed", kUser);
  }
  static Json Outside(const std::string& peer, const char* type) {
    return {{"type", "UNIXSK"},    {"flags", {"O_RDWR"}},  {"socket_id", 88},
            {"socket_type", type}, {"state", "connected"}, {"external", "socket:[88]"},
            {"peer_name", peer}};
  }
  static Plan Connecting(const std::string& peer, int user, const char* type = "SOCK_STREAM") {
    Plan plan = Begin();
    Open(plan, 4, Outside(peer, type));
    if (user == 0) {
      plan.Resume(Pid(0));
    } else {
      EndAsUser(plan);
    }
    return plan;
  }
  void ExpectRefused(const Plan& plan, const std::string& message) {
    for (const char* how : {"--detach --ext-unix-sk", "--detach --external 'unix[88]'",
                            "--preflight --ext-unix-sk"}) {
      const Outcome outcome = Run(plan, how);
      EXPECT_EQ(outcome.status, 3) << outcome.errors;
      EXPECT_NE(outcome.errors.find(message), std::string::npos) << outcome.errors;
      EXPECT_TRUE(Left().empty());
    }
  }
};

TEST_F(OutsideTrustTest, TheServerSeesWhoHasIt) {
  const std::string abstract = std::string(1, '\0') + "crrestore-outside";
  for (const std::string& name : {Path("user/own/s"), Path("open-to-all"), abstract}) {
    for (const int user : {kUser, 0}) {
      SCOPED_TRACE(name + " " + std::to_string(user));
      const Server server(name, SOCK_STREAM);
      const Outcome outcome = Run(Connecting(name, user), "--detach --ext-unix-sk");
      ASSERT_EQ(outcome.status, 0) << outcome.errors;
      const int peer = server.Accept();
      ASSERT_GE(peer, 0);
      EXPECT_EQ(PeerOf(peer).uid, static_cast<uid_t>(user));
      EXPECT_EQ(PeerOf(peer).gid, static_cast<gid_t>(user));
      const int end = Take(4);
      EXPECT_EQ(write(end, "x", 1), 1);
      char byte = 0;
      EXPECT_EQ(read(peer, &byte, 1), 1);
      struct stat facts = {};
      EXPECT_EQ(fstat(end, &facts), 0);
      EXPECT_EQ(facts.st_uid, static_cast<uid_t>(user));
      close(end);
      close(peer);
      KillEverybody();
      if (name[0] == '/') fs::remove(name);
    }
  }
}

TEST_F(OutsideTrustTest, NoWayThatTheUserMayNotGo) {
  for (const char* type : {"SOCK_STREAM", "SOCK_DGRAM"}) {
    SCOPED_TRACE(type);
    const Server server(Path("closed/s"), type[5] == 'S' ? SOCK_STREAM : SOCK_DGRAM);
    // His own, and root's that goes through his folder.
    const std::string denied = ", as user 1000: Permission denied";
    for (const int user : {kUser, 0}) {
      ExpectRefused(Connecting(Path("user/to-closed"), user, type),
                    "connect(2) to " + Path("user/to-closed") + denied);
    }
    ExpectRefused(Connecting(Path("closed/s"), kUser, type), Path("closed/s") + denied);
    // By his link not even where this process of his may go, with CAP_DAC_OVERRIDE.
    Plan capable = Begin();
    Open(capable, 4, Outside(Path("user/to-closed"), type));
    capable.Resume(Pid(0), Plan::Registers(kPause), {{"creds", Credentials(kUser, "0x2")}});
    ExpectRefused(capable, Path("user/to-closed") + denied);
    // He may go there, but not connect.
    chmod(Path("closed").c_str(), 0755);
    chmod(Path("closed/s").c_str(), 0600);
    for (const int user : {kUser, 0}) {
      ExpectRefused(Connecting(Path("user/to-closed"), user, type), denied);
    }
    chmod(Path("closed").c_str(), 0700);
    EXPECT_EQ(server.Accept(), -1);
    const Outcome outcome = Run(Connecting(Path("closed/s"), 0, type), "--detach --ext-unix-sk");
    EXPECT_EQ(outcome.status, 0) << outcome.errors;
    KillEverybody();
    fs::remove(Path("closed/s"));
  }
}

/// While the user turns the link around, root's server never has a connection.
TEST_F(OutsideTrustTest, ALinkThatTurnsAround) {
  const Server closed(Path("closed/s"), SOCK_STREAM), own(Path("user/own/s"), SOCK_STREAM);
  const pid_t user = StartUser([&] {
    for (const char* to : {"closed/s", "user/own/s"}) {
      [[maybe_unused]] int rc = symlink(Path(to).c_str(), Path("user/new").c_str());
      rc = rename(Path("user/new").c_str(), Path("user/turns").c_str());
    }
  });
  while (!fs::is_symlink(fs::symlink_status(Path("user/turns")))) {
  }
  int restored = 0;
  for (int i = 0; i < 30; ++i) {
    restored +=
        Run(Connecting(Path("user/turns"), i % 2 == 0 ? 0 : kUser), "--detach --ext-unix-sk")
            .status == 0;
    KillEverybody();
    EXPECT_EQ(closed.Accept(), -1);
    close(own.Accept());
  }
  std::printf("%d of 30 were restored\n", restored);
  Stop(user);
}

}  // namespace
}  // namespace crgen::test

int main(int argc, char** argv) { return crgen::test::MainInNewPidNamespace(argc, argv); }
