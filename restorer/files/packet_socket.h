// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "restorer/files/file_restorer.h"

namespace crgen::restorer {

template <>
struct FileRestorer<PacketSocket> : PlainRestorer<PacketSocket> {
  static void Compile(const PacketSocket& socket, OpenContext& context);
};

}  // namespace crgen::restorer
