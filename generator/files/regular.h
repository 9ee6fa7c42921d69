// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "generator/files/planner.h"

namespace crgen {

/// A file without a name is described by its first opening of all.
template <>
class FilePlanner<RegularFile> {
 public:
  explicit FilePlanner(PlannerContext& context) : context_(context) {}

  void PlanOpenings(Openings&) {}

  Result Open(const OpeningSite& site, const std::shared_ptr<const File>& file,
              const RegularFile& regular, Diagnostics&) {
    std::shared_ptr<const File> described = file;
    if (regular.unlinked) {
      auto copy = std::make_shared<File>(*file);
      Describe(&*std::get<RegularFile>(copy->body).unlinked);
      described = std::move(copy);
    }
    context_.out.Emit(site.pid, OpenFile{site.fd, std::move(described), site.cloexec, site.peer});
    return Result::kOk;
  }

  /// Opens what backs `region` in order to map it: a description of its own.
  void OpenToMap(const OpeningSite& site, const Region& region) {
    RegularFile body = *As<RegularFile>(*context_.snapshot.files[region.file]);
    body.pos.reset();
    if (body.unlinked) Describe(&*body.unlinked);
    auto file =
        std::make_shared<File>(File{{context_.next_file_id++}, region.open_flags, std::move(body)});
    context_.out.Emit(site.pid, OpenFile{site.fd, std::move(file), false, {}});
  }

 private:
  /// What of the file stands at this opening.
  void Describe(Unlinked* it) {
    const std::uint64_t file = it->link_of.value_or(it->id.value);
    const auto [known, first] = created_by_.try_emplace(file, it->id.value);
    const bool new_name = named_.insert(it->id.value).second;
    const UnlinkedId id = it->id;
    if (first) {
      *it = context_.snapshot.unlinked.at(file);
      it->id = id;
    }
    it->link_of.reset();
    if (new_name && !first) it->link_of = known->second;
  }

  PlannerContext& context_;
  std::unordered_map<std::uint64_t, std::uint64_t> created_by_;  ///< file: the name's id
  std::unordered_set<std::uint64_t> named_;
};

}  // namespace crgen
