// SPDX-License-Identifier: Apache-2.0
// Ids of a plan, as who restores has them.
#pragma once

#include <cstdint>
#include <optional>

#include "model/user_namespace.h"

namespace crgen::restorer {

/// Where a plan has a user namespace of its own, its ids are those inside.
struct OutsideIds {
  std::optional<UserNamespace> user = std::nullopt;

  std::uint32_t Uid(std::uint32_t id) const { return user ? Of(user->uid_map, id) : id; }
  std::uint32_t Gid(std::uint32_t id) const { return user ? Of(user->gid_map, id) : id; }

 private:
  /// Preflight has refused ids that nobody inside has.
  static std::uint32_t Of(const IdMap& map, std::uint32_t id) {
    constexpr std::uint32_t kNobodys = 0xfffffffe;
    for (const IdRange& range : map) {
      if (id >= range.inside && id - range.inside < range.count) {
        return range.outside + (id - range.inside);
      }
    }
    return kNobodys;
  }
};

}  // namespace crgen::restorer
