// SPDX-License-Identifier: Apache-2.0
// What is at the path that a unix socket is to have.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "model/user_namespace.h"

namespace crgen {

enum class NameState : std::uint8_t {
  kFree,   ///< nothing
  kStale,  ///< a socket file that no socket has any more
  kInUse,  ///< a socket file, and somebody has the socket
  kOther,  ///< another file, of which no more is known
  // Another file:
  kRegular,
  kDirectory,
  kLink,
  kFifo,
  kDevice,
  kUnknown,  ///< this process has no descriptor left to look with
};
/// "a directory"
std::string_view NameOf(NameState state);

/// Looks without touching: a socket of another type is told from one that nobody has by what
/// connect(2) says, and who listens does not notice.
NameState LookAtName(const std::string& path);

/// A socket of AF_UNIX, by which LookAtName() asks from now on, for who makes no more of them
/// (crgen/confine.h); -1: errno says why there is none.
int KeepProbe();

/// Who could change where `folder` leads and is neither root nor has a number in `map`: a name
/// below is looked up with the rights of who could, whom nobody in that user namespace can become.
std::optional<std::uint32_t> StrangerOnWay(const std::string& folder, const IdMap& map);

}  // namespace crgen
