// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "dsl/describe.h"
#include "dsl/files/unlinked.h"
#include "model/files/regular.h"

namespace crgen {

template <>
struct Describe<RegularFile> {
  static constexpr auto kFields = std::tuple{
      Required("path", &RegularFile::path, "absolute"),
      Optional("pos", &RegularFile::pos, "bytes; absent: 0"),
      Optional("size", &RegularFile::size, "bytes; the file must have it"),
      Optional("mode", &RegularFile::mode, "st_mode; the file must have it"),
      Optional("build_id", &RegularFile::build_id, "of the ELF file; it must have it"),
      Optional("unlinked", &RegularFile::unlinked,
               "the file has no name any more: it is made under its old one, or another "
               "in its folder if that is taken, and unlinked"),
      Optional("opened_by", &RegularFile::opened_by,
               "a hard link that the dumper left: opened in its place, and removed when "
               "all is done"),
      Optional("mount", &RegularFile::mount,
               "the id of the mount that it is in: the path is looked up from the root of "
               "that mount's namespace; absent: in the namespace of who opens it")};
};

}  // namespace crgen
