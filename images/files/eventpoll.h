// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "images/files/file_loader.h"

namespace crgen {

/// Numbers of targets are of the table of the first process that holds the set, in the order of
/// pstree.img: the dumper looks a target up there that has moved or was duplicated. Of a set that
/// only a message carries it looks nothing up.
template <>
class FileLoaderOf<Eventpoll> : public FileLoader {
 public:
  static constexpr std::uint32_t kType = pb::FD_EVENTPOLL;
  Result Convert(const pb::file_entry& entry, const ImageReader& at, Loader& loader,
                 ConvertedFile* file) override;
  void Finish(Loader& loader) override;

 private:
  std::unordered_map<std::uint64_t, std::string> places_;  ///< of the message, by file id
  std::unordered_map<std::uint64_t, std::vector<std::uint64_t>>
      inodes_;  ///< of targets; 0: unknown
};

}  // namespace crgen
