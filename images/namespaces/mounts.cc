// SPDX-License-Identifier: Apache-2.0
// mountpoints-<id>.img: the mounts of the root's mount namespace, in an order in which they can be
// made; tmpfs-dev-<device>.tar.gz.img: what is in a tmpfs.
#include <algorithm>
#include <bit>
#include <cctype>
#include <functional>
#include <map>
#include <queue>
#include <tuple>

#include "images/load/loader.h"
#include "images/load/place.h"
#include "images/proto/namespaces.pb.h"
#include "model/mount_paths.h"
#include "model/mount_sharing.h"

namespace crgen {
namespace {

constexpr std::uint64_t kSharing = mount_flag::kShared | mount_flag::kSlave;
constexpr std::size_t kMountsAtMost = 100'000;  // fs.mount-max

/// The numbers of mnt_entry.fstype.
struct TypeName {
  std::uint32_t number;
  std::string_view name;
};
constexpr TypeName kTypes[] = {
    {1, "proc"},     {2, "sysfs"},   {3, "devtmpfs"}, {4, "binfmt_misc"}, {5, "tmpfs"},
    {6, "devpts"},   {7, "simfs"},   {8, "pstore"},   {9, "securityfs"},  {10, "fusectl"},
    {11, "debugfs"}, {12, "cgroup"}, {13, "aufs"},    {14, "mqueue"},     {15, "fuse"},
    {17, "overlay"}, {18, "autofs"}, {19, "tracefs"}, {23, "cgroup2"}};

std::string TypeOf(const pb::mnt_entry& entry) {
  const auto* row = std::ranges::find(kTypes, entry.fstype(), &TypeName::number);
  if (row != std::end(kTypes)) return std::string(row->name);
  return entry.fsname().empty() ? "unknown to the dumper" : entry.fsname();
}

/// One entry of the image.
struct Planned {
  std::string where;
  std::string type;
  std::uint32_t device = 0;
  Mount mount;
};

class MountLoader {
 public:
  MountLoader(Loader& loader, std::uint32_t id)
      : loader_(loader),
        diag_(loader.diag),
        kind_(ImageKindNamed("MNTS")),
        id_(id),
        name_(ImageSet::NameOf(kind_, id)) {}

  /// Empty: reported.
  std::vector<Mount> Load() {
    if (!Read() || !FindRoot() || !CheckPlaces()) return {};
    FindBases();
    for (Planned& planned : mounts_) Decide(planned);
    if (bad_) return {};
    return InOrder();
  }

 private:
  bool Read() {
    ImageReader reader{"", ""};
    std::string_view bytes;
    if (Failed(loader_.images.Open(kind_, id_, &reader, diag_))) return false;
    const std::size_t errors = diag_.Count(Severity::kError);
    while (!reader.AtEnd()) {
      pb::mnt_entry entry;
      if (Failed(reader.Next(&bytes, diag_))) return false;
      if (mounts_.size() == kMountsAtMost) {
        diag_.Error(reader.Where(), "is one of more than 100000 mounts, which no kernel has");
        return false;
      }
      if (Failed(ParseMessage(bytes, reader, &entry, diag_))) continue;
      Add(entry, reader);
    }
    return diag_.Count(Severity::kError) == errors;
  }

