// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

namespace crgen::preflight {

/// Who has ptys of the instance of devpts in which /dev/ptmx makes them: indices are those of an
/// instance, and a container has its own. Looks once.
class PtyHolders {
 public:
  /// "process 812 (bash) has it"; empty: nobody that this process may look at.
  std::string Of(std::uint32_t index);

 private:
  void Look();

  std::optional<std::map<std::uint32_t, std::string>> holders_;
};

}  // namespace crgen::preflight
