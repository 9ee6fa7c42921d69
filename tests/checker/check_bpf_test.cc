// SPDX-License-Identifier: Apache-2.0
// Maps of bpf(2) of the checker: every rule kept and broken.
#include <gtest/gtest.h>
#include <linux/bpf.h>

#include "tests/support/check_support.h"

namespace crgen {
namespace {

using namespace test;  // NOLINT: the vocabulary of these tests

BpfMapObject Hash() {
  BpfMapObject map;
  map.map_type = kBpfHash;
  map.key_size = 4;
  map.value_size = 8;
  map.max_entries = 10;
  return map;
}
BpfMapObject Array() {
  BpfMapObject map = Hash();
  map.map_type = kBpfArray;
  return map;
}
BpfMapData Data(std::uint32_t count, std::uint64_t keys, std::uint64_t values) {
  return {count, {"bpfmap-data.img", 20, keys}, {"bpfmap-data.img", 20 + keys, values}};
}
template <typename Change>
BpfMapObject With(BpfMapObject map, Change change) {
  change(map);
  return map;
}

std::shared_ptr<const File> Opening(std::uint64_t id, std::optional<BpfMapObject> map,
                                    std::uint64_t flags = O_RDWR, std::uint64_t map_id = 7) {
  return std::make_shared<const File>(File{{id}, {flags}, BpfMap{{map_id}, std::move(map)}});
}

/// Each map is opened alone; an empty text: the kernel takes it.
void ExpectAll(const std::vector<std::tuple<const char*, BpfMapObject, std::string>>& all) {
  std::vector<RuleCase> cases;
  for (const auto& [name, map, error] : all) {
    cases.push_back({name,
                     {ForkOf(0, 10), OpenOf(10, 1, Opening(1, map))},
                     error.empty() ? "" : "commands[1] OPEN_FILE pid 10: " + error});
  }
  RunCases(cases);
}

TEST(CheckBpf, Arrays) {
  ExpectAll({
      {"an array", Array(), ""},
      {"without entries", With(Array(), [](auto& m) { m.max_entries = 0; }),
       "EINVAL: map 7: an array has entries and values, and keys of 4 bytes"},
      {"without values", With(Array(), [](auto& m) { m.value_size = 0; }),
       "EINVAL: map 7: an array has entries and values, and keys of 4 bytes"},
      {"with wide keys", With(Array(), [](auto& m) { m.key_size = 8; }),
       "EINVAL: map 7: an array has entries and values, and keys of 4 bytes"},
      {"all flags",
       With(Array(),
            [](auto& m) {
              m.map_flags.bits = BPF_F_NUMA_NODE | BPF_F_RDONLY_PROG | BPF_F_MMAPABLE | 0x1000;
            }),
       ""},
      {"a flag of hashes", With(Array(), [](auto& m) { m.map_flags.bits = BPF_F_NO_PREALLOC; }),
       "EINVAL: map 7: no BPF_MAP_TYPE_ARRAY has BPF_F_NO_PREALLOC"},
      {"programs may neither read nor write",
       With(Array(), [](auto& m) { m.map_flags.bits = BPF_F_RDONLY_PROG | BPF_F_WRONLY_PROG; }),
       "EINVAL: map 7: BPF_F_RDONLY_PROG and BPF_F_WRONLY_PROG exclude each other"},
      {"the largest value", With(Array(), [](auto& m) { m.value_size = 0x7fffffff; }), ""},
      {"a larger value", With(Array(), [](auto& m) { m.value_size = 0x80000000; }),
       "E2BIG: map 7: value_size is 2147483648, where 2147483647 is the most"},
      {"more than there is",
       With(Array(), [](auto& m) { m.value_size = 0x10000, m.max_entries = 0x80000000; }),
       "ENOMEM: map 7: 2147483648 entries of 65536 bytes are more than a kernel has"},
      {"no type", With(Array(), [](auto& m) { m.map_type.value = 5; }),
       "EINVAL: map 7: map_type is 0x5, neither BPF_MAP_TYPE_HASH nor BPF_MAP_TYPE_ARRAY"},
  });
}

TEST(CheckBpf, Hashes) {
  const auto plain = [](auto& m) { m.map_flags.bits = BPF_F_NO_PREALLOC; };
  ExpectAll({
      {"a hash", Hash(), ""},
      {"without entries", With(Hash(), [](auto& m) { m.max_entries = 0; }),
       "EINVAL: map 7: a hash has entries, keys and values"},
      {"without keys", With(Hash(), [](auto& m) { m.key_size = 0; }),
       "EINVAL: map 7: a hash has entries, keys and values"},
      {"without values", With(Hash(), [](auto& m) { m.value_size = 0; }),
       "EINVAL: map 7: a hash has entries, keys and values"},
      {"all flags",
       With(Hash(),
            [](auto& m) {
              m.map_flags.bits =
                  BPF_F_NUMA_NODE | BPF_F_WRONLY_PROG | BPF_F_NO_PREALLOC | BPF_F_ZERO_SEED;
            }),
       ""},
      {"a flag of arrays", With(Hash(), [](auto& m) { m.map_flags.bits = BPF_F_MMAPABLE; }),
       "EINVAL: map 7: no BPF_MAP_TYPE_HASH has BPF_F_MMAPABLE"},
      {"the largest entry", With(Hash(), [](auto& m) { m.value_size = 4194251; }), ""},
      {"a larger one", With(Hash(), [](auto& m) { m.value_size = 4194252; }),
       "E2BIG: map 7: key_size and value_size are together 4194256, expected less than 4194256"},
      {"as many entries as there can be",
       With(With(Hash(), plain), [](auto& m) { m.max_entries = 1 << 27; }), ""},
      {"more", With(With(Hash(), plain), [](auto& m) { m.max_entries = (1 << 27) + 1; }),
       "E2BIG: map 7: max_entries is 134217729, where 134217728 is the most"},
      {"more than there is",
       With(Hash(), [](auto& m) { m.value_size = 1 << 20, m.max_entries = 1 << 27; }),
       "ENOMEM: map 7: 134217728 entries of 1048632 bytes are more than a kernel has"},
  });
}

TEST(CheckBpf, NamesAndData) {
  ExpectAll({
      {"a name", With(Hash(), [](auto& m) { m.name = Text{"a_B.9"}; }), ""},
      {"the longest name", With(Hash(), [](auto& m) { m.name = Text{"123456789012345"}; }), ""},
      {"a longer one", With(Hash(), [](auto& m) { m.name = Text{"1234567890123456"}; }),
       "EINVAL: map 7: name is \"1234567890123456\", expected 1 to 15 characters of A-Z, a-z, 0-9, "
       "_ and ."},
      {"an empty one", With(Hash(), [](auto& m) { m.name = Text{""}; }),
       "EINVAL: map 7: name is \"\", expected 1 to 15 characters of A-Z, a-z, 0-9, _ and ."},
      {"one with a space", With(Hash(), [](auto& m) { m.name = Text{"a b"}; }),
       "EINVAL: map 7: name is \"a b\", expected 1 to 15 characters of A-Z, a-z, 0-9, _ and ."},
      {"data", With(Hash(), [](auto& m) { m.data = Data(2, 8, 16), m.frozen = true; }), ""},
      {"full", With(Hash(), [](auto& m) { m.data = Data(10, 40, 80); }), ""},
      {"more than full", With(Hash(), [](auto& m) { m.data = Data(11, 44, 88); }),
       "E2BIG: map 7: data has 11 entries, the map 10"},
      {"no entry", With(Hash(), [](auto& m) { m.data = Data(0, 0, 0); }),
       "EINVAL: map 7: data without entries, or without an image"},
      {"no image", With(Hash(), [](auto& m) { m.data = Data(1, 4, 8), m.data->keys.image = ""; }),
       "EINVAL: map 7: data without entries, or without an image"},
      {"shorter keys", With(Hash(), [](auto& m) { m.data = Data(2, 7, 16); }),
       "EINVAL: map 7: keys have 7 bytes, expected 2 times 4"},
      {"longer values", With(Hash(), [](auto& m) { m.data = Data(2, 8, 17); }),
       "EINVAL: map 7: values have 17 bytes, expected 2 times 8"},
  });
}

TEST(CheckBpf, Descriptions) {
  const std::string at = "commands[2] OPEN_FILE pid 10: ";
  const auto twice = [](std::shared_ptr<const File> first, std::shared_ptr<const File> second) {
    return Program{ForkOf(0, 10), OpenOf(10, 1, std::move(first)),
                   OpenOf(10, 2, std::move(second))};
  };
  Program gone = twice(Opening(1, Hash()), Opening(2, {}));
  gone.insert(gone.begin() + 2, CloseOf(10, 1));
  RunCases({
      {"two of one map", twice(Opening(1, Hash(), O_RDONLY), Opening(2, {}, O_WRONLY)), ""},
      {"of two maps", twice(Opening(1, Hash()), Opening(2, Array(), O_RDWR, 8)), ""},
      {"made twice", twice(Opening(1, Hash()), Opening(2, Hash())),
       at + "EEXIST: map 7 exists already: only its first opening has `map`"},
      {"never made", twice(Opening(1, Hash()), Opening(2, {}, O_RDWR, 8)),
       at + "ENOENT: map 8 does not exist, and to make it takes `map`"},
      {"gone", gone,
       "commands[3] OPEN_FILE pid 10: ENOENT: map 7 is gone: nothing refers to it any more"},
      {"flags that F_SETFL sets",
       twice(Opening(1, Hash(), O_RDONLY | O_NONBLOCK | O_APPEND), Opening(2, {})), ""},
      {"signals", twice(Opening(1, Hash()), Opening(2, {}, O_RDWR | O_ASYNC)),
       at + "EINVAL: nobody gets signals from a map"},
      {"a flag of files", twice(Opening(1, Hash()), Opening(2, {}, O_RDWR | O_DIRECT)),
       at + "EINVAL: no such description has O_RDONLY|O_DIRECT"},
      {"two access modes", twice(Opening(1, Hash()), Opening(2, {}, O_ACCMODE)),
       at + "EINVAL: the flags have two access modes"},
  });
}

}  // namespace
}  // namespace crgen
