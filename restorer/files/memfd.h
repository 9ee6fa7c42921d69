// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "restorer/files/file_restorer.h"

namespace crgen::restorer {

/// The supervisor makes the objects; descriptions are those that it has created, or openings of
/// them.
template <>
struct FileRestorer<Memfd> : PlainRestorer<Memfd> {
  static std::string Prepare(const File& file, const Memfd& memfd, Services& services);
  static HeldFile Held(const Memfd& memfd, const Services& services) {
    return {services.memfds.at(memfd.inode_id), "memfd"};
  }
  static void Compile(const Memfd& memfd, OpenContext& context) {
    OpenOp& open = context.op.open;
    open.path = context.arena.Text(context.services.memfds.at(memfd.inode_id));
    open.directory = context.service_fd;
    if (context.taken_over) open.created = std::stoi(context.services.memfds.at(memfd.inode_id));
    if (memfd.pos) open.pos = static_cast<std::int64_t>(*memfd.pos);
    if (memfd.seals) open.seals = static_cast<std::uint32_t>(memfd.seals->bits);
  }
};

}  // namespace crgen::restorer
