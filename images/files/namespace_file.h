// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "images/files/file_loader.h"
#include "images/load/place.h"
#include "images/proto/pstree.pb.h"

namespace crgen {

template <>
class FileLoaderOf<NamespaceFile> : public FileLoader {
 public:
  static constexpr std::uint32_t kType = pb::FD_NS;
  /// The root's namespaces.
  void LoadObjects(Loader& loader) override;
  Result Convert(const pb::file_entry& entry, const ImageReader& at, Loader& loader,
                 ConvertedFile* file) override;
  /// Which of them the tree enters by an attribute.
  void Finish(Loader& loader) override;

 private:
  struct Known {
    std::uint32_t id;  ///< of the file
    std::uint32_t namespace_id;
  };

  pb::task_kobj_ids_entry root_;
  std::vector<Known> known_;
};

}  // namespace crgen
