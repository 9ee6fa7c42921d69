// SPDX-License-Identifier: Apache-2.0
// Namespaces that the caller gives: held, and what they are.
#pragma once

#include <string>

#include "preflight/question.h"

namespace crgen::preflight {

/// Tells if `fd`, which the caller has handed over as `key`, is no namespace of
/// the kind, as /proc/PID/ns has it. False: it has told.
bool CheckNamespace(Context& context, int fd, const std::string& key, const std::string& kind);

/// Holds what is at `path` as `place`, and tells if it is no namespace of the kind. `option`: what
/// the caller has said. False: it has told.
bool HoldNamespace(Context& context, const std::string& option, const std::string& path,
                   const std::string& kind, const std::string& place);

}  // namespace crgen::preflight
