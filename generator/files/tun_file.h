// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "generator/files/planner.h"

namespace crgen {

template <>
class FilePlanner<TunFile> : public PlainPlanner<TunFile> {
 public:
  using PlainPlanner::PlainPlanner;
};

}  // namespace crgen
