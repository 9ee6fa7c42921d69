// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "restorer/files/file_restorer.h"

namespace crgen::restorer {

template <>
struct FileRestorer<Signalfd> : PlainRestorer<Signalfd> {
  static void Compile(const Signalfd& signalfd, OpenContext& context) {
    context.op.kind = OpKind::kOpenSignalfd;
    context.op.open.mask = signalfd.mask.value;
  }
};

}  // namespace crgen::restorer
