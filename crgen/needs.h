// SPDX-License-Identifier: Apache-2.0
// What the caller of a restore gives, or consents to: whatever of a dump lies outside of its tree.
#pragma once

#include <string>
#include <vector>

#include "dsl/about.h"
#include "model/diagnostics.h"
#include "model/snapshot.h"
#include "model/tree.h"

namespace crgen {

/// An option of crrestore. In `value`, PATH, DIR, SOCKET and N (a descriptor) stand for what the
/// caller has; an option without a value has none.
struct RestoreOption {
  std::string name;
  std::string value = {};
};

struct Need {
  // Kinds beside those of External: crrestore wants consent for the first two, and makes the third.
  static constexpr std::string_view kLocks = "locks";
  static constexpr std::string_view kConnections = "connections";
  static constexpr std::string_view kCgroups = "cgroups";
  static constexpr std::string_view kLoopback = "loopback";

  std::string kind;
  std::string key = {};  ///< bytes: what the plan calls it; empty: there is one of the kind
  std::string what;      ///< for people; may have bytes from outside
  RestoreOption option;
  std::vector<RestoreOption> instead = {};  ///< each does as well
  bool optional = false;                    ///< a restore may go without it
};

/// In the order of About::external, then the others.
std::vector<Need> NeedsOf(const Snapshot& snapshot);

/// What of `needs` a plan says of itself.
std::vector<External> ExternalsOf(const std::vector<Need>& needs);

/// One warning for each kind.
void WarnOfNeeds(const std::vector<Need>& needs, Diagnostics& diag);

/// Warns that the session or group of the root are not of the tree.
void WarnOfOutside(const TreeSnapshot& tree, Diagnostics& diag);

/// `crrestore PLAN --images DIR …` with all that is not optional.
std::vector<std::string> RestoreCommand(const std::vector<Need>& needs, const std::string& plan,
                                        const std::string& images);

/// The words as a shell reads them (POSIX.1-2024, 2.2): whatever is in them, one line of text.
std::string ShellQuoted(const std::vector<std::string>& words);

/// For people: a line for each, then the command.
std::string NeedsText(const std::vector<Need>& needs, const std::vector<std::string>& command);

/// For machines: {"needs": […], "command": […]}.
std::string NeedsJson(const std::vector<Need>& needs, const std::vector<std::string>& command);

}  // namespace crgen
