// SPDX-License-Identifier: Apache-2.0
#include "images/files/bpf_map.h"

#include <fcntl.h>
#include <linux/bpf.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <string_view>
#include <unordered_set>
#include <utility>

#include "images/load/file_checks.h"
#include "images/load/loader.h"

namespace crgen {
namespace {

constexpr std::uint32_t kArrayKey = 4;
constexpr std::uint64_t kMostArrayValue = std::numeric_limits<std::int32_t>::max();
/// KMALLOC_MAX_SIZE, in which an element of a hash finds room: key, value, and 48 bytes of the
/// kernel's own; and the most buckets (kernel/bpf/hashtab.c: htab_map_alloc()).
constexpr std::uint64_t kMostHashElement = (std::uint64_t{4} << 20) - 48 - 1;
constexpr std::uint64_t kMostHashEntries = std::uint64_t{1} << 27;

/// What array_map_alloc_check() and htab_map_alloc_check() take.
std::uint64_t FlagsOf(std::uint32_t map_type) {
  constexpr std::uint64_t kBoth = BPF_F_NUMA_NODE | BPF_F_RDONLY_PROG | BPF_F_WRONLY_PROG;
  return kBoth | (map_type == kBpfArray.value ? BPF_F_MMAPABLE | BPF_F_INNER_MAP
                                              : BPF_F_NO_PREALLOC | BPF_F_ZERO_SEED);
}

/// bpf(2), BPF_MAP_CREATE.
void CheckMap(const pb::bpfmap_file_entry& from, const Place& at) {
  const bool array = from.map_type() == kBpfArray.value;
  constexpr std::uint64_t kOneOf = BPF_F_RDONLY_PROG | BPF_F_WRONLY_PROG;
  if ((from.map_flags() & ~FlagsOf(from.map_type())) != 0 ||
      (from.map_flags() & kOneOf) == kOneOf) {
    at.Error(".map_flags", HexText(from.map_flags()) + ": no map of this type has them");
  }
  if (from.max_entries() == 0) at.Error(".max_entries", "0: no map is so small");
  if (!array) at.AtMost(".max_entries", from.max_entries(), kMostHashEntries);
  const bool too_long = !array && from.key_size() >= kMostHashElement;
  if (array ? from.key_size() != kArrayKey : from.key_size() == 0 || too_long) {
    at.Error(".key_size", std::to_string(from.key_size()) +
                              (array ? ": of an array it is 4" : ": no hash has such keys"));
  }
  if (from.value_size() == 0) at.Error(".value_size", "0: no map has such values");
  if (!too_long) {
    at.AtMost(".value_size", from.value_size(),
              array ? kMostArrayValue : kMostHashElement - from.key_size());
  }
  if (!IsBpfName(from.map_name())) {
    at.Error(".map_name", "\"" + from.map_name() +
                              "\": expected at most 15 characters of A-Z, a-z, 0-9, _ and .");
  }
  if (from.map_extra() != 0) {
    at.Error(".map_extra", HexText(from.map_extra()) + ": no map of this type has it");
  }
}

/// anon_inode_getfd(3): whoever opens it chooses the access, and nobody gets signals from it.
void CheckFlags(const pb::bpfmap_file_entry& from, const Place& at) {
  if ((from.flags() & O_ASYNC) != 0) {
    return at.Error(".flags", HexText(from.flags()) + ": no description of this type has them");
  }
  CheckAnonymousFlags(from.flags(), at, std::min<std::uint64_t>(from.flags() & O_ACCMODE, O_RDWR));
  if (from.pos() != 0) at.Error(".pos", std::to_string(from.pos()) + ": a map has no position");
}

/// Whether each key stands once. `bytes`: the keys, one after another.
bool AreDifferent(std::string_view bytes, std::size_t key_size) {
  std::unordered_set<std::string_view> keys;
  keys.reserve(bytes.size() / key_size);
  for (std::size_t at = 0; at < bytes.size(); at += key_size) {
    if (!keys.insert(bytes.substr(at, key_size)).second) return false;
  }
  return true;
}

std::uint32_t HighestKey(std::string_view bytes) {
  std::uint32_t highest = 0;
  for (std::size_t at = 0; at + kArrayKey <= bytes.size(); at += kArrayKey) {
    std::uint32_t key;
    std::memcpy(&key, bytes.data() + at, sizeof key);
    highest = std::max(highest, key);
  }
  return highest;
}

}  // namespace

/// CRIU writes an entry for each description of a map, and the last one is what it restores.
void BpfMapContents::Load(Loader& loader) {
  const ImageKind& kind = ImageKindNamed("BPFMAP_DATA");
  if (!loader.images.Has(kind)) return;
  ImageReader reader{"", ""};
  if (Failed(loader.images.Open(kind, 0, &reader, loader.diag))) return;
  pb::bpfmap_data_entry entry;
  std::string_view bytes;
  while (!reader.AtEnd()) {
    if (Failed(reader.Next(&bytes, loader.diag))) return;
    // How much follows is said in the message alone.
    if (Failed(ParseMessage(bytes, reader, &entry, loader.diag))) return;
    const Place at(reader, loader.diag, "");
    const std::string image = ImageSet::NameOf(kind, 0);
    Entry known{reader.Where(), {entry.count(), {image, reader.offset(), entry.keys_bytes()}, {}}};
    std::string_view keys;
    if (Failed(reader.Take(entry.keys_bytes(), &keys, loader.diag))) return;
    known.data.values = {image, reader.offset(), entry.values_bytes()};
    if (Failed(reader.Skip(entry.values_bytes(), loader.diag))) return;
    if (entry.count() == 0 ? !keys.empty() : keys.empty() || keys.size() % entry.count() != 0) {
      at.Error("keys_bytes", std::to_string(entry.keys_bytes()) + ": not as many for each of " +
                                 std::to_string(entry.count()) + " keys");
      continue;
    }
    if (!keys.empty() && !AreDifferent(keys, keys.size() / entry.count())) {
      loader.diag.Error(reader.Where(),
                        "a key of map " + std::to_string(entry.map_id()) + " stands twice");
      continue;
    }
    known.highest_key = HighestKey(keys);
    entries_.insert_or_assign(entry.map_id(), std::move(known));
  }
}

void BpfMapContents::Take(std::uint32_t map_id, const std::string& where, BpfMapObject* map,
                          Loader& loader) {
  const auto found = entries_.extract(map_id);
  if (!found) {
    return loader.diag.Error(where, "no map " + std::to_string(map_id) + " in bpfmap-data.img");
  }
  const Entry& entry = found.mapped();
  const BpfMapData& data = entry.data;
  const Place at(entry.where, loader.diag);
  const auto fits = [&](const char* field, std::uint64_t bytes, std::uint64_t size) {
    if (bytes == data.count * size) return true;
    at.Error(field, std::to_string(bytes) + ", expected " + std::to_string(data.count) + " of " +
                        std::to_string(size) + " bytes");
    return false;
  };
  if (data.count > map->max_entries) {
    return at.AtMost(".count", data.count, map->max_entries);
  }
  if (!fits(".keys_bytes", data.keys.bytes, map->key_size) ||
      !fits(".values_bytes", data.values.bytes, map->value_size) || data.count == 0) {
    return;
  }
  if (map->map_type == kBpfArray && entry.highest_key >= map->max_entries) {
    return at.Error("", "key " + std::to_string(entry.highest_key) + " of an array of " +
                            std::to_string(map->max_entries));
  }
  map->data = data;
}

void BpfMapContents::ReportRest(Loader& loader) const {
  for (const auto& [id, entry] : entries_) {
    loader.ReportUnused(entry.where, "map " + std::to_string(id));
  }
}

Result FileLoaderOf<BpfMap>::Convert(const pb::file_entry& entry, const ImageReader& at,
                                     Loader& loader, ConvertedFile* file) {
  if (!entry.has_bpf()) return MissingMessage(at, kType, loader.diag);
  const pb::bpfmap_file_entry& from = entry.bpf();
  const Place place(at, loader.diag, "bpf");
  TakeDescription("bpf", from, file);
  file->body = BpfMap{BpfMapId{from.map_id()}, {}};
  CheckFlags(from, place);
  if (!IsNamed<BpfMapTypeKind>(from.map_type())) {
    file->unsupported = "BPF map of type " + std::to_string(from.map_type()) +
                        ", neither BPF_MAP_TYPE_HASH nor BPF_MAP_TYPE_ARRAY";
    return Result::kOk;
  }
  if (from.ifindex() != 0) {
    file->unsupported = "BPF map in network device " + std::to_string(from.ifindex());
    return Result::kOk;
  }
  CheckMap(from, place);
  BpfMapObject map;
  map.map_type.value = from.map_type();
  map.key_size = from.key_size();
  map.value_size = from.value_size();
  map.max_entries = from.max_entries();
  map.map_flags.bits = from.map_flags();
  if (!from.map_name().empty()) map.name = Text{from.map_name()};
  map.frozen = from.frozen();
  const auto [known, is_new] = maps_.try_emplace(from.map_id(), Known{at.Where("bpf"), map});
  if (!is_new && !(known->second.map == map)) {
    place.Error(
        "", "map " + std::to_string(from.map_id()) + " is another one in " + known->second.where);
  }
  return Result::kOk;
}

void FileLoaderOf<BpfMap>::Finish(Loader& loader) {
  for (auto& [id, known] : maps_) {
    contents_.Take(id, known.where, &known.map, loader);
    loader.snapshot.bpf_maps.emplace(BpfMapId{id}, std::move(known.map));
  }
  contents_.ReportRest(loader);
  if (maps_.empty()) return;
  loader.diag.NotRestorable(
      "files.img", std::to_string(maps_.size()) +
                       " BPF maps: no image has their types of BTF, without which they come back, "
                       "and their NUMA node, which is 0");
}

}  // namespace crgen
