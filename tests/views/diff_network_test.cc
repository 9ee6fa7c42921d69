// SPDX-License-Identifier: Apache-2.0
// What of the images of a network says the same in another dump.
#include "views/diff_network.h"

#include <gtest/gtest.h>
#include <linux/if_addr.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/rtnetlink.h>

#include <cstdint>
#include <utility>

#include "tests/support/netlink_messages.h"

namespace crgen {
namespace {

using namespace test;  // NOLINT: the vocabulary of these tests

std::string Address(std::uint32_t number, unsigned char length, const std::string& time) {
  ifaddrmsg head = {};
  head.ifa_prefixlen = length;
  return NetlinkMessageOf(
      RTM_NEWADDR,
      Raw(head) + NetlinkAttribute(IFA_LABEL, "left:a") + NetlinkAttribute(IFA_CACHEINFO, time),
      number);
}

TEST(DiffNetworkTest, MessagesSayNothingOfNumbersAndTimes) {
  const std::string magic = "1234";
  const auto meaning = [&](const std::string& content) {
    return NetworkMeaning("IFADDR", magic + content);
  };
  const std::string one = Address(1, 24, "time"), other = Address(7, 25, "time");
  EXPECT_EQ(meaning(one), meaning(Address(9, 24, "emit")));
  EXPECT_NE(meaning(one), meaning(other));
  EXPECT_NE(meaning(one), meaning(""));
  EXPECT_NE(meaning(one), meaning(one + one));
  EXPECT_NE(meaning(one + other), meaning(other + one)) << "the first is the primary one";
}

TEST(DiffNetworkTest, ConnectionsHaveNoOrder) {
  const auto connection = [](const std::string& tuple, const std::string& timeout) {
    return NetlinkMessageOf(0,
                            Raw(nfgenmsg{}) +
                                NetlinkAttribute(CTA_TUPLE_ORIG | NLA_F_NESTED, tuple) +
                                NetlinkAttribute(CTA_TIMEOUT, timeout),
                            3);
  };
  const auto meaning = [](const std::string& content) {
    return NetworkMeaning("NETNF_CT", content);
  };
  EXPECT_EQ(meaning(connection("here", "soon") + connection("away", "then")),
            meaning(connection("away", "late") + connection("here", "soon")));
  EXPECT_NE(meaning(connection("here", "soon")), meaning(connection("away", "soon")));
}

TEST(DiffNetworkTest, RulesSayNothingOfDatesAndPackets) {
  const auto same = [](const std::string& one, const std::string& other) {
    return NetworkMeaning("IPTABLES", one) == NetworkMeaning("IPTABLES", other);
  };
  EXPECT_TRUE(same("# on Monday\n:INPUT DROP [1:70]\n", "# on Friday\n:INPUT DROP [22:8]\n"));
  EXPECT_TRUE(same("[1:70] -A INPUT -s 10.0.0.1\n", "[2:8] -A INPUT -s 10.0.0.1\n"));
  EXPECT_FALSE(same("[1:70] -A INPUT -s 10.0.0.1\n", "[1:70] -A INPUT -s 10.0.0.2\n"));
  EXPECT_FALSE(same(":INPUT DROP [1:70]\n", ":INPUT ACCEPT [1:70]\n"));
  EXPECT_TRUE(same("ip saddr 10.1.1.1 counter packets 3 bytes 99 drop\n",
                   "ip saddr 10.1.1.1 counter packets 400 bytes 7 drop\n"));
  EXPECT_FALSE(same("ip saddr 10.1.1.1 counter packets 3 bytes 99 drop\n",
                    "ip saddr 10.1.1.2 counter packets 3 bytes 99 drop\n"));
  EXPECT_TRUE(same("elements = { 10.1.1.1 timeout 1h expires 59m30s, 10.1.1.2 }\n",
                   "elements = { 10.1.1.1 timeout 1h expires 3m2s4ms, 10.1.1.2 }\n"));
  EXPECT_FALSE(same("elements = { 10.1.1.1 timeout 1h expires 59m30s }\n",
                    "elements = { 10.1.1.1 timeout 2h expires 59m30s }\n"));
  EXPECT_FALSE(same("a\nb\n", "ab\n"));
  EXPECT_TRUE(
      same("\tcounter c {\n\t\tpackets 1 bytes 20\n", "\tcounter c {\n\t\tpackets 4 bytes 5\n"));
}

/// The words of counters are words of rules, too.
TEST(DiffNetworkTest, RulesAreComparedToTheirEnd) {
  const std::pair<std::string, std::string> kOthers[] = {
      {"limit rate 400/minute burst 7 packets accept",
       "limit rate 400/minute burst 7 packets drop"},
      {"limit rate 1 mbytes/second burst 9 bytes", "limit rate 1 mbytes/second burst 8 bytes"},
      {"ct original packets > 20 drop", "ct original packets < 20 drop"},
      {"ct original packets 20 drop", "ct original packets 21 drop"},
      {"ct original packets 20 bytes 7", "ct original packets 20 bytes 8"},
      {"ct reply bytes 20 drop", "ct reply bytes 21 drop"},
      {"dnat to [2001:db8::1]:80", "dnat to [2001:db8::2]:80"},
      {"dnat to [1:2]", "dnat to [1:3]"},
      {"-A INPUT --comment \"counter packets 1\"", "-A INPUT --comment \"counter packets 2\""},
      {"comment \"an \\\" expires 1\"", "comment \"an \\\" expires 2\""},
      {"counter packets 1 bytes 2 accept", "counter packets 1 bytes 2 drop"},
      {"elements = { 10.1.1.1 expires 1s, 10.1.1.2 }",
       "elements = { 10.1.1.1 expires 1s, 10.1.1.3 }"},
      {"elements = { 10.1.1.1 expires 1s}", "elements = { 10.1.1.1 expires 1s, 10.1.1.3}"},
      {"[1:70] -A INPUT", "[1:70] -A OUTPUT"}};
  for (const auto& [one, other] : kOthers) {
    for (const char* kind : {"IPTABLES", "NFTABLES"}) {
      EXPECT_NE(NetworkMeaning(kind, one + "\n"), NetworkMeaning(kind, other + "\n")) << one;
      EXPECT_EQ(NetworkMeaning(kind, one + "\n"), NetworkMeaning(kind, one)) << one;
    }
  }
}

}  // namespace
}  // namespace crgen
