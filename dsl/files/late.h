#pragma once

#include "dsl/describe.h"
#include "model/files/late.h"

namespace crgen {

template <>
struct Describe<FileOwner> {
  static constexpr auto kFields = std::tuple{
      Optional("type", &FileOwner::type, "F_SETOWN_EX"),
      Optional("pid", &FileOwner::pid, "who gets the signal; absent: nobody"),
      Optional("signal", &FileOwner::signal, "F_SETSIG; absent: SIGIO"),
      Optional("uid", &FileOwner::uid, "beside `pid`: the ids that the signal is sent with"),
      Optional("euid", &FileOwner::euid)};
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

}  // namespace crgen
