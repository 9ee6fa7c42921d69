// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace crgen {

/// eventfd_file_entry: eventfd(2).
struct Eventfd {
  static constexpr std::string_view kType = "EVENTFD";
  std::uint64_t counter = 0;
  std::optional<bool> semaphore;  ///< EFD_SEMAPHORE; absent: no image says
  friend bool operator==(const Eventfd&, const Eventfd&) = default;
};

}  // namespace crgen
