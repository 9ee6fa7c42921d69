// SPDX-License-Identifier: Apache-2.0
// In which of several mount namespaces processes are.
#pragma once

#include <cstdint>
#include <set>
#include <vector>

#include "dsl/commands.h"
#include "restorer/files/file_restorer.h"
#include "restorer/schedule.h"

namespace crgen::restorer {

/// By the numbers of Services::spaces.
struct MountSpaces {
  std::vector<std::int32_t> of_process;  ///< at last
  std::vector<std::int32_t> of_command;  ///< of who executes it; empty: there is one only
  std::set<std::size_t> moves;           ///< commands by which a process enters another one

  std::int32_t OfCommand(std::size_t command) const {
    return of_command.empty() ? 0 : of_command[command];
  }
};

MountSpaces FindMountSpaces(const Program& program, const Schedule& schedule,
                            const Services& services);

}  // namespace crgen::restorer
