// SPDX-License-Identifier: Apache-2.0
// Of which mount a bind mount is.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace crgen {

/// Mounts that are no bind mounts, by file system and the part of it that they are.
class MountBases {
 public:
  /// `root`: its part of `superblock`. `index`: its place in a list; they come in that order.
  void Add(std::uint64_t superblock, const std::string& root, std::size_t index) {
    first_.try_emplace({superblock, root}, index);
  }

  /// The first of which `root`, an absolute path, is the root, or is below it. Takes as long as
  /// `root` has parts.
  std::optional<std::size_t> Find(std::uint64_t superblock, std::string_view root) const {
    std::optional<std::size_t> found;
    for (std::string_view part = root; !part.empty();) {
      const auto known = first_.find({superblock, std::string(part)});
      if (known != first_.end()) found = std::min(found.value_or(known->second), known->second);
      if (part == "/") break;
      const std::size_t end = part.rfind('/');
      part = end == part.npos ? "" : end == 0 ? part.substr(0, 1) : part.substr(0, end);
    }
    return found;
  }

 private:
  std::map<std::pair<std::uint64_t, std::string>, std::size_t> first_;
};

}  // namespace crgen
