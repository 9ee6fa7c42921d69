// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <linux/mman.h>
#include <sys/socket.h>

#include "restorer/executor/files/files.h"

namespace crgen::restorer {
namespace {

constexpr uint32_t kMostRights = 253;  // SCM_MAX_FD, of the kernel alone
constexpr int32_t kMostBuffer = 0x3fffffff;

void SetOption(const Caller& caller, int fd, int name, int32_t value) {
  caller.Must("setsockopt", __NR_setsockopt, fd, SOL_SOCKET, name, &value, sizeof value);
}

void Read(const Caller& caller, const MessageOp& message, uint64_t to) {
  const long fd = OpenHeld(caller.setup, message.image, O_RDONLY | O_CLOEXEC);
  if (fd < 0) caller.Fail("open of the image", fd);
  for (uint64_t at = 0; at < message.bytes;) {
    const long got = caller.Try(__NR_pread64, fd, to + at, message.bytes - at, message.offset + at);
    if (got == -EINTR) continue;
    if (got <= 0) caller.Fail("pread of the image", got < 0 ? got : -EIO);
    at += (uint64_t)got;
  }
  caller.Must("close", __NR_close, fd);
}

/// A stream may take a message in pieces; what it carries goes with the first.
void Send(const Caller& caller, int fd, const MessageOp& message, uint64_t bytes_at) {
  struct {  // struct cmsghdr and what follows it
    uint64_t length;
    int32_t level, type;
    int32_t rights[kMostRights];
  } control;
  for (uint32_t i = 0; i < message.right_count; ++i) control.rights[i] = message.rights[i];
  control.level = SOL_SOCKET;
  control.type = SCM_RIGHTS;
  control.length = sizeof(cmsghdr) + sizeof(int32_t) * message.right_count;
  uint64_t done = 0;
  do {
    iovec bytes = {(void*)(bytes_at + done), message.bytes - done};
    msghdr header = {};
    header.msg_iov = &bytes;
    header.msg_iovlen = 1;
    if (done == 0 && message.right_count != 0) {
      header.msg_control = &control;
      header.msg_controllen = (control.length + 7) & ~7ul;
    }
    const long sent = caller.Try(__NR_sendmsg, fd, &header, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent == -EINTR) continue;
    if (sent < 0) caller.Fail("sendmsg", sent);
    done += (uint64_t)sent;
  } while (done < message.bytes);
}

}  // namespace

void KeepDescriptor(const Caller& caller, const KeepOp& keep) {
  const long keeper =
      caller.Must("pidfd_getfd", __NR_pidfd_getfd, caller.setup->source_fd, keep.keeper, 0);
  struct {  // struct cmsghdr and what follows it
    uint64_t length = sizeof(cmsghdr) + sizeof(int32_t);
    int32_t level = SOL_SOCKET, type = SCM_RIGHTS;
    int32_t fd[2] = {};
  } control;
  control.fd[0] = keep.fd;
  iovec bytes = {(void*)&keep.number, sizeof keep.number};
  msghdr header = {};
  header.msg_iov = &bytes;
  header.msg_iovlen = 1;
  header.msg_control = &control;
  header.msg_controllen = sizeof control;
  caller.Must("sendmsg", __NR_sendmsg, keeper, &header, MSG_DONTWAIT | MSG_NOSIGNAL);
  caller.Must("close", __NR_close, keeper);
}

/// The sender's buffer bounds what is on its way: it is made large for this time.
void SendQueue(const Caller& caller, const SendOp& send) {
  int32_t usual = 0;
  uint32_t size = sizeof usual;
  caller.Must("getsockopt(SO_SNDBUF)", __NR_getsockopt, send.fd, SOL_SOCKET, SO_SNDBUF, &usual,
              &size);
  SetBuffer(caller, send.fd, SO_SNDBUFFORCE, kMostBuffer);
  uint64_t most = 1;
  for (uint32_t i = 0; i < send.count; ++i) {
    if (send.messages[i].bytes > most) most = send.messages[i].bytes;
  }
  const long buffer = caller.Must("mmap", __NR_mmap, 0, most, PROT_READ | PROT_WRITE,
                                  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  for (uint32_t i = 0; i < send.count; ++i) {
    Read(caller, send.messages[i], (uint64_t)buffer);
    Send(caller, send.fd, send.messages[i], (uint64_t)buffer);
  }
  caller.Must("munmap", __NR_munmap, buffer, most);
  SetBuffer(caller, send.fd, SO_SNDBUFFORCE, usual / 2);
  SetOption(caller, send.fd, SO_BUF_LOCK, 0);
}

}  // namespace crgen::restorer
