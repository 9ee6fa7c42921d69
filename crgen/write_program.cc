// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <deque>
#include <future>
#include <span>

#include "crgen/cli.h"

namespace crgen {
namespace {

constexpr std::size_t kPieceCommands = 4096;

}  // namespace

Result WriteProgramTo(const Program& program, Layout layout, unsigned threads, Output& output,
                      Diagnostics& diag) {
  const std::size_t pieces = program.size() / kPieceCommands + 1;
  const auto policy = threads > 1 && pieces > 1 ? std::launch::async : std::launch::deferred;
  const auto text_of = [&](std::size_t piece) {
    const auto commands = std::span(program).subspan(piece * kPieceCommands);
    std::string text;
    ProgramWriter writer(layout, piece > 0);
    if (piece == 0) writer.Begin(&text);
    for (const Command& command : commands.first(std::min(commands.size(), kPieceCommands))) {
      writer.Add(command, &text);
    }
    if (piece + 1 == pieces) writer.End(&text);
    return text;
  };
  std::deque<std::future<std::string>> ahead;
  for (std::size_t next = 0, written = 0; written < pieces; ++written) {
    for (; next < pieces && ahead.size() < threads; ++next) {
      ahead.push_back(std::async(policy, text_of, next));
    }
    if (Failed(output.Write(ahead.front().get(), diag))) return Result::kError;
    ahead.pop_front();
  }
  return Result::kOk;
}

}  // namespace crgen
