// SPDX-License-Identifier: Apache-2.0
#include "generator/files/pipe.h"

#include <fcntl.h>

#include <algorithm>

namespace crgen {
namespace {

/// The description as its first opening has it.
template <typename Body>
std::shared_ptr<const File> WithContent(const File& file, const PipeContent& content) {
  auto first = std::make_shared<File>(file);
  Body& body = std::get<Body>(first->body);
  body.capacity = content.capacity;
  body.data = content.data;
  return first;
}

template <typename Body>
bool HasAny(const Snapshot& snapshot) {
  return std::ranges::any_of(snapshot.files,
                             [](const auto& file) { return As<Body>(*file) != nullptr; });
}

}  // namespace

std::map<PipeId, FilePlanner<Pipe>::Ends> FilePlanner<Pipe>::FindEnds() const {
  const Snapshot& snapshot = context_.snapshot;
  std::map<PipeId, Ends> pipes;
  if (!HasAny<Pipe>(snapshot)) return pipes;
  std::vector<bool> held(snapshot.files.size());
  for (const DescriptorTable& table : snapshot.tables) {
    for (const Descriptor& slot : table.slots) held[slot.file] = true;
  }
  for (std::size_t i = 0; i < held.size(); ++i) {
    const File& file = *snapshot.files[i];
    const auto* pipe = As<Pipe>(file);
    if (pipe == nullptr || !held[i] || file.external) continue;
    Ends& ends = pipes[pipe->pipe_id];
    const FileIndex index(i);
    if (IsReopenedEnd(file.flags)) {
      ends.reopened.push_back(index);
    } else {
      ends.plain[(file.flags.bits & O_ACCMODE) == O_RDONLY ? 0 : 1] = index;
    }
  }
  return pipes;
}

void FilePlanner<Pipe>::PlanOpenings(Openings& openings) {
  for (const auto& [id, ends] : FindEnds()) {
    const auto [reads, writes] = ends.plain;
    if (reads >= 0 && writes >= 0) openings.Pair(reads, writes);
    const FileIndex made = reads >= 0 ? reads : writes;
    for (const FileIndex file : ends.reopened) {
      if (made >= 0) openings.Need(file, made);
    }
    if (made < 0 && ends.reopened.size() > 1) openings.RelyOnEachOther();
  }
}

Result FilePlanner<Pipe>::Open(const OpeningSite& site, const std::shared_ptr<const File>& file,
                               const Pipe& pipe, Diagnostics&) {
  std::shared_ptr<const File> opened = file;
  const auto content = context_.snapshot.pipes.find(pipe.pipe_id);
  const bool first = !file->external && made_.insert(pipe.pipe_id).second;
  if (first && content != context_.snapshot.pipes.end()) {
    opened = WithContent<Pipe>(*file, content->second);
  }
  context_.out.Emit(site.pid, OpenFile{site.fd, std::move(opened), site.cloexec, site.peer});
  return Result::kOk;
}

void FilePlanner<Fifo>::PlanOpenings(Openings& openings) {
  if (HasAny<Fifo>(context_.snapshot)) openings.RelyOnEachOther();
}

Result FilePlanner<Fifo>::Open(const OpeningSite& site, const std::shared_ptr<const File>& file,
                               const Fifo& fifo, Diagnostics&) {
  std::shared_ptr<const File> opened = file;
  const auto content = context_.snapshot.fifos.find(fifo.pipe_id);
  const bool first = !file->external && opened_.insert(fifo.pipe_id).second;
  if (first && content != context_.snapshot.fifos.end()) {
    opened = WithContent<Fifo>(*file, content->second);
  }
  if (fifo.unlinked) {
    auto described = std::make_shared<File>(*opened);
    context_.unlinked.Describe(&*std::get<Fifo>(described->body).unlinked);
    opened = std::move(described);
  }
  context_.out.Emit(site.pid, OpenFile{site.fd, std::move(opened), site.cloexec, {}});
  return Result::kOk;
}

}  // namespace crgen
