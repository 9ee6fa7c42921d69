// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "dsl/describe.h"
#include "dsl/files/timerfd.h"
#include "dsl/image_bytes.h"
#include "model/files/unlinked.h"

namespace crgen {

template <>
struct Describe<FileTimes> {
  static constexpr auto kFields =
      std::tuple{Required("access", &FileTimes::access, "st_atim"),
                 Required("modification", &FileTimes::modification, "st_mtim")};
};

template <>
struct Describe<Unlinked> {
  static constexpr auto kFields = std::tuple{
      Required("id", &Unlinked::id, "the name; its file is created by the first OPEN_FILE"),
      Optional("link_of", &Unlinked::link_of, "the id of another name, which created the file"),
      Optional("mode", &Unlinked::mode, "where it is created: st_mode, of any type"),
      Optional("uid", &Unlinked::uid, "where it is created"),
      Optional("gid", &Unlinked::gid, "where it is created"),
      Optional("size", &Unlinked::size, "where a regular file is created: bytes"),
      Optional("rdev", &Unlinked::rdev, "where a device is created: as stat(2) has it"),
      Optional("target", &Unlinked::target, "where a symbolic link is created: what it says"),
      Optional("times", &Unlinked::times, "where it is created: utimensat(2)"),
      Optional("content", &Unlinked::content, "where it is created: what is no hole")};
};

}  // namespace crgen