  void Add(const pb::mnt_entry& entry, const ImageReader& at) {
    const auto error = [&](const char* field, const std::string& what) {
      diag_.Error(at.Where(field), what);
    };
    if (!IsCanonical(entry.mountpoint())) {
      error("mountpoint", "\"" + entry.mountpoint() + "\" is no absolute path, or not a plain one");
    }
    for (const auto& [field, text] :
         {std::pair{"root", &entry.root()}, std::pair{"source", &entry.source()},
          std::pair{"options", &entry.options()}, std::pair{"ext_key", &entry.ext_key()}}) {
      if (text->find('\0') != std::string::npos) error(field, "contains a NUL");
    }
    if (entry.mnt_id() == 0) error("mnt_id", "0, expected a number above");
    if (!by_id_.emplace(entry.mnt_id(), mounts_.size()).second) {
      error("mnt_id", "mount " + std::to_string(entry.mnt_id()) + " stands twice");
    }
    Planned planned;
    planned.where = at.Where();
    planned.type = TypeOf(entry);
    planned.device = entry.root_dev();
    Mount& mount = planned.mount;
    mount.id = entry.mnt_id();
    mount.parent = entry.parent_mnt_id();
    mount.mountpoint.bytes = entry.mountpoint();
    mount.root.bytes = entry.root();
    mount.flags.bits = entry.flags();
    mount.sb_flags.bits = entry.sb_flags();
    if (entry.has_ext_key()) mount.external = Text{entry.ext_key()};
    if (!entry.source().empty()) mount.source = Text{entry.source()};
    if (!entry.options().empty()) mount.options = Text{entry.options()};
    const auto refuse = [&](const char* field, const std::string& what) {
      Refuse(at.Where(field), what);
    };
    const std::uint64_t unknown = entry.flags() & ~kMountFlags & ~kSharing;
    const std::uint64_t unknown_sb = entry.sb_flags() & ~kSuperblockFlags;
    mount.flags.bits &= ~kSharing;
    if (entry.shared_id() != 0) mount.shared = entry.shared_id();
    if (entry.master_id() != 0) mount.master = entry.master_id();
    if (mount.shared && mount.external && !entry.internal_sharing()) {
      refuse("shared_id", "a mount that shares its events with those of outside");
    } else if (entry.with_plugin()) {
      refuse("with_plugin", "a mount of a plugin");
    } else if (entry.deleted()) {
      refuse("deleted", "a mount of a file, or directory, that is unlinked");
    } else if (entry.ext_key().starts_with("CRIU:") || (entry.ext_mount() && !mount.external)) {
      refuse("ext_key", "an external mount of which only the dumper knows what it is");
    } else if (unknown != 0) {
      refuse("flags", "bits " + HexText(unknown) + ", which no mount can be given");
    } else if (unknown_sb != 0) {
      refuse("sb_flags", "bits " + HexText(unknown_sb) + ", which no file system can be given");
    } else if (std::popcount(entry.flags() & kAccessTimeFlags) > 1) {
      error("flags", "several of MS_NOATIME, MS_RELATIME and MS_STRICTATIME");
    }
    mounts_.push_back(std::move(planned));
  }

  void Refuse(const std::string& where, const std::string& what) {
    bad_ = true;
    loader_.UnsupportedContainer(where, what);
  }

  bool FindRoot() {
    for (std::size_t i = 0; i < mounts_.size(); ++i) {
      const Mount& mount = mounts_[i].mount;
      if (by_id_.contains(*mount.parent) && *mount.parent != mount.id) continue;
      if (root_) {
        diag_.Error(mounts_[i].where + ".parent_mnt_id",
                    "mount " + std::to_string(*mount.parent) + " is not in " + name_ + ", and " +
                        mounts_[*root_].where + " is the root");
        return false;
      }
      root_ = i;
    }
    if (!root_) {
      diag_.Error(name_, "has no root: a mount whose parent is not in it");
      return false;
    }
    Mount& root = mounts_[*root_].mount;
    root.parent.reset();
    if (root.mountpoint.bytes != "/") {
      diag_.Error(mounts_[*root_].where + ".mountpoint",
                  root.mountpoint.bytes + ", expected / of what has no parent");
      return false;
    }
    return true;
  }

  const Planned& ParentOf(const Planned& planned) const {
    return mounts_[by_id_.at(*planned.mount.parent)];
  }

  bool CheckPlaces() {
    for (const Planned& planned : mounts_) {
      if (!planned.mount.parent) continue;
      if (planned.mount.mountpoint.bytes == "/") {
        Refuse(planned.where, "a mount over the root of the namespace");
        continue;
      }
      const std::string& parent = ParentOf(planned).mount.mountpoint.bytes;
      if (IsBelow(planned.mount.mountpoint.bytes, parent)) continue;
      diag_.Error(planned.where + ".mountpoint",
                  planned.mount.mountpoint.bytes + " is not below that of its parent, " + parent);
      return false;
    }
    return true;
  }

  /// By file system the mount from outside that has most of it: its content is in no image.
  std::unordered_map<std::uint32_t, std::size_t> WidestOfOutside() const {
    std::unordered_map<std::uint32_t, std::size_t> widest;
    for (std::size_t i = 0; i < mounts_.size(); ++i) {
      const Mount& mount = mounts_[i].mount;
      if (!mount.parent || !mount.external) continue;
      const auto [known, is_new] = widest.try_emplace(mounts_[i].device, i);
      const std::string& root = mounts_[known->second].mount.root.bytes;
      if (!is_new && mount.root.bytes.size() < root.size()) known->second = i;
    }
    return widest;
  }

