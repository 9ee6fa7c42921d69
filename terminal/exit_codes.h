// SPDX-License-Identifier: Apache-2.0
// How the programs end: one table, of which --help, the manual pages and docs/exit-codes.md are.
#pragma once

#include <string_view>

namespace crgen {

enum class ExitCode {
  kOk = 0,
  kInternal = 1,
  kUsage = 2,
  kBadInput = 3,
  kUnsupported = 4,
  kNotBuilt = 5,
  kDiffersOrDenied = 6,
};

constexpr int Number(ExitCode code) { return static_cast<int>(code); }

struct ExitCodeRow {
  ExitCode code;
  std::string_view name;
  std::string_view of_crgen, of_crrestore;  ///< what it means there; empty: does not end so
};

inline constexpr ExitCodeRow kExitCodes[] = {
    {ExitCode::kOk, "ok", "what was asked for is done",
     "with `--detach`, everybody runs; without, the root has ended with 0"},
    {ExitCode::kInternal, "internal error", "a defect of crgen, or the machine is out of memory",
     "a defect of crrestore, or the machine is out of memory"},
    {ExitCode::kUsage, "usage", "wrong arguments", "wrong arguments"},
    {ExitCode::kBadInput, "bad input",
     "a dump or program that is not valid, a file that cannot be read or written",
     "a plan that is not valid, a file or image that is missing, has changed or does not answer "
     "within `--timeout`, a pid that is "
     "taken"},
    {ExitCode::kUnsupported, "unsupported",
     "the dump is valid, but has things that no command can say; all are listed",
     "the plan is valid, but has things that this restorer cannot do; all are listed"},
    {ExitCode::kNotBuilt, "not built", "no sequence of system calls leads to this process tree",
     "the kernel refused a command, or somebody interfered; nothing is left of the tree"},
    {ExitCode::kDiffersOrDenied, "differs, or denied",
     "what `diff` compares is not the same; a policy of `check` does not allow all of it", ""},
};

}  // namespace crgen
