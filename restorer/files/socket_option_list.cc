// SPDX-License-Identifier: Apache-2.0
#include "restorer/files/socket_option_list.h"

#include <linux/filter.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <cstring>

namespace crgen::restorer {
void SocketOptionWriter::AddBytes(int level, int name, const void* bytes, std::size_t size) {
  char* copy = arena_.New<char>(size);
  std::memcpy(copy, bytes, size);
  options_.push_back({level, name, copy, static_cast<std::uint32_t>(size)});
}

void SocketOptionWriter::Add(int level, int name, int value) {
  int* copy = arena_.New<int>();
  *copy = value;
  options_.push_back({level, name, copy, sizeof value});
}

void SocketOptionWriter::AddFilter(const std::vector<Hex>& filter) {
  if (filter.empty()) return;
  sock_filter* code = arena_.New<sock_filter>(filter.size());
  for (std::size_t i = 0; i < filter.size(); ++i) {
    const std::uint64_t word = filter[i].value;
    code[i] = {static_cast<__u16>(word >> 48), static_cast<__u8>(word >> 40),
               static_cast<__u8>(word >> 32), static_cast<__u32>(word)};
  }
  const sock_fprog program = {static_cast<unsigned short>(filter.size()), code};
  AddBytes(SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program);
}

void SocketOptionWriter::AddAll(const SocketOptions& options, bool with_buffers) {
  const auto add = [&](int name, const auto& value) {
    if (value) Add(SOL_SOCKET, name, static_cast<int>(*value));
  };
  const auto add_time = [&](int name, const std::optional<SocketTimeout>& timeout) {
    if (!timeout) return;
    const timeval time = {static_cast<time_t>(timeout->sec),
                          static_cast<suseconds_t>(timeout->usec)};
    AddBytes(SOL_SOCKET, name, &time, sizeof time);
  };
  add(SO_REUSEADDR, options.so_reuseaddr);
  add(SO_REUSEPORT, options.so_reuseport);
  add(SO_PRIORITY, options.so_priority);
  add(SO_RCVLOWAT, options.so_rcvlowat);  // it may raise the receive buffer
  if (with_buffers) {
    if (options.so_sndbuf) {
      Add(SOL_SOCKET, SO_SNDBUFFORCE, static_cast<int>(*options.so_sndbuf / 2));
    }
    if (options.so_rcvbuf) {
      Add(SOL_SOCKET, SO_RCVBUFFORCE, static_cast<int>(*options.so_rcvbuf / 2));
    }
    // Setting a size locks it.
    if (options.so_buf_lock || options.so_sndbuf || options.so_rcvbuf) {
      const BufferLocks locks = options.so_buf_lock.value_or(BufferLocks{});
      Add(SOL_SOCKET, SO_BUF_LOCK, static_cast<int>(locks.bits));
    }
  }
  add_time(SO_SNDTIMEO, options.so_sndtimeo);
  add_time(SO_RCVTIMEO, options.so_rcvtimeo);
  add(SO_MARK, options.so_mark);
  add(SO_PASSCRED, options.so_passcred);
  add(SO_PASSSEC, options.so_passsec);
  add(SO_DONTROUTE, options.so_dontroute);
  add(SO_NO_CHECK, options.so_no_check);
  add(SO_BROADCAST, options.so_broadcast);
  add(SO_KEEPALIVE, options.so_keepalive);
  add(SO_OOBINLINE, options.so_oobinline);
  if (options.so_linger) {
    const linger time = {1, static_cast<int>(*options.so_linger)};
    AddBytes(SOL_SOCKET, SO_LINGER, &time, sizeof time);
  }
  if (options.so_bindtodevice) {
    AddBytes(SOL_SOCKET, SO_BINDTODEVICE, options.so_bindtodevice->c_str(),
             options.so_bindtodevice->size() + 1);
  }
  AddFilter(options.so_filter);
}

SocketOptionsOp SocketOptionWriter::Finish(Fd fd) {
  return {fd, arena_.Copy(options_), static_cast<std::uint32_t>(options_.size())};
}

}  // namespace crgen::restorer
