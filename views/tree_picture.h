// SPDX-License-Identifier: Apache-2.0
// A process tree as a picture: who is born of whom, in which session and group.
#pragma once

#include <string>
#include <vector>

#include "model/tree.h"
#include "views/view.h"

namespace crgen {

/// A process when it is born, and where it ends up.
struct DrawnBirth {
  Pid pid = 0;
  Pid creator = 0;  ///< who forks it; 0: the restorer
  Pid adopter = 0;  ///< whose child it becomes when its parent ends; 0: nobody's
  Pid pgid = 0;
  Pid sid = 0;
  bool invented = false;  ///< the dump has no such process
  bool zombie = false;
  bool subreaper = false;
  std::size_t threads = 0;  ///< further ones
};

/// Each process below who forks it, with the number of its birth; frames around those of one
/// session, and in them of one group, that stand together; who is invented is dashed; an arrow
/// leads from who is adopted to the parent. Of large trees the upper part: what is below a process,
/// or beside many siblings, is counted. `births` in their order, creators before those whom they
/// fork. Cost: linear.
std::string TreeSvg(const std::vector<DrawnBirth>& births);

/// The same, whole or in part likewise, in the language of Graphviz.
std::string TreeDot(const std::vector<DrawnBirth>& births);

}  // namespace crgen
