// SPDX-License-Identifier: Apache-2.0
#include "restorer/late_files.h"

#include <algorithm>

#include "dsl/descriptor_tables.h"

namespace crgen::restorer {

LateFiles FindLateFiles(const Program& program) {
  LateFiles found;
  if (std::none_of(program.begin(), program.end(), HasLateState)) return found;
  DescriptorTables tables;
  for (std::size_t i = 0; i < program.size(); ++i) {
    tables.Follow(program[i]);
    if (!HasLateState(program[i])) continue;
    for (const DescriptorState& late : std::get<SetAttr>(program[i].body).attributes->descriptors) {
      found[i].push_back(&tables.At(program[i].pid, late.fd));
    }
  }
  return found;
}

}  // namespace crgen::restorer
