// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace crgen {

/// CRIU calls a socket `unix[88]` where it dumps it, `socket:[88]` where it restores it, and its
/// manual `socket[88]` (likewise `pipe[4711]`): one way to spell them all.
inline std::string PlainKey(std::string_view key) {
  for (const std::string_view kind : {"unix[", "socket["}) {
    if (key.starts_with(kind)) return "socket:[" + std::string(key.substr(kind.size()));
  }
  if (key.starts_with("pipe[")) return "pipe:" + std::string(key.substr(4));
  return std::string(key);
}

}  // namespace crgen