  /// Which mount of each file system is the one that others are bind mounts of.
  void FindBases() {
    const auto outside = WidestOfOutside();
    for (std::size_t i = 0; i < mounts_.size(); ++i) {
      const Planned& planned = mounts_[i];
      const auto given = outside.find(planned.device);
      const bool is_part =
          given != outside.end() &&
          IsBelow(planned.mount.root.bytes, mounts_[given->second].mount.root.bytes);
      const bool makes = i == *root_ || (!planned.mount.external && !is_part &&
                                         planned.mount.root.bytes == "/" && IsMountable(planned));
      if (!makes) continue;
      const auto [base, is_new] = base_.try_emplace(planned.device, i);
      const bool earlier = planned.mount.id < mounts_[base->second].mount.id;
      if (!is_new && base->second != *root_ && (i == *root_ || earlier)) base->second = i;
    }
    base_.insert(outside.begin(), outside.end());
  }

  static bool IsMountable(const Planned& planned) {
    return std::ranges::find(kMountableTypes, planned.type) != std::end(kMountableTypes);
  }

  /// Takes away what a mount of its kind has not.
  void Decide(Planned& planned) {
    Mount& mount = planned.mount;
    const auto base = base_.find(planned.device);
    const bool is_base = base != base_.end() && &mounts_[base->second] == &planned;
    if (is_base && mount.parent && !mount.external) return MakeNew(planned);
    mount.source.reset();
    mount.options.reset();
    mount.sb_flags = {};
    if (!mount.parent) {
      mount.external.reset();
      mount.superblock = planned.device;
    } else if (!mount.external) {
      DecideBind(planned, base == base_.end() ? nullptr : &mounts_[base->second]);
      if (base != base_.end()) mounts_[base->second].mount.superblock = planned.device;
    }
  }

  void MakeNew(Planned& planned) {
    Mount& mount = planned.mount;
    mount.fstype = planned.type;
    mount.superblock = planned.device;
    if (planned.type != "tmpfs") return;
    const ImageKind& kind = ImageKindNamed("TMPFS_DEV");
    const std::string name = ImageSet::NameOf(kind, planned.device);
    std::uint64_t size = 0;
    if (!loader_.images.Use(kind, planned.device)) {
      bad_ = true;
      diag_.Error(name, "is missing: the content of " + planned.where);
    } else if (Failed(loader_.images.source().Size(name, &size, diag_))) {
      bad_ = true;
    } else {
      mount.content = ImageBytes{name, 0, size};
    }
  }

  /// `root`: of a mount of a devpts.
  bool IsPtyOfTree(const std::string& root) const {
    return std::ranges::any_of(loader_.snapshot.terminals, [&](const auto& terminal) {
      const Tty& name = terminal.second.name;
      return name.index && root == "/" + std::to_string(*name.index);
    });
  }

  void DecideBind(Planned& planned, const Planned* base) {
    Mount& mount = planned.mount;
    const std::string& root = mount.root.bytes;
    if (base == nullptr) {
      // The place is no part of the cause, which others may share.
      return Refuse(planned.where + " (" + mount.mountpoint.bytes + ")",
                    "a mount of type " + planned.type + ", which no command makes" +
                        (root == "/" || !IsMountable(planned)
                             ? ""
                             : ": of its file system only a part is mounted"));
    }
    if (!IsCanonical(root) || !IsBelow(root, base->mount.root.bytes)) {
      return Refuse(planned.where + ".root",
                    root + " is not below " + base->mount.root.bytes + ", which is mounted of it");
    }
    const bool whole = root == base->mount.root.bytes;
    if (!whole && planned.type == "devpts" && !IsPtyOfTree(root)) {
      return Refuse(planned.where + ".root",
                    "a mount of the terminal " + root + ", which no process of the tree has");
    }
    if (!whole && planned.type == "proc" &&
        std::isdigit(static_cast<unsigned char>(root[1])) != 0) {
      return Refuse(planned.where + ".root", "a mount of a file of a process, " + root);
    }
    mount.superblock = planned.device;
  }

  /// A mount comes before those of its parent that will hide it.
  template <typename Before>
  void HiddenFirst(std::vector<std::size_t> by_place, Before&& before) const {
    std::ranges::sort(by_place, {}, [&](std::size_t i) {
      const Mount& mount = mounts_[i].mount;
      return std::tuple(*mount.parent, SortKey(mount.mountpoint.bytes), mount.id);
    });
    std::vector<std::size_t> above;
    for (const std::size_t i : by_place) {
      const Mount& mount = mounts_[i].mount;
      const auto hides = [&](std::size_t other) {
        const Mount& it = mounts_[other].mount;
        return *it.parent == *mount.parent &&
               IsBelow(mount.mountpoint.bytes, it.mountpoint.bytes) &&
               it.mountpoint.bytes != mount.mountpoint.bytes;
      };
      while (!above.empty() && !hides(above.back())) above.pop_back();
      if (!above.empty()) before(i, above.back());
      above.push_back(i);
    }
  }

