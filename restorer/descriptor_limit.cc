// SPDX-License-Identifier: Apache-2.0
#include "restorer/descriptor_limit.h"

#include <algorithm>

namespace crgen::restorer {

bool AllowDescriptors(rlim_t needed) {
  rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return false;
  if (limit.rlim_cur >= needed) return true;
  limit = {needed, std::max(needed, limit.rlim_max)};
  return setrlimit(RLIMIT_NOFILE, &limit) == 0;
}

}  // namespace crgen::restorer
