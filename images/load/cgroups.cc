// SPDX-License-Identifier: Apache-2.0
#include "images/load/cgroups.h"

#include <sys/stat.h>

#include <algorithm>
#include <utility>

#include "images/load/loader.h"

namespace crgen {
namespace {

constexpr std::uint32_t kPermissionBits = 07777;

/// With the type of the file, as st_mode has it.
constexpr std::uint32_t kModeBits = S_IFMT | kPermissionBits;

class Converter {
 public:
  Converter(const pb::cgroup_entry& entry, const std::string& where, CgroupImage* image,
            Diagnostics& diag)
      : entry_(entry), where_(where), image_(*image), diag_(diag) {}

  Result Run() {
    for (int i = 0; i < entry_.controllers_size(); ++i) {
      if (Failed(AddHierarchy(entry_.controllers(i), Field("controllers", i)))) {
        return Result::kError;
      }
    }
    for (int i = 0; i < entry_.sets_size(); ++i) {
      if (Failed(AddSet(entry_.sets(i), Field("sets", i)))) return Result::kError;
    }
    return Result::kOk;
  }

 private:
  std::string Field(const std::string& name, int index) const {
    return where_ + "." + name + "[" + std::to_string(index) + "]";
  }

  FilePermissions PermissionsOf(const pb::cgroup_perms& from, const std::string& where) {
    constexpr std::uint32_t kNoId = 0xffffffff;
    if ((from.mode() & ~kModeBits) != 0) {
      diag_.Error(where + ".mode", std::to_string(from.mode()) + " is no st_mode");
    }
    if (from.uid() == kNoId || from.gid() == kNoId) {
      diag_.Error(where, "uid or gid 4294967295, which is none");
    }
    return {from.mode() & kPermissionBits, from.uid(), from.gid()};
  }

  Result AddHierarchy(const pb::cg_controller_entry& from, const std::string& where) {
    std::string controllers;
    for (const std::string& name : from.cnames()) {
      controllers += (controllers.empty() ? "" : ",") + name;
    }
    if (from.cnames_size() == 0 || !IsControllers(controllers)) {
      return diag_.Fail(where + ".cnames", "no names of controllers of one hierarchy");
    }
    if (!hierarchies_.emplace(Sorted(controllers), controllers).second) {
      return diag_.Fail(where + ".cnames", "stands twice");
    }
    if (from.is_threaded()) image_.threaded.insert(controllers);
    for (int i = 0; i < from.dirs_size(); ++i) {
      const std::string at = where + ".dirs[" + std::to_string(i) + "]";
      if (Failed(AddDirectory(from.dirs(i), controllers, "/", true, at))) return Result::kError;
    }
    return Result::kOk;
  }

  /// With those below it, of which protobuf has bounded the depth.
  Result AddDirectory(const pb::cgroup_dir_entry& from, const std::string& controllers,
                      const std::string& parent, bool is_head, const std::string& where) {
    const bool is_root = is_head && from.dir_name().empty();
    CgroupDirectory to = {controllers, {parent}, {}, {}};
    if (!is_root) to.path.bytes += (parent == "/" ? "" : "/") + from.dir_name();
    if ((from.dir_name().empty() && !is_root) || !IsCgroupPath(to.path.bytes)) {
      return diag_.Fail(where + ".dir_name", "is no path below its parent, or is too long");
    }
    if (!known_.emplace(controllers, to.path.bytes).second) {
      return diag_.Fail(where + ".dir_name",
                        CgroupText(controllers, to.path.bytes) + " stands twice");
    }
    if (!is_root) {
      if (from.has_dir_perms()) to.perms = PermissionsOf(from.dir_perms(), where + ".dir_perms");
      if (Failed(AddProperties(from, where, &to))) return Result::kError;
    }
    const std::string path = to.path.bytes;
    image_.directories.push_back(std::move(to));
    for (int i = 0; i < from.children_size(); ++i) {
      const std::string at = where + ".children[" + std::to_string(i) + "]";
      if (Failed(AddDirectory(from.children(i), controllers, path, false, at))) {
        return Result::kError;
      }
    }
    return Result::kOk;
  }

  /// The dumper writes the freezer's state once for each directory, into the first one.
  Result AddProperties(const pb::cgroup_dir_entry& from, const std::string& where,
                       CgroupDirectory* to) {
    std::map<std::string, std::size_t> known;
    for (int i = 0; i < from.properties_size(); ++i) {
      const pb::cgroup_prop_entry& property = from.properties(i);
      const std::string at = where + ".properties[" + std::to_string(i) + "]";
      if (!IsCgroupFile(property.name())) {
        return diag_.Fail(at + ".name", "is no name of a file");
      }
      if (property.value().find('\0') != std::string::npos) {
        return diag_.Fail(at + ".value", "has a NUL");
      }
      CgroupProperty out = {property.name(), {property.value()}, {}};
      // Of a freezer the dumper leaves them undefined.
      if (property.has_perms() && out.name != "freezer.state") {
        out.perms = PermissionsOf(property.perms(), at + ".perms");
      }
      const auto [place, is_new] = known.try_emplace(out.name, to->properties.size());
      if (is_new) {
        to->properties.push_back(std::move(out));
      } else {
        to->properties[place->second] = std::move(out);
      }
    }
    return Result::kOk;
  }

