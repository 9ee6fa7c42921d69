// SPDX-License-Identifier: Apache-2.0
// Maps of bpf(2): from images to a program, which is held against them.
#include <gtest/gtest.h>

#include <functional>

#include "checker/check.h"
#include "generator/generate.h"
#include "tests/support/bpf_images.h"
#include "tests/support/lines.h"

namespace crgen::test {
namespace {

using Lines = std::vector<std::string>;

constexpr std::uint32_t kHash = 1, kArray = 2;

class GenerateBpfTest : public ::testing::Test {
 protected:
  /// Process 10 has two descriptions of a hash and one of an array; its child has a third one of
  /// the hash, and nothing else but fd 0.
  void SetUp() override {
    Dump dump;
    dump.AddProcess(11, 10);
    AddBpfMap(dump, {20, 7, kHash, 10});
    AddBpfMap(dump, {21, 7, kHash, 10});
    dump.files.back().mutable_bpf()->set_flags(O_RDONLY | O_NONBLOCK);
    AddBpfMap(dump, {22, 8, kArray, 2});
    pb::bpfmap_file_entry& array = *dump.files.back().mutable_bpf();
    array.set_frozen(true);
    array.set_map_flags(0x80);  // BPF_F_RDONLY_PROG
    array.set_map_name("an.array");
    AddBpfMap(dump, {23, 7, kHash, 10});
    AddBpfData(dump, 7, 2, "key1key2", "value..1value..2");
    AddBpfData(dump, 8, 1, std::string(4, '\0'), "value..0");
    AddBpfData(dump, 7, 2, "key2key1", "value..2value..1");
    dump.AddDescriptor(10, 3, 20, pb::FD_BPFMAP);
    dump.AddDescriptor(10, 4, 21, pb::FD_BPFMAP);
    dump.AddDescriptor(10, 5, 22, pb::FD_BPFMAP);
    dump.AddDescriptor(11, 6, 23, pb::FD_BPFMAP);
    source_ = OpenMemory(dump.Build());
    Diagnostics diag;
    ASSERT_EQ(LoadDump(*source_, &snapshot_, diag), Result::kOk);
    ASSERT_EQ(diag.Count(Severity::kError) + diag.Count(Severity::kUnsupported), 0u);
    ASSERT_EQ(GenerateProgram(snapshot_, {}, PageReaderOf(*source_), &program_, diag),
              GenerateOutcome::kOk);
  }

  std::vector<BpfMap> Opened() const {
    std::vector<BpfMap> maps;
    for (const Command& command : program_) {
      const auto* open = std::get_if<OpenFile>(&command.body);
      const auto* map = open == nullptr ? nullptr : As<BpfMap>(*open->file);
      if (map != nullptr) maps.push_back(*map);
    }
    return maps;
  }

  /// All that is wrong with a program in which `change` has changed what makes that map.
  Lines Wrong(std::uint64_t map_id, const std::function<void(BpfMapObject&)>& change) {
    Program changed = program_;
    for (Command& command : changed) {
      auto* open = std::get_if<OpenFile>(&command.body);
      const auto* map = open == nullptr ? nullptr : As<BpfMap>(*open->file);
      if (map == nullptr || map->map_id.value != map_id || !map->map) continue;
      auto file = std::make_shared<File>(*open->file);
      change(*std::get<BpfMap>(file->body).map);
      open->file = std::move(file);
    }
    SimulatedState state;
    Diagnostics diag;
    EXPECT_EQ(CheckProgram(changed, &state, diag), Result::kOk);
    [[maybe_unused]] const Result same =
        CompareWithSnapshot(state, snapshot_, PageReaderOf(*source_), diag);
    return test::Lines(diag);
  }

  std::unique_ptr<ImageSource> source_;
  Snapshot snapshot_;
  Program program_;
};

TEST_F(GenerateBpfTest, TheFirstOpeningSaysWhatTheMapIs) {
  const std::vector<BpfMap> maps = Opened();
  ASSERT_EQ(maps.size(), 4u);
  std::map<std::uint64_t, std::vector<bool>> described;
  for (const BpfMap& map : maps) described[map.map_id.value].push_back(map.map.has_value());
  EXPECT_EQ(described[7], (std::vector{true, false, false}));
  EXPECT_EQ(described[8], (std::vector{true}));
  for (const BpfMap& map : maps) {
    if (!map.map) continue;
    ASSERT_TRUE(map.map->data);
    EXPECT_EQ(map.map->data->count, map.map_id.value == 7 ? 2u : 1u);
  }
  // The last entry of the image counts: entries of 8 bytes of header, and a size each.
  const BpfMapData& hash = *snapshot_.bpf_maps.at({7}).data;
  const BpfMapData& array = *snapshot_.bpf_maps.at({8}).data;
  EXPECT_GT(hash.keys.offset, array.values.offset);
  EXPECT_EQ(hash.values.offset, hash.keys.offset + 8);
}

TEST_F(GenerateBpfTest, IsHeldAgainstTheDump) {
  EXPECT_EQ(Wrong(8, [](BpfMapObject&) {}), Lines{});
  EXPECT_EQ(Wrong(8, [](BpfMapObject& map) { map.frozen = false; }),
            Lines{"process 10 fd 5: file.map.frozen: expected true, found false"});
  EXPECT_EQ(Wrong(8, [](BpfMapObject& map) { map.max_entries = 3; }),
            Lines{"process 10 fd 5: file.map.max_entries: expected 2, found 3"});
  EXPECT_EQ(Wrong(8, [](BpfMapObject& map) { map.name.reset(); }).size(), 1u);
  EXPECT_EQ(Wrong(8, [](BpfMapObject& map) { map.data.reset(); }).size(), 1u);
  EXPECT_EQ(Wrong(8, [](BpfMapObject& map) { map.map_flags.bits = 0; }).size(), 1u);
  EXPECT_EQ(Wrong(7, [](BpfMapObject& map) { map.data->keys.offset += 1; }).size(), 3u);
}

}  // namespace
}  // namespace crgen::test
