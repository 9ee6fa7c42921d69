// SPDX-License-Identifier: Apache-2.0
// Whom the questions ask: this machine, or what another one has said of itself (host_facts.h).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <variant>

namespace crgen {

enum class FactKind : std::uint8_t {
  kSystem,
  kLimits,
  kKernel,
  kMachine,
  kProcesses,
  kTools,
  kNetwork,
  // What only a dump or a program can name:
  kFiles,
  kAccess,
  kBuildIds,
  kFileSystems,
  kWatches,
  kSockets,
  kTerminals,
  kCgroups,
};
inline constexpr std::size_t kFactKinds = 15;

/// One answer: a number, or a text of one or more lines.
using Fact = std::variant<std::uint64_t, std::string>;

/// What a machine has answered, by kind and by the name of the question.
struct HostFacts {
  std::string host;    ///< its name, for people
  std::string kernel;  ///< likewise its release
  std::array<std::map<std::string, Fact>, kFactKinds> answers;
};

/// Answers by name. What it asks this machine for is written down where it is asked, as a function
/// without arguments: `live`.
class Host {
 public:
  /// This machine.
  Host() = default;
  /// This machine; `*record`, which must outlive it, gets all that it says.
  explicit Host(HostFacts* record) : record_(record) {}
  /// The machine that has said `facts`, which must outlive it.
  explicit Host(const HostFacts& facts) : facts_(&facts) {}

  /// Nothing: the facts do not say; unanswered() has the question then.
  template <typename Live>
  std::optional<std::uint64_t> Number(FactKind kind, const std::string& name, Live&& live) {
    return Ask<std::uint64_t>(kind, name, live);
  }
  template <typename Live>
  std::optional<std::string> Text(FactKind kind, const std::string& name, Live&& live) {
    return Ask<std::string>(kind, name, live);
  }

  /// A file of proc(5) or cgroups(7), without the end of its last line; "": there is none, it is
  /// empty, or it is not known.
  std::string File(const std::string& path);
  /// The number in such a file; `none`: there is none.
  template <typename Number>
  Number NumberIn(const std::string& path, Number none) {
    Number number;
    return std::istringstream(File(path)) >> number ? number : none;
  }

  /// Whether what it says goes no further than to who asks.
  bool IsHereAlone() const { return record_ == nullptr && facts_ == nullptr; }

  using Names = std::array<std::set<std::string>, kFactKinds>;
  const Names& unanswered() const { return unanswered_; }

 private:
  template <typename Answer, typename Live>
  std::optional<Answer> Ask(FactKind kind, const std::string& name, Live& live) {
    const auto row = static_cast<std::size_t>(kind);
    if (facts_ == nullptr) {
      auto answer = static_cast<Answer>(live());
      if (record_ != nullptr) record_->answers[row].insert_or_assign(name, answer);
      return answer;
    }
    const auto found = facts_->answers[row].find(name);
    if (found != facts_->answers[row].end()) {
      if (const Answer* answer = std::get_if<Answer>(&found->second)) return *answer;
    }
    unanswered_[row].insert(name);
    return std::nullopt;
  }

  HostFacts* record_ = nullptr;
  const HostFacts* facts_ = nullptr;
  Names unanswered_;
};

}  // namespace crgen
