// SPDX-License-Identifier: Apache-2.0
// Why each command is in a program, in short words.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "dsl/commands.h"
#include "dsl/descriptor_tables.h"

namespace crgen {

/// What follows from the program alone. Cost: linear, but for the descriptors that forks hand on.
class PlanReasons {
 public:
  explicit PlanReasons(const Program& program);

  /// To be asked for one command after the other; `tables` are those before it.
  std::string Of(const Command& command, const DescriptorTables& tables);

 private:
  /// What is to be known of a process, from what it does in the whole program.
  struct Role {
    Pid parent = 0;
    bool invented = false;
    bool leads = false;           ///< a session
    bool founds = false;          ///< a group of its own number
    bool adopts_shortly = false;  ///< it is a subreaper, and then none
    std::size_t children = 0;
    std::vector<std::size_t> forks = {};  ///< the commands
  };

  // Of the whole program, first.
  template <typename Body>
  void Learn(Pid, const Body&) {}
  void Learn(Pid pid, const Fork& fork);
  void Learn(Pid pid, const SetSid&) { roles_[pid].leads = true; }
  void Learn(Pid pid, const SetPgid& set);
  void Learn(Pid pid, const Wait& wait);
  void Learn(Pid pid, const OpenFile& open);
  void Learn(Pid pid, const MapRegion& map);
  void Learn(Pid pid, const UnmapRegion& unmap);
  void Learn(Pid pid, const SetAttr& set);
  void Learn(Pid pid, const Resume&);

  std::string Why(const Fork& fork);
  std::string Why(const SetSid&) const;
  std::string Why(const SetPgid& set) const;
  std::string Why(const CreateThread&) const;
  std::string Why(const Exit&) const;
  std::string Why(const Wait&) const;
  std::string Why(const OpenFile& open) const;
  std::string Why(const DupFd& dup) const;
  std::string Why(const CloseFd& close) const;
  std::string Why(const MapRegion& map) const;
  std::string Why(const UnmapRegion&) const;
  std::string Why(const MoveRegion&) const;
  std::string Why(const ProtectRegion& protect) const;
  std::string Why(const LoadPages&) const;
  std::string Why(const SetAttr& set) const;
  std::string Why(const Resume& resume) const;

  /// Behind a session or group: why somebody who is not in the dump has it.
  std::string OfTheGone(const char* who) const;
  bool ForksLater() const;

  std::unordered_map<Pid, Role> roles_;
  std::unordered_map<const File*, Pid> openers_;
  std::unordered_map<const File*, std::size_t> holders_;  ///< descriptors that go on with it
  std::unordered_set<const File*> mapped_;
  std::unordered_map<std::uint64_t, std::set<Pid>> sharers_;  ///< of shared memory: who maps it
  std::set<std::pair<Pid, std::uint64_t>> unmapped_;          ///< what begins there

  const DescriptorTables* tables_ = nullptr;  ///< while the program is followed
  std::size_t index_ = 0;                     ///< of the command that is asked for, or learnt
  Pid pid_ = 0;                               ///< who executes it
  std::unordered_map<Pid, Pid> sessions_;
};

}  // namespace crgen
