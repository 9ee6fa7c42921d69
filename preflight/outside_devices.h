// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "model/net_namespace.h"
#include "preflight/question.h"

namespace crgen::preflight {

/// Told, if what is given for the other end of `device`, or below it, is not there, is there
/// already, or is not what the kernel takes for that. REQUIRES: device.NeedsOutside().
void CheckOutsideDevice(Context& context, const NetDevice& device);

}  // namespace crgen::preflight
