// SPDX-License-Identifier: Apache-2.0
// What is done under other effective ids, for a moment.
#pragma once

#include <sys/types.h>

#include <functional>

namespace crgen::restorer {

/// `make` with these effective ids, of this process's user namespace; what it gives, or -1: errno
/// says why. What a change of ids has as side effects is undone.
int WithEffectiveIds(uid_t uid, gid_t gid, const std::function<int()>& make);

}  // namespace crgen::restorer
