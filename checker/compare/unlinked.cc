// SPDX-License-Identifier: Apache-2.0
// Files without a name of a final state against those of a snapshot.
#include <algorithm>

#include "checker/compare/comparison.h"

namespace crgen::check {

/// The same name and the same file, up to renaming; the file as its first opening made it.
void Comparison::CompareUnlinked(const std::string& where, const Rare<Unlinked>& expected,
                                 const Rare<Unlinked>& found) {
  if (expected.has_value() != found.has_value()) {
    return Differ(where, "file.unlinked", expected ? "without a name" : "none",
                  found ? "without a name" : "none");
  }
  if (!expected) return;
  const auto& rules = kernel_.files.Of<RegularFile>();
  const UnlinkedId id = found->id;
  const std::uint64_t file = expected->link_of.value_or(expected->id.value);
  if (!unlinked_names_.Pair(expected->id.value, id.value) ||
      !unlinked_files_.Pair(file, rules.FileOf(id))) {
    Differ(where, "file.unlinked", "file " + std::to_string(file),
           std::to_string(rules.FileOf(id)) + ", which stands for another one");
    return;
  }
  if (!compared_unlinked_.insert(file).second) return;
  const auto it = snapshot_.unlinked.find(file);
  if (it == snapshot_.unlinked.end()) return;
  Unlinked created = *rules.Created(id);
  created.id = it->second.id;
  Compare(where, "file.unlinked", it->second, created, diag_);
}

void Comparison::Rename(const std::optional<UnlinkedId>& expected,
                        std::optional<UnlinkedId>* found) {
  if (expected && *found && unlinked_names_.Pair(expected->value, (*found)->value)) {
    *found = expected;
  }
}

void Comparison::Rename(const InotifyWatches& expected, InotifyWatches* found) {
  for (std::size_t i = 0; i < std::min(expected.watches.size(), found->watches.size()); ++i) {
    Rename(expected.watches[i].unlinked, &found->watches[i].unlinked);
  }
}

void Comparison::Rename(const FanotifyMarks& expected, FanotifyMarks* found) {
  for (std::size_t i = 0; i < std::min(expected.marks.size(), found->marks.size()); ++i) {
    Rename(expected.marks[i].unlinked, &found->marks[i].unlinked);
  }
}

void Comparison::CompareAttributesOf(const std::string& where, const Attributes* expected,
                                     const Attributes& found) {
  if (expected == nullptr) return;
  const bool has_names =
      (expected->fs && (expected->fs->cwd_unlinked || expected->fs->root_unlinked)) ||
      (expected->mm && expected->mm->exe_unlinked);
  if (!has_names) return CompareAttributes(where, *expected, found, diag_);
  Attributes renamed = found;
  if (expected->fs && renamed.fs) {
    Rename(expected->fs->cwd_unlinked, &renamed.fs->cwd_unlinked);
    Rename(expected->fs->root_unlinked, &renamed.fs->root_unlinked);
  }
  if (expected->mm && renamed.mm) Rename(expected->mm->exe_unlinked, &renamed.mm->exe_unlinked);
  CompareAttributes(where, *expected, renamed, diag_);
}

}  // namespace crgen::check
