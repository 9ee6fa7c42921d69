// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "restorer/files/file_restorer.h"

namespace crgen::restorer {

/// The supervisor makes the map, and all of its descriptions.
template <>
struct FileRestorer<BpfMap> : PlainRestorer<BpfMap> {
  static std::string Prepare(const File& file, const BpfMap& body, Services& services);
  static void Compile(const BpfMap&, OpenContext& context) {
    context.op.open.created = context.services.made.at(context.file.id);
  }
};

}  // namespace crgen::restorer
