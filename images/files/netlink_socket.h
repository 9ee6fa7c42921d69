// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "images/files/file_loader.h"
#include "images/load/place.h"

namespace crgen {

template <>
class FileLoaderOf<NetlinkSocket> : public FileLoader {
 public:
  static constexpr std::uint32_t kType = pb::FD_NETLINKSK;
  Result Convert(const pb::file_entry& entry, const ImageReader& at, Loader& loader,
                 ConvertedFile* file) override;
  /// Their network namespaces, and what no image says.
  void Finish(Loader& loader) override;

 private:
  std::map<std::tuple<std::uint32_t, std::uint32_t, std::uint32_t>, std::uint32_t>
      ports_;  ///< namespace, protocol and port, and the file that has them
  std::vector<std::pair<std::uint32_t, std::string>> namespaces_;  ///< and whose they are
};

}  // namespace crgen
