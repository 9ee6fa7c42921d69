// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "checker/files/rules.h"

namespace crgen::check {

/// bind(2), listen(2), connect(2) of sockets of AF_INET and AF_INET6, TCP_REPAIR of tcp(7).
template <>
class FileRules<InetSocket> : public PlainRules<InetSocket> {
 public:
  static constexpr bool kIsSocket = true;

  std::optional<Refusal> Check(const File& file, const InetSocket& socket) const;
  void Opened(const Kernel&, Description& description, const InetSocket& socket, Description*);

 private:
  /// What has one port of one protocol.
  struct Port {
    std::vector<std::weak_ptr<const Description>> bound;  ///< but for connections
    std::unordered_map<std::string, std::weak_ptr<const Description>> connections;
  };
  std::optional<Refusal> RefusedPort(const InetSocket& socket) const;

  /// Network namespace, protocol and number.
  using PortKey = std::tuple<std::uint64_t, std::uint32_t, std::uint32_t>;
  static PortKey KeyOf(const InetSocket& socket) {
    return {socket.net ? *socket.net : 0, socket.protocol.value, socket.source->port};
  }
  std::map<PortKey, Port> ports_;
};

/// shutdown(2).
std::optional<Refusal> RefusedShutdown(const InetSocket& socket, const ShutdownSetting& setting);

/// TCP_REPAIR of tcp(7).
template <>
struct LateRules<RepairSetting> {
  static std::optional<Refusal> Check(const Kernel& kernel, const Description& description,
                                      const RepairSetting& setting);
};

}  // namespace crgen::check
