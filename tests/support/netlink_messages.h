// SPDX-License-Identifier: Apache-2.0
// Messages of netlink(7), as the kernel writes them.
#pragma once

#include <linux/netlink.h>

#include <cstdint>
#include <string>

namespace crgen::test {

template <typename T>
std::string Raw(const T& value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

/// Padded to four bytes.
inline std::string NetlinkAttribute(std::uint16_t type, const std::string& value) {
  std::string bytes =
      Raw(nlattr{static_cast<std::uint16_t>(sizeof(nlattr) + value.size()), type}) + value;
  bytes.resize((bytes.size() + 3) / 4 * 4);
  return bytes;
}

/// `number`: of the message, and of who asks for it.
inline std::string NetlinkMessageOf(std::uint16_t type, const std::string& body,
                                    std::uint32_t number = 0) {
  nlmsghdr header = {};
  header.nlmsg_len = static_cast<unsigned>(sizeof header + body.size());
  header.nlmsg_type = type;
  header.nlmsg_seq = header.nlmsg_pid = number;
  return Raw(header) + body;
}

}  // namespace crgen::test
