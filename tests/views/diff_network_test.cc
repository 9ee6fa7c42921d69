// SPDX-License-Identifier: Apache-2.0
// What of the images of a network says the same in another dump.
#include "views/diff_network.h"

#include <gtest/gtest.h>
#include <linux/if_addr.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/rtnetlink.h>

#include <cstdint>

namespace crgen {
namespace {

template <typename T>
std::string Bytes(const T& value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

std::string Attribute(unsigned short type, const std::string& value) {
  std::string bytes =
      Bytes(nlattr{static_cast<unsigned short>(sizeof(nlattr) + value.size()), type}) + value;
  bytes.resize((bytes.size() + 3) / 4 * 4);
  return bytes;
}

std::string Message(std::uint32_t number, const std::string& body) {
  nlmsghdr header = {};
  header.nlmsg_len = static_cast<unsigned>(sizeof header + body.size());
  header.nlmsg_seq = number;
  header.nlmsg_pid = number + 1;
  return Bytes(header) + body;
}

std::string Address(std::uint32_t number, unsigned char length, const std::string& time) {
  ifaddrmsg head = {};
  head.ifa_prefixlen = length;
  return Message(number,
                 Bytes(head) + Attribute(IFA_LABEL, "left:a") + Attribute(IFA_CACHEINFO, time));
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
    return Message(3, Bytes(nfgenmsg{}) + Attribute(CTA_TUPLE_ORIG | NLA_F_NESTED, tuple) +
                          Attribute(CTA_TIMEOUT, timeout));
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
}

}  // namespace
}  // namespace crgen
