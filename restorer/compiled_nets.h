// SPDX-License-Identifier: Apache-2.0
// How processes enter network namespaces, and open in others than their own.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "dsl/commands.h"
#include "restorer/arena.h"
#include "restorer/files/file_restorer.h"
#include "restorer/net_spaces.h"
#include "restorer/script.h"

namespace crgen::restorer {

class CompiledNets {
 public:
  /// `of_command`: FindNetSpaces(). `services` must outlive this.
  CompiledNets(const Services& services, std::vector<std::uint64_t> of_command)
      : services_(services), of_command_(std::move(of_command)) {}

  bool HasSeveral() const { return !of_command_.empty(); }
  /// That of the root, where there are several.
  const NetNamespace* own() const;
  /// Of who executes `command`, from then on.
  EnterNetOp OfProcess(std::size_t command, Arena& arena) const;
  /// Where `command` opens something in another one: into `ops` goes what enters that, and `op`,
  /// which becomes the way back.
  void Surround(const Command& command, std::size_t index, Arena& arena, Op& op,
                std::vector<Op>& ops) const;

 private:
  EnterNetOp Enter(std::uint64_t net, Arena& arena) const;

  const Services& services_;
  const std::vector<std::uint64_t> of_command_;
};

}  // namespace crgen::restorer
