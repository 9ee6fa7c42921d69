// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "restorer/files/file_restorer.h"

namespace crgen::restorer {

template <>
struct LateRestorer<SocketOptionsSetting> {
  static void Compile(Fd fd, const SocketOptionsSetting& setting, const File& file,
                      LateContext& context, Op& op);
};

template <>
struct LateRestorer<ShutdownSetting> {
  static void Compile(Fd fd, const ShutdownSetting& setting, const File& file, LateContext& context,
                      Op& op);
};

}  // namespace crgen::restorer
