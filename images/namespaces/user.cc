// SPDX-License-Identifier: Apache-2.0
// userns-<id>.img: which ids there are in the user namespace of the root.
#include <algorithm>

#include "images/load/loader.h"
#include "images/proto/namespaces.pb.h"

namespace crgen {
namespace {

template <typename Extents>
IdMap MapOf(const Extents& extents, const std::string& where, Diagnostics& diag) {
  constexpr std::uint64_t kNone = ~std::uint32_t{0};
  IdMap map;
  if (extents.empty() || static_cast<std::size_t>(extents.size()) > kMostIdRanges) {
    diag.Error(where, std::to_string(extents.size()) + " ranges, expected 1 to " +
                          std::to_string(kMostIdRanges));
    return map;
  }
  for (const pb::uid_gid_extent& it : extents) {
    map.push_back({it.first(), it.lower_first(), it.count()});
    if (it.count() != 0 && it.first() <= kNone - it.count() &&
        it.lower_first() <= kNone - it.count()) {
      continue;
    }
    diag.Error(where + "[" + std::to_string(map.size() - 1) + "]",
               std::to_string(it.count()) + " ids from " + std::to_string(it.first()) +
                   " on, outside from " + std::to_string(it.lower_first()) +
                   " on, which are not below 4294967295");
    return {};
  }
  for (const auto first : {&IdRange::inside, &IdRange::outside}) {
    IdMap sorted = map;
    std::ranges::sort(sorted, {}, first);
    for (std::size_t i = 1; i < sorted.size(); ++i) {
      const IdRange &before = sorted[i - 1], &range = sorted[i];
      if (std::uint64_t{before.*first} + before.count <= range.*first) continue;
      diag.Error(where, std::to_string(range.*first) + " is in two of its ranges");
      return {};
    }
  }
  return map;
}

}  // namespace

void Loader::LoadUser(std::uint32_t id) {
  const ImageKind& kind = ImageKindNamed("USERNS");
  pb::userns_entry entry;
  if (Failed(images.ReadSingle(kind, id, &entry, diag))) return;
  const std::string where = ImageSet::NameOf(kind, id) + "[0]";
  UserNamespace user;
  user.uid_map = MapOf(entry.uid_map(), where + ".uid_map", diag);
  user.gid_map = MapOf(entry.gid_map(), where + ".gid_map", diag);
  if (user.uid_map.empty() || user.gid_map.empty()) return;
  if (user.gid_map.size() == 1 && user.gid_map.front().count == 1) {
    // new_idmap_permitted() of the kernel: with more groups, only who has rights outside maps them.
    diag.NotRestorable(where,
                       "whether setgroups(2) was forbidden, as it is where who has no rights "
                       "outside maps a group: no image says it, and it is allowed");
  }
  snapshot.user_namespace = std::move(user);
}

/// All ids in a dump are those inside.
void Loader::CheckMappedIds() {
  if (!snapshot.user_namespace) return;
  const UserNamespace& user = *snapshot.user_namespace;
  const auto check = [&](Pid tid, const std::shared_ptr<const Attributes>& attributes) {
    if (attributes == nullptr || !attributes->creds) return;
    const Creds& creds = *attributes->creds;
    const auto all = [&](const IdMap& map,
                         std::initializer_list<std::pair<const char*, std::uint32_t>> named) {
      for (const auto& [field, id] : named) {
        if (IsMapped(map, id)) continue;
        diag.Error("core-" + std::to_string(tid) + ".img[0].thread_core.creds." + field,
                   std::to_string(id) + ", which the user namespace has not");
      }
    };
    all(user.uid_map,
        {{"uid", creds.uid}, {"euid", creds.euid}, {"suid", creds.suid}, {"fsuid", creds.fsuid}});
    all(user.gid_map,
        {{"gid", creds.gid}, {"egid", creds.egid}, {"sgid", creds.sgid}, {"fsgid", creds.fsgid}});
    for (const std::uint32_t group : creds.groups) all(user.gid_map, {{"groups", group}});
  };
  for (std::size_t i = 0; i < snapshot.processes.size(); ++i) {
    check(snapshot.tree.nodes[i].pid, snapshot.processes[i].attributes);
    for (const Thread& thread : snapshot.processes[i].threads) check(thread.tid, thread.attributes);
  }
}

}  // namespace crgen
