// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "model/net_namespace.h"
#include "preflight/host_files.h"

namespace crgen::restorer {

/// Sends the messages of `conntrack` and `expectations` again, in the network namespace of this
/// process. Connections of TCP are not held against the windows that they had. Empty, or what
/// failed.
std::string RestoreConntrack(const NetNamespace& net, const HostFiles& files);

}  // namespace crgen::restorer
