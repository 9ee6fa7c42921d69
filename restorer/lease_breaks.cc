// SPDX-License-Identifier: Apache-2.0
#include "restorer/lease_breaks.h"

#include <fcntl.h>

#include <optional>
#include <set>

#include "model/one_of.h"
#include "restorer/files/files.h"

namespace crgen::restorer {
namespace {

HeldFile HeldOf(const File& file, const Services& services) {
  return std::visit(
      [&]<typename Body>(const Body& body) -> HeldFile {
        if constexpr (OneOf<Body, RegularFile, Memfd>) {
          return FileRestorer<Body>::Held(body, services);
        }
        return {};  // the checker has refused the lease
      },
      file.body);
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
      const auto [held, path] = HeldOf(*late->second[i], services);
      if (known.emplace(held, flags).second) breaks.all.push_back({held, flags, path});
    }
  }
  return breaks;
}

}  // namespace crgen::restorer
