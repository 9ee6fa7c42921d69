// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "images/files/file_loader.h"

namespace crgen {

template <>
class FileLoaderOf<Signalfd> : public FileLoader {
 public:
  static constexpr std::uint32_t kType = pb::FD_SIGNALFD;
  Result Convert(const pb::file_entry& entry, const ImageReader& at, Loader& loader,
                 ConvertedFile* file) override;
};

}  // namespace crgen
