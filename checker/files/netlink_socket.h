// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <tuple>
#include <utility>

#include "checker/files/rules.h"

namespace crgen::check {

/// socket(2), bind(2), connect(2), NETLINK_ADD_MEMBERSHIP of netlink(7).
template <>
class FileRules<NetlinkSocket> : public PlainRules<NetlinkSocket> {
 public:
  static constexpr bool kIsSocket = true;

  std::optional<Refusal> Check(const File& file, const NetlinkSocket& socket) const;
  void Opened(const Kernel&, Description& description, const NetlinkSocket& socket, Description*);

 private:
  /// By protocol and port.
  /// Network namespace, protocol and number.
  using PortKey = std::tuple<std::uint64_t, std::uint32_t, std::uint32_t>;
  static PortKey KeyOf(const NetlinkSocket& socket) {
    return {socket.net ? *socket.net : 0, socket.protocol.value, *socket.port_id};
  }
  std::map<PortKey, std::weak_ptr<const Description>> bound_;
};

}  // namespace crgen::check
