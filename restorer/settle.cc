// SPDX-License-Identifier: Apache-2.0
#include "restorer/settle.h"

#include <memory>
#include <optional>
#include <string>

namespace crgen::restorer {
namespace {

constexpr int kDumpableByRoot = 2, kNotDumpable = 0;

}  // namespace

void Settle(const Schedule& schedule, bool restorer_ends, Program* program, Diagnostics& diag) {
  for (std::size_t i = 0; i < program->size(); ++i) {
    Command& command = (*program)[i];
    auto* set = std::get_if<SetAttr>(&command.body);
    if (set == nullptr) continue;
    const auto warn = [&](const std::string& what) {
      Diagnostic entry = {Severity::kWarning, CommandPlace(command, i), what};
      entry.command = i;
      diag.Add(std::move(entry));
    };
    const Attributes& attributes = *set->attributes;
    std::shared_ptr<Attributes> changed;
    const auto change = [&]() -> Attributes& {
      if (changed == nullptr) changed = std::make_shared<Attributes>(attributes);
      return *changed;
    };
    if (attributes.dumpable == kDumpableByRoot) {
      change().dumpable = kNotDumpable;
      warn("dumpable 2 becomes 0: no process can set 2 (prctl(2)); with 0, no core is dumped");
    }
    const bool orphan = schedule.processes[schedule.executor[i]].parent == 0;
    if (restorer_ends && orphan && attributes.pdeath_signal &&
        attributes.pdeath_signal->value != 0) {
      change().pdeath_signal.reset();
      warn(
          "the parent-death signal is left out: the parent is crrestore, whose end would raise it "
          "(without --detach it stays)");
    }
    if (changed != nullptr) set->attributes = std::move(changed);
  }
}

}  // namespace crgen::restorer
