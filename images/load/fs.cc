// SPDX-License-Identifier: Apache-2.0
// fs-<pid>.img: working and root directory, umask.
#include "images/load/file_checks.h"
#include "images/load/loader.h"

namespace crgen {

void Loader::LoadFs(ProcessIndex index, Attributes* attributes) {
  const auto pid = static_cast<std::uint64_t>(snapshot.tree.nodes[index].pid);
  const ImageKind& kind = ImageKindNamed("FS");
  pb::fs_entry entry;
  if (Failed(images.ReadSingle(kind, pid, &entry, diag))) return;
  const std::string where = ImageSet::NameOf(kind, pid) + "[0]";
  CheckFs(entry, where, diag);
  const std::size_t errors = diag.Count(Severity::kError);
  FsAttributes fs;
  const bool cwd = DirectoryPath(entry.cwd_id(), where + ".cwd_id", &fs.cwd, &fs.cwd_unlinked);
  const bool root = DirectoryPath(entry.root_id(), where + ".root_id", &fs.root, &fs.root_unlinked);
  if (entry.has_umask()) fs.umask = entry.umask();
  const auto is_elsewhere = [&](std::uint32_t id) {
    const FileIndex file = files.at(id).file;
    const auto& mount = As<RegularFile>(*snapshot.files[file])->mount;
    return mount && MountNamespaceOf(*mount) != MountNamespaceOf(index);
  };
  for (const auto& [field, known, id] : {std::tuple{".cwd_id", cwd, entry.cwd_id()},
                                         std::tuple{".root_id", root, entry.root_id()}}) {
    if (known && is_elsewhere(id)) {
      diag.Essential(where + field, "a directory in a mount namespace that is not the process's");
    }
  }
  if (cwd && root) {
    attributes->fs = std::move(fs);
  } else if (diag.Count(Severity::kError) == errors && (!root || fs.root.bytes != "/")) {
    // Whatever the process opens by a path, it would open outside.
    diag.Essential(where + ".root_id", "a root that cannot be entered");
  }
}

}  // namespace crgen
