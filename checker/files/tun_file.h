// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "checker/files/rules.h"

namespace crgen::check {

/// /dev/net/tun, to which nothing is attached.
template <>
class FileRules<TunFile> : public PlainRules<TunFile> {
 public:
  std::optional<Refusal> Check(const File& file, const TunFile& tun) const {
    if (auto refused = RefusedFlags(file.flags)) return refused;
    return RefusedPath(tun.path);
  }
};

}  // namespace crgen::check
