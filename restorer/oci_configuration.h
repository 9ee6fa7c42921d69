// SPDX-License-Identifier: Apache-2.0
// What the configuration of a container (OCI Runtime Specification, config.json) says of what a
// restore wants.
#pragma once

#include <string>

#include "preflight/namespace_options.h"

namespace crgen::restorer {

/// Of the file `path`: its root file system, unless `*options` has one, and its bind mounts, by the
/// keys that runc gives them, which are their destinations; masked files are /dev/null. Relative
/// paths begin in the file's folder (the bundle). Empty, or what is wrong.
std::string ReadOciConfiguration(const std::string& path, NamespaceOptions* options);

}  // namespace crgen::restorer
