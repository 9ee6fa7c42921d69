// SPDX-License-Identifier: Apache-2.0
#include "model/net_namespace.h"

#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>

#include <algorithm>
#include <charconv>

namespace crgen {
namespace {

constexpr FlagName Whole(std::string_view name, std::uint64_t value) {
  return {name, ~std::uint64_t{0}, value};
}
constexpr FlagName Bit(std::string_view name, std::uint64_t value) { return {name, value, value}; }

constexpr FlagName kType[] = {Whole("LOOPBACK", 1), Whole("VETH", 2), Whole("TUN", 3),
                              Whole("BRIDGE", 6), Whole("MACVLAN", 7)};
constexpr FlagName kFlag[] = {Bit("IFF_UP", IFF_UP),
                              Bit("IFF_DEBUG", IFF_DEBUG),
                              Bit("IFF_NOARP", IFF_NOARP),
                              Bit("IFF_PROMISC", IFF_PROMISC),
                              Bit("IFF_ALLMULTI", IFF_ALLMULTI),
                              Bit("IFF_MULTICAST", IFF_MULTICAST),
                              Bit("IFF_DYNAMIC", IFF_DYNAMIC)};
constexpr FlagName kMode[] = {
    Whole("private", MACVLAN_MODE_PRIVATE), Whole("vepa", MACVLAN_MODE_VEPA),
    Whole("bridge", MACVLAN_MODE_BRIDGE), Whole("passthru", MACVLAN_MODE_PASSTHRU)};
constexpr FlagName kTun[] = {Bit("IFF_TUN", IFF_TUN),
                             Bit("IFF_TAP", IFF_TAP),
                             Bit("IFF_NAPI", IFF_NAPI),
                             Bit("IFF_NAPI_FRAGS", IFF_NAPI_FRAGS),
                             Bit("IFF_MULTI_QUEUE", IFF_MULTI_QUEUE),
                             Bit("IFF_PERSIST", IFF_PERSIST),
                             Bit("IFF_NO_PI", IFF_NO_PI),
                             Bit("IFF_ONE_QUEUE", IFF_ONE_QUEUE),
                             Bit("IFF_VNET_HDR", IFF_VNET_HDR)};

}  // namespace

std::span<const FlagName> NetDeviceTypeKind::Names() { return kType; }
std::span<const FlagName> NetDeviceFlagKind::Names() { return kFlag; }
std::span<const FlagName> MacvlanModeKind::Names() { return kMode; }
std::span<const FlagName> TunFlagKind::Names() { return kTun; }

bool IsDeviceName(std::string_view name) {
  if (name.empty() || name.size() >= IFNAMSIZ || name == "." || name == "..") return false;
  return std::ranges::none_of(name, [](char c) {
    return c == '/' || c == ':' || c == '\0' || c == ' ' || (c >= '\t' && c <= '\r') || c == '\xa0';
  });
}

bool IsDeviceAddress(std::string_view address) {
  constexpr std::size_t kBytes = 6;
  if (address.size() != 3 * kBytes - 1) return false;
  for (std::size_t i = 0; i < address.size(); ++i) {
    const char c = address[i];
    const bool digit = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
    if (i % 3 == 2 ? c != ':' : !digit) return false;
  }
  const auto is_odd = [](char digit) {
    return (digit <= '9' ? digit - '0' : digit - 'a') % 2 != 0;
  };
  return !is_odd(address[1]) && address != "00:00:00:00:00:00";  // no group of devices
}

bool IsGroupRange(std::string_view range) {
  std::uint32_t first = 0, last = 0;
  const char* const end = range.data() + range.size();
  const auto one = std::from_chars(range.data(), end, first);
  if (one.ec != std::errc() || one.ptr == end || *one.ptr != ' ') return false;
  const auto two = std::from_chars(one.ptr + 1, end, last);
  if (two.ec != std::errc() || two.ptr != end) return false;
  return first <= last || (first == 1 && last == 0);
}

}  // namespace crgen
