// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "images/files/file_loader.h"
#include "images/load/loader.h"

namespace crgen {

template <>
class FileLoaderOf<RegularFile> : public FileLoader {
 public:
  static constexpr std::uint32_t kType = pb::FD_REG;
  Result Convert(const pb::file_entry& entry, const ImageReader& at, Loader& loader,
                 ConvertedFile* file) override;

 private:
  static Result Reach(const Loader::Remap& remap, Loader& loader, ConvertedFile* file);
};

}  // namespace crgen
