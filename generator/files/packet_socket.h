// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "generator/files/planner.h"

namespace crgen {

template <>
class FilePlanner<PacketSocket> : public PlainPlanner<PacketSocket> {
 public:
  using PlainPlanner::PlainPlanner;
};

}  // namespace crgen
