// The rules by which a dump has stopped the packets of its connections, removed as CRIU does it: by
// the system's own tools.
#pragma once

#include <string>
#include <vector>

#include "dsl/commands.h"
#include "restorer/restore.h"

namespace crgen::restorer {

/// Removes what the dump of `program` has left, all at once, if the program says so and the options
/// do not forbid it. Rules that are not there (it may be another machine) are no failure. Empty, or
/// what failed: then none is removed.
std::string UnlockNetwork(const Program& program, const RestoreOptions& options);

/// The rules in `saved`, as iptables-save(8) prints the table `filter`, that stop `connections`, as
/// input that makes iptables-restore(8) delete them. Empty: there are none.
std::string DeletionOf(const std::string& saved, const std::vector<const InetSocket*>& connections);

}  // namespace crgen::restorer
