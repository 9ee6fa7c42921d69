// SPDX-License-Identifier: Apache-2.0
#include "crgen/system_calls.h"

#include <algorithm>

#include "model/nearest.h"
#include "terminal/command_line.h"

namespace crgen {
namespace {

/// First those that are always needed.
const std::vector<std::string>& KnownCalls() {
  static const std::vector<std::string> known = {"fork", "setsid",       "setpgid",  "exit",
                                                 "wait", "clone_parent", "subreaper"};
  return known;
}

}  // namespace

void AddSystemCalls(CLI::App& app, std::vector<std::string>* names) {
  app.add_option(
         "--syscalls", *names,
         "Rebuild the tree by these alone: fork,setsid,setpgid,exit (and wait), and perhaps "
         "clone_parent and subreaper; default: all")
      ->delimiter(',')
      ->type_name("NAMES")
      ->check(Choices(KnownCalls()));
}

Result ParseSystemCalls(const std::vector<std::string>& names, TreeRules* rules,
                        Diagnostics& diag) {
  const std::vector<std::string>& known = KnownCalls();
  constexpr std::size_t kBasis = 4;
  if (names.empty()) return Result::kOk;
  const auto has = [&](const std::string& name) {
    return std::ranges::find(names, name) != names.end();
  };
  for (const std::string& name : names) {
    if (std::ranges::find(known, name) != known.end()) continue;
    std::string all;
    for (const std::string& it : known) all += (all.empty() ? "" : ", ") + it;
    const std::string suggestion = Suggestion(name, known);
    return diag.Fail("--syscalls", "\"" + name + "\" is none of " + all + suggestion);
  }
  for (std::size_t i = 0; i < kBasis; ++i) {
    if (!has(known[i])) return diag.Fail("--syscalls", known[i] + " is always needed");
  }
  rules->clone_parent = has("clone_parent");
  rules->subreapers = has("subreaper");
  return Result::kOk;
}

}  // namespace crgen
