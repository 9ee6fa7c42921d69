#include "generator/files/proc_files.h"

#include "model/proc_path.h"

namespace crgen {
namespace {

std::optional<ProcPath> OwnerOf(const File& file) {
  const RegularFile* regular = AsRegular(file);
  return regular == nullptr ? std::nullopt : ParseProcPath(regular->path.bytes);
}

}  // namespace

ProcFiles::ProcFiles(const Snapshot& snapshot) {
  for (const auto& file : snapshot.files) {
    const auto owner = OwnerOf(*file);
    if (!owner) continue;
    absent_.insert(owner->pid);
    if (owner->tid == 0 || owner->tid == owner->pid) continue;
    absent_.insert(owner->tid);
    early_.insert(owner->pid);
  }
  if (absent_.empty()) return;
  std::unordered_set<Pid> of_the_tree;
  for (const TreeNode& node : snapshot.tree.nodes) {
    of_the_tree.insert(node.pid);
    of_the_tree.insert(node.tids.begin(), node.tids.end());
  }
  std::erase_if(absent_, [&](Pid number) { return !of_the_tree.contains(number); });
}

Result ProcFiles::Check(const File& file, Diagnostics& diag) const {
  if (absent_.empty()) return Result::kOk;
  const auto owner = OwnerOf(file);
  if (!owner) return Result::kOk;
  const Pid number = absent_.contains(owner->pid) ? owner->pid : owner->tid;
  if (!absent_.contains(number)) return Result::kOk;
  diag.Unsupported("file " + std::to_string(file.id.value),
                   AsRegular(file)->path.bytes + " is inherited by a process that is born before " +
                       std::to_string(number) + ", whose file it is");
  return Result::kError;
}

}  // namespace crgen
