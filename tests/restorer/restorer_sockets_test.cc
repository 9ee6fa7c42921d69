// SPDX-License-Identifier: Apache-2.0
// Internet sockets: what a plan says is what the kernel has, connections in all their states, and
// their peers hear nothing of a restore that fails.
#include "tests/support/connection_plans.h"

namespace crgen::test {
namespace {

using Plan = PlanBuilder;

TEST_F(RestorerSocketsTest, WhoListensIsFound) {
  const Outcome outcome = Run(PlanWith(Listener()));
  ASSERT_EQ(outcome.status, 0) << outcome.errors;
  EXPECT_EQ(TcpStateAt(port_), TCP_LISTEN);
  const int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in to = {};
  to.sin_family = AF_INET;
  to.sin_port = htons(port_);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(connect(client, reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
  close(client);
}

/// Every state of a connection: the kernel has it with its queues, the peer is told what it may not
/// have heard, and no reset is sent.
TEST_F(RestorerSocketsTest, EveryStateOfAConnection) {
  const struct {
    const char* name;
    int number;
    std::uint32_t out, in;  ///< in the queues; a FIN is one
  } states[] = {{"TCP_ESTABLISHED", TCP_ESTABLISHED, 11, 5}, {"TCP_SYN_SENT", TCP_SYN_SENT, 1, 0},
                {"TCP_FIN_WAIT1", TCP_FIN_WAIT1, 12, 5},     {"TCP_FIN_WAIT2", TCP_FIN_WAIT2, 0, 5},
                {"TCP_CLOSE_WAIT", TCP_CLOSE_WAIT, 11, 6},   {"TCP_LAST_ACK", TCP_LAST_ACK, 12, 6},
                {"TCP_CLOSING", TCP_CLOSING, 12, 6},         {"TCP_CLOSE", 0, 0, 0}};
  for (const auto& state : states) {
    SCOPED_TRACE(state.name);
    const Outcome outcome = Run(PlanWith(Connection(state.name)), "--detach --tcp-established");
    ASSERT_EQ(outcome.status, 0) << outcome.errors;
    const TcpFacts facts = TcpFactsAt(port_);
    EXPECT_EQ(facts.state, state.number);
    EXPECT_EQ(facts.out, state.out);
    EXPECT_EQ(facts.in, state.in);
    // What was sent before is sent again after a second or so.
    bool heard = state.out == 0;
    for (int i = 0; i < 200 && !heard; ++i) {
      for (const auto& segment : peer_.Segments(50)) {
        EXPECT_FALSE(segment.reset);
        if (segment.sequence != kOutSeq - state.out) continue;
        heard |= segment.syn ? state.number == TCP_SYN_SENT : segment.data.starts_with("output");
      }
    }
    EXPECT_TRUE(heard);
    NextPort();
  }
}

TEST_F(RestorerSocketsTest, ConnectionsWantTheUsersConsent) {
  const Plan plan = PlanWith(Connection("TCP_ESTABLISHED"));
  const Outcome refused = Run(plan);
  EXPECT_EQ(refused.status, 4);
  EXPECT_NE(refused.errors.find("--tcp-established"), std::string::npos) << refused.errors;
  const Outcome closed = Run(plan, "--detach --tcp-close");
  ASSERT_EQ(closed.status, 0) << closed.errors;
  EXPECT_EQ(TcpStateAt(port_), 0);
  EXPECT_TRUE(peer_.Segments(50).empty());
}

TEST_F(RestorerSocketsTest, WhatTheHostHasNotIsSaidBefore) {
  const int taken = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in at = {};
  at.sin_family = AF_INET;
  at.sin_port = htons(port_);
  ASSERT_EQ(bind(taken, reinterpret_cast<sockaddr*>(&at), sizeof at), 0);
  ASSERT_EQ(listen(taken, 1), 0);
  const auto says = [&](const Json& socket, const std::string& what) {
    const Outcome outcome = Run(PlanWith(socket), "--detach --tcp-established");
    EXPECT_EQ(outcome.status, 3);
    EXPECT_NE(outcome.errors.find(what), std::string::npos) << outcome.errors;
    EXPECT_TRUE(Left().empty());
  };
  says(Listener(), "port " + Port() + " of 127.0.0.1 is taken, by process 1 (");
  close(taken);
  Json elsewhere = Listener();
  elsewhere["source"] = Address("192.0.2.1", port_);
  elsewhere["state"] = "TCP_ESTABLISHED";
  elsewhere["socket_type"] = "SOCK_DGRAM";
  elsewhere["protocol"] = "IPPROTO_UDP";
  elsewhere["destination"] = Address("192.0.2.2", 7);
  elsewhere.erase("backlog");
  says(elsewhere, "the address 192.0.2.1 is not of this host");
  Json device = Listener();
  device["options"] = {{"so_bindtodevice", "nosuch0"}};
  says(device, "there is no interface nosuch0");
  Json short_queue = Connection("TCP_ESTABLISHED");
  short_queue["stream"]["in"]["offset"] = 100;
  says(short_queue, "queues.img has 20 bytes");
}

TEST_F(RestorerSocketsTest, WhoWaitsMayDoSoAtAnAddressOfElsewhere) {
  Json elsewhere = Listener();
  elsewhere["source"] = Address("192.0.2.1", port_);
  const Outcome outcome = Run(PlanWith(elsewhere));
  EXPECT_EQ(outcome.status, 0) << outcome.errors;
  EXPECT_NE(
      outcome.errors.find("the address 192.0.2.1 is not of this host: it is bound all the same"),
      std::string::npos)
      << outcome.errors;
  KillEverybody();
}

TEST_F(RestorerSocketsTest, APortMayBelongToNobodyAnyMore) {
  port_ = 23900;  // it stays in TIME_WAIT
  const int listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in at = {};
  at.sin_family = AF_INET;
  at.sin_port = htons(port_);
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(bind(listening, reinterpret_cast<sockaddr*>(&at), sizeof at), 0);
  ASSERT_EQ(listen(listening, 1), 0);
  ASSERT_EQ(connect(client, reinterpret_cast<sockaddr*>(&at), sizeof at), 0);
  const int accepted = accept(listening, nullptr, nullptr);
  close(listening);
  close(accepted);
  constexpr int kFinWait2 = 5;
  for (int look = 0; look < 5000 && TcpStateAt(port_) != kFinWait2; ++look) usleep(1000);
  const Outcome outcome = Run(PlanWith(Listener()));
  EXPECT_EQ(outcome.status, 3);
  EXPECT_NE(outcome.errors.find("the kernel has it in FIN_WAIT2 (wait until it is over"),
            std::string::npos)
      << outcome.errors;
  EXPECT_EQ(outcome.errors.find("end who has it"), std::string::npos) << outcome.errors;
  close(client);
}

/// Each system call of a restore fails in turn: the peer hears nothing, and a second try works.
TEST_F(RestorerSocketsTest, AFailureIsNoEndOfTheConnection) {
  for (const char* state : {"TCP_ESTABLISHED", "TCP_CLOSING", "TCP_FIN_WAIT2"}) {
    SCOPED_TRACE(state);
    const auto plan = [&] { return PlanWith(Connection(state)); };
    const auto look = [&](const Outcome& outcome) {
      if (outcome.status == 0) {
        EXPECT_NE(TcpStateAt(port_), 0);
        return NextPort();
      }
      EXPECT_EQ(TcpStateAt(port_), 0);
      for (const auto& segment : peer_.Segments(0)) {
        EXPECT_FALSE(segment.reset) << outcome.errors;
        EXPECT_FALSE(segment.fin && state == std::string("TCP_ESTABLISHED")) << outcome.errors;
      }
    };
    EXPECT_GT(FailEachCall(plan, "--detach --tcp-established", look), 40);
  }
}

}  // namespace
}  // namespace crgen::test

int main(int argc, char** argv) {
  if (geteuid() == 0 && !crgen::test::EnterOwnNetwork()) return 1;
  return crgen::test::MainInNewPidNamespace(argc, argv);
}
