// SPDX-License-Identifier: Apache-2.0
#include "restorer/netlink.h"

#include <fcntl.h>
#include <linux/if.h>
#include <linux/netlink.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "restorer/supervisor_calls.h"

namespace crgen::restorer {
namespace {

/// More than any message has that is made here; those of images are at most as long as the buffer
/// of ip(8).
constexpr std::size_t kMessageAtMost = 16384;

}  // namespace

NetlinkMessage::NetlinkMessage(std::uint16_t type, std::uint16_t flags) : buffer_(kMessageAtMost) {
  mnl_nlmsg_put_header(buffer_.data());
  head()->nlmsg_type = type;
  head()->nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | NLM_F_ACK | flags);
}

NetlinkMessage::NetlinkMessage(std::string_view bytes, std::uint16_t flags)
    : buffer_(std::max(bytes.size(), sizeof(nlmsghdr))) {
  bytes.copy(buffer_.data(), bytes.size());
  head()->nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | NLM_F_ACK | flags);
  head()->nlmsg_pid = head()->nlmsg_seq = 0;
}

void NetlinkMessage::Put(std::uint16_t type, std::string_view bytes) {
  mnl_attr_put_check(head(), buffer_.size(), type, bytes.size(), bytes.data());
}
nlattr* NetlinkMessage::Begin(std::uint16_t type) { return mnl_attr_nest_start(head(), type); }
void NetlinkMessage::End(nlattr* nest) { mnl_attr_nest_end(head(), nest); }

NetlinkChannel::NetlinkChannel(int protocol)
    : socket_(FailsOnPurpose() ? nullptr : mnl_socket_open2(protocol, SOCK_CLOEXEC)) {
  if (socket_ == nullptr) return;
  network_ = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
  if (network_ >= 0 && mnl_socket_bind(socket_, 0, MNL_SOCKET_AUTOPID) == 0) return;
  const int error = errno;
  mnl_socket_close(socket_);
  socket_ = nullptr;
  errno = error;
}

NetlinkChannel::~NetlinkChannel() {
  if (socket_ != nullptr) mnl_socket_close(socket_);
  if (network_ >= 0) close(network_);
}

bool NetlinkChannel::Ask(unsigned long request, void* argument) const {
  return ioctl(mnl_socket_get_fd(socket_), request, argument) == 0;
}

std::uint32_t NetlinkChannel::DeviceNumber(const std::string& name) const {
  ifreq request = {};
  name.copy(request.ifr_name, sizeof request.ifr_name - 1);
  if (FailsOnPurpose() || !Ask(SIOCGIFINDEX, &request)) return 0;
  return static_cast<std::uint32_t>(request.ifr_ifindex);
}

int NetlinkChannel::Send(NetlinkMessage& message) const {
  if (FailsOnPurpose() ||
      mnl_socket_sendto(socket_, message.head(), message.head()->nlmsg_len) < 0) {
    return errno;
  }
  for (std::vector<char> answer(kMessageAtMost * 2);;) {
    const ssize_t size = mnl_socket_recvfrom(socket_, answer.data(), answer.size());
    if (size < 0 && errno == EINTR) continue;  // the kernel answers at once
    if (size < 0) return errno;
    const auto* head = reinterpret_cast<const nlmsghdr*>(answer.data());
    if (!mnl_nlmsg_ok(head, static_cast<int>(size)) || head->nlmsg_type != NLMSG_ERROR) continue;
    return -static_cast<const nlmsgerr*>(mnl_nlmsg_get_payload(head))->error;
  }
}

}  // namespace crgen::restorer
