// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "restorer/files/file_restorer.h"

namespace crgen::restorer {

template <>
struct FileRestorer<Eventfd> : PlainRestorer<Eventfd> {
  static void Compile(const Eventfd& eventfd, OpenContext& context) {
    context.op.kind = OpKind::kOpenEventfd;
    context.op.open.counter = eventfd.counter;
    context.op.open.semaphore = eventfd.semaphore.value_or(false);
  }
};

}  // namespace crgen::restorer
