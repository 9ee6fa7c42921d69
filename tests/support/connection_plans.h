// SPDX-License-Identifier: Apache-2.0
// Plans with internet sockets, and a peer outside that says nothing of its own.
#pragma once

#include <netinet/tcp.h>

#include <filesystem>

#include "tests/support/network.h"
#include "tests/support/restorer_support.h"

namespace crgen::test {

inline constexpr int kPeerPort = 22002;
inline constexpr std::uint32_t kInSeq = 1'000'000, kOutSeq = 5'000'000;

class RestorerSocketsTest : public RestorerTest {
 protected:
  void SetUp() override {
    RestorerTest::SetUp();
    if (IsSkipped()) return;
    ASSERT_TRUE(peer_.is_up()) << "no TUN device: " << std::strerror(errno);
    std::ofstream(folder_ + "/queues.img") << "headinputoutputlater";
  }

  static Json Address(const std::string& address, int port) {
    return {{"address", address}, {"port", port}};
  }
  static Json Socket(const char* type, const char* protocol, const char* state) {
    return {{"type", "INETSK"},    {"id", 1},
            {"flags", {"O_RDWR"}}, {"family", "AF_INET"},
            {"socket_type", type}, {"protocol", protocol},
            {"state", state}};
  }
  /// The port of the socket. What ends leaves its end to the kernel for a while, so the next one
  /// has another.
  std::string Port() const { return std::to_string(port_); }
  void NextPort() {
    KillEverybody();
    (void)peer_.Segments(0);
    ++port_;
  }

  Json Listener() const {
    Json socket = Socket("SOCK_STREAM", "IPPROTO_TCP", "TCP_LISTEN");
    socket["source"] = Address("127.0.0.1", port_);
    socket["backlog"] = 3;
    return socket;
  }
  static Json Range(int offset, int bytes) {
    return {{"image", "queues.img"}, {"offset", offset}, {"bytes", bytes}};
  }
  /// With "input" received, "output" sent and "later" written, as far as the state has them.
  Json Connection(const std::string& state) const {
    Json socket = Socket("SOCK_STREAM", "IPPROTO_TCP", state.c_str());
    socket["source"] = Address(SilentPeer::kOwn, port_);
    socket["destination"] = Address(SilentPeer::kPeer, kPeerPort);
    socket["options"] = {{"so_reuseaddr", true}, {"so_sndbuf", 40000}, {"so_rcvbuf", 50000}};
    Json& stream = socket["stream"];
    stream = {{"in_seq", kInSeq}, {"out_seq", kOutSeq}, {"mss", 1400}};
    if (state == "TCP_SYN_SENT") return socket;
    stream["scale"] = {{"send", 7}, {"receive", 7}};
    stream["sack"] = true;
    stream["window"] = {{"snd_wl1", kInSeq},
                        {"snd_wnd", 65536},
                        {"max_window", 65536},
                        {"rcv_wnd", 60000},
                        {"rcv_wup", kInSeq}};
    if (state != "TCP_CLOSE") stream["in"] = Range(4, 5);
    // Who has had its FIN acknowledged has nothing left to send.
    if (state != "TCP_CLOSE" && state != "TCP_FIN_WAIT2") {
      stream["out"] = Range(9, 6);
      stream["unsent"] = Range(15, 5);
    }
    return socket;
  }

  /// A process that pauses and has `socket` as descriptor 3.
  static PlanBuilder PlanWith(const Json& socket) {
    PlanBuilder plan;
    plan.Fork(0, Pid(0));
    plan.MapProgram(Pid(0));
    plan.Add("OPEN_FILE", Pid(0), {{"fd", 3}, {"file", socket}});
    if (socket.contains("stream")) {
      Json late = {{{"fd", 3}, {"repair", "off"}}};
      plan.Add("SET_ATTR", Pid(0), {{"attributes", {{"descriptors", late}}}});
    }
    plan.Resume(Pid(0));
    return plan;
  }

  SilentPeer peer_;
  int port_ = 23000;
};

}  // namespace crgen::test
