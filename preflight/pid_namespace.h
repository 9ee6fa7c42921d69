// SPDX-License-Identifier: Apache-2.0
// The pid namespace from outside that the root of a plan is to be born in.
#pragma once

#include <map>
#include <string>

#include "preflight/host_files.h"
#include "preflight/namespace_options.h"
#include "preflight/question.h"

namespace crgen::preflight {

/// A descriptor of what the caller gives for `outer`: what HostFiles holds (O_PATH), or what is
/// handed over; -1: nothing. Whoever has it keeps it.
int GivenPidNamespace(const PidNamespace& outer, const NamespaceOptions& options,
                      const HostFiles& files, const std::map<std::string, int>& inherited);

/// Tells what is wrong with what the caller says of it; null: the program has none. What he gives
/// must be this process's own pid namespace or below it (setns(2)), and have an init, and nobody
/// there may have a number that the program wants, as far as /proc shows (proc(5), NSpid).
void CheckPidNamespace(Context& context, const PidNamespace* outer);

/// Who has `number` in the pid namespace `given`: "EEXIST: pid 12 is taken …, by "sleep", here
/// 4711", as far as this process's /proc shows; empty: nobody.
std::string TakenThere(int given, Pid number);

}  // namespace crgen::preflight
