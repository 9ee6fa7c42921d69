#include "generator/files/file_opener.h"

namespace crgen {
namespace {

constexpr std::uint64_t kAccessMode = 3, kReadWrite = 2;
constexpr std::uint64_t kForbidsWriting = 0x8 | 0x10;  // F_SEAL_WRITE, F_SEAL_FUTURE_WRITE
constexpr std::uint64_t kMapShared = 1;
constexpr std::uint64_t kReadAndWrite = 3;  // PROT_READ | PROT_WRITE

}  // namespace

void EmitLoads(Pid pid, const std::vector<PageRun>& runs, std::uint64_t shift,
               const Snapshot& snapshot, Emitter& out) {
  for (const PageRun& run : runs) {
    out.Emit(pid, LoadPages{{run.start + shift},
                            run.nr_pages,
                            {snapshot.page_images[run.image], run.image_offset}});
  }
}

Result FillThroughSpareView(Pid pid, MapRegion mapping, const std::vector<PageRun>& pages,
                            const Snapshot& snapshot, SpareAddresses& spare, Emitter& out,
                            AddressRange* view, Diagnostics& diag) {
  const std::uint64_t first = pages.front().start;
  if (Failed(spare.Take(pages.back().end() - first, view, diag))) return Result::kError;
  mapping.start.value = view->start;
  mapping.end.value = view->end;
  mapping.prot.bits = kReadAndWrite;
  if (mapping.shmem) {
    mapping.shmem->offset = first;
  } else {
    mapping.offset = first;
  }
  out.Emit(pid, std::move(mapping));
  EmitLoads(pid, pages, view->start - first, snapshot, out);
  return Result::kOk;
}

FileOpener::FileOpener(const Snapshot& snapshot, const CreationTree& tree, SpareAddresses& spare,
                       Emitter& out)
    : snapshot_(snapshot),
      spare_(spare),
      out_(out),
      next_file_id_(snapshot.highest_file_id + 1),
      objects_(snapshot.memfds.size()) {
  for (std::size_t i = 0; i < snapshot.memfds.size(); ++i) {
    by_inode_.emplace(snapshot.memfds[i].inode_id, static_cast<std::int32_t>(i));
  }
  ChooseFillers(tree);
}

void FileOpener::ChooseFillers(const CreationTree& tree) {
  for (std::int32_t n = 0; n < static_cast<std::int32_t>(tree.nodes.size()); ++n) {
    const Process* process = tree.Living(snapshot_, n);
    if (process == nullptr) continue;
    for (const Region& region : process->memory.regions) {
      if (region.kind != RegionKind::kSharedMemfd) continue;
      const MemfdObject& memfd = snapshot_.memfds[region.object];
      Object& object = objects_[region.object];
      if (object.filler < 0 && (memfd.seals.bits & kForbidsWriting) == 0 &&
          (region.open_flags.bits & kAccessMode) == kReadWrite && ShowsAll(region, memfd.pages)) {
        object.filler = n;
        object.filler_start = region.range.start;
      }
    }
  }
}

bool FileOpener::Fills(std::int32_t node, const Region& region) const {
  const Object& object = objects_[region.object];
  return object.filler == node && object.filler_start == region.range.start;
}

Memfd FileOpener::Describe(std::int32_t index, OpenFlags flags, bool with_seals) {
  const MemfdObject& memfd = snapshot_.memfds[index];
  Object& object = objects_[index];
  Memfd body;
  body.inode_id = memfd.inode_id;
  body.flags = flags;
  if (!object.created) {
    body.name = memfd.name;
    body.size = memfd.size;
    body.huge = memfd.huge;
    body.mode = memfd.mode;
    body.uid = memfd.uid;
    body.gid = memfd.gid;
    // None yet: an empty set, so that sealing stays allowed (memfd_create(2), MFD_ALLOW_SEALING).
    body.seals = with_seals ? memfd.seals : Seals{};
  } else if (with_seals && !object.sealed) {
    body.seals = memfd.seals;
  }
  object.created = true;
  object.sealed |= with_seals;
  return body;
}

/// Creates the object and fills it through a view for the moment, if nobody else is to do that.
Result FileOpener::FillNow(Pid pid, Fd fd, std::int32_t memfd, Diagnostics& diag) {
  auto file = std::make_shared<File>();
  file->id.value = next_file_id_++;
  file->body = Describe(memfd, {kReadWrite}, false);
  out_.Emit(pid, OpenFile{fd, std::move(file), false, {}});
  MapRegion mapping;
  mapping.flags.bits = kMapShared;
  mapping.fd = fd;
  AddressRange view;
  if (Failed(FillThroughSpareView(pid, std::move(mapping), snapshot_.memfds[memfd].pages, snapshot_,
                                  spare_, out_, &view, diag))) {
    return Result::kError;
  }
  out_.Emit(pid, UnmapRegion{{view.start}, {view.end}});
  return Result::kOk;
}

Result FileOpener::Emit(Pid pid, Fd fd, Fd other_fd, std::shared_ptr<File> file, bool cloexec,
                        std::int32_t memfd, Diagnostics& diag) {
  const Object& object = objects_[memfd];
  const bool fill = !object.created && object.filler < 0 && !snapshot_.memfds[memfd].pages.empty();
  // The object lives as long as something refers to it, so the first opening stays for the second.
  if (fill && Failed(FillNow(pid, other_fd, memfd, diag))) return Result::kError;
  auto& body = std::get<Memfd>(file->body);
  const bool writable = (body.flags.bits & kAccessMode) != 0;
  if (fill && !writable && snapshot_.memfds[memfd].seals.bits != 0) {
    // Seals are added through a description that can write, which this one cannot.
    auto sealing = std::make_shared<File>();
    sealing->id.value = next_file_id_++;
    sealing->body = Describe(memfd, {kReadWrite}, true);
    out_.Emit(pid, OpenFile{fd, std::move(sealing), false, {}});
    out_.Emit(pid, CloseFd{fd});
  }
  Memfd described = Describe(memfd, body.flags, true);
  described.pos = body.pos;
  described.owner = body.owner;
  body = std::move(described);
  out_.Emit(pid, OpenFile{fd, std::move(file), cloexec, {}});
  if (fill) out_.Emit(pid, CloseFd{other_fd});
  return Result::kOk;
}

Result FileOpener::Open(Pid pid, Fd fd, Fd other_fd, const std::shared_ptr<const File>& file,
                        bool cloexec, Diagnostics& diag) {
  const auto* memfd = std::get_if<Memfd>(&file->body);
  if (memfd == nullptr || objects_[by_inode_.at(memfd->inode_id)].sealed) {
    out_.Emit(pid, OpenFile{fd, file, cloexec, {}});
    return Result::kOk;
  }
  return Emit(pid, fd, other_fd, std::make_shared<File>(*file), cloexec,
              by_inode_.at(memfd->inode_id), diag);
}

Result FileOpener::OpenToMap(Pid pid, Fd fd, Fd other_fd, const Region& region, Diagnostics& diag) {
  auto file = std::make_shared<File>();
  file->id.value = next_file_id_++;
  if (region.file < 0) {
    Memfd body;
    body.flags = region.open_flags;
    file->body = std::move(body);
    return Emit(pid, fd, other_fd, std::move(file), false, region.object, diag);
  }
  const auto& from = std::get<RegularFile>(snapshot_.files[region.file]->body);
  RegularFile body;
  body.path = from.path;
  body.flags = region.open_flags;
  body.size = from.size;
  body.mode = from.mode;
  body.build_id = from.build_id;
  file->body = std::move(body);
  out_.Emit(pid, OpenFile{fd, std::move(file), false, {}});
  return Result::kOk;
}

}  // namespace crgen
