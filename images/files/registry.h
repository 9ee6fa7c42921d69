// SPDX-License-Identifier: Apache-2.0
// The types of files that dumps have, by their numbers.
#pragma once

#include <cstdint>
#include <map>
#include <memory>

#include "images/files/file_loader.h"

namespace crgen {

/// One loader of each type in FileBody.
class FileLoaders {
 public:
  FileLoaders();
  void LoadObjects(Loader& loader);
  void Finish(Loader& loader);
  /// nullptr: no command says the type.
  FileLoader* Find(std::uint32_t type);

 private:
  std::map<std::uint32_t, std::unique_ptr<FileLoader>> loaders_;
};

}  // namespace crgen