  /// Whatever is below a folder follows it at once.
  static std::string SortKey(std::string path) {
    std::ranges::replace(path, '/', '\1');
    return path;
  }

  /// What has to be there before a mount: its parent, what it is a bind mount of, and mounts on the
  /// same parent that it will hide. Of those that can come next, that with the first mountpoint
  /// does.
  std::vector<Mount> InOrder() {
    std::vector<std::vector<std::size_t>> later(mounts_.size());
    std::vector<std::size_t> missing(mounts_.size(), 0);
    const auto before = [&](std::size_t first, std::size_t second) {
      later[first].push_back(second);
      ++missing[second];
    };
    std::vector<std::size_t> by_place;
    for (std::size_t i = 0; i < mounts_.size(); ++i) {
      const Mount& mount = mounts_[i].mount;
      if (!mount.parent) continue;
      by_place.push_back(i);
      before(by_id_.at(*mount.parent), i);
      if (mount.IsBind()) before(base_.at(mounts_[i].device), i);
    }
    HiddenFirst(std::move(by_place), before);
    return Sorted(later, std::move(missing));
  }

  /// What can come next, one after another.
  std::vector<Mount> Sorted(const std::vector<std::vector<std::size_t>>& later,
                            std::vector<std::size_t> missing) {
    using Next = std::tuple<std::string_view, std::uint64_t, std::size_t>;
    std::priority_queue<Next, std::vector<Next>, std::greater<>> ready;
    const auto add = [&](std::size_t i) {
      ready.push({mounts_[i].mount.mountpoint.bytes, mounts_[i].mount.id, i});
    };
    for (std::size_t i = 0; i < mounts_.size(); ++i) {
      if (missing[i] == 0) add(i);
    }
    std::vector<std::size_t> order;
    while (!ready.empty()) {
      const std::size_t next = std::get<2>(ready.top());
      ready.pop();
      order.push_back(next);
      for (const std::size_t other : later[next]) {
        if (--missing[other] == 0) add(other);
      }
    }
    if (order.size() != mounts_.size()) {
      const auto stuck = std::ranges::find_if(missing, [](std::size_t n) { return n != 0; });
      Refuse(
          mounts_[static_cast<std::size_t>(stuck - missing.begin())].where,
          "a mount that would have to come before itself: what it is a bind mount of is on it, or "
          "hides it");
      return {};
    }
    std::vector<Mount> out;
    for (const std::size_t i : order) out.push_back(std::move(mounts_[i].mount));
    SharingProblem problem;
    if (!PlanSharing(out, &problem)) {
      Refuse(mounts_[order[problem.mount]].where, "a mount that " + problem.what);
      return {};
    }
    NumberGroups(&out);
    return out;
  }

  /// The kernel's numbers are others each time.
  static void NumberGroups(std::vector<Mount>* mounts) {
    std::unordered_map<std::uint64_t, std::uint64_t> numbers;
    for (Mount& mount : *mounts) {
      for (std::optional<std::uint64_t>* group : {&mount.shared, &mount.master}) {
        if (*group) *group = numbers.try_emplace(**group, numbers.size() + 1).first->second;
      }
    }
  }

  Loader& loader_;
  Diagnostics& diag_;
  const ImageKind& kind_;
  const std::uint32_t id_;
  const std::string name_;
  std::vector<Planned> mounts_;
  std::unordered_map<std::uint64_t, std::size_t> by_id_;
  std::unordered_map<std::uint32_t, std::size_t> base_;  ///< by device
  std::optional<std::size_t> root_;
  bool bad_ = false;
};

}  // namespace

void Loader::LoadMounts(std::uint32_t id, Attributes* attributes) {
  attributes->mounts = MountLoader(*this, id).Load();
}

/// Paths are looked up by name, so each must lead to the mount that the dump has it in.
void Loader::CheckPathPlaces() {
  const auto& root = snapshot.processes.front().attributes;
  if (root == nullptr || root->mounts.empty()) return;
  const MountPaths paths(root->mounts);
  for (const PathPlace& place : path_places) {
    if (!IsCanonical(place.path)) continue;  // a name of a socket, as it was given to bind(2)
    const Mount* mount = paths.MountOf(place.path);
    if (mount->id == place.mount) continue;
    // Whoever opens it would open another file.
    diag.Essential(place.where, place.path + " is in mount " + std::to_string(place.mount) +
                                    ", and mount " + std::to_string(mount->id) + " at " +
                                    mount->mountpoint.bytes + " hides it");
  }
}

}  // namespace crgen
