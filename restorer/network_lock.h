// SPDX-License-Identifier: Apache-2.0
// The rules by which a dump has stopped the packets of its connections, removed as CRIU does it: by
// the system's own tools.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "dsl/commands.h"
#include "restorer/restore.h"

namespace crgen::restorer {

/// Input of iptables-restore(8), with --noflush.
struct RuleChange {
  std::string removal;  ///< empty: there is nothing to remove
  std::string back;     ///< what makes it as it was
};

/// Removes what the dump of a program has left, if the program says so and the options do not
/// forbid it. Tools run for `--timeout` at most, and until an end is asked for.
class NetworkUnlock {
 public:
  /// Both stay as long as this does.
  NetworkUnlock(const Program& program, const RestoreOptions& options);

  /// Looks what there is. Nothing (it may be another machine) is no failure. Empty, or what failed.
  std::string Find();
  /// Removes what Find() has found: of each family all or nothing. Empty, or what failed.
  std::string Remove();
  /// Puts back where it was what has been removed, or may have been; of a namespace of the plan's
  /// own nothing, which ends with who is in it. Empty, or what failed.
  std::string PutBack();
  /// Whether something has been found.
  bool has_found() const { return !removals_.empty(); }
  /// Whether something has been removed, or may have been.
  bool may_be_gone() const { return begun_ != 0; }

 private:
  struct Removal {
    std::vector<const char*> words;  ///< of the command
    std::string input;
    std::vector<const char*> back_words = {};  ///< of the one that puts it back; empty: none
    std::string back = {};                     ///< its input
  };

  std::string FindTable();
  std::string FindInOwn();
  /// Of a namespace that is locked as a whole.
  std::string FindChain(const char* save, const char* restore);
  void AddTables(const char* restore, RuleChange change);
  std::string FindRules(const std::vector<const InetSocket*>& connections, const char* save,
                        const char* restore);

  const Program& program_;
  const unsigned timeout_;
  const NetworkLock* lock_ = nullptr;  ///< none: there is nothing to remove
  bool has_connections_ = false;
  std::string cut_table_;    ///< as CRIU's buffer has the table's name
  const NetNamespace* own_;  ///< the lock was dumped with it; nullptr: it is outside
  std::vector<Removal> removals_;
  std::size_t begun_ = 0;     ///< removals
  bool last_is_done_ = true;  ///< of those: it is known to be
};

/// What makes nft(8) remove the chain by which CRIU stops all packets of a network namespace, and
/// what leads there, from `ruleset`, as `nft --handle list ruleset` prints it. Empty: it is not
/// there.
std::string ChainRemovalOf(const std::string& ruleset);

/// The rules in `saved`, as iptables-save(8) prints the table `filter`, that stop `connections`.
RuleChange RulesOf(const std::string& saved, const std::vector<const InetSocket*>& connections);

/// The chain by which CRIU stops all packets of a network namespace, and what leads there, from
/// `saved`, as iptables-save(8) prints all tables.
RuleChange ChainOf(const std::string& saved);

}  // namespace crgen::restorer
