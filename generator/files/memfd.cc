// SPDX-License-Identifier: Apache-2.0
#include "generator/files/memfd.h"

#include <fcntl.h>
#include <sys/mman.h>

#include <utility>

#include "generator/memory/fill.h"

namespace crgen {
namespace {

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif
constexpr std::uint64_t kForbidsWriting = F_SEAL_WRITE | F_SEAL_FUTURE_WRITE;

}  // namespace

FilePlanner<Memfd>::FilePlanner(PlannerContext& context)
    : context_(context), objects_(context.snapshot.memfds.size()) {
  for (std::size_t i = 0; i < objects_.size(); ++i) {
    by_inode_.emplace(context.snapshot.memfds[i].inode_id, ObjectIndex(i));
  }
  ChooseFillers();
}

void FilePlanner<Memfd>::ChooseFillers() {
  const auto nodes = static_cast<std::int32_t>(context_.tree.nodes.size());
  for (NodeIndex n(0); n < nodes; ++n) {
    const Process* process = context_.tree.Living(context_.snapshot, n);
    if (process == nullptr) continue;
    for (const Region& region : process->memory.regions) {
      if (region.kind != RegionKind::kSharedMemfd) continue;
      const MemfdObject& memfd = context_.snapshot.memfds[region.object];
      Object& object = objects_[region.object];
      if (object.filler < 0 && (memfd.seals.bits & kForbidsWriting) == 0 &&
          (region.open_flags.bits & O_ACCMODE) == O_RDWR && ShowsAll(region, memfd.pages)) {
        object.filler = n;
        object.filler_start = region.range.start;
      }
    }
  }
}

bool FilePlanner<Memfd>::Fills(NodeIndex node, const Region& region) const {
  const Object& object = objects_[region.object];
  return object.filler == node && object.filler_start == region.range.start;
}

std::shared_ptr<File> FilePlanner<Memfd>::NewFile(OpenFlags flags, Memfd body) {
  return std::make_shared<File>(File{{context_.next_file_id++}, flags, std::move(body)});
}

Memfd FilePlanner<Memfd>::Describe(ObjectIndex index, bool with_seals) {
  const MemfdObject& memfd = context_.snapshot.memfds[index];
  Object& object = objects_[index];
  Memfd body;
  body.inode_id = memfd.inode_id;
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
Result FilePlanner<Memfd>::FillNow(Pid pid, Fd fd, ObjectIndex index, Diagnostics& diag) {
  context_.out.Emit(pid, OpenFile{fd, NewFile({O_RDWR}, Describe(index, false)), false, {}});
  MapRegion mapping;
  mapping.flags.bits = MAP_SHARED;
  mapping.fd = fd;
  AddressRange view;
  if (Failed(FillThroughSpareView(pid, std::move(mapping), context_.snapshot.memfds[index].pages,
                                  context_.snapshot, context_.spare, context_.out, &view, diag))) {
    return Result::kError;
  }
  context_.out.Emit(pid, UnmapRegion{{view.start}, {view.end}});
  return Result::kOk;
}

Result FilePlanner<Memfd>::Emit(const OpeningSite& site, std::shared_ptr<File> file,
                                ObjectIndex index, Diagnostics& diag) {
  const Object& object = objects_[index];
  const MemfdObject& memfd = context_.snapshot.memfds[index];
  const bool fill = !object.created && object.filler < 0 && !memfd.pages.empty();
  // The object lives as long as something refers to it, so the first opening stays for the second.
  if (fill && Failed(FillNow(site.pid, site.other_fd, index, diag))) return Result::kError;
  const bool writable = (file->flags.bits & O_ACCMODE) != O_RDONLY;
  if (fill && !writable && memfd.seals.bits != 0) {
    // Seals are added through a description that can write, which this one cannot.
    context_.out.Emit(site.pid,
                      OpenFile{site.fd, NewFile({O_RDWR}, Describe(index, true)), false, {}});
    context_.out.Emit(site.pid, CloseFd{site.fd});
  }
  const auto pos = std::get<Memfd>(file->body).pos;
  Memfd described = Describe(index, true);
  described.pos = pos;
  file->body = std::move(described);
  context_.out.Emit(site.pid, OpenFile{site.fd, std::move(file), site.cloexec, {}});
  if (fill) context_.out.Emit(site.pid, CloseFd{site.other_fd});
  return Result::kOk;
}

Result FilePlanner<Memfd>::Open(const OpeningSite& site, const std::shared_ptr<const File>& file,
                                const Memfd& memfd, Diagnostics& diag) {
  const ObjectIndex index = by_inode_.at(memfd.inode_id);
  if (!objects_[index].sealed) return Emit(site, std::make_shared<File>(*file), index, diag);
  context_.out.Emit(site.pid, OpenFile{site.fd, file, site.cloexec, {}});
  return Result::kOk;
}

Result FilePlanner<Memfd>::OpenToMap(const OpeningSite& site, const Region& region,
                                     Diagnostics& diag) {
  return Emit(site, NewFile(region.open_flags, Memfd{}), region.object, diag);
}

}  // namespace crgen
