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
  static void Compile(Fd fd, const ShutdownSetting& setting, const File&, LateContext&, Op& op) {
    op.kind = OpKind::kShutdown;
    op.shutdown = {fd, static_cast<std::int32_t>(setting.shutdown.value) - 1};
  }
};

}  // namespace crgen::restorer
