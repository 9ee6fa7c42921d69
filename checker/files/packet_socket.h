// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <utility>

#include "checker/files/rules.h"

namespace crgen::check {

/// socket(2), bind(2), setsockopt(2) of packet(7).
template <>
class FileRules<PacketSocket> : public PlainRules<PacketSocket> {
 public:
  static constexpr bool kCanBeMapped = true;  ///< if it has rings
  static constexpr bool kIsSocket = true;

  std::optional<Refusal> Check(const File& file, const PacketSocket& socket) const;
  const PacketSocket* Rings(const PacketSocket& socket) const { return &socket; }
  void Opened(const Kernel&, Description& description, const PacketSocket& socket, Description*);

 private:
  std::optional<Refusal> RefusedFanout(const PacketSocket& socket) const;

  /// By network namespace and id of the group: who was the last to join.
  std::map<std::pair<std::uint64_t, std::uint32_t>, std::weak_ptr<const Description>> groups_;
};

}  // namespace crgen::check
