// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "images/load/loader.h"

namespace crgen {

/// Snapshot::network_lock from what inventory.img says of it. For dumps that have something locked:
/// connections, which are stopped one by one, or a network namespace of their own.
void TakeNetworkLock(Loader& loader);

}  // namespace crgen
