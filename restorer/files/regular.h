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
    if (file.opened_by) return {services.linked.at(LinkKey(file.path, *file.opened_by)), path};
    const int held = services.files->file(path);
    return {held < 0 ? path : std::to_string(held), path};
  }
  static void Compile(const RegularFile& file, OpenContext& context) {
    OpenOp& open = context.op.open;
    const auto made = context.services.made.find(context.file.id);
    if (made != context.services.made.end()) open.created = made->second;
    const bool held = file.unlinked || file.opened_by;
    open.path = context.arena.Text(
        !held           ? file.path.bytes
        : file.unlinked ? context.services.unlinked.at(file.unlinked->id)
                        : context.services.linked.at(LinkKey(file.path, *file.opened_by)));
    open.check = CheckOf(file, context);
    open.directory = held ? context.service_fd : AT_FDCWD;
    if (file.pos) open.pos = static_cast<std::int64_t>(*file.pos);
  }

 private:
  static const FileCheck* CheckOf(const RegularFile& file, OpenContext& context) {
    auto* check = context.arena.New<FileCheck>();
    const HostFiles& files = *context.services.files;
    const bool link = context.file.flags.Has(O_NOFOLLOW);
    const int held = file.unlinked || file.opened_by ? -1
                     : link                          ? files.link(file.path.bytes)
                                                     : files.file(file.path.bytes);
    check->held = held < 0 ? nullptr : context.arena.Text(std::to_string(held));
    check->size = file.size ? static_cast<std::int64_t>(*file.size) : -1;
    check->mode = file.mode.value_or(0);
    return check;
  }
};

}  // namespace crgen::restorer
