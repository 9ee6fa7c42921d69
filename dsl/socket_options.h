// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "dsl/describe.h"
#include "model/socket_options.h"

namespace crgen {

template <>
struct Describe<SocketTimeout> {
  static constexpr auto kFields = std::tuple{Required("sec", &SocketTimeout::sec, "seconds"),
                                             Required("usec", &SocketTimeout::usec, "0 to 999999")};
};

template <>
struct Describe<SocketOptions> {
  using S = SocketOptions;
  static constexpr auto kFields = std::tuple{
      Optional("so_reuseaddr", &S::so_reuseaddr, "SO_REUSEADDR"),
      Optional("so_reuseport", &S::so_reuseport, "SO_REUSEPORT"),
      Optional("so_sndbuf", &S::so_sndbuf, "bytes as getsockopt(2) has them: twice what is set"),
      Optional("so_rcvbuf", &S::so_rcvbuf, "likewise"),
      Optional("so_buf_lock", &S::so_buf_lock, "those that the kernel does not tune"),
      Optional("so_sndtimeo", &S::so_sndtimeo, "SO_SNDTIMEO"),
      Optional("so_rcvtimeo", &S::so_rcvtimeo, "SO_RCVTIMEO"),
      Optional("so_priority", &S::so_priority, "SO_PRIORITY"),
      Optional("so_rcvlowat", &S::so_rcvlowat, "bytes"),
      Optional("so_mark", &S::so_mark, "SO_MARK"),
      Optional("so_passcred", &S::so_passcred, "SO_PASSCRED"),
      Optional("so_passsec", &S::so_passsec, "SO_PASSSEC"),
      Optional("so_dontroute", &S::so_dontroute, "SO_DONTROUTE"),
      Optional("so_no_check", &S::so_no_check, "SO_NO_CHECK"),
      Optional("so_broadcast", &S::so_broadcast, "SO_BROADCAST"),
      Optional("so_keepalive", &S::so_keepalive, "SO_KEEPALIVE"),
      Optional("so_oobinline", &S::so_oobinline, "SO_OOBINLINE"),
      Optional("so_linger", &S::so_linger, "seconds; absent: it does not linger"),
      Optional("so_bindtodevice", &S::so_bindtodevice, "name of the interface"),
      Optional("so_filter", &S::so_filter,
               "classic BPF: code << 48, jt << 40, jf << 32, k of each instruction")};
};

template <>
struct Describe<SocketOptionsSetting> {
  static constexpr auto kFields = std::tuple{
      Required("options", &SocketOptionsSetting::options,
               "setsockopt(2): what it had to be without before, or a queue would not pass")};
};

template <>
struct Describe<ShutdownSetting> {
  static constexpr auto kFields = std::tuple{
      Required("shutdown", &ShutdownSetting::shutdown, "shutdown(2), once the queues are full")};
};

}  // namespace crgen
