// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "dsl/commands.h"
#include "restorer/arena.h"
#include "restorer/files/file_restorer.h"
#include "restorer/script.h"

namespace crgen::restorer {

/// LOAD_PAGES of one process: those that follow each other in an image become one readv(2).
class CompiledLoads {
 public:
  CompiledLoads(Arena& arena, const Services& services) : arena_(arena), services_(services) {}

  /// Into `op`, which comes behind `ops`; true: into the last one of these, and `op` is not needed.
  bool Join(const LoadPages& load, Op& op, std::vector<Op>& ops);
  /// No more loads follow the last one of `ops`.
  void Finish(std::vector<Op>& ops);
  /// Below the service directory.
  const char* ImageName(const std::string& image);

 private:
  Arena& arena_;
  const Services& services_;
  std::vector<Slice> slices_;
  std::string image_;
  std::uint64_t image_end_ = 0;
  std::unordered_map<std::string, const char*> images_;
};

}  // namespace crgen::restorer
