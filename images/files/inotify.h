// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "images/files/file_loader.h"

namespace crgen {

template <>
class FileLoaderOf<Inotify> : public FileLoader {
 public:
  static constexpr std::uint32_t kType = pb::FD_INOTIFY;
  Result Convert(const pb::file_entry& entry, const ImageReader& at, Loader& loader,
                 ConvertedFile* file) override;
  void Finish(Loader& loader) override;

 private:
  std::size_t count_ = 0;
};

}  // namespace crgen
