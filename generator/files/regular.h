#pragma once

#include "generator/files/planner.h"

namespace crgen {

template <>
class FilePlanner<RegularFile> : public PlainPlanner<RegularFile> {
 public:
  using PlainPlanner::PlainPlanner;

  /// Opens what backs `region` in order to map it: a description of its own.
  void OpenToMap(const OpeningSite& site, const Region& region) {
    const RegularFile& from = *AsRegular(*context_.snapshot.files[region.file]);
    RegularFile body;
    body.path = from.path;
    body.size = from.size;
    body.mode = from.mode;
    body.build_id = from.build_id;
    auto file =
        std::make_shared<File>(File{{context_.next_file_id++}, region.open_flags, std::move(body)});
    context_.out.Emit(site.pid, OpenFile{site.fd, std::move(file), false, {}});
  }
};

}  // namespace crgen
