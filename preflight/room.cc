// SPDX-License-Identifier: Apache-2.0
#include "preflight/room.h"

namespace crgen::preflight {

void Room::Add(const std::string& path, const Facts& folder, const Unlinked& file) {
  Wanted& wanted = wanted_[folder.status.device];
  const std::string system = "the file system of " + path + " has ";
  const std::uint64_t before = wanted.bytes;
  for (const ContentRun& part : file.content) wanted.bytes += part.bytes;
  if (wanted.bytes != before) {
    const std::uint64_t free = look_.FreeBytes(folder);
    if (before <= free && wanted.bytes > free) {
      findings_.Wrong(system + std::to_string(free) + " bytes left, and the unlinked files take " +
                          std::to_string(wanted.bytes),
                      "make room");
    }
  }
  // Another name is there for a moment only, and takes none.
  if (file.link_of || !wanted.files.insert(file.id.value).second) return;
  const std::uint64_t free = look_.FreeFiles(folder);
  if (wanted.files.size() - 1 != free) return;
  findings_.Wrong(system + "room for " + std::to_string(free) +
                      " more files (inodes), and the plan has more that are unlinked",
                  "make room");
}

}  // namespace crgen::preflight
