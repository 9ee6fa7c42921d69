// SPDX-License-Identifier: Apache-2.0
#include "restorer/wanted_files.h"

#include "preflight/held_mounts.h"
#include "restorer/files/file_restorer.h"

namespace crgen::restorer {

WantedFiles::WantedFiles(const Program& program) {
  for (const Command& command : program) {
    if (const auto* open = std::get_if<OpenFile>(&command.body)) {
      ForEachOpened(*open, [&](Fd, const File& file, bool) { Add(file); });
    } else if (const auto* set = std::get_if<SetAttr>(&command.body)) {
      const auto& mm = set->attributes->mm;
      if (mm && mm->exe_opened_by) LinkOf({&mm->exe, &*mm->exe_opened_by}, mm->exe_mount);
      if (mm && !mm->exe_opened_by) named.insert(mm->exe.bytes);
    }
  }
}

LinkedFile& WantedFiles::LinkOf(const LinkedName& name, const Rare<std::uint64_t>& mount) {
  LinkedFile& link = links[LinkKey(*name.path, *name.link, mount)];
  link.mount = mount;
  link.path = name.path;
  link.link = name.link;
  return link;
}

void WantedFiles::Add(const File& description) {
  const OwnDescription own = {description.id, description.flags};
  if (const auto linked = LinkedOf(description)) {
    LinkedFile& link = LinkOf(*linked, preflight::MountOf(description));
    if (IsOwn(own.flags)) link.own.push_back(own);
  } else if (const auto* regular = As<RegularFile>(description)) {
    named.insert(regular->path.bytes);
  } else if (const auto* fifo = As<Fifo>(description)) {
    named.insert(fifo->path.bytes);
  }
  const auto name = UnlinkedOf(description);
  if (!name) return;
  const Unlinked& it = *name->file;
  const auto [known, fresh] =
      names_.try_emplace(it.id, std::pair(it.link_of.value_or(it.id.value), std::size_t{0}));
  UnlinkedFile& file = files[known->second.first];
  if (fresh) {
    if (!it.link_of) file.it = &it;
    known->second.second = file.names.size();
    file.names.emplace_back(it.id, name->path->bytes, preflight::MountOf(description));
  }
  if (IsOwn(own.flags)) file.names[known->second.second].own.push_back(own);
}

}  // namespace crgen::restorer
