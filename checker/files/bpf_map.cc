// SPDX-License-Identifier: Apache-2.0
#include "checker/files/bpf_map.h"

#include <fcntl.h>
#include <linux/bpf.h>

#include <bit>
#include <limits>

#include "checker/kernel/kernel.h"

namespace crgen::check {
namespace {

constexpr std::uint64_t kElement = 48;                          // struct htab_elem
constexpr std::uint64_t kMostElement = std::uint64_t{4} << 20;  // KMALLOC_MAX_SIZE
constexpr std::uint64_t kBucket = 16;                           // struct bucket
constexpr std::uint64_t kMostMemory = std::uint64_t{1} << 45;   // between VMALLOC_START and _END

std::string NameOf(const BpfMap& map) { return "map " + std::to_string(map.map_id.value); }

std::uint64_t Rounded(std::uint32_t size) { return (std::uint64_t{size} + 7) / 8 * 8; }

std::optional<Refusal> RefusedMemory(std::uint64_t each, const BpfMapObject& map) {
  if (each * map.max_entries <= kMostMemory) return std::nullopt;
  return Refusal{"ENOMEM", std::to_string(map.max_entries) + " entries of " + std::to_string(each) +
                               " bytes are more than a kernel has"};
}

/// The flags of both types, `own` and no others.
std::optional<Refusal> RefusedMapFlags(const BpfMapObject& map, std::uint64_t own) {
  constexpr std::uint64_t kOneOf = BPF_F_RDONLY_PROG | BPF_F_WRONLY_PROG;
  const BpfMapFlags others = {map.map_flags.bits & ~(own | kOneOf | BPF_F_NUMA_NODE)};
  if (others.bits != 0) {
    return Refusal{"EINVAL", "no " + ValueText(map.map_type) + " has " + ValueText(others)};
  }
  if (!map.map_flags.Has(kOneOf)) return std::nullopt;
  return Refusal{"EINVAL", "BPF_F_RDONLY_PROG and BPF_F_WRONLY_PROG exclude each other"};
}

/// array_map_alloc_check(), array_map_alloc().
std::optional<Refusal> RefusedArray(const BpfMapObject& map) {
  if (map.max_entries == 0 || map.value_size == 0 || map.key_size != 4) {
    return Refusal{"EINVAL", "an array has entries and values, and keys of 4 bytes"};
  }
  if (auto refused = RefusedMapFlags(map, BPF_F_MMAPABLE | BPF_F_INNER_MAP)) return refused;
  if (map.value_size > std::uint32_t{std::numeric_limits<std::int32_t>::max()}) {
    return Refusal{"E2BIG", "value_size is " + std::to_string(map.value_size) +
                                ", where 2147483647 is the most"};
  }
  return RefusedMemory(Rounded(map.value_size), map);
}

/// htab_map_alloc_check(), htab_map_alloc().
std::optional<Refusal> RefusedHash(const BpfMapObject& map) {
  if (auto refused = RefusedMapFlags(map, BPF_F_NO_PREALLOC | BPF_F_ZERO_SEED)) return refused;
  if (map.max_entries == 0 || map.value_size == 0 || map.key_size == 0) {
    return Refusal{"EINVAL", "a hash has entries, keys and values"};
  }
  if (std::uint64_t{map.key_size} + map.value_size >= kMostElement - kElement) {
    return Refusal{"E2BIG", "key_size and value_size are together " +
                                std::to_string(std::uint64_t{map.key_size} + map.value_size) +
                                ", expected less than " + std::to_string(kMostElement - kElement)};
  }
  const std::uint64_t buckets = std::bit_ceil(std::uint64_t{map.max_entries});
  if (buckets * kBucket > std::numeric_limits<std::uint32_t>::max()) {
    return Refusal{"E2BIG", "max_entries is " + std::to_string(map.max_entries) +
                                ", where 134217728 is the most"};
  }
  if (map.map_flags.Has(BPF_F_NO_PREALLOC)) return std::nullopt;
  return RefusedMemory(kElement + Rounded(map.key_size) + Rounded(map.value_size), map);
}

/// BPF_MAP_UPDATE_BATCH. Which keys they are, no program says.
std::optional<Refusal> RefusedData(const BpfMapObject& map, const BpfMapData& data) {
  if (data.count == 0 || data.keys.image.empty() || data.values.image.empty()) {
    return Refusal{"EINVAL", "data without entries, or without an image"};
  }
  if (data.count > map.max_entries) {
    return Refusal{"E2BIG", "data has " + std::to_string(data.count) + " entries, the map " +
                                std::to_string(map.max_entries)};
  }
  const auto differ = [&](const char* what, std::uint64_t bytes,
                          std::uint32_t size) -> std::optional<Refusal> {
    if (bytes == std::uint64_t{data.count} * size) return std::nullopt;
    return Refusal{"EINVAL", std::string(what) + " have " + std::to_string(bytes) +
                                 " bytes, expected " + std::to_string(data.count) + " times " +
                                 std::to_string(size)};
  };
  if (auto refused = differ("keys", data.keys.bytes, map.key_size)) return refused;
  return differ("values", data.values.bytes, map.value_size);
}

std::optional<Refusal> RefusedMap(const BpfMapObject& map) {
  const bool array = map.map_type == kBpfArray;
  if (!array && !(map.map_type == kBpfHash)) {
    return Refusal{"EINVAL", "map_type is " + ValueText(map.map_type) +
                                 ", neither BPF_MAP_TYPE_HASH nor BPF_MAP_TYPE_ARRAY"};
  }
  if (auto refused = array ? RefusedArray(map) : RefusedHash(map)) return refused;
  if (map.name && (map.name->bytes.empty() || !IsBpfName(map.name->bytes))) {
    return Refusal{"EINVAL", "name is " + ValueText(*map.name) +
                                 ", expected 1 to 15 characters of A-Z, a-z, 0-9, _ and ."};
  }
  return map.data ? RefusedData(map, *map.data) : std::nullopt;
}

}  // namespace

std::optional<Refusal> FileRules<BpfMap>::Check(const File& file, const BpfMap& map) const {
  if (auto refused = RefusedFlags(file.flags)) return refused;
  if (auto refused = RefusedAnonymousFlags(file.flags, file.flags.bits & O_ACCMODE)) return refused;
  if (file.flags.Has(O_ASYNC)) return Refusal{"EINVAL", "nobody gets signals from a map"};
  if (!map.map) return std::nullopt;
  auto refused = RefusedMap(*map.map);
  if (refused) refused->fact = NameOf(map) + ": " + refused->fact;
  return refused;
}

std::optional<Refusal> FileRules<BpfMap>::CheckOpening(const Kernel&, const File&,
                                                       const BpfMap& map, const File*) const {
  const auto known = maps_.find(map.map_id);
  if (known == maps_.end()) {
    if (map.map) return std::nullopt;
    return Refusal{"ENOENT", NameOf(map) + " does not exist, and to make it takes `map`"};
  }
  if (known->second.expired()) {
    return Refusal{"ENOENT", NameOf(map) + " is gone: nothing refers to it any more"};
  }
  if (!map.map) return std::nullopt;
  return Refusal{"EEXIST", NameOf(map) + " exists already: only its first opening has `map`"};
}

void FileRules<BpfMap>::Opened(const Kernel&, Description& description, const BpfMap& map,
                               Description*) {
  std::weak_ptr<BpfMapObject>& known = maps_[map.map_id];
  description.bpf_map = known.lock();
  if (description.bpf_map != nullptr || !map.map) return;
  description.bpf_map = std::make_shared<BpfMapObject>(*map.map);
  known = description.bpf_map;
}

bool FileRules<BpfMap>::ObjectLives(const BpfMap& map) const {
  const auto known = maps_.find(map.map_id);
  return known != maps_.end() && !known->second.expired();
}

}  // namespace crgen::check
