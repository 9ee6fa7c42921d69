// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "dsl/describe.h"
#include "model/files/memfd.h"

namespace crgen {

template <>
struct Describe<Memfd> {
  static constexpr auto kFields = std::tuple{
      Required("inode_id", &Memfd::inode_id, "the object; its first OPEN_FILE creates it"),
      Optional("pos", &Memfd::pos, "bytes"),
      Optional("name", &Memfd::name, "where it is created: memfd_create(2)"),
      Optional("size", &Memfd::size, "where it is created: bytes"),
      Optional("seals", &Memfd::seals, "F_SEAL_ names that this command adds"),
      Optional("huge", &Memfd::huge, "where it is created: MFD_ names"),
      Optional("mode", &Memfd::mode, "where it is created: permission bits"),
      Optional("uid", &Memfd::uid, "where it is created: its owner"),
      Optional("gid", &Memfd::gid, "where it is created: its group")};
};

}  // namespace crgen
