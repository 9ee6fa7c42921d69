// SPDX-License-Identifier: Apache-2.0
#include "crgen/losses.h"

#include <algorithm>

#include "crgen/needs.h"
#include "model/nearest.h"
#include "model/printable.h"

namespace crgen {
namespace {

struct LossName {
  std::string_view name;
  Loss loss;
  std::string_view meaning;
  std::string_view consequence;
};
constexpr LossName kLosses[] = {
    {"cgroups", Loss::kCgroups, "places in cgroups that no image names",
     "it is in the restorer's cgroup, with the limits of that"},
    {"descriptors", Loss::kDescriptors, "descriptors of types that no command says yet",
     "the number is closed (EBADF)"},
    {"labels", Loss::kLabels, "labels of AppArmor and SELinux",
     "it runs with the restorer's label, perhaps unconfined"},
    {"locks", Loss::kLocks, "file locks", "others can take the lock"},
    {"queues", Loss::kQueues, "bytes queued in pipes, sockets and terminals",
     "who reads waits, or misses these bytes"},
    {"unlinked", Loss::kUnlinked, "files that are unlinked, or not reachable by their names",
     "the number is closed (EBADF), the region not there (SIGSEGV)"},
};

/// What a restored tree is without something; empty: `what` says it.
std::string_view ConsequenceOf(const Diagnostic& entry) {
  if (entry.loss == Loss::kNamespaces) {
    return "its paths, names and addresses mean those of the restorer's caller";
  }
  if (entry.where.ends_with(".fpregs.xsave.xstate_bv")) {
    return "the thread has these registers as it was born (AMX: SIGILL at its next tile)";
  }
  const auto row = std::ranges::find(kLosses, entry.loss, &LossName::loss);
  return row == std::end(kLosses) ? std::string_view() : row->consequence;
}

}  // namespace

std::string LossHelp() {
  std::string text;
  for (const LossName& row : kLosses) {
    text += "  " + std::string(row.name) + std::string(13 - row.name.size(), ' ') +
            std::string(row.meaning) + "\n";
  }
  return text;
}

std::vector<std::string> LossNames() {
  std::vector<std::string> names;
  for (const LossName& row : kLosses) names.emplace_back(row.name);
  return names;
}

Result ParseLosses(const std::vector<std::string>& names, std::set<Loss>* losses,
                   std::string* problem) {
  for (const std::string& name : names) {
    const auto row = std::ranges::find(kLosses, std::string_view(name), &LossName::name);
    if (row == std::end(kLosses)) {
      const std::vector<std::string> known = LossNames();
      *problem = "nothing is called \"" + name + "\" there; known are ";
      for (const std::string& one : known) *problem += (one == known[0] ? "" : ", ") + one;
      *problem += Suggestion(name, known);
      return Result::kError;
    }
    losses->insert(row->loss);
  }
  return Result::kOk;
}

Diagnostics Accept(const Diagnostics& diag, const std::set<Loss>& losses, bool all) {
  Diagnostics seen;
  seen.AddAll(diag, [&](Diagnostic entry) {
    const bool by_kind = all && entry.loss != Loss::kNamespaces;
    const bool accepted = !entry.essential && (by_kind || losses.contains(entry.loss));
    if (entry.severity == Severity::kUnsupported && accepted) {
      entry.severity = Severity::kWarning;
      const std::string_view consequence = ConsequenceOf(entry);
      entry.what = "left out: " + entry.what;
      if (!consequence.empty()) entry.what += ": " + std::string(consequence);
    }
    return entry;
  });
  return seen;
}

std::shared_ptr<const About> AboutPlan(const Diagnostics& diag, const Snapshot& snapshot) {
  auto about = std::make_shared<About>();
  about->version.text = LanguageVersion::kCurrent;
  about->machine = "x86_64";
  for (const Diagnostic& entry : diag.entries()) {
    const LeftOut it = {Printable(entry.where), Printable(entry.what),
                        entry.loss == Loss::kNamespaces};
    if (entry.severity == Severity::kUnsupported) about->left_out.push_back(it);
    if (entry.lost_anyway) about->not_restorable.push_back(it);
  }
  const std::size_t more = diag.Count(Severity::kUnsupported) - about->left_out.size();
  if (more != 0) about->left_out.push_back({"dump", std::to_string(more) + " more things"});
  about->external = ExternalsOf(NeedsOf(snapshot));
  about->network_lock = snapshot.network_lock;
  if (!snapshot.dump_id.empty()) about->dump = DumpIdentity{snapshot.dump_id, {}};
  if (snapshot.cpu != CpuNeeds{}) about->cpu = snapshot.cpu;
  about->vdso = snapshot.vdso;
  return about;
}

Diagnostics CompareLeftOut(const Diagnostics& loading, const About* about) {
  std::set<std::pair<std::string_view, std::string_view>> named;
  if (about != nullptr) {
    for (const LeftOut& it : about->left_out) named.insert({it.where, it.what});
  }
  Diagnostics seen;
  seen.AddAll(loading, [&](Diagnostic entry) {
    if (entry.severity == Severity::kUnsupported) {
      const std::string where = Printable(entry.where), what = Printable(entry.what);
      const bool is_named = named.contains({where, what});
      entry.severity = is_named ? Severity::kWarning : Severity::kError;
      entry.what = (is_named ? "left out, as the plan says: "
                             : "expected, neither restored nor left out by name: ") +
                   entry.what;
    }
    return entry;
  });
  return seen;
}

}  // namespace crgen
