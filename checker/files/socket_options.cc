// SPDX-License-Identifier: Apache-2.0
#include "checker/files/socket_options.h"

#include <linux/filter.h>
#include <net/if.h>

#include "checker/files/unix_socket.h"
#include "checker/kernel/kernel.h"

namespace crgen::check {
namespace {

constexpr std::uint32_t kMost = 0x7fffffff;
constexpr std::uint64_t kMostUsec = 999'999;
constexpr std::size_t kMostFilter = BPF_MAXINSNS;

std::optional<Refusal> RefusedBuffer(const std::optional<std::uint32_t>& bytes, const char* name,
                                     std::uint32_t least) {
  if (!bytes || (*bytes >= least && *bytes <= kMost && *bytes % 2 == 0)) return std::nullopt;
  return Refusal{"EINVAL", std::string(name) + " is " + std::to_string(*bytes) +
                               ": it is twice what is set, at least " + std::to_string(least)};
}

std::optional<Refusal> RefusedTimeout(const std::optional<SocketTimeout>& timeout,
                                      const char* name) {
  if (!timeout || (timeout->usec <= kMostUsec && timeout->sec >> 63 == 0)) return std::nullopt;
  return Refusal{"EDOM", std::string(name) + ": usec is 0 to 999999, sec below 2^63"};
}

}  // namespace

std::optional<Refusal> RefusedOptions(const SocketOptions& options) {
  if (auto refused = RefusedTimeout(options.so_sndtimeo, "so_sndtimeo")) return refused;
  if (auto refused = RefusedTimeout(options.so_rcvtimeo, "so_rcvtimeo")) return refused;
  if (options.so_sndbuf.value_or(0) > kMost) return Refusal{"EINVAL", "so_sndbuf is too high"};
  if (options.so_rcvbuf.value_or(0) > kMost) return Refusal{"EINVAL", "so_rcvbuf is too high"};
  if (options.so_rcvlowat.value_or(1) > kMost) return Refusal{"EINVAL", "so_rcvlowat is too high"};
  if (options.so_buf_lock && (options.so_buf_lock->bits & ~std::uint64_t{3}) != 0) {
    return Refusal{"EINVAL", "so_buf_lock is " + ValueText(*options.so_buf_lock)};
  }
  if (options.so_bindtodevice && options.so_bindtodevice->size() >= IFNAMSIZ) {
    return Refusal{"ENODEV", "no interface has so long a name"};
  }
  if (options.so_filter.size() > kMostFilter) {
    return Refusal{"EINVAL", "so_filter has " + std::to_string(options.so_filter.size()) +
                                 " instructions, at most " + std::to_string(kMostFilter)};
  }
  return std::nullopt;
}

std::optional<Refusal> RefusedLocalOptions(const SocketOptions& options) {
  if (auto refused = RefusedBuffer(options.so_sndbuf, "so_sndbuf", kLeastSendBuffer))
    return refused;
  if (auto refused = RefusedBuffer(options.so_rcvbuf, "so_rcvbuf", kLeastReceiveBuffer))
    return refused;
  if (options.so_reuseport.value_or(false)) {
    return Refusal{"EOPNOTSUPP", "so_reuseport is of internet sockets"};
  }
  return RefusedOptions(options);
}

std::optional<Refusal> LateRules<SocketOptionsSetting>::Check(const Kernel&,
                                                              const Description& description,
                                                              const SocketOptionsSetting& setting) {
  const SocketOptions& options = setting.options;
  const bool inet = As<InetSocket>(*description.file) != nullptr;
  if (!inet) {
    if (auto refused = RefusedNonSocket(description)) return refused;
  }
  if (options == SocketOptions()) return Refusal{"EINVAL", "no option is named"};
  return inet ? RefusedOptions(options) : RefusedLocalOptions(options);
}

}  // namespace crgen::check
