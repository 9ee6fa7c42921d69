// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fcntl.h>

#include "restorer/files/file_restorer.h"

namespace crgen::restorer {

template <>
struct FileRestorer<RegularFile> : PlainRestorer<RegularFile> {
  static HeldFile Held(const RegularFile& file, const Services& services) {
    const std::string& path = file.path.bytes;
    if (file.unlinked) return {services.unlinked.at(file.unlinked->id), path};
    if (file.opened_by)
      return {services.linked.at(LinkKey(file.path, *file.opened_by, file.mount)), path};
    const int held = services.files->file(path);
    return {held < 0 ? path : std::to_string(held), path};
  }
  static void Compile(const RegularFile& file, OpenContext& context) {
    OpenOp& open = context.op.open;
    const auto made = context.services.made.find(context.file.id);
    if (made != context.services.made.end()) open.created = made->second;
    auto* check = context.arena.New<FileCheck>();
    check->size = file.size ? static_cast<std::int64_t>(*file.size) : -1;
    check->mode = file.mode.value_or(0);
    open.check = check;
    if (file.unlinked || file.opened_by) {
      open.path = context.arena.Text(file.unlinked ? context.services.unlinked.at(file.unlinked->id)
                                                   : context.services.linked.at(LinkKey(
                                                         file.path, *file.opened_by, file.mount)));
      open.directory = context.service_fd;
    } else {
      CompileWay(file, context, check);
    }
    if (file.pos) open.pos = static_cast<std::int64_t>(*file.pos);
  }
};

}  // namespace crgen::restorer
