// SPDX-License-Identifier: Apache-2.0
#include "dsl/commands.h"

namespace crgen {

std::string CommandPlace(const Command& command, std::size_t index) {
  const auto name =
      std::visit([](const auto& body) { return std::string(body.kName); }, command.body);
  return "commands[" + std::to_string(index) + "] " + name + " pid " + std::to_string(command.pid);
}

}  // namespace crgen
