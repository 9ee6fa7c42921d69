// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "images/files/file_loader.h"
#include "images/load/place.h"

namespace crgen {

template <>
class FileLoaderOf<Fanotify> : public FileLoader {
 public:
  static constexpr std::uint32_t kType = pb::FD_FANOTIFY;
  Result Convert(const pb::file_entry& entry, const ImageReader& at, Loader& loader,
                 ConvertedFile* file) override;
  void Finish(Loader& loader) override;

 private:
  void TakeMount(const pb::fanotify_mount_mark_entry& from, const Place& at, Loader& loader,
                 FanotifyMark* mark);
  void FindMount(Loader& loader, FanotifyMark* mark) const;

  std::map<std::uint64_t, std::string>
      numbered_;  ///< mounts without a path, and which entry said so
  std::size_t count_ = 0;
};

}  // namespace crgen
