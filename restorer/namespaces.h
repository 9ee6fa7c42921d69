// SPDX-License-Identifier: Apache-2.0
// Namespaces that the supervisor enters, so that the root is born into them.
#pragma once

#include <string>

#include "dsl/commands.h"
#include "preflight/host_files.h"
#include "restorer/net_spaces.h"
#include "restorer/restore.h"
#include "restorer/system_v.h"

namespace crgen::restorer {

class UserHolder;

/// uts, ipc and net of `program`, or those that the caller wants joined in their place; what is in
/// ipc is made in it. With `user` the new ones are those of that process. Further network
/// namespaces are made too, and `*nets` gets descriptors of all. Empty, or what failed.
RestoreProblem EnterNamespaces(const Program& program, const HostFiles& files,
                               const RestoreOptions& options, const UserHolder* user,
                               const OutsideIds& ids, SystemV* system_v, NetDescriptors* nets);

/// Whether the tree is in a network namespace that nobody had before: no rule of a dump is there,
/// but for what OwnNetwork() has.
bool HasNewNetwork(const Program& program, const RestoreOptions& options);

/// Adds to `options->mounts`, if the caller says so, what the dumper has found by itself.
void AddFoundByDumper(const Program& program, NamespaceOptions* options);

/// Whether the dump was of a tree with a network namespace that is not the dumper's, whatever
/// becomes of it.
bool HasNetwork(const Program& program);

/// The network namespace that is made for the tree, as it was in the dump; nullptr: none is.
const NetNamespace* OwnNetwork(const Program& program, const RestoreOptions& options);

/// The attributes with all network namespaces that are made for the tree; nullptr: none is.
const Attributes* OwnNetworks(const Program& program, const RestoreOptions& options);

/// The mounts of its own, of which a program has one list at most; nullptr: it has none.
const std::vector<Mount>* OwnMounts(const Program& program);

}  // namespace crgen::restorer
