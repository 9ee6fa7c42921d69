// SPDX-License-Identifier: Apache-2.0
// Which leases were being broken.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "dsl/commands.h"
#include "restorer/files/file_restorer.h"
#include "restorer/late_files.h"

namespace crgen::restorer {

/// An opening that a lease refuses.
struct LeaseBreak {
  std::string held;  ///< below the service directory
  std::uint32_t flags;
  std::string path;
};

struct LeaseBreaks {
  std::vector<LeaseBreak> all;
  /// Command and entry behind which they come: the last lease. Breaking one lease of a file breaks
  /// all of them, and nobody gets another one meanwhile.
  std::pair<std::size_t, std::size_t> after = {~std::size_t{0}, 0};
};

LeaseBreaks FindLeaseBreaks(const Program& program, const LateFiles& late_files,
                            const Services& services);

}  // namespace crgen::restorer
