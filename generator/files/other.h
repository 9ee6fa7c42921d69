// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "generator/files/planner.h"

namespace crgen {

/// Only in snapshots of tests: the reader of dumps refuses them by name.
template <>
class FilePlanner<OtherFile> : public PlainPlanner<OtherFile> {
 public:
  using PlainPlanner::PlainPlanner;
};

}  // namespace crgen
