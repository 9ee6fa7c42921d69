// SPDX-License-Identifier: Apache-2.0
#include "images/files/tun_file.h"

#include "images/load/file_checks.h"
#include "images/load/loader.h"
#include "model/printable.h"

namespace crgen {

/// The REG entry is left to those that name a path by it, of which there are none: a description
/// has one type, and this one alone has descriptors.
Result FileLoaderOf<TunFile>::Convert(const pb::file_entry& entry, const ImageReader& at,
                                      Loader& loader, ConvertedFile* file) {
  if (!entry.has_tunf()) return MissingMessage(at, kType, loader.diag);
  const pb::tunfile_entry& from = entry.tunf();
  const auto path = loader.files.find(entry.id());
  if (path == loader.files.end() || path->second.type != pb::FD_REG) {
    return loader.diag.Fail(at.Where("id"), "no REG entry of file " + std::to_string(entry.id()) +
                                                " stands before it: it has the path");
  }
  file->field = "tunf";
  file->id = from.id();
  if (path->second.file < 0) {
    file->unsupported = loader.unsupported_files.at(entry.id()).what;
  } else if (As<RegularFile>(*loader.snapshot.files[path->second.file])->unlinked ||
             As<RegularFile>(*loader.snapshot.files[path->second.file])->opened_by) {
    file->unsupported = "tun file that is not reachable by its name";
  } else if (const auto& mount = As<RegularFile>(*loader.snapshot.files[path->second.file])->mount;
             mount && loader.MountNamespaceOf(*mount)) {
    file->unsupported = "tun file in a mount namespace that is not the root's";
  } else {
    const File& named = *loader.snapshot.files[path->second.file];
    file->flags = named.flags.bits;
    file->body = TunFile{As<RegularFile>(named)->path};
    for (const LateEntry& late : loader.snapshot.late) {
      if (late.file == path->second.file) file->late.push_back(late.state);
    }
  }
  if (from.has_netdev()) {
    file->unsupported = "descriptor that the network device " + Printable(from.netdev()) +
                        (from.detached() ? " was attached to" : " is attached to");
  }
  namespaces_.emplace_back(from.ns_id(), at.Where("tunf"));
  loader.files.erase(path);
  loader.unsupported_files.erase(entry.id());
  return Result::kOk;
}

void FileLoaderOf<TunFile>::Finish(Loader& loader) {
  for (const auto& [id, where] : namespaces_) loader.CheckSocketNamespace(id, where);
}

}  // namespace crgen
