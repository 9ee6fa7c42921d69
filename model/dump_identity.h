// SPDX-License-Identifier: Apache-2.0
// By what a plan knows its dump again.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "model/digest.h"
#include "model/values.h"

namespace crgen {

/// A file of a dump out of which bytes are read.
struct ImageFile {
  std::string name;        ///< relative to the dump
  std::uint64_t size = 0;  ///< bytes
  std::optional<Digest> digest;
  friend bool operator==(const ImageFile&, const ImageFile&) = default;
};

struct DumpIdentity {
  std::string id;  ///< of CRIU's run (inventory_entry.dump_criu_run_id); empty: not known
  std::vector<ImageFile> images;
  friend bool operator==(const DumpIdentity&, const DumpIdentity&) = default;
};

/// What programs were started on.
struct CpuNeeds {
  std::optional<Hex> xsave;           ///< components of XSAVE that threads have in use
  std::vector<std::string> features;  ///< by the names of /proc/cpuinfo
  friend bool operator==(const CpuNeeds&, const CpuNeeds&) = default;
};

}  // namespace crgen
