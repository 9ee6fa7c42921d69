// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "model/ids.h"

namespace crgen {

/// A slot that nobody has at the end.
struct TemporarySlot {
  ProcessIndex process;
  Fd fd;
  FileIndex file;
};

}  // namespace crgen
