// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <unordered_set>

#include "generator/files/planner.h"

namespace crgen {

/// The first OPEN_FILE of a map says what it is, whichever that is.
template <>
class FilePlanner<BpfMap> {
 public:
  explicit FilePlanner(PlannerContext& context) : context_(context) {}

  void PlanOpenings(Openings& openings) {
    if (!context_.snapshot.bpf_maps.empty()) openings.RelyOnEachOther();
  }

  Result Open(const OpeningSite& site, const std::shared_ptr<const File>& file, const BpfMap& map,
              Diagnostics&) {
    std::shared_ptr<const File> opened = file;
    const auto known = context_.snapshot.bpf_maps.find(map.map_id);
    if (made_.insert(map.map_id).second && known != context_.snapshot.bpf_maps.end()) {
      auto first = std::make_shared<File>(*file);
      std::get<BpfMap>(first->body).map = known->second;
      opened = std::move(first);
    }
    context_.out.Emit(site.pid, OpenFile{site.fd, std::move(opened), site.cloexec, {}});
    return Result::kOk;
  }

 private:
  PlannerContext& context_;
  std::unordered_set<BpfMapId> made_;
};

}  // namespace crgen
