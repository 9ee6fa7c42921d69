// SPDX-License-Identifier: Apache-2.0
// fdinfo-<files_id>.img: descriptor tables.
#include <fcntl.h>

#include <algorithm>

#include "images/load/loader.h"

namespace crgen {
namespace {

constexpr std::uint32_t kCloexec = FD_CLOEXEC;

}  // namespace

void Loader::LoadDescriptorTable(ProcessIndex index, std::uint32_t files_id) {
  const TreeNode& node = snapshot.tree.nodes[index];
  auto [known, added] = tables.emplace(files_id, TableIndex(snapshot.tables.size()));
  snapshot.processes[index].table = known->second;
  if (!added) {
    if (node.parent < 0 || snapshot.processes[node.parent].table != known->second) {
      diag.Error("ids-" + std::to_string(node.pid) + ".img[0].files_id",
                 std::to_string(files_id) + " is shared with a process that is not the parent");
    }
    return;
  }
  snapshot.tables.emplace_back();
  const ImageKind& kind = ImageKindNamed("FDINFO");
  if (!images.Has(kind, files_id)) return;  // an empty table has no image
  ImageReader reader{"", ""};
  if (Failed(images.Open(kind, files_id, &reader, diag))) return;
  std::vector<Descriptor>& slots = snapshot.tables.back().slots;
  pb::fdinfo_entry& entry = fdinfo;
  std::string_view bytes;
  while (!reader.AtEnd()) {
    if (Failed(reader.Next(&bytes, diag))) return;
    if (Failed(ParseMessage(bytes, reader, &entry, diag))) continue;
    AddDescriptor(entry, reader, node.pid, &slots);
  }
  std::sort(slots.begin(), slots.end(),
            [](const Descriptor& a, const Descriptor& b) { return a.fd < b.fd; });
  for (std::size_t i = 1; i < slots.size(); ++i) {
    if (slots[i].fd == slots[i - 1].fd) {
      diag.Error(ImageSet::NameOf(kind, files_id),
                 "fd " + std::to_string(slots[i].fd) + " stands twice");
    }
  }
}

void Loader::KeepUnplanned(const pb::fdinfo_entry& entry, const std::string& what) {
  if (options.unplanned == nullptr) return;
  options.unplanned->descriptors.push_back({TableIndex(snapshot.tables.size() - 1),
                                            static_cast<Fd>(entry.fd()),
                                            (entry.flags() & kCloexec) != 0,
                                            {entry.id()},
                                            TypeName(entry.type()),
                                            what});
}

void Loader::AddDescriptor(const pb::fdinfo_entry& entry, const ImageReader& at, Pid pid,
                           std::vector<Descriptor>* slots) {
  if (entry.fd() >= static_cast<std::uint32_t>(kFdLimit)) {
    diag.Error(at.Where("fd"), std::to_string(entry.fd()) + " is no descriptor number");
    return;
  }
  auto found = files.find(entry.id());
  if (found == files.end()) {
    diag.Error(at.Where("id"), "no file " + std::to_string(entry.id()) + " in files.img (fd " +
                                   std::to_string(entry.fd()) + " of pid " + std::to_string(pid) +
                                   ")");
    KeepUnplanned(entry, "cannot be read");
    return;
  }
  const FileEntry& file = found->second;
  if (file.type != entry.type()) {
    diag.Error(at.Where("type"), TypeName(entry.type()) + ", but file " +
                                     std::to_string(entry.id()) + " is " + TypeName(file.type));
    return;
  }
  if (const std::uint32_t unknown = entry.flags() & ~kCloexec; unknown != 0) {
    diag.Essential(at.Where("flags"), "bits " + HexText(unknown) + ", which have no name");
  }
  if (entry.has_xattr_security_selinux()) {
    diag.Unsupported(at.Where("xattr_security_selinux"), "an SELinux label of a socket");
  }
  if (file.file < 0) {
    auto& [what, where, type, holders] = unsupported_files.at(entry.id());
    holders += (holders.empty() ? "fd " : ", fd ") + std::to_string(entry.fd()) + " of pid " +
               std::to_string(pid);
    left_out.insert(SlotKey(snapshot.tables.size() - 1, static_cast<Fd>(entry.fd())));
    KeepUnplanned(entry, what);
    return;
  }
  has_descriptor[file.file] = true;
  slots->push_back({static_cast<Fd>(entry.fd()), (entry.flags() & kCloexec) != 0, file.file});
}

}  // namespace crgen
