// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "dsl/describe.h"
#include "model/files/late.h"

namespace crgen {

template <>
struct Describe<FileOwner> {
  static constexpr auto kFields = std::tuple{
      Optional("type", &FileOwner::type, "F_SETOWN_EX"),
      Optional("pid", &FileOwner::pid, "who gets the signal; absent: nobody").Within(kPids),
      Optional("signal", &FileOwner::signal, "F_SETSIG; absent: SIGIO"),
      Optional("uid", &FileOwner::uid, "beside `pid`: the ids that the signal is sent with"),
      Optional("euid", &FileOwner::euid, "likewise: the effective one")};
};

template <>
struct Describe<OwnerSetting> {
  static constexpr auto kFields =
      std::tuple{Required("owner", &OwnerSetting::owner, "who gets the signals of O_ASYNC")};
};

/// The member by which an object of `descriptors` is known to be of this kind: its first.
template <typename Late>
constexpr std::string_view LateKey() {
  return std::get<0>(Describe<Late>::kFields).name;
}

/// Calls `function.template operator()<Late>()` for the kinds of late state that differ by their
/// keys: a lease looks like a lock.
template <typename Function>
constexpr void ForEachLateKey(Function&& function) {
  ForEachAlternative<LateState>([&]<typename Late>() {
    if constexpr (!std::is_same_v<Late, LeaseSetting>) function.template operator()<Late>();
  });
}

/// Of what was read by its key, the kind that its content says.
inline void SettleKind(LateState& state) {
  auto* locks = std::get_if<LockSetting>(&state);
  if (locks == nullptr || locks->locks.size() != 1 || locks->locks[0].kind.value != kLease) return;
  state = LeaseSetting{std::move(locks->locks)};
}

}  // namespace crgen
