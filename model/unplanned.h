// SPDX-License-Identifier: Apache-2.0
// What of a dump no command says, and a Snapshot therefore lacks: for whoever looks at a dump, and
// for nobody who rebuilds it.
#pragma once

#include <string>
#include <vector>

#include "model/flags.h"
#include "model/ids.h"

namespace crgen {

struct UnplannedDescriptor {
  TableIndex table;
  Fd fd = 0;
  bool cloexec = false;
  FileId file;
  std::string type;  ///< CRIU's name, of kFileTypes, or "type 99"
  std::string what;  ///< in words, with names from outside
};

struct UnplannedRegion {
  ProcessIndex process;
  AddressRange range;
  Prot prot;
  std::string what;
};

/// Each in the order in which it was read.
struct Unplanned {
  std::vector<UnplannedDescriptor> descriptors;
  std::vector<UnplannedRegion> regions;
};

}  // namespace crgen
