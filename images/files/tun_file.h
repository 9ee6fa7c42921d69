// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "images/files/file_loader.h"

namespace crgen {

template <>
class FileLoaderOf<TunFile> : public FileLoader {
 public:
  static constexpr std::uint32_t kType = pb::FD_TUNF;
  /// The REG entry of the same id stands before it.
  Result Convert(const pb::file_entry& entry, const ImageReader& at, Loader& loader,
                 ConvertedFile* file) override;
  void Finish(Loader& loader) override;

 private:
  std::vector<std::pair<std::uint32_t, std::string>> namespaces_;  ///< and whose they are
};

}  // namespace crgen
