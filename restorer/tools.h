// SPDX-License-Identifier: Apache-2.0
// Programs of the system that the supervisor runs, for what they do better than it could.
#pragma once

#include <string>
#include <vector>

namespace crgen::restorer {

class UserHolder;

/// What a program has done.
struct ToolOutcome {
  std::string problem;  ///< it could not be run, or not to its end
  bool started = false;
  int status = 0;      ///< its exit code
  std::string output;  ///< of stdout and stderr
};

/// Runs `words`, found in PATH, with `input` on its stdin. It is killed, with all that it has
/// started, after `timeout` seconds in which it has read nothing (0: never) or when an end is asked
/// for, and dies with this process.
ToolOutcome RunTool(const std::vector<const char*>& words, const std::string& input,
                    unsigned timeout);

/// The same of what takes a change back: also when an end is asked for, for ten seconds at most.
ToolOutcome RunToolToItsEnd(const std::vector<const char*>& words, const std::string& input);

/// The same with the file `input` on its stdin, for what comes from outside: it runs as nobody,
/// with no capability but CAP_NET_ADMIN and CAP_NET_RAW, can start no program, gets no more rights
/// by execve(2), and writes no file.
ToolOutcome RunConfinedTool(const std::vector<const char*>& words, int input, unsigned timeout);

/// The same in the directory `folder`, with the file `input` on its stdin and with the rights of
/// this process; with `user`, of root in that user namespace. Of its output the beginning is kept.
ToolOutcome RunToolIn(int folder, const std::vector<const char*>& words, int input,
                      unsigned timeout, const UserHolder* user);

/// "nft: what it said", escaped; empty: it has done what it was asked for.
std::string ToolComplaint(const std::string& what, const ToolOutcome& outcome);

}  // namespace crgen::restorer
