// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "restorer/files/file_restorer.h"

namespace crgen::restorer {

template <>
struct FileRestorer<NetlinkSocket> : PlainRestorer<NetlinkSocket> {
  static void Compile(const NetlinkSocket& socket, OpenContext& context);
};

}  // namespace crgen::restorer
