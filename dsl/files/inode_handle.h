// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "dsl/describe.h"
#include "model/files/inode_handle.h"

namespace crgen {

template <>
struct Describe<InodeHandle> {
  static constexpr auto kFields = std::tuple{
      Required("device", &InodeHandle::device, "of the file system: major << 20 | minor"),
      Required("inode", &InodeHandle::inode, "its number"),
      Required("type", &InodeHandle::type, "name_to_handle_at(2)"),
      Required("bytes", &InodeHandle::bytes, "of the handle")};
};

}  // namespace crgen
