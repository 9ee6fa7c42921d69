// SPDX-License-Identifier: Apache-2.0
// memfd.img, pagemap-shmem-<id>.img: the objects that regions share.
#include <sys/mman.h>

#include <algorithm>
#include <unordered_set>

#include "images/load/loader.h"

namespace crgen {
namespace {

constexpr std::uint32_t kMapShared = MAP_SHARED, kMapAnonymous = MAP_ANONYMOUS;

enum class MemfdUse : std::uint8_t { kNone, kMappedShared, kFile };

/// How each memfd object is used: by descriptors, those in flight included, and by regions. What is
/// only mapped shared and named /dev/zero is plain MAP_SHARED|MAP_ANONYMOUS memory, as CRIU 3.14
/// and later dump it.
std::vector<MemfdUse> MemfdUses(const Loader& loader) {
  const Snapshot& snapshot = loader.snapshot;
  std::vector<MemfdUse> uses(snapshot.memfds.size());
  if (uses.empty()) return uses;
  auto use = [&](ObjectIndex object, MemfdUse how) { uses[object] = std::max(uses[object], how); };
  for (const auto& [id, file] : loader.files) {
    const bool used = file.file >= 0 && file.memfd >= 0 && loader.has_descriptor[file.file];
    if (used) use(file.memfd, MemfdUse::kFile);
  }
  for (const Process& process : snapshot.processes) {
    for (const Region& region : process.memory.regions) {
      if (region.kind == RegionKind::kPrivateMemfd) use(region.object, MemfdUse::kFile);
      if (region.kind == RegionKind::kSharedMemfd) use(region.object, MemfdUse::kMappedShared);
    }
  }
  return uses;
}

}  // namespace

void Loader::ReportUnused(const std::string& where, const std::string& what) {
  if (diag.Count(Severity::kUnsupported) != 0) return;
  diag.Warning(where, "nothing in this dump refers to " + what);
}

void Loader::FinishSharedMemory() {
  const ImageKind& kind = ImageKindNamed("SHMEM_PAGEMAP");
  for (Shmem& object : snapshot.shmems) {
    if (images.Has(kind, object.id.value))
      (void)LoadPageRuns(kind, object.id.value, object.size, &object.pages);
  }
  const std::vector<MemfdUse> uses = MemfdUses(*this);
  std::unordered_set<std::uint64_t> numbers;  // of the objects that have pages
  for (const Shmem& object : snapshot.shmems) numbers.insert(object.id.value);
  for (const auto& [id, segment] : segments) numbers.insert(id);
  std::vector<bool> plain(uses.size());
  std::vector<ObjectIndex> new_index(uses.size());  // among the shmems if plain, else the memfds
  std::vector<MemfdObject> real;
  std::size_t of_others = 0;
  for (std::size_t i = 0; i < uses.size(); ++i) {
    MemfdObject& memfd = snapshot.memfds[i];
    if (uses[i] == MemfdUse::kNone) {
      (void)images.Use(kind, memfd_shmids[i]);
      ReportUnused("memfd.img[" + std::to_string(i) + "]", "it");
      continue;
    }
    if (memfd.size != 0 && !numbers.insert(memfd_shmids[i]).second) {
      diag.Error("memfd.img[" + std::to_string(i) + "].shmid",
                 std::to_string(memfd_shmids[i]) + " is another object's too");
    }
    plain[i] = uses[i] == MemfdUse::kMappedShared && memfd.name.bytes == "/dev/zero";
    if (images.Has(kind, memfd_shmids[i])) {
      (void)LoadPageRuns(kind, memfd_shmids[i], memfd.size, &memfd.pages);
    }
    if (!plain[i]) {
      new_index[i] = ObjectIndex(real.size());
      real.push_back(std::move(memfd));
      continue;
    }
    if (memfd.uid != 0 || memfd.gid != 0) ++of_others;
    new_index[i] = ObjectIndex(snapshot.shmems.size());
    snapshot.shmems.push_back({{memfd_shmids[i]}, memfd.size, std::move(memfd.pages)});
  }
  if (of_others != 0) {
    diag.NotRestorable("memfd.img", "the owner of shared anonymous memory (" +
                                        std::to_string(of_others) +
                                        (of_others == 1 ? " object" : " objects") +
                                        "): root comes back in its place");
  }
  snapshot.memfds = std::move(real);
  for (Process& process : snapshot.processes) {
    for (Region& region : process.memory.regions) {
      if (region.kind != RegionKind::kSharedMemfd && region.kind != RegionKind::kPrivateMemfd) {
        continue;
      }
      const bool is_plain = plain[region.object];
      region.object = new_index[region.object];
      if (!is_plain) continue;
      region.kind = RegionKind::kSharedAnonymous;
      region.flags.bits |= kMapAnonymous | kMapShared;
      region.open_flags = {};
    }
  }
}

}  // namespace crgen
