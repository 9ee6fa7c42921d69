// SPDX-License-Identifier: Apache-2.0
#include "checker/files/namespace_file.h"

#include <linux/sched.h>

#include <algorithm>

#include "checker/kernel/kernel.h"

namespace crgen::check {

std::optional<Refusal> FileRules<NamespaceFile>::Check(const File& file,
                                                       const NamespaceFile& body) const {
  if (auto refused = RefusedFlags(file.flags)) return refused;
  const auto& names = NamespaceTypeKind::Names();
  const bool known =
      std::ranges::any_of(names, [&](const FlagName& row) { return row.value == body.type.value; });
  if (known) return std::nullopt;
  return Refusal{"ENOENT", "there are no namespaces of type " + ValueText(body.type)};
}

/// All processes of a program are in the namespaces that the root has entered, or made; what it has
/// made others of, says of which it is.
std::optional<Refusal> FileRules<NamespaceFile>::CheckOpening(const Kernel& kernel, const File&,
                                                              const NamespaceFile& body,
                                                              const File*) const {
  const Attributes& root = *kernel.tasks[kernel.root()].attributes;
  if (body.type.value == CLONE_NEWNET && body.id && FindNet(root, *body.id) != nullptr) {
    return std::nullopt;
  }
  if (body.type.value == CLONE_NEWNS && body.id) {
    const MountNamespaces* made = kernel.files.Of<RegularFile>().mounts();
    if (made != nullptr && made->Has(body.id)) return std::nullopt;
    return Refusal{"ENOENT", "no mount has namespace " + std::to_string(*body.id)};
  }
  std::optional<std::uint64_t> entered;
  if (body.type.value == CLONE_NEWUTS && root.uts) entered = root.uts->id;
  if (body.type.value == CLONE_NEWIPC && root.ipc) entered = root.ipc->id;
  if (body.type.value == CLONE_NEWNET && root.net) entered = root.net->id;
  if (body.id == entered) return std::nullopt;
  return Refusal{"ENOENT", "the process is in " + ValueText(body.type) + " namespace " +
                               ValueText(entered) + ", and not in " + ValueText(body.id)};
}

}  // namespace crgen::check
