// SPDX-License-Identifier: Apache-2.0
// Views: what stands in a dump or a program, for people who look before they restore. Text for
// people, JSON for machines; docs/looking.md describes both.
// This folder may include: dsl, model.
#pragma once

#include <cstddef>
#include <optional>

#include "model/ids.h"
#include "model/page_reader.h"
#include "model/snapshot.h"
#include "model/unplanned.h"

namespace crgen {

struct ViewOptions {
  std::size_t columns = 0;  ///< longer lines are cut, which "…" says; 0: none is
  bool colour = false;
  std::optional<Pid> pid = std::nullopt;  ///< of this process alone
};

/// A dump as far as it could be read. What it refers to must outlive it.
struct LookedAt {
  const Snapshot& snapshot;
  const Unplanned& unplanned;
  PageReader read_page;
};

}  // namespace crgen
