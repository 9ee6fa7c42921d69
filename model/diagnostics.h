// What went wrong and where. Functions return a Result; the words go to a Diagnostics.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
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

struct Diagnostic {
  Severity severity;
  std::string where;                        ///< image and entry and field, or command; never empty
  std::string what;                         ///< the fact: what is, then what was expected
  std::optional<std::size_t> command = {};  ///< of a program: the index that it is about
  std::string advice = {};                  ///< what to do about it; may be empty
};

/// Collects everything that is wrong with one input, so that a user sees it all in one run.
/// Keeps the first kMaxKept entries of a severity and counts the rest, so that a hostile input
/// cannot make it grow.
class Diagnostics {
 public:
  static constexpr std::size_t kMaxKept = 10000;

  /// Always kError, so that `return diag.Error(…)` reads well.
  Result Error(std::string where, std::string what) {
    Add({Severity::kError, std::move(where), std::move(what)});
    return Result::kError;
  }
  void Unsupported(std::string where, std::string what) {
    Add({Severity::kUnsupported, std::move(where), std::move(what)});
  }
  void Warning(std::string where, std::string what) {
    Add({Severity::kWarning, std::move(where), std::move(what)});
  }
  void Add(Diagnostic entry) {
    if (counts_[static_cast<int>(entry.severity)]++ < kMaxKept) {
      entries_.push_back(std::move(entry));
    }
  }

  std::size_t Count(Severity severity) const { return counts_[static_cast<int>(severity)]; }
  bool HasErrors() const { return Count(Severity::kError) != 0; }
  const std::vector<Diagnostic>& entries() const { return entries_; }

 private:
  std::vector<Diagnostic> entries_;
  std::size_t counts_[3] = {0, 0, 0};
};

}  // namespace crgen