  Result AddSet(const pb::cg_set_entry& from, const std::string& where) {
    std::vector<CgroupPath> paths;
    for (int i = 0; i < from.ctls_size(); ++i) {
      const std::string at = where + ".ctls[" + std::to_string(i) + "]";
      if (Failed(AddPath(from.ctls(i), at, &paths))) return Result::kError;
    }
    std::ranges::sort(paths, {}, &CgroupPath::controllers);
    const auto twice = std::ranges::adjacent_find(paths, {}, &CgroupPath::controllers);
    if (paths.empty() || twice != paths.end()) {
      return diag_.Fail(where + ".ctls", paths.empty()
                                             ? "there are none"
                                             : "has \"" + twice->controllers + "\" twice");
    }
    const auto same = [](const CgroupPath& a, const CgroupPath& b) {
      return a.controllers == b.controllers;
    };
    if (!image_.sets.empty() && !std::ranges::equal(paths, image_.sets.begin()->second, same)) {
      return diag_.Fail(where + ".ctls", "has not the hierarchies that the first set has");
    }
    if (!image_.sets.emplace(from.id(), std::move(paths)).second) {
      return diag_.Fail(where + ".id", std::to_string(from.id()) + " stands twice");
    }
    return Result::kOk;
  }

  Result AddPath(const pb::cg_member_entry& from, const std::string& where,
                 std::vector<CgroupPath>* paths) {
    const auto hierarchy = hierarchies_.find(Sorted(from.name()));
    if (hierarchy == hierarchies_.end()) {
      return diag_.Fail(where + ".name", "no such controllers in this image");
    }
    if (!IsCgroupPath(from.path())) return diag_.Fail(where + ".path", "is no path of a cgroup");
    CgroupPath to = {hierarchy->second, {from.path()}, {}};
    if (from.cgns_prefix() != 0) {
      const std::string& path = from.path();
      const std::size_t length = from.cgns_prefix();
      if (length > path.size() || !IsCgroupPath(path.substr(0, length)) ||
          !IsAtOrBelow(path, path.substr(0, length))) {
        return diag_.Fail(where + ".cgns_prefix",
                          std::to_string(length) + " bytes of the path are none above it");
      }
      to.prefix = Text{path.substr(0, length)};
    }
    // A dump that left cgroups alone has no directories.
    if (known_.emplace(to.controllers, to.path.bytes).second) {
      image_.directories.push_back({to.controllers, to.path, {}, {}});
    }
    paths->push_back(std::move(to));
    return Result::kOk;
  }

  static std::vector<std::string> Sorted(const std::string& controllers) {
    std::vector<std::string> names = ControllerNames(controllers);
    std::ranges::sort(names);
    return names;
  }

