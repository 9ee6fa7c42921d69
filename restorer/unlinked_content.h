// SPDX-License-Identifier: Apache-2.0
// What is in a file that was made anew, and whose it is. No name leads to it by now.
#pragma once

#include <map>
#include <string>

#include "dsl/commands.h"
#include "model/files/unlinked.h"
#include "preflight/host_files.h"
#include "restorer/outside_ids.h"

namespace crgen::restorer {

/// Size, content, owner, mode and times of a regular file, which `file` has open for writing. Bytes
/// stay in the kernel. The problem, or nothing.
std::string FillFile(const Unlinked& it, const HostFiles& files, const OutsideIds& ids, int file);

/// The same of any other, without content: `held`, a descriptor of this process, was opened with
/// O_PATH.
std::string SetFacts(const Unlinked& it, const OutsideIds& ids, const std::string& held);

/// The times of all that a program makes once more, when FIFOs have their bytes and files are
/// mapped; `held`: the descriptors by name. The problem, or nothing.
std::string SetTimes(const Program& program, const std::map<UnlinkedId, std::string>& held);

}  // namespace crgen::restorer
