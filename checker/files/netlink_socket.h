// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <memory>
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
  std::map<std::pair<std::uint32_t, std::uint32_t>, std::weak_ptr<const Description>> bound_;
};

}  // namespace crgen::check
