// SPDX-License-Identifier: Apache-2.0
#include "restorer/lease_breaks.h"

#include <fcntl.h>

#include <optional>
#include <set>

namespace crgen::restorer {
namespace {

/// What a process opens below the service directory to open the file once more, and its path.
std::pair<std::string, std::string> HeldName(const File& file, const Services& services) {
  if (const auto* memfd = std::get_if<Memfd>(&file.body)) {
    return {services.memfds.at(memfd->inode_id), "memfd"};
  }
  const RegularFile& regular = *AsRegular(file);
  const std::string& path = regular.path.bytes;
  if (regular.unlinked) return {services.unlinked.at(regular.unlinked->id), path};
  if (regular.opened_by) return {services.linked.at(LinkKey(regular)), path};
  const int held = services.files->file(path);
  return {held < 0 ? path : std::to_string(held), path};
}

}  // namespace

LeaseBreaks FindLeaseBreaks(const Program& program, const LateFiles& late_files,
                            const Services& services) {
  LeaseBreaks breaks;
  std::set<std::pair<std::string, std::uint32_t>> known;
  for (std::size_t command = 0; command < program.size(); ++command) {
    const auto late = late_files.find(command);
    if (late == late_files.end()) continue;
    const auto& entries = std::get<SetAttr>(program[command].body).attributes->descriptors;
    for (std::size_t i = 0; i < entries.size(); ++i) {
      const auto* lease = std::get_if<LeaseSetting>(&entries[i].state);
      if (lease == nullptr) continue;
      breaks.after = {command, i};
      const std::optional<LockType>& breaking = lease->locks.front().breaking;
      if (!breaking) continue;
      const std::uint32_t flags = breaking->value == F_RDLCK ? O_RDONLY : O_WRONLY;
      const auto [held, path] = HeldName(*late->second[i], services);
      if (known.emplace(held, flags).second) breaks.all.push_back({held, flags, path});
    }
  }
  return breaks;
}

}  // namespace crgen::restorer
