// SPDX-License-Identifier: Apache-2.0
#include "restorer/files/socket_options.h"

#include "restorer/files/inet_socket.h"
#include "restorer/files/socket_option_list.h"

namespace crgen::restorer {

void LateRestorer<SocketOptionsSetting>::Compile(Fd fd, const SocketOptionsSetting& setting,
                                                 const File& file, LateContext& context, Op& op) {
  const bool connection = IsConnection(file);
  SocketOptions own = setting.options;
  if (connection) own.so_reuseaddr.reset();  // the supervisor's, as the buffers
  SocketOptionWriter options(context.arena);
  options.AddAll(own, !connection);
  op.kind = OpKind::kSetOptions;
  op.options = options.Finish(fd);
}

void LateRestorer<ShutdownSetting>::Compile(Fd fd, const ShutdownSetting& setting, const File& file,
                                            LateContext&, Op& op) {
  op.kind = IsConnection(file) ? OpKind::kNothing : OpKind::kShutdown;  // the supervisor's
  op.shutdown = {fd, static_cast<std::int32_t>(setting.shutdown.value) - 1};
}

}  // namespace crgen::restorer
