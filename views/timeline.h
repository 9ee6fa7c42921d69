// SPDX-License-Identifier: Apache-2.0
// What processes did while they were restored, and what they waited for.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "model/ids.h"

namespace crgen {

/// Times are nanoseconds since the first step was reached.
struct TimedStep {
  std::string name;
  std::uint32_t command = 0;  ///< index in the program
  std::size_t process = 0;    ///< in Timeline::processes
  std::uint64_t reached = 0;  ///< all before it in its process is done
  std::uint64_t begun = 0;    ///< all that it awaits is done
  std::uint64_t done = 0;
  std::vector<std::uint32_t> await = {};  ///< of other processes, in Timeline::steps
  std::optional<std::size_t> makes = {};  ///< the process that it forks
  std::vector<std::uint32_t> with = {};   ///< further commands that are done at the same time
};

struct TimedProcess {
  Pid pid = 0;                         ///< 0: the restorer
  std::vector<std::uint32_t> steps;    ///< in their order
  std::optional<std::uint32_t> birth;  ///< the step that has forked it
};

struct Timeline {
  std::vector<TimedProcess> processes;
  std::vector<TimedStep> steps;  ///< those that no process lists have not been executed
};

/// Makes times relative, and such that each step is reached, begun and done in this order: they
/// come from processes that nobody trusts. Finds the births.
void Straighten(Timeline* timeline);

/// One wait, or one stretch of work, of the chain.
struct ChainLink {
  std::size_t process = 0;
  std::optional<std::uint32_t> waits_with = {};  ///< the step that waits; none: work
  std::uint32_t until = 0;                       ///< the step that is done at its end
  std::uint64_t from = 0, to = 0;
};

/// What the end of the last step depended on, back to the first: while one process waits, what the
/// one did that it waited for. In the order of time. Cost: linear.
std::vector<ChainLink> LongestChain(const Timeline& timeline);

/// What a step has waited for: of what it awaits the one that was done last. None: it awaits
/// nothing that has been executed.
std::optional<std::uint32_t> AwaitedBy(const Timeline& timeline, const TimedStep& step);

/// "FORK 31101", "LOAD_PAGES, with 62 more"
std::string NameOf(const TimedStep& step);

/// Whether the step has waited for another one, and not only been reached after it was done.
bool Waited(const Timeline& timeline, const TimedStep& step);

/// "commands[12] FORK 31101 of 31100"
std::string StepText(const Timeline& timeline, std::uint32_t number);

/// "31102 waits 3.1 ms with commands[7] FORK 31104 for commands[9] SET_SID of 31101", from the step
/// that waits.
std::string WaitText(const Timeline& timeline, std::uint32_t number);

std::string Milliseconds(std::uint64_t nanoseconds);

/// The chain for people, its longest links first named: "31102 waits 3.1 ms with FORK 31104 …".
std::vector<std::string> ChainText(const Timeline& timeline);

/// In the Trace Event format, as Perfetto and chrome://tracing read it (schema/trace.schema.json).
std::string TraceJson(const Timeline& timeline);

/// A row for each process, time from left to right: what it did, what it waited for, with arrows
/// from there, and below, in words, the chain. What is too narrow to be seen is one bar, which says
/// what it is of. Of many processes those
/// of the chain, and those that end last.
std::string GanttSvg(const Timeline& timeline);

}  // namespace crgen