  const pb::cgroup_entry& entry_;
  const std::string& where_;
  CgroupImage& image_;
  Diagnostics& diag_;
  std::map<std::vector<std::string>, std::string> hierarchies_;
  std::set<std::pair<std::string, std::string>> known_;
};

/// Without the prefix, which all have or none.
bool SamePlaces(const CgroupPath& a, const CgroupPath& b) {
  return a.controllers == b.controllers && a.path == b.path;
}

}  // namespace

Result ConvertCgroups(const pb::cgroup_entry& entry, const std::string& where, CgroupImage* image,
                      Diagnostics& diag) {
  return Converter(entry, where, image, diag).Run();
}

void Loader::LoadCgroups() {
  if (images.Has(ImageKindNamed("CGROUP"))) cgroups_invalid = Failed(ReadCgroups());
}

/// It is there and empty where all are in the dumper's own.
Result Loader::ReadCgroups() {
  ImageReader reader{"", ""};
  if (Failed(images.Open(ImageKindNamed("CGROUP"), 0, &reader, diag))) return Result::kError;
  if (reader.AtEnd()) return Result::kOk;
  std::string_view bytes;
  pb::cgroup_entry entry;
  if (Failed(reader.Next(&bytes, diag)) || Failed(ParseMessage(bytes, reader, &entry, diag))) {
    return Result::kError;
  }
  const std::string where = reader.Where();
  if (!reader.AtEnd()) return diag.Fail(where, "more follows, expected one entry");
  return ConvertCgroups(entry, where, &cgroups, diag);
}

std::optional<CgroupMembership> Loader::CgroupOf(const pb::core_entry& entry,
                                                 const std::string& where) {
  const pb::thread_core_entry& thread = entry.thread_core();
  // Before CRIU 3.18 the set stands in the task's part.
  const bool old = !thread.has_cg_set() && entry.tc().has_cg_set();
  const std::uint32_t id = thread.has_cg_set() ? thread.cg_set()
                           : old               ? entry.tc().cg_set()
                                               : inventory.root_cg_set();
  if (id == 0 || id == inventory.root_cg_set()) return std::nullopt;
  const auto set = cgroups.sets.find(id);
  if (set != cgroups.sets.end()) return CgroupMembership{set->second, {}};
  if (missing_cgroup_sets.insert(id).second && !cgroups_invalid) {
    diag.Error(where + (old ? ".tc.cg_set" : ".thread_core.cg_set"),
               "no set " + std::to_string(id) + " in cgroup.img");
  }
  return std::nullopt;
}

bool Loader::HasCgroupNamespace(const pb::core_entry& root) {
  const std::optional<CgroupMembership> own = CgroupOf(root, "");
  return own && std::ranges::any_of(own->paths,
                                    [](const CgroupPath& path) { return path.prefix.has_value(); });
}

bool Loader::SharesCgroupNamespace(const Attributes& attributes) const {
  const auto& root = snapshot.processes.front().attributes;
  if (!attributes.cgroup || root == nullptr) return true;
  const auto& own = attributes.cgroup->paths;
  if (root->cgroup)
    return std::ranges::equal(own, root->cgroup->paths, {}, &CgroupPath::prefix,
                              &CgroupPath::prefix);
  return std::ranges::none_of(own, [](const CgroupPath& path) { return path.prefix.has_value(); });
}

void Loader::CheckThreadCgroups(ProcessIndex index) {
  const Process& process = snapshot.processes[index];
  const auto& own = process.attributes->cgroup;
  for (const Thread& thread : process.threads) {
    if (!own || thread.attributes == nullptr || !thread.attributes->cgroup) continue;
    const auto& other = thread.attributes->cgroup;
    for (std::size_t i = 0; i < own->paths.size(); ++i) {
      const CgroupPath& path = other->paths[i];
      if (SamePlaces(path, own->paths[i]) || cgroups.threaded.contains(path.controllers)) continue;
      diag.Error("core-" + std::to_string(thread.tid) + ".img[0].thread_core.cg_set",
                 CgroupText(path.controllers, path.path.bytes) +
                     " is not its leader's, in a hierarchy without threads of its own");
    }
  }
}

/// Below somebody who is elsewhere, the dumper's own set is a place that no image names.
void Loader::FinishCgroups() {
  bool any = false, all_known = true, one_namespace = true;
  const auto look = [&](Pid tid, const Attributes& attributes, const Attributes& above) {
    any |= attributes.cgroup.has_value();
    if (one_namespace && !SharesCgroupNamespace(attributes)) {
      one_namespace = false;
      diag.Error("core-" + std::to_string(tid) + ".img[0].thread_core.cg_set",
                 "its set has other prefixes (cgns_prefix) than that of the root");
    }
    if (attributes.cgroup || !above.cgroup || !all_known) return;
    all_known = false;
    diag.Unsupported("core-" + std::to_string(tid) + ".img[0].thread_core.cg_set",
                     "the cgroups of the dumper, which no image names, below a process in others",
                     Loss::kCgroups);
  };
  for (std::size_t i = 0; i < snapshot.processes.size(); ++i) {
    const Process& process = snapshot.processes[i];
    if (process.attributes == nullptr || process.state == ProcessState::kZombie) continue;
    const ProcessIndex parent = snapshot.tree.nodes[i].parent;
    const auto& above = parent < 0 ? process.attributes : snapshot.processes[parent].attributes;
    look(snapshot.tree.nodes[i].pid, *process.attributes,
         above == nullptr ? *process.attributes : *above);
    for (const Thread& thread : process.threads) {
      if (thread.attributes != nullptr) look(thread.tid, *thread.attributes, *process.attributes);
    }
    CheckThreadCgroups(ProcessIndex(i));
  }
  if (!any) return;
  if (options.caller_namespaces) {
    UnsupportedContainer("cgroup.img", "cgroups that the tree is in");
  } else if (all_known) {
    snapshot.cgroup_directories = std::move(cgroups.directories);
    return;
  }
  const auto without = [](std::shared_ptr<const Attributes>& attributes) {
    if (attributes == nullptr || !attributes->cgroup) return;
    auto changed = std::make_shared<Attributes>(*attributes);
    changed->cgroup.reset();
    attributes = std::move(changed);
  };
  for (Process& process : snapshot.processes) {
    without(process.attributes);
    for (Thread& thread : process.threads) without(thread.attributes);
  }
}

}  // namespace crgen
