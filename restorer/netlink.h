// SPDX-License-Identifier: Apache-2.0
// Requests of netlink(7) and their answers.
#pragma once

#include <libmnl/libmnl.h>

#include <cstdint>
#include <string>
#include <vector>

namespace crgen::restorer {

/// A message that is being written. What does not fit any more is refused when it is sent.
class NetlinkMessage {
 public:
  NetlinkMessage(std::uint16_t type, std::uint16_t flags);
  /// One that is there already, with its head; its flags and numbers are replaced.
  NetlinkMessage(std::string_view bytes, std::uint16_t flags);

  /// Behind the head, or at the end, zeros.
  template <typename Head>
  Head& Add() {
    return *static_cast<Head*>(mnl_nlmsg_put_extra_header(head(), sizeof(Head)));
  }
  void Put(std::uint16_t type, std::string_view bytes);
  void PutNumber(std::uint16_t type, std::uint32_t value) {
    Put(type, {reinterpret_cast<const char*>(&value), sizeof value});
  }
  nlattr* Begin(std::uint16_t type);
  void End(nlattr* nest);

  nlmsghdr* head() { return reinterpret_cast<nlmsghdr*>(buffer_.data()); }

 private:
  std::vector<char> buffer_;
};

/// A socket of netlink(7), of the network namespace in which it was opened.
class NetlinkChannel {
 public:
  /// `protocol`: NETLINK_ROUTE, NETLINK_NETFILTER.
  explicit NetlinkChannel(int protocol);
  ~NetlinkChannel();
  NetlinkChannel(const NetlinkChannel&) = delete;
  NetlinkChannel& operator=(const NetlinkChannel&) = delete;

  bool is_open() const { return socket_ != nullptr; }
  /// Waits for the kernel's answer: 0, or an errno.
  int Send(NetlinkMessage& message) const;

  /// A descriptor of its network namespace.
  int network() const { return network_; }
  /// ioctl(2) of that network namespace: netdevice(7). False: errno.
  bool Ask(unsigned long request, void* argument) const;
  /// The number of the device `name` there; 0: errno.
  std::uint32_t DeviceNumber(const std::string& name) const;

 private:
  mnl_socket* socket_;
  int network_ = -1;
};

}  // namespace crgen::restorer
