// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "checker/files/rules.h"
#include "model/socket_options.h"

namespace crgen::check {

/// What setsockopt(2) refuses of the options of any socket.
std::optional<Refusal> RefusedOptions(const SocketOptions& options);
/// The same of sockets that are none of the internet.
std::optional<Refusal> RefusedLocalOptions(const SocketOptions& options);

/// setsockopt(2), SOL_SOCKET.
template <>
struct LateRules<SocketOptionsSetting> {
  static std::optional<Refusal> Check(const Kernel& kernel, const Description& description,
                                      const SocketOptionsSetting& setting);
};

}  // namespace crgen::check
