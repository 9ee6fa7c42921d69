// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "images/files/file_loader.h"

namespace crgen {

/// bpfmap-data.img: what is set in maps, by map_id.
class BpfMapContents {
 public:
  void Load(Loader& loader);
  /// What is set in the map; its sizes are checked against `map`. Errors: the map has no entry.
  void Take(std::uint32_t map_id, const std::string& where, BpfMapObject* map, Loader& loader);
  /// Reports what belongs to nothing.
  void ReportRest(Loader& loader) const;

 private:
  struct Entry {
    std::string where;
    BpfMapData data;
    std::uint32_t highest_key = 0;  ///< of keys of four bytes, as numbers
  };
  std::map<std::uint32_t, Entry> entries_;
};

template <>
class FileLoaderOf<BpfMap> : public FileLoader {
 public:
  static constexpr std::uint32_t kType = pb::FD_BPFMAP;
  void LoadObjects(Loader& loader) override { contents_.Load(loader); }
  Result Convert(const pb::file_entry& entry, const ImageReader& at, Loader& loader,
                 ConvertedFile* file) override;
  /// Their contents, and what no image says.
  void Finish(Loader& loader) override;

 private:
  struct Known {
    std::string where;  ///< of its first description
    BpfMapObject map;
  };
  BpfMapContents contents_;
  std::map<std::uint32_t, Known> maps_;
};

}  // namespace crgen
