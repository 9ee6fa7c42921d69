// SPDX-License-Identifier: Apache-2.0
#include "restorer/compiled_nets.h"

#include <linux/sched.h>

#include <optional>
#include <string>
#include <variant>

namespace crgen::restorer {

const NetNamespace* CompiledNets::own() const {
  return HasSeveral() ? &*services_.networks->net : nullptr;
}

EnterNetOp CompiledNets::Enter(std::uint64_t net, Arena& arena) const {
  return {arena.Text(std::to_string(services_.nets.at(net)))};
}

EnterNetOp CompiledNets::OfProcess(std::size_t command, Arena& arena) const {
  return Enter(of_command_[command], arena);
}

void CompiledNets::Surround(const Command& command, std::size_t index, Arena& arena, Op& op,
                            std::vector<Op>& ops) const {
  const auto* open = std::get_if<OpenFile>(&command.body);
  if (open == nullptr || !HasSeveral() || open->from || open->file->external) return;
  std::optional<std::uint64_t> there = NetOf(*open->file);
  const auto* file = As<NamespaceFile>(*open->file);
  if (file != nullptr && file->type.value == CLONE_NEWNET) there = file->id;
  if (!there || *there == of_command_[index]) return;
  Op enter = op;
  enter.kind = OpKind::kEnterNet;
  enter.done = nullptr;
  enter.enter_net = Enter(*there, arena);
  ops.push_back(enter);
  Op opening = op;
  opening.done = nullptr;
  opening.await_count = 0;
  ops.push_back(opening);
  op.kind = OpKind::kEnterNet;
  op.await_count = 0;
  op.enter_net = OfProcess(index, arena);
}

}  // namespace crgen::restorer
