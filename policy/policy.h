// SPDX-License-Identifier: Apache-2.0
// What somebody allows, and what of an authority goes beyond it. Whatever a policy does not allow,
// it denies.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "model/diagnostics.h"
#include "policy/authority.h"
#include "policy/glob.h"

namespace crgen {

/// What one member of a policy allows.
class Rule {
 public:
  struct Entry {
    std::vector<Glob> parts;
    std::vector<std::string> words;
  };

  void AllowAll() { all_ = true; }
  void AllowNumbers(std::uint64_t from, std::uint64_t to) { ranges_.emplace_back(from, to); }
  void AllowUpTo(std::uint64_t most) { most_ = most; }
  void Allow(Entry entry);

  bool Allows(const Claim& claim) const;

 private:
  bool Allows(const Entry& entry, const Claim& claim) const;

  bool all_ = false;
  std::optional<std::uint64_t> most_;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> ranges_;  // both ends included
  std::vector<Entry> entries_;
  std::unordered_map<std::string, std::vector<std::size_t>> literal_;  // by the first part
  std::vector<std::size_t> patterns_;                                  // of entries, the others
};

struct Policy {
  static constexpr int kVersion = 1;
  std::array<Rule, kKinds> rules;
};

/// Reads a policy: JSON as PolicySchema() has it. Whatever is not of that form is an error, at its
/// JSON pointer: unknown members, a member twice. `name`: of the file.
Result ReadPolicy(std::string_view text, const std::string& name, Policy* policy,
                  Diagnostics& diag);

/// The claims that `policy` does not allow, in order. Cost: linear, times the entries with
/// wildcards.
std::vector<const Claim*> Beyond(const Authority& authority, const Policy& policy);

/// The policy that allows these claims and nothing else, but for what is unknown: JSON.
std::string DerivePolicy(const Authority& authority);

/// The JSON Schema (draft-07) of policies, and that of what `crgen check --json` prints; indented,
/// ending in a newline.
std::string PolicySchema();
std::string CheckSchema();

}  // namespace crgen
