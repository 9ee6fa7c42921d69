// SPDX-License-Identifier: Apache-2.0
// Which files of a program its names do not reach.
#pragma once

#include <fcntl.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "dsl/commands.h"
#include "dsl/references.h"
#include "restorer/momentary_name.h"

namespace crgen::restorer {

/// A description whose flags no link of proc(5) gives: the supervisor opens it, by the name of the
/// moment.
struct OwnDescription {
  FileId id;
  OpenFlags flags;
};

inline bool IsOwn(OpenFlags flags) { return flags.Has(O_NOFOLLOW) || flags.Has(O_TMPFILE); }

/// One name of a file: made, opened with O_PATH, and taken away again. Names of one file exist at
/// the same time: the kernel gives none to a file that has lost its last one.
struct FileName {
  FileName(UnlinkedId name_id, const std::string& name_path, const Rare<std::uint64_t>& name_mount)
      : id(name_id), path(name_path), mount(name_mount) {}
  UnlinkedId id;
  std::string path;
  Rare<std::uint64_t> mount;
  std::vector<OwnDescription> own = {};
  std::unique_ptr<Place> place = nullptr;
  std::unique_ptr<MomentaryName> momentary = nullptr;
};

inline bool IsTemporary(const FileName& name) {
  return std::ranges::any_of(name.own, [](const auto& it) { return it.flags.Has(O_TMPFILE); });
}

struct UnlinkedFile {
  const Unlinked* it = nullptr;
  std::vector<FileName> names = {};
};

/// A file that the dumper's hard link leads to, and which descriptions are the supervisor's.
struct LinkedFile {
  const Text* path = nullptr;
  const Text* link = nullptr;
  Rare<std::uint64_t> mount = {};
  std::vector<OwnDescription> own = {};
};

/// What of a program is to be made.
struct WantedFiles {
  explicit WantedFiles(const Program& program);

  std::map<std::string, LinkedFile> links;      ///< by LinkKey()
  std::map<std::uint64_t, UnlinkedFile> files;  ///< by the id by which they are created
  std::set<std::string> named;                  ///< what is opened by its own name

 private:
  LinkedFile& LinkOf(const LinkedName& name, const Rare<std::uint64_t>& mount);
  void Add(const File& description);

  std::map<UnlinkedId, std::pair<std::uint64_t, std::size_t>> names_;  ///< their files and places
};

}  // namespace crgen::restorer
