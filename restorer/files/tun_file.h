// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "restorer/files/regular.h"

namespace crgen::restorer {

template <>
struct FileRestorer<TunFile> : PlainRestorer<TunFile> {
  static void Compile(const TunFile& tun, OpenContext& context);
};

}  // namespace crgen::restorer
