// SPDX-License-Identifier: Apache-2.0
#include "images/load/socket_options.h"

#include <linux/filter.h>
#include <net/if.h>

#include <limits>

namespace crgen {
namespace {

constexpr std::uint64_t kMostBytes = std::numeric_limits<std::int32_t>::max();
constexpr int kMostInstructions = BPF_MAXINSNS;

void TakeFlag(bool from, std::optional<bool>* to) {
  if (from) *to = true;
}

std::optional<SocketTimeout> TimeoutOf(std::uint64_t sec, std::uint64_t usec, const Place& at,
                                       std::string_view field) {
  constexpr std::uint64_t kMostSec = std::numeric_limits<std::int64_t>::max(), kMostUsec = 999'999;
  if (sec > kMostSec || usec > kMostUsec) {
    at.Error(field, std::to_string(sec) + " s and " + std::to_string(usec) + " µs are no timeout");
  }
  if (sec == 0 && usec == 0) return std::nullopt;
  return SocketTimeout{sec, usec};
}

void CheckBuffer(const char* field, const std::optional<std::uint32_t>& bytes, std::uint32_t least,
                 const Place& place) {
  // Beyond: SocketOptionsOf().
  if (!bytes || *bytes > kMostBytes || (*bytes >= least && *bytes % 2 == 0)) return;
  place.Error(field, std::to_string(*bytes) + ": buffers are twice what is set, at least " +
                         std::to_string(least));
}

}  // namespace

SocketOptions SocketOptionsOf(const pb::sk_opts_entry& from, const Place& at) {
  SocketOptions to;
  at.AtMost(".opts.so_sndbuf", from.so_sndbuf(), kMostBytes);
  at.AtMost(".opts.so_rcvbuf", from.so_rcvbuf(), kMostBytes);
  at.AtMost(".opts.so_rcvlowat", from.so_rcvlowat(), kMostBytes);
  to.so_sndbuf = from.so_sndbuf();
  to.so_rcvbuf = from.so_rcvbuf();
  if (from.has_so_buf_lock()) {
    at.KnownBits<BufferLockKind>(".opts.so_buf_lock", from.so_buf_lock());
    to.so_buf_lock = BufferLocks{from.so_buf_lock()};
  }
  to.so_sndtimeo =
      TimeoutOf(from.so_snd_tmo_sec(), from.so_snd_tmo_usec(), at, ".opts.so_snd_tmo_sec");
  to.so_rcvtimeo =
      TimeoutOf(from.so_rcv_tmo_sec(), from.so_rcv_tmo_usec(), at, ".opts.so_rcv_tmo_sec");
  TakeFlag(from.reuseaddr(), &to.so_reuseaddr);
  TakeFlag(from.so_reuseport(), &to.so_reuseport);
  if (from.so_priority() != 0) to.so_priority = from.so_priority();
  if (from.has_so_rcvlowat() && from.so_rcvlowat() != 1) to.so_rcvlowat = from.so_rcvlowat();
  if (from.so_mark() != 0) to.so_mark = from.so_mark();
  TakeFlag(from.so_passcred(), &to.so_passcred);
  TakeFlag(from.so_passsec(), &to.so_passsec);
  TakeFlag(from.so_dontroute(), &to.so_dontroute);
  TakeFlag(from.so_no_check(), &to.so_no_check);
  TakeFlag(from.so_broadcast(), &to.so_broadcast);
  TakeFlag(from.so_keepalive(), &to.so_keepalive);
  TakeFlag(from.so_oobinline() != 0, &to.so_oobinline);
  if (from.has_so_linger()) to.so_linger = from.so_linger();
  if (!from.so_bound_dev().empty()) {
    if (from.so_bound_dev().size() >= IFNAMSIZ ||
        from.so_bound_dev().find('\0') != std::string::npos) {
      at.Error(".opts.so_bound_dev", "no interface has such a name");
    }
    to.so_bindtodevice = from.so_bound_dev();
  }
  if (from.so_filter_size() > kMostInstructions) {
    at.Error(".opts.so_filter", std::to_string(from.so_filter_size()) +
                                    " instructions, expected at most " +
                                    std::to_string(kMostInstructions));
    return to;
  }
  for (const std::uint64_t instruction : from.so_filter()) to.so_filter.push_back({instruction});
  return to;
}

SocketOptions LocalSocketOptionsOf(const pb::sk_opts_entry& from, const Place& at) {
  SocketOptions options = SocketOptionsOf(from, at);
  CheckBuffer(".opts.so_sndbuf", options.so_sndbuf, kLeastSendBuffer, at);
  CheckBuffer(".opts.so_rcvbuf", options.so_rcvbuf, kLeastReceiveBuffer, at);
  // What net.core.wmem_default and rmem_default are, unless somebody has set them.
  constexpr std::uint32_t kDefaultBuffer = 212992;
  if (options.so_sndbuf == kDefaultBuffer) options.so_sndbuf.reset();
  if (options.so_rcvbuf == kDefaultBuffer) options.so_rcvbuf.reset();
  if (options.so_buf_lock == BufferLocks{}) options.so_buf_lock.reset();
  if (options.so_reuseport) {
    options.so_reuseport.reset();
    at.Warning(".opts.so_reuseport",
               "means nothing to such a socket, and newer kernels refuse it: left out");
  }
  return options;
}

}  // namespace crgen
