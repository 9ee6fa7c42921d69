// SPDX-License-Identifier: Apache-2.0
// Internet sockets in dumps that tests make up.
#pragma once

#include <fcntl.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <string>

#include "images/image_table.h"
#include "tests/support/image_builder.h"

namespace crgen::test {

/// Nobody.
inline void FillOwner(pb::fown_entry& owner) {
  owner.set_uid(0);
  owner.set_euid(0);
  owner.set_signum(0);
  owner.set_pid_type(0);
  owner.set_pid(0);
}

inline void FillOptions(pb::sk_opts_entry& options) {
  options.set_so_sndbuf(16384);
  options.set_so_rcvbuf(131072);
  options.set_so_snd_tmo_sec(0);
  options.set_so_snd_tmo_usec(0);
  options.set_so_rcv_tmo_sec(0);
  options.set_so_rcv_tmo_usec(0);
}

/// A socket of 127.0.0.1 with these ports; no port, no address. Its inode is its id.
inline void AddInetSocket(Dump& dump, const std::array<std::uint32_t, 6>& numbers) {
  const auto& [id, type, protocol, state, source, destination] = numbers;
  constexpr std::uint32_t kAfInet = 2, kBothWays = O_RDWR, kLocalhost = 0x0100007f;
  dump.files.emplace_back();
  pb::file_entry& entry = dump.files.back();
  entry.set_type(pb::FD_INETSK);
  entry.set_id(id);
  pb::inet_sk_entry& socket = *entry.mutable_isk();
  socket.set_id(id);
  socket.set_ino(id);
  socket.set_family(kAfInet);
  socket.set_type(type);
  socket.set_proto(protocol);
  socket.set_state(state);
  socket.set_src_port(source);
  socket.set_dst_port(destination);
  socket.set_flags(kBothWays);
  socket.set_backlog(1);
  socket.add_src_addr(source == 0 ? 0 : kLocalhost);
  socket.add_dst_addr(destination == 0 ? 0 : kLocalhost);
  FillOwner(*socket.mutable_fown());
  FillOptions(*socket.mutable_opts());
}

/// tcp-stream-<inode>.img with queues of so many bytes; `options`: opt_mask.
inline void AddTcpStream(Dump& dump, const std::array<std::uint32_t, 6>& numbers) {
  const auto& [inode, in, out, unsent, options, scale] = numbers;
  pb::tcp_stream_entry stream;
  stream.set_inq_len(in);
  stream.set_inq_seq(1000 + in);
  stream.set_outq_len(out);
  stream.set_outq_seq(5000 + out);
  stream.set_unsq_len(unsent);
  stream.set_opt_mask(options);
  stream.set_snd_wscale(scale);
  stream.set_rcv_wscale(7);
  stream.set_mss_clamp(1460);
  stream.set_timestamp(77);
  const auto word = [](std::uint32_t value) {
    return std::string(reinterpret_cast<const char*>(&value), sizeof value);
  };
  char name[48];
  std::snprintf(name, sizeof name, "tcp-stream-%x.img", inode);
  dump.edits.push_back(Put(name, word(kCommonMagic) + word(ImageKindNamed("TCP_STREAM").magic) +
                                     Entry(stream.SerializeAsString()) + std::string(in, 'i') +
                                     std::string(out, 'o')));
}

}  // namespace crgen::test
