// SPDX-License-Identifier: Apache-2.0
// Files of plans for tests, as the member `file` of OPEN_FILE.
#pragma once

#include <string>
#include <utility>

#include "tests/support/restorer_support.h"

namespace crgen::test {

/// Number `id`, as description and as socket, with what `more` says beside, or instead.
inline Json UnixSocketFile(int id, const char* type, const char* state,
                           const Json& more = Json::object()) {
  Json file = {{"type", "UNIXSK"}, {"id", id},       {"flags", {"O_RDWR"}},
               {"socket_id", id},  {"state", state}, {"socket_type", type}};
  file.update(more);
  return file;
}

inline Json FifoFile(int id, const std::string& path, const Json& flags,
                     const Json& more = Json::object()) {
  Json file = {{"type", "FIFO"}, {"id", id}, {"flags", flags}, {"pipe_id", 7}, {"path", path}};
  file.update(more);
  return file;
}

}  // namespace crgen::test
