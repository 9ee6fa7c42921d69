// SPDX-License-Identifier: Apache-2.0
// timens-<id>.img: what the clocks of a time namespace read.
#include <limits>

#include "images/load/loader.h"

namespace crgen {

/// The id of the tree's own time namespace; 0: it has the dumper's.
std::uint32_t Loader::TimeNamespace() const {
  const pb::task_kobj_ids_entry& own = ids[0];
  const pb::task_kobj_ids_entry& base = inventory.root_ids();
  const bool differs =
      own.has_time_ns_id() && base.has_time_ns_id() && own.time_ns_id() != base.time_ns_id();
  return differs ? own.time_ns_id() : 0;
}

/// Dumps of a CRIU before 3.14, or of a kernel without time namespaces, have no clocks.
void Loader::LoadClocks(Attributes* attributes) {
  constexpr std::uint64_t kSecondsAtMost = std::numeric_limits<std::int64_t>::max() / 1'000'000'000;
  constexpr std::uint64_t kSecond = 1'000'000'000;
  const ImageKind& kind = ImageKindNamed("TIMENS");
  const std::uint32_t number = TimeNamespace();
  pb::timens_entry entry;
  if (!images.Has(kind, number) || Failed(images.ReadSingle(kind, number, &entry, diag))) return;
  const auto reading = [&](const char* field, const pb::timespec& from) {
    // The kernel takes half of what fits into 64 bits of nanoseconds: timens_offsets.
    if (from.tv_sec() > kSecondsAtMost / 2 || from.tv_nsec() >= kSecond) {
      diag.Error(ImageSet::NameOf(kind, number) + "[0]." + field,
                 std::to_string(from.tv_sec()) + " s " + std::to_string(from.tv_nsec()) +
                     " ns is no reading of a clock");
    }
    return ClockReading{from.tv_sec(), from.tv_nsec()};
  };
  attributes->time =
      Clocks{reading("monotonic", entry.monotonic()), reading("boottime", entry.boottime())};
}

}  // namespace crgen
