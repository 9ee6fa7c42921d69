#pragma once

#include <fcntl.h>

#include "restorer/files/file_restorer.h"

namespace crgen::restorer {

template <>
struct FileRestorer<RegularFile> : PlainRestorer<RegularFile> {
  static void Compile(const RegularFile& file, OpenContext& context) {
    OpenOp& open = context.op.open;
    open.path = context.arena.Text(file.path.bytes);
    open.check = CheckOf(file, context);
    open.directory = AT_FDCWD;
    if (file.pos) open.pos = static_cast<std::int64_t>(*file.pos);
  }

 private:
  static const FileCheck* CheckOf(const RegularFile& file, OpenContext& context) {
    FileCheck* check = context.arena.New<FileCheck>();
    const HostFiles& files = *context.services.files;
    const bool link = context.file.flags.Has(O_NOFOLLOW);
    const int held = link ? files.link(file.path.bytes) : files.file(file.path.bytes);
    check->held = held < 0 ? nullptr : context.arena.Text(std::to_string(held));
    check->size = file.size ? static_cast<std::int64_t>(*file.size) : -1;
    check->mode = file.mode.value_or(0);
    return check;
  }
};

}  // namespace crgen::restorer
