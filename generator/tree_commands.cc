// SPDX-License-Identifier: Apache-2.0
#include "generator/tree_commands.h"

#include <linux/sched.h>

#include <memory>
#include <utility>

namespace crgen {
namespace {

CommandBody Body(const TreeOp& op) {
  switch (op.kind) {
    case TreeOp::Kind::kFork: {
      Fork fork;
      fork.child_pid = op.arg;
      if (op.clone_parent) fork.flags.bits |= std::uint64_t{CLONE_PARENT};
      return fork;
    }
    case TreeOp::Kind::kSetSid:
      return SetSid{};
    case TreeOp::Kind::kSetPgid:
      return SetPgid{op.arg};
    case TreeOp::Kind::kExit:
      return Exit{{0, {}, {}}};
    case TreeOp::Kind::kWait:
      return Wait{op.arg};
    case TreeOp::Kind::kSetSubreaper:
      break;
  }
  auto attributes = std::make_shared<Attributes>();
  attributes->child_subreaper = op.arg != 0;
  return SetAttr{{}, std::move(attributes)};
}

}  // namespace

Command TreeCommand(const TreeOp& op) { return {op.pid, Body(op)}; }

}  // namespace crgen
