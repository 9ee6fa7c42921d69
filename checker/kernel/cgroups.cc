// SPDX-License-Identifier: Apache-2.0
// cgroups(7) in the simulated kernel: directories, and who moves where.
#include <algorithm>
#include <string>

#include "checker/compare/difference.h"
#include "checker/kernel/kernel.h"

namespace crgen::check {
namespace {

constexpr std::uint32_t kPermissionBits = 07777;
constexpr std::size_t kLongestValue = 65536;
constexpr std::uint32_t kNoId = ~std::uint32_t{0};

using Refusals = std::optional<Refusal>;

Refusals Invalid(std::string fact) { return Refusal{"EINVAL", "cgroup: " + std::move(fact)}; }

Refusals CheckPlace(const std::string& controllers, const Text& path) {
  if (!IsControllers(controllers)) {
    return Invalid("\"" + Printable(controllers) + "\" are no controllers");
  }
  if (IsCgroupPath(path.bytes)) return std::nullopt;
  return Invalid(ValueText(path) + " is no path of a cgroup");
}

Refusals CheckPermissions(const std::optional<FilePermissions>& perms, const std::string& of) {
  if (!perms) return std::nullopt;
  if ((perms->mode & ~kPermissionBits) != 0)
    return Invalid("the mode of " + of + " is above 07777");
  if (perms->uid != kNoId && perms->gid != kNoId) return std::nullopt;
  return Invalid("the owner of " + of + " is 4294967295, which is none");
}

Refusals CheckDirectory(const CgroupDirectory& directory) {
  const std::string name = Printable(CgroupText(directory.controllers, directory.path.bytes));
  if (Refusals refusal = CheckPlace(directory.controllers, directory.path)) return refusal;
  if (Refusals refusal = CheckPermissions(directory.perms, name)) return refusal;
  if (directory.path.bytes == "/" && (directory.perms || !directory.properties.empty())) {
    return Refusal{"EPERM", "cgroup: the root of a hierarchy belongs to the system: " + name +
                                " has neither perms nor properties"};
  }
  std::vector<std::string> names;
  for (const CgroupProperty& property : directory.properties) {
    if (!IsCgroupFile(property.name)) {
      return Invalid("\"" + Printable(property.name) + "\" of " + name + " is no name of a file");
    }
    const std::string text = property.name + " of " + name;
    if (property.value.bytes.size() > kLongestValue ||
        property.value.bytes.find('\0') != std::string::npos) {
      return Invalid("the value of " + text + " has a NUL, or more than 65536 bytes");
    }
    if (HoldsMembers(property.name) && !property.value.bytes.empty()) {
      return Invalid("the value of " + text + " names members, who move by themselves");
    }
    if (Refusals refusal = CheckPermissions(property.perms, text)) return refusal;
    names.push_back(property.name);
  }
  std::ranges::sort(names);
  const auto twice = std::ranges::adjacent_find(names);
  if (twice == names.end()) return std::nullopt;
  return Refusal{"EEXIST", "cgroup: " + *twice + " of " + name + " stands twice"};
}

Refusals CheckPaths(const CgroupMembership& cgroup) {
  if (cgroup.paths.size() > kMostHierarchies) return Invalid("more than 64 hierarchies");
  std::vector<std::string> names;
  for (const CgroupPath& path : cgroup.paths) {
    if (Refusals refusal = CheckPlace(path.controllers, path.path)) return refusal;
    if (path.prefix) {
      if (Refusals refusal = CheckPlace(path.controllers, *path.prefix)) return refusal;
      if (!IsAtOrBelow(path.path.bytes, path.prefix->bytes)) {
        return Invalid(ValueText(path.path) + " is not below its prefix " +
                       ValueText(*path.prefix));
      }
    }
    names.push_back(path.controllers);
  }
  std::ranges::sort(names);
  const auto twice = std::ranges::adjacent_find(names);
  if (twice == names.end()) return std::nullopt;
  return Invalid("two paths of \"" + *twice + "\"");
}

bool IsThreaded(const CgroupDirectory& directory) {
  return !directory.controllers.empty() ||
         std::ranges::any_of(directory.properties, [](const CgroupProperty& property) {
           return property.name == "cgroup.type" && property.value.bytes == "threaded";
         });
}

}  // namespace

std::optional<Refusal> RefusedCgroup(const CgroupMembership& cgroup) {
  for (const CgroupDirectory& directory : cgroup.directories) {
    if (Refusals refusal = CheckDirectory(directory)) return refusal;
  }
  return CheckPaths(cgroup);
}

bool Kernel::CheckCgroup(const SetAttr& set) {
  const CgroupMembership& cgroup = *set.attributes->cgroup;
  const Task& task = self();
  const auto refuse = [&](std::string_view error, const std::string& fact) {
    Violation(error, "cgroup: " + fact);
    return false;
  };
  const auto name = [](const auto& of) {
    return Printable(CgroupText(of.controllers, of.path.bytes));
  };
  if (set.tid) {
    if (*set.tid == task.pid) return refuse("EINVAL", "the leader is where the process is");
    if (!cgroup.directories.empty()) return refuse("EINVAL", "a thread makes no directories");
  } else if (!task.threads.empty() && !cgroup.paths.empty()) {
    return refuse("EBUSY", "the process has threads already, which would move with it");
  } else if (task.is_sealed && !cgroup.paths.empty()) {
    return refuse("EPERM", "creds or seccomp of the process are set " + At(task.sealed));
  }
  std::map<CgroupKey, const CgroupDirectory*> made;
  for (const CgroupDirectory& directory : cgroup.directories) {
    const CgroupKey key = {directory.controllers, directory.path.bytes};
    if (cgroup_directories.contains(key) || !made.emplace(key, &directory).second) {
      return refuse("EEXIST", name(directory) + " stands in the program already");
    }
  }
  bool has_prefix = false;
  for (const CgroupPath& path : cgroup.paths) {
    const CgroupKey key = {path.controllers, path.path.bytes};
    const auto known = cgroup_directories.find(key);
    const auto is_new = made.find(key);
    if (known == cgroup_directories.end() && is_new == made.end()) {
      return refuse("ENOENT", "the program has no directory " + name(path));
    }
    const CgroupDirectory& directory = is_new == made.end() ? known->second : *is_new->second;
    if (set.tid && !IsThreaded(directory)) {
      return refuse("EOPNOTSUPP", name(path) +
                                      " takes whole processes: its cgroup.type is not "
                                      "threaded");
    }
    has_prefix |= path.prefix.has_value();
  }
  if (has_prefix && !CheckCgroupNamespace(set)) return false;
  for (const CgroupDirectory& directory : cgroup.directories) {
    cgroup_directories.emplace(CgroupKey{directory.controllers, directory.path.bytes}, directory);
  }
  return true;
}

/// All of the tree is in one: the root's, from its birth on.
bool Kernel::CheckCgroupNamespace(const SetAttr& set) {
  const char* reason = self_ != root_ || set.tid ? "only the root has a prefix"
                       : has_cgroup_namespace_   ? "the namespace is there already"
                       : tasks.size() > 2        ? "the root has forked"
                       : !file_ids_.empty()      ? "the root has opened files"
                                                 : nullptr;
  if (reason != nullptr) {
    Violation("EUSERS", std::string("cgroup: a new namespace: ") + reason);
    return false;
  }
  has_cgroup_namespace_ = true;
  return true;
}

/// The places alone: directories are everybody's. Who is in a namespace stays in it.
void MergeCgroup(const std::optional<CgroupMembership>& from, std::optional<CgroupMembership>* to) {
  if (!from || from->paths.empty()) return;
  if (!*to) to->emplace();
  std::vector<CgroupPath>& paths = (*to)->paths;
  for (const CgroupPath& path : from->paths) {
    const auto place =
        std::ranges::lower_bound(paths, path.controllers, {}, &CgroupPath::controllers);
    if (place == paths.end() || place->controllers != path.controllers) {
      paths.insert(place, path);
    } else {
      place->path = path.path;
      if (path.prefix) place->prefix = path.prefix;
    }
  }
}

}  // namespace crgen::check
