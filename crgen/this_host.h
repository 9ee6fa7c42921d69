// SPDX-License-Identifier: Apache-2.0
// This host, for questions of a process that is confined.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "crgen/outside.h"
#include "dsl/commands.h"
#include "model/diagnostics.h"
#include "preflight/file_facts.h"
#include "preflight/host.h"

namespace crgen {

/// What Preflight() says of `program`, without options but these: `images` is the folder of the
/// dump (empty: they are not asked for), `root` the tree's root file system.
struct AskedOf {
  std::string images, root;
  Host* host;
};
Diagnostics FindingsOf(const Program& program, const AskedOf& asked);

/// What asks is a process of its own (outside.h), which gets programs, that it checks, and names.
/// It parses no image but through what Preflight() does. If it ends early: std::runtime_error.
class ThisHost {
 public:
  /// Before Confine(). `images` and `root`: as in AskedOf.
  Result Begin(const std::string& images, const std::string& root, Diagnostics& diag);
  /// The next commands of the program that Findings() and Facts() speak of, which are checked
  /// while others are made.
  void Tell(std::span<const Command> commands);
  /// What Preflight() finds of the program, as it is, in the images.
  Diagnostics Findings();
  /// The text of HostFactsJson(): what is known without a program, if there is none.
  std::string Facts();
  /// As LookAtFile() of each, below `root` if there is one.
  std::vector<FileFacts> LookAt(const std::vector<std::string>& paths);

 private:
  std::string Ask(char what, const std::string& of);

  Outside outside_;
};

}  // namespace crgen
