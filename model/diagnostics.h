// SPDX-License-Identifier: Apache-2.0
// What went wrong and where. Functions return a Result; the words go to a Diagnostics.
#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace crgen {

enum class [[nodiscard]] Result{kOk, kError};
inline bool Failed(Result result) { return result == Result::kError; }
inline bool Succeeded(Result result) { return result == Result::kOk; }

enum class Severity {
  kError,        ///< the input is not valid
  kUnsupported,  ///< valid, but a restore program cannot (yet) say it
  kWarning,      ///< legal but suspect
};

/// What is lost where something unsupported is left out: kinds that a user accepts by name.
enum class Loss {
  kOther,  ///< has no name of its own
  kDescriptors,
  kUnlinked,
  kQueues,
  kLocks,
  kCgroups,
  kLabels,
  kNamespaces,  ///< in whose place the caller's may be taken
};

struct Diagnostic {
  Severity severity;
  std::string where;                        ///< image and entry and field, or command; never empty
  std::string what;                         ///< the fact: what is, then what was expected
  std::optional<std::size_t> command = {};  ///< of a program: the index that it is about
  std::string advice = {};                  ///< what to do about it; may be empty
  /// kUnsupported: the rest means something else without it, so that it cannot be left out.
  bool essential = false;
  std::size_t more = 0;      ///< how many more of the kind there are, which are not listed
  Loss loss = Loss::kOther;  ///< kUnsupported
  bool lost_anyway = false;  ///< kWarning: of the dump, and nobody can restore it
  std::size_t line = 0;      ///< of a program's text, from 1; 0: not known
  std::string pointer = {};  ///< of a program's text: RFC 6901
};

/// Collects everything that is wrong with one input, so that a user sees it all in one run.
/// Keeps the first kMaxKept entries of a severity and counts the rest, so that a hostile input
/// cannot make it grow.
class Diagnostics {
 public:
  static constexpr std::size_t kMaxKept = 1000;

  void Error(std::string where, std::string what) {
    Add({Severity::kError, std::move(where), std::move(what)});
  }
  /// The same for a function that ends with it: `return diag.Fail(…)`. Always kError.
  Result Fail(std::string where, std::string what) {
    Error(std::move(where), std::move(what));
    return Result::kError;
  }
  void Unsupported(std::string where, std::string what, Loss loss = Loss::kOther) {
    Diagnostic entry = {Severity::kUnsupported, std::move(where), std::move(what)};
    entry.loss = loss;
    Add(std::move(entry));
  }
  /// Likewise what nobody may leave out.
  void Essential(std::string where, std::string what) {
    Add({Severity::kUnsupported, std::move(where), std::move(what), {}, {}, true});
  }
  void Warning(std::string where, std::string what) {
    Add({Severity::kWarning, std::move(where), std::move(what)});
  }
  /// Of what a dump says, or does not say, and nobody can restore.
  void NotRestorable(std::string where, std::string what) {
    Diagnostic entry = {Severity::kWarning, std::move(where), std::move(what)};
    entry.lost_anyway = true;
    Add(std::move(entry));
  }
  void Add(Diagnostic entry) {
    essential_ = essential_ || entry.essential;
    const int severity = static_cast<int>(entry.severity);
    counts_[severity] += 1 + entry.more;
    if (kept_[severity] == kMaxKept) return;
    ++kept_[severity];
    entries_.push_back(std::move(entry));
  }

  /// Of findings with one `kind`, keeps the first and counts the others in it.
  void AddCounted(const std::string& kind, Diagnostic entry) {
    auto first = kinds_.find(kind);
    if (first != kinds_.end()) {
      ++entries_[first->second].more;
      ++counts_[static_cast<int>(entry.severity)];
      return;
    }
    const std::size_t index = entries_.size();
    Add(std::move(entry));
    if (entries_.size() > index) kinds_.emplace(kind, index);
  }

  /// Takes over all of `other`: also the number of what it has not kept.
  void AddAll(const Diagnostics& other) {
    AddAll(other, [](const Diagnostic& entry) { return entry; });
  }
  /// The same with each entry as `change(entry)` gives it: a Diagnostic, or an optional one, which
  /// is left out if absent.
  template <typename Change>
  void AddAll(const Diagnostics& other, Change&& change) {
    for (const Diagnostic& entry : other.entries_) {
      if (std::optional<Diagnostic> changed = change(entry)) Add(*std::move(changed));
    }
    AddDropped(other);
  }
  /// The number of what `other` has not kept, and no entry of it.
  void AddDropped(const Diagnostics& other) {
    essential_ = essential_ || other.essential_;
    for (int i = 0; i < 3; ++i) counts_[i] += other.Dropped(static_cast<Severity>(i));
  }

  std::size_t Count(Severity severity) const { return counts_[static_cast<int>(severity)]; }
  /// Findings that are neither kept nor counted in one that is.
  std::size_t Dropped(Severity severity) const {
    std::size_t known = 0;
    for (const Diagnostic& entry : entries_)
      known += entry.severity == severity ? 1 + entry.more : 0;
    return Count(severity) - known;
  }
  /// Whether something unsupported is essential.
  bool HasEssential() const { return essential_; }
  bool HasErrors() const { return Count(Severity::kError) != 0; }
  const std::vector<Diagnostic>& entries() const { return entries_; }

 private:
  std::vector<Diagnostic> entries_;
  std::unordered_map<std::string, std::size_t> kinds_;  // of AddCounted(): the entry
  bool essential_ = false;
  std::size_t counts_[3] = {0, 0, 0};
  std::size_t kept_[3] = {0, 0, 0};
};

}  // namespace crgen
