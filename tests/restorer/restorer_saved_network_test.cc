// SPDX-License-Identifier: Apache-2.0
// What ip(8) saves: routes made fit for `ip route restore`, and which addresses there are.
#include <gtest/gtest.h>
#include <linux/rtnetlink.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <optional>
#include <string>

#include "restorer/saved_network.h"
#include "tests/support/netlink_messages.h"

namespace crgen::restorer {
namespace {

using namespace test;  // NOLINT: the vocabulary of these tests

constexpr unsigned kLinkState = RTNH_F_DEAD | RTNH_F_LINKDOWN;
constexpr char kMagic[] = "\x24\x12\x31\x45";

std::string NextHop(unsigned flags, const std::string& attributes) {
  const auto size = static_cast<unsigned short>(sizeof(rtnexthop) + attributes.size());
  return Raw(rtnexthop{size, static_cast<unsigned char>(flags), 0, 7}) + attributes;
}

/// A route with an attribute of no multiple of four bytes, and two next hops.
std::string Route(unsigned flags) {
  rtmsg route = {};
  route.rtm_family = AF_INET;
  route.rtm_flags = RTM_F_CLONED | flags;
  const std::string body =
      Raw(route) + NetlinkAttribute(RTA_PREFSRC, "12345") +
      NetlinkAttribute(RTA_MULTIPATH,
                       NextHop(RTNH_F_ONLINK | flags, NetlinkAttribute(RTA_GATEWAY, "gate")) +
                           NextHop(flags, NetlinkAttribute(RTA_GATEWAY, "way.")));
  return NetlinkMessageOf(RTM_NEWROUTE, body);
}

/// "": no copy.
std::string Cleared(const std::string& text) {
  const int image = memfd_create("image", 0);
  EXPECT_EQ(write(image, text.data(), text.size()), static_cast<ssize_t>(text.size()));
  const int copy = RestorableRoutes(image);
  close(image);
  if (copy < 0) return "";
  std::string found(text.size() + 1, 0);
  found.resize(static_cast<std::size_t>(read(copy, found.data(), found.size())));
  close(copy);
  return found;
}

TEST(RoutesTest, SayNothingOfCarriers) {
  const std::string with = kMagic + Route(kLinkState) + Route(RTNH_F_LINKDOWN);
  EXPECT_EQ(Cleared(with), kMagic + Route(0) + Route(0));
  EXPECT_NE(with, kMagic + Route(0) + Route(0));
}

/// Of IPv6, with what the kernel tells in the way in which it takes it, or does not.
std::string EndingRoute(const std::string& end) {
  rtmsg route = {};
  route.rtm_family = AF_INET6;
  const std::string body = Raw(route) + NetlinkAttribute(RTA_PREFSRC, "12345") + end;
  return NetlinkMessageOf(RTM_NEWROUTE, body);
}

TEST(RoutesTest, EndWhenTheyWouldHave) {
  rta_cacheinfo cache = {};
  const std::string never = kMagic + EndingRoute(NetlinkAttribute(RTA_CACHEINFO, Raw(cache)));
  EXPECT_EQ(Cleared(never), never);
  cache.rta_expires = 499'901;  // hundredths of a second
  const std::string rest(sizeof cache - 2 * sizeof(std::uint32_t), 0);
  EXPECT_EQ(Cleared(kMagic + EndingRoute(NetlinkAttribute(RTA_CACHEINFO, Raw(cache)))),
            kMagic + EndingRoute(NetlinkAttribute(RTA_EXPIRES, Raw(std::uint32_t{5000})) +
                                 NetlinkAttribute(RTA_PAD, rest)));
}

TEST(AddressesTest, AreFoundByDeviceAndFamily) {
  const auto message = [](int family, std::uint32_t device, const in6_addr& address) {
    ifaddrmsg head = {};
    head.ifa_family = static_cast<unsigned char>(family);
    head.ifa_index = device;
    const std::string body =
        Raw(head) + NetlinkAttribute(IFA_LABEL, "lo") + NetlinkAttribute(IFA_ADDRESS, Raw(address));
    return NetlinkMessageOf(RTM_NEWADDR, body);
  };
  const auto saves = [](const std::string& text) {
    const int image = memfd_create("image", 0);
    EXPECT_EQ(write(image, text.data(), text.size()), static_cast<ssize_t>(text.size()));
    const std::optional<bool> saved = SavesAddress(image, 3, in6addr_loopback);
    close(image);
    EXPECT_TRUE(saved);
    return saved.value_or(false);
  };
  const std::string magic = "\x22\x12\x36\x47", own = message(AF_INET6, 3, in6addr_loopback);
  const std::string others = message(AF_INET6, 2, in6addr_loopback) +
                             message(AF_INET, 3, in6addr_loopback) +
                             message(AF_INET6, 3, in6addr_any);
  EXPECT_TRUE(saves(magic + own));
  EXPECT_TRUE(saves(magic + others + own));
  EXPECT_FALSE(saves(magic + others));
  for (std::size_t size = 0; size < own.size(); ++size) {
    EXPECT_FALSE(saves(magic + own.substr(0, size))) << size;
  }
  EXPECT_EQ(SavesAddress(-1, 3, in6addr_loopback), std::nullopt);
}

TEST(RoutesTest, KeepWhatIsNone) {
  const std::string one = kMagic + Route(0);
  for (std::size_t size = 0; size < one.size(); ++size) {
    EXPECT_EQ(Cleared(one.substr(0, size)), one.substr(0, size)) << size;
  }
  for (std::size_t at = 4; at < one.size(); ++at) {
    for (const char byte : {0, 1, 0x7f, -1}) {
      std::string broken = one;
      broken[at] = byte;
      EXPECT_EQ(Cleared(broken).size(), broken.size()) << at;
    }
  }
}

}  // namespace
}  // namespace crgen::restorer
