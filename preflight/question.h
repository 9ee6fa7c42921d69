// SPDX-License-Identifier: Apache-2.0
// The core of the library: the program is walked once, and each kind of question looks at every
// command.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "dsl/commands.h"
#include "model/diagnostics.h"
#include "preflight/preflight.h"

namespace crgen::preflight {

/// Takes findings at the command that is being looked at. The same words are told once.
class Findings {
 public:
  explicit Findings(Diagnostics& diag) : diag_(diag) {}

  void GoTo(const Program& program, std::size_t index) {
    program_ = &program;
    index_ = index;
  }

  /// `what`: what is, then what was expected. `advice`: what to do; empty: nothing helps.
  void Wrong(const std::string& what, const std::string& advice = "") {
    Add(Severity::kError, what, advice);
  }
  void Unsupported(const std::string& what) { Add(Severity::kUnsupported, what, ""); }
  void Warn(const std::string& what, const std::string& advice = "") {
    Add(Severity::kWarning, what, advice);
  }

 private:
  void Add(Severity severity, const std::string& what, const std::string& advice);

  Diagnostics& diag_;
  const Program* program_ = nullptr;
  std::size_t index_ = 0;
  std::unordered_set<std::string> said_;
  std::array<bool, 3> full_ = {};  ///< by severity: no more are kept, only counted
};

/// What the questions share.
struct Context {
  const Program& program;
  const PreflightOptions& options;
  HostFiles& files;
  Findings& findings;
  Host& host;                         ///< who is asked
  std::unordered_set<Pid> pids = {};  ///< of all processes and threads that the program makes
  bool own_numbers = false;           ///< in another pid namespace than this process's
  bool outer_pid_namespace = false;   ///< namely in one from outside
  const std::vector<Mount>* mounts = nullptr;  ///< of the program's mount namespaces; null: none
  bool other_network = false;  ///< it has another network namespace than this process
  bool new_network = false;    ///< a new one
  /// Processes that are in another mount namespace than the root, as far as the walk has come.
  std::unordered_map<Pid, std::uint64_t> entered = {};
  /// It has a user namespace of its own: whoever is in there has no rights outside.
  std::optional<UserNamespace> user = std::nullopt;
};

/// Whether only the restore makes the mount namespace in which `pid` looks up a path that is said
/// to be in `mount`.
bool IsInOtherMounts(const Context& context, Pid pid, const Rare<std::uint64_t>& mount);

/// Whether a tool of that name can be run.
bool IsInPath(const std::string& tool);
/// The same of `host`; one of which that is not known counts as there.
bool HasTool(Host& host, const std::string& tool);

/// One kind of question.
class Question {
 public:
  virtual ~Question() = default;
  virtual void Ask(const Command& command) = 0;
  /// When all commands have been looked at.
  virtual void Finish() {}
};

/// `Kind` has an overload `On` for each command that it looks at, and a template for the rest.
template <typename Kind>
class QuestionOn : public Question {
 public:
  explicit QuestionOn(Context& context)
      : context_(context), findings_(context.findings), host_(context.host) {}
  void Ask(const Command& command) override {
    pid_ = command.pid;
    std::visit([this](const auto& body) { static_cast<Kind*>(this)->On(body); }, command.body);
  }

 protected:
  Context& context_;
  Findings& findings_;
  Host& host_;
  Pid pid_ = 0;  ///< who executes the command
};

std::unique_ptr<Question> AskForCgroups(Context& context);
std::unique_ptr<Question> AskForFiles(Context& context);
std::unique_ptr<Question> AskForImages(Context& context);
std::unique_ptr<Question> AskForInherited(Context& context);
std::unique_ptr<Question> AskForLocks(Context& context);
std::unique_ptr<Question> AskForMemory(Context& context);
std::unique_ptr<Question> AskForNamespaces(Context& context);
std::unique_ptr<Question> AskForNumbers(Context& context);
std::unique_ptr<Question> AskForRights(Context& context);
std::unique_ptr<Question> AskForSockets(Context& context);
std::unique_ptr<Question> AskForTerminals(Context& context);
std::unique_ptr<Question> AskForWatches(Context& context);
std::unique_ptr<Question> AskTheKernel(Context& context);
std::unique_ptr<Question> AskTheMachine(Context& context);

// What questions of a kind ask for whatever the program is: asks for all of it.
void AskForAllCgroups(Host& host);
void AskForAllFiles(Host& host);
void AskForAllMemory(Host& host);
void AskForAllNumbers(Host& host);
void AskForAllRights(Host& host);
void AskForAllTerminals(Host& host);
void AskAllOfNamespaces(Host& host);
void AskAllOfTheKernel(Host& host);
void AskAllOfTheMachine(Host& host);
void AskAllOfTheNetwork(Host& host);

}  // namespace crgen::preflight
