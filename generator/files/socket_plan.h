// SPDX-License-Identifier: Apache-2.0
// What a program has to hold for unix sockets only while it is executed: ends that are gone, when
// what they have sent is not; listeners that somebody accepts from; whatever is in flight.
#pragma once

#include <cstdint>
#include <vector>

#include "generator/files/temporary_slot.h"
#include "model/diagnostics.h"
#include "model/snapshot.h"

namespace crgen {

bool HasUnixSockets(const Snapshot& snapshot);

/// Adds to `*snapshot` what is there only for a time, descriptions behind its own and slots, and as
/// late state what is sent, by whom. Of each pair `one` becomes the end that connects, if any does:
/// it has `connect_to`. Unsupported: messages that nobody could have sent, names that two ends
/// would have to bear. Cost: linear, but for sorting.
Result PlanSockets(Snapshot* snapshot, std::vector<TemporarySlot>* temporary, Diagnostics& diag);

}  // namespace crgen
