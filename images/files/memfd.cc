// SPDX-License-Identifier: Apache-2.0
#include "images/files/memfd.h"

#include <utility>

#include "images/load/file_checks.h"
#include "images/load/loader.h"

namespace crgen {

void FileLoaderOf<Memfd>::LoadObjects(Loader& loader) {
  Diagnostics& diag = loader.diag;
  const ImageKind& kind = ImageKindNamed("MEMFD_INODE");
  if (!loader.images.Has(kind)) return;
  ImageReader reader{"", ""};
  if (Failed(loader.images.Open(kind, 0, &reader, diag))) return;
  pb::memfd_inode_entry entry;
  std::string_view bytes;
  while (!reader.AtEnd()) {
    if (Failed(reader.Next(&bytes, diag))) return;
    if (Failed(ParseMessage(bytes, reader, &entry, diag))) continue;
    const auto inode = static_cast<std::uint32_t>(entry.inode_id());
    if (entry.inode_id() != inode || entry.size() > kUserEnd) {
      diag.Error(reader.Where(), "inode id " + std::to_string(entry.inode_id()) + " or size " +
                                     std::to_string(entry.size()) + " is out of range");
      continue;
    }
    MemfdObject object;
    object.inode_id.value = inode;
    const ObjectIndex index(loader.snapshot.memfds.size());
    if (!loader.memfds.emplace(object.inode_id, index).second) {
      diag.Error(reader.Where("inode_id"), std::to_string(inode) + " stands twice");
      continue;
    }
    object.name.bytes = entry.name();
    object.size = entry.size();
    object.seals.bits = entry.seals();
    if (entry.hugetlb_flag() != 0) object.huge = MemfdHuge{entry.hugetlb_flag()};
    if (entry.has_mode()) object.mode = entry.mode();
    object.uid = entry.uid();
    object.gid = entry.gid();
    loader.snapshot.memfds.push_back(std::move(object));
    loader.memfd_shmids.push_back(entry.shmid());
  }
}

Result FileLoaderOf<Memfd>::Convert(const pb::file_entry& entry, const ImageReader& at,
                                    Loader& loader, ConvertedFile* file) {
  constexpr std::uint64_t kNoSeek = ~std::uint64_t{0};
  if (!entry.has_memfd()) return MissingMessage(at, kType, loader.diag);
  const pb::memfd_file_entry& from = entry.memfd();
  const auto object = loader.memfds.find(InodeId{from.inode_id()});
  if (object == loader.memfds.end()) {
    return loader.diag.Fail(at.Where("memfd.inode_id"),
                            "no object " + std::to_string(from.inode_id()) + " in memfd.img");
  }
  Memfd body;
  body.inode_id.value = from.inode_id();
  if (from.pos() != kNoSeek) body.pos = from.pos();
  CheckPosition(from.pos(), Place(at, loader.diag, "memfd"));
  TakeDescription("memfd", from, file);
  file->memfd = object->second;
  file->body = std::move(body);
  return Result::kOk;
}

}  // namespace crgen
