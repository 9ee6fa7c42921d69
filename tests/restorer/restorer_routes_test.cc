// SPDX-License-Identifier: Apache-2.0
// What `ip route save` writes, made fit for `ip route restore`.
#include <gtest/gtest.h>
#include <linux/rtnetlink.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <string>

#include "restorer/routes.h"

namespace crgen::restorer {
namespace {

constexpr unsigned kLinkState = RTNH_F_DEAD | RTNH_F_LINKDOWN;
constexpr char kMagic[] = "\x24\x12\x31\x45";

template <typename T>
std::string Bytes(const T& value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

std::string Attribute(unsigned short type, const std::string& value) {
  const rtattr header = {static_cast<unsigned short>(sizeof(rtattr) + value.size()), type};
  std::string bytes = Bytes(header) + value;
  bytes.resize((bytes.size() + 3) / 4 * 4);
  return bytes;
}

std::string NextHop(unsigned flags, const std::string& attributes) {
  const auto size = static_cast<unsigned short>(sizeof(rtnexthop) + attributes.size());
  return Bytes(rtnexthop{size, static_cast<unsigned char>(flags), 0, 7}) + attributes;
}

/// A route with an attribute of no multiple of four bytes, and two next hops.
std::string Route(unsigned flags) {
  rtmsg route = {};
  route.rtm_family = AF_INET;
  route.rtm_flags = RTM_F_CLONED | flags;
  const std::string body =
      Bytes(route) + Attribute(RTA_PREFSRC, "12345") +
      Attribute(RTA_MULTIPATH, NextHop(RTNH_F_ONLINK | flags, Attribute(RTA_GATEWAY, "gate")) +
                                   NextHop(flags, Attribute(RTA_GATEWAY, "way.")));
  nlmsghdr header = {};
  header.nlmsg_len = static_cast<unsigned>(sizeof header + body.size());
  header.nlmsg_type = RTM_NEWROUTE;
  return Bytes(header) + body;
}

/// "": no copy.
std::string Cleared(const std::string& text) {
  const int image = memfd_create("image", 0);
  EXPECT_EQ(write(image, text.data(), text.size()), static_cast<ssize_t>(text.size()));
  const int copy = RoutesWithoutLinkState(image);
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
