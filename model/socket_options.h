// SPDX-License-Identifier: Apache-2.0
// Options that sockets of every family have.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "model/flags.h"
#include "model/values.h"

namespace crgen {

/// struct timeval.
struct SocketTimeout {
  std::uint64_t sec = 0;
  std::uint64_t usec = 0;
  friend bool operator==(const SocketTimeout&, const SocketTimeout&) = default;
};

/// sk_opts_entry: setsockopt(2), SOL_SOCKET (socket(7)). Absent: as socket(2) makes it. As late
/// state: absent ones stay.
/// SO_SNDBUF and SO_RCVBUF are never less: SOCK_MIN_SNDBUF, SOCK_MIN_RCVBUF of the kernel.
inline constexpr std::uint32_t kLeastSendBuffer = 4608, kLeastReceiveBuffer = 2304;

struct SocketOptions {
  std::optional<bool> so_reuseaddr;
  std::optional<bool> so_reuseport;
  std::optional<std::uint32_t> so_sndbuf;  ///< bytes as getsockopt(2) has them: twice what is set
  std::optional<std::uint32_t> so_rcvbuf;  ///< likewise
  std::optional<BufferLocks> so_buf_lock;  ///< which of the two the kernel leaves alone
  std::optional<SocketTimeout> so_sndtimeo;
  std::optional<SocketTimeout> so_rcvtimeo;
  std::optional<std::uint32_t> so_priority;
  std::optional<std::uint32_t> so_rcvlowat;
  std::optional<std::uint32_t> so_mark;
  std::optional<bool> so_passcred;
  std::optional<bool> so_passsec;
  std::optional<bool> so_dontroute;
  std::optional<bool> so_no_check;
  std::optional<bool> so_broadcast;
  std::optional<bool> so_keepalive;
  std::optional<bool> so_oobinline;
  std::optional<std::uint32_t> so_linger;      ///< seconds; absent: it does not linger
  std::optional<std::string> so_bindtodevice;  ///< name of the interface
  std::vector<Hex> so_filter;  ///< classic BPF: code << 48 | jt << 40 | jf << 32 | k each
  friend bool operator==(const SocketOptions&, const SocketOptions&) = default;
};

/// Late state: options that a queue would not pass, or that something before would spoil.
struct SocketOptionsSetting {
  SocketOptions options;
  friend bool operator==(const SocketOptionsSetting&, const SocketOptionsSetting&) = default;
};

/// Late state: shutdown(2), when what was sent is in the queues.
struct ShutdownSetting {
  Shutdown shutdown;
  friend bool operator==(const ShutdownSetting&, const ShutdownSetting&) = default;
};

}  // namespace crgen
