// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "model/flags.h"

namespace crgen {

/// ns_file_entry: /proc/PID/ns/NAME of proc(5), of a process of the tree.
struct NamespaceFile {
  static constexpr std::string_view kType = "NS";
  NamespaceType type;
  /// The `id` that its attribute has, or the number of a further mount namespace; absent: it has
  /// none, it is that of the root's `mounts`, or that of the restorer.
  std::optional<std::uint64_t> id;
  friend bool operator==(const NamespaceFile&, const NamespaceFile&) = default;
};

}  // namespace crgen
