// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
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
  struct Seen {
    std::uint32_t id, network;  ///< of the file, and of its namespace
    std::string where;
  };
  using Queues = std::map<std::pair<std::uint64_t, std::string>, int>;  ///< by namespace and device
  /// Of what is attached: whether the device is there, and takes it. Counts it in `*queues`.
  void CheckDevice(Loader& loader, const Seen& seen, Queues* queues) const;

  std::vector<Seen> seen_;
};

}  // namespace crgen
