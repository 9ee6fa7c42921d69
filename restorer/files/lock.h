// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "restorer/files/file_restorer.h"

namespace crgen::restorer {

inline void CompileLocks(Fd fd, const std::vector<FileLock>& locks, const File& file, Arena& arena,
                         Op& op) {
  std::vector<LockState> states;
  for (const FileLock& lock : locks) {
    states.push_back({lock.kind.value, static_cast<std::int16_t>(lock.type.value),
                      static_cast<std::int64_t>(lock.start),
                      static_cast<std::int64_t>(lock.length)});
  }
  const auto* regular = As<RegularFile>(file);
  op.kind = OpKind::kLock;
  op.lock = {fd, arena.Copy(states), static_cast<std::uint32_t>(states.size()),
             regular == nullptr ? nullptr : arena.Text(regular->path.bytes)};
}

template <>
struct LateRestorer<LockSetting> {
  static void Compile(Fd fd, const LockSetting& setting, const File& file, LateContext& context,
                      Op& op) {
    CompileLocks(fd, setting.locks, file, context.arena, op);
  }
};

/// As it was before it was broken: the compiler adds that.
template <>
struct LateRestorer<LeaseSetting> {
  static void Compile(Fd fd, const LeaseSetting& setting, const File& file, LateContext& context,
                      Op& op) {
    CompileLocks(fd, setting.locks, file, context.arena, op);
  }
};

}  // namespace crgen::restorer
