// SPDX-License-Identifier: Apache-2.0
// How a type of open file description is read: one specialisation a type, in a file of its own.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "images/image_reader.h"
#include "images/proto/files.pb.h"
#include "model/diagnostics.h"
#include "model/files/file.h"
#include "model/files/late.h"

namespace crgen {

struct Loader;

/// A file entry in terms of the model.
struct ConvertedFile {
  std::string_view field;   ///< of file_entry: the type's own message
  std::uint32_t id = 0;     ///< of the type's own message; must be the entry's
  std::uint64_t flags = 0;  ///< as in the image
  const pb::fown_entry* owner = nullptr;
  FileBody body;
  std::vector<LateState> late;  ///< without the owner
  ObjectIndex memfd;
  std::string unsupported;              ///< what it is, if no command says it
  std::optional<std::string> external;  ///< what the caller of a restore hands over
};

/// Takes over what the messages of nearly all types have. `field` is the message's name, `from`
/// outlives the conversion.
template <typename Message>
void TakeDescription(std::string_view field, const Message& from, ConvertedFile* file) {
  file->field = field;
  file->id = from.id();
  file->flags = from.flags();
  file->owner = &from.fown();
}

/// One object of each type lives for one load, so that what it reads beside files.img stays with
/// it.
class FileLoader {
 public:
  virtual ~FileLoader() = default;
  /// Reads the images that the type has beside files.img. Before any entry is converted.
  virtual void LoadObjects(Loader&) {}
  /// Converts an entry of the type, which `at` gave last. kError: reported.
  virtual Result Convert(const pb::file_entry& entry, const ImageReader& at, Loader& loader,
                         ConvertedFile* file) = 0;
  /// When all processes are read.
  virtual void Finish(Loader&) {}
};

/// Undefined: every type of FileBody has its own, with `kType`, its number in file_entry.type.
template <typename Body>
class FileLoaderOf;

/// Reports that the message of the entry's type is missing.
Result MissingMessage(const ImageReader& at, std::uint32_t type, Diagnostics& diag);

}  // namespace crgen
