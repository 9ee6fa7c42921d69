#include "generator/files/late.h"

#include <algorithm>
#include <memory>
#include <unordered_map>
#include <utility>
#include <vector>

namespace crgen {
namespace {

struct Holder {
  std::int32_t node;
  Fd fd;
};

/// The first holder of each file, in the order of births, and its lowest number there.
std::unordered_map<std::int32_t, Holder> FirstHolders(const Snapshot& snapshot,
                                                      const CreationTree& tree) {
  std::unordered_map<std::int32_t, Holder> holders;
  for (const LateEntry& entry : snapshot.late) holders.try_emplace(entry.file, Holder{-1, -1});
  for (std::int32_t n = 0; n < static_cast<std::int32_t>(tree.nodes.size()); ++n) {
    const Process* process = tree.Living(snapshot, n);
    if (process == nullptr) continue;
    for (const Descriptor& slot : snapshot.tables[process->table].slots) {
      const auto known = holders.find(slot.file);
      if (known != holders.end() && known->second.node < 0) known->second = {n, slot.fd};
    }
  }
  return holders;
}

struct LateStep {
  Holder by;
  const LateState* state;
};

/// Kind after kind. Within one whoever was last begins, so that two kinds share a command.
void Order(std::vector<LateStep>& steps) {
  std::stable_sort(steps.begin(), steps.end(), [](const LateStep& a, const LateStep& b) {
    return std::pair(a.state->index(), a.by.node) < std::pair(b.state->index(), b.by.node);
  });
  for (auto kind = steps.begin(); kind != steps.end();) {
    const auto end = std::find_if(kind, steps.end(), [&](const LateStep& step) {
      return step.state->index() != kind->state->index();
    });
    if (kind != steps.begin()) {
      const std::int32_t last = std::prev(kind)->by.node;
      std::stable_partition(kind, end, [&](const LateStep& step) { return step.by.node == last; });
    }
    kind = end;
  }
}

}  // namespace

Result EmitLateState(const Snapshot& snapshot, const CreationTree& tree, Emitter& out,
                     Diagnostics& diag) {
  if (snapshot.late.empty()) return Result::kOk;
  const auto holders = FirstHolders(snapshot, tree);
  std::vector<LateStep> steps;
  steps.reserve(snapshot.late.size());
  for (const LateEntry& entry : snapshot.late) {
    const Holder& by = holders.at(entry.file);
    if (by.node < 0) {
      return diag.Error("file " + std::to_string(snapshot.files[entry.file]->id.value),
                        "has late state, but no process holds it");
    }
    steps.push_back({by, &entry.state});
  }
  Order(steps);
  for (auto step = steps.begin(); step != steps.end();) {
    const std::int32_t node = step->by.node;
    auto attributes = std::make_shared<Attributes>();
    for (; step != steps.end() && step->by.node == node; ++step) {
      attributes->descriptors.push_back({step->by.fd, *step->state});
    }
    out.Emit(tree.nodes[node].pid, SetAttr{{}, std::move(attributes)});
  }
  return Result::kOk;
}

}  // namespace crgen
