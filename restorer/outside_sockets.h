// SPDX-License-Identifier: Apache-2.0
// Unix sockets whose peers are not of the tree: connected anew, where the user says so.
#pragma once

#include <map>
#include <set>
#include <string>

#include "dsl/commands.h"
#include "model/diagnostics.h"

namespace crgen::restorer {

/// Which of them the user lets reach out: --ext-unix-sk, --external unix[INODE].
struct OutsideSockets {
  bool all = false;
  std::set<std::string> keys;  ///< as model/files/external.h has them
};

/// Makes the sockets that `allowed` names and `*inherited` has not, and connects each to the name
/// of its peer, with the rights of the process that opens it; `*inherited` gets them, by key: -1
/// where that failed. Not `connects`: only looks whether somebody could be there, and touches
/// nothing. Names that are paths are bound first, and are on record in `names` (NameRecord), for
/// who has to remove them; from then on signals that stop wait (cleanup.h). What fails is reported.
void ConnectOutside(const Program& program, const OutsideSockets& allowed, bool connects, int names,
                    std::map<std::string, int>* inherited, Diagnostics& diag);

}  // namespace crgen::restorer
