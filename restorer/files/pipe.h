// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "dsl/commands.h"
#include "restorer/files/file_restorer.h"

namespace crgen::restorer {

struct Script;

/// A pipe with further descriptions, which are opened through /proc, is the supervisor's until all
/// have theirs.
std::string PreparePipes(const Program& program, Services* services);

/// When all is built: a warning for each FIFO whose queue was there already.
void WarnOfKeptQueues(const Script& script);

template <>
struct FileRestorer<Pipe> : PlainRestorer<Pipe> {
  static void Compile(const Pipe& pipe, OpenContext& context);
};

template <>
struct FileRestorer<Fifo> : PlainRestorer<Fifo> {
  static void Compile(const Fifo& fifo, OpenContext& context);
};

}  // namespace crgen::restorer
