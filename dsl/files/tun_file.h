// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "dsl/describe.h"
#include "model/files/tun_file.h"

namespace crgen {

template <>
struct Describe<TunFile> {
  static constexpr auto kFields = std::tuple{
      Required("path", &TunFile::path, "absolute; no device is attached to the description")};
};

}  // namespace crgen
