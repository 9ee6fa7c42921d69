// SPDX-License-Identifier: Apache-2.0
// A folder that did not exist, for files out of an archive.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "images/source/scoped_fd.h"
#include "model/diagnostics.h"

namespace crgen {

/// Only the user may look into it (0700, files 0600). It is gone again with all that was written
/// unless it is kept. Nothing that exists is changed, and no link is followed below it.
class NewFolder {
 public:
  explicit NewFolder(std::string path) : path_(std::move(path)) {}
  ~NewFolder();
  NewFolder(const NewFolder&) = delete;
  NewFolder& operator=(const NewFolder&) = delete;

  /// kError (reported): something has that name, or the system refuses it.
  Result Create(Diagnostics& diag);

  /// Begins the file `name`, which ends the one before; folders of it are made. `name` is relative,
  /// without "." and "..". Errors as of Create().
  Result Begin(const std::string& name, Diagnostics& diag);
  Result Write(std::uint64_t offset, std::string_view bytes, Diagnostics& diag);
  /// The file that was begun has `size` bytes, and is whole.
  Result End(std::uint64_t size, Diagnostics& diag);

  /// From now on it stays.
  void Keep() { kept_ = true; }

  const std::string& path() const { return path_; }

 private:
  Result Fail(const std::string& name, Diagnostics& diag) const;

  std::string path_;
  ScopedFd folder_;
  ScopedFd file_;
  std::string file_name_;
  std::vector<std::string> folders_;  // below it, parents first
  std::vector<std::string> files_;
  bool kept_ = false;
};

}  // namespace crgen
