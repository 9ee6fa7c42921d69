// Values of files that no open file description has.
#pragma once

#include "images/image_reader.h"
#include "images/proto/files.pb.h"
#include "model/diagnostics.h"

namespace crgen {

/// Reports what is wrong with a file entry; `at` gave it last. A position of all ones means that it
/// is not to be set.
void CheckFile(const pb::file_entry& entry, const ImageReader& at, Diagnostics& diag);

/// Likewise with the paths, modes and ids of fs-<pid>.img; `where` is the place of `fs`.
void CheckFs(const pb::fs_entry& fs, const std::string& where, Diagnostics& diag);

}  // namespace crgen
