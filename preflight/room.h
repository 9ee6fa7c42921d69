// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <unordered_map>

#include "model/files/unlinked.h"
#include "preflight/file_look.h"
#include "preflight/question.h"

namespace crgen::preflight {

/// Whether file systems have room for the unlinked files of a plan.
class Room {
 public:
  Room(FileLook& look, Findings& findings) : look_(look), findings_(findings) {}

  /// One that is made in `folder`, at `path`.
  void Add(const std::string& path, const Facts& folder, const Unlinked& file);

 private:
  struct Wanted {
    std::uint64_t bytes = 0;
    std::set<std::uint64_t> files;  ///< by their ids
  };
  FileLook& look_;
  Findings& findings_;
  std::unordered_map<std::uint64_t, Wanted> wanted_;  ///< of each file system
};

}  // namespace crgen::preflight
