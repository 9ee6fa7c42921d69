// SPDX-License-Identifier: Apache-2.0
// What paths of a program lead to: each is looked at once, and held.
#pragma once

#include <array>
#include <cerrno>
#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>

#include "preflight/file_status.h"
#include "preflight/host.h"
#include "preflight/host_files.h"
#include "preflight/root_view.h"

namespace crgen::preflight {

struct Facts {
  int fd = -1;       ///< O_PATH; -1 also where another machine is asked
  std::string name;  ///< by which it is asked for
  FileStatus status;
  mutable std::array<std::optional<std::uint8_t>, 8> access_errors = {};  ///< by R_OK | W_OK | X_OK

  bool there() const { return status.error == 0; }
};

class FileLook {
 public:
  FileLook(Host& host, HostFiles& files, const RootView& root)
      : host_(host), held_(files), root_(root) {
    missing_.status.error = ENOENT;
  }

  /// `link`: of a symbolic link itself.
  const Facts& Look(const std::string& path, bool link);
  /// The way to a socket's name may have links of others: the executor has no more rights there.
  const Facts& LookAtSocketFolder(const std::string& path);

  /// Whether this process, with the capabilities that it has, may use the file so: an errno; 0: it
  /// may, or that is not known.
  int AccessError(const Facts& facts, int access);
  /// ST_ flags of statvfs(2).
  std::uint64_t MountFlags(const Facts& facts);
  /// For this user.
  std::uint64_t FreeBytes(const Facts& facts);
  /// How many more files there can be; the most that there are numbers: as many as you like, or
  /// that is not known.
  std::uint64_t FreeFiles(const Facts& facts);
  /// Why a regular file, or one that is made in a folder, has no such position: an errno; 0: it
  /// has, or that is not known. Below 2 GiB every file system has them all.
  int SeekError(const Facts& facts, std::uint64_t position);

 private:
  template <typename Open>
  void Find(const std::string& name, Facts* facts, Open&& open);
  int OpenAt(const std::string& path, bool link);
  bool IsInMissingFolder(const std::string& path) const;

  Host& host_;
  HostFiles& held_;
  const RootView& root_;
  std::unordered_map<std::string, Facts> files_, links_, socket_folders_;  ///< by path
  Facts missing_;                                  ///< of all in folders that are missing
  std::unordered_map<std::string, bool> folders_;  ///< of what is missing: whether they are there
};

}  // namespace crgen::preflight
