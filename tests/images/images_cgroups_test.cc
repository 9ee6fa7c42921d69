// SPDX-License-Identifier: Apache-2.0
// cgroup.img as the model has it.
#include <gtest/gtest.h>

#include "tests/support/image_builder.h"

namespace crgen {
namespace {

using namespace test;  // NOLINT: the vocabulary of these tests

/// Process 10 in /a/b of cpu and in the root of pids; /a has properties.
Dump InCgroups() {
  Dump dump;
  pb::cgroup_entry& image = dump.cgroup.emplace();
  pb::cg_controller_entry& cpu = *image.add_controllers();
  cpu.add_cnames("cpu");
  pb::cgroup_dir_entry& above = *cpu.add_dirs();
  above.set_dir_name("a");
  above.mutable_dir_perms()->set_mode(040750);
  above.mutable_dir_perms()->set_uid(1);
  above.mutable_dir_perms()->set_gid(2);
  above.add_children()->set_dir_name("b");
  for (const auto& [name, value] :
       {std::pair{"cpu.shares", "512"}, {"freezer.state", "THAWED"}, {"freezer.state", "FROZEN"}}) {
    pb::cgroup_prop_entry& property = *above.add_properties();
    property.set_name(name);
    property.set_value(value);
    property.mutable_perms()->set_mode(0100644);
    property.mutable_perms()->set_uid(3);
    property.mutable_perms()->set_gid(4);
  }
  pb::cg_controller_entry& pids = *image.add_controllers();
  pids.add_cnames("pids");
  pb::cgroup_dir_entry& root = *pids.add_dirs();
  root.set_dir_name("");
  root.mutable_dir_perms();
  root.add_properties()->set_name("release_agent");
  pb::cg_set_entry& set = *image.add_sets();
  set.set_id(2);
  for (const auto& [name, path] : {std::pair{"pids", "/"}, {"cpu", "/a/b"}}) {
    pb::cg_member_entry& member = *set.add_ctls();
    member.set_name(name);
    member.set_path(path);
  }
  dump.cores[10].mutable_thread_core()->set_cg_set(2);
  return dump;
}

TEST(ImageCgroups, PlacesAndDirectories) {
  const Snapshot snapshot = LoadGood(InCgroups());
  const auto& cgroup = snapshot.processes[0].attributes->cgroup;
  ASSERT_TRUE(cgroup);
  EXPECT_EQ(cgroup->paths, (std::vector<CgroupPath>{{"cpu", {"/a/b"}, {}}, {"pids", {"/"}, {}}}));
  EXPECT_TRUE(cgroup->directories.empty());
  const std::vector<CgroupDirectory> expected = {
      {"cpu",
       {"/a"},
       FilePermissions{0750, 1, 2},
       {{"cpu.shares", {"512"}, FilePermissions{0644, 3, 4}}, {"freezer.state", {"FROZEN"}, {}}}},
      {"cpu", {"/a/b"}, {}, {}},
      {"pids", {"/"}, {}, {}}};
  EXPECT_EQ(snapshot.cgroup_directories, expected);
}

TEST(ImageCgroups, ThoseOfTheCallerAreTakenWithHisNamespaces) {
  Snapshot snapshot;
  Diagnostics diag;
  LoadOptions options;
  options.caller_namespaces = true;
  EXPECT_EQ(LoadDump(*OpenMemory(InCgroups().Build()), &snapshot, diag, options), Result::kOk);
  EXPECT_FALSE(snapshot.processes[0].attributes->cgroup);
  EXPECT_TRUE(snapshot.cgroup_directories.empty());
  ASSERT_EQ(diag.Count(Severity::kUnsupported), 1u);
  const Diagnostic& left_out = diag.entries().front();
  EXPECT_EQ(left_out.where, "cgroup.img");
  EXPECT_EQ(left_out.loss, Loss::kNamespaces);
  EXPECT_FALSE(left_out.essential);
}

TEST(ImageCgroups, ThePrefixOfANamespace) {
  Dump dump = InCgroups();
  dump.cgroup->mutable_sets(0)->mutable_ctls(1)->set_cgns_prefix(2);
  const Snapshot snapshot = LoadGood(dump);
  EXPECT_EQ(snapshot.processes[0].attributes->cgroup->paths[0].prefix, Text{"/a"});
  EXPECT_EQ(snapshot.processes[0].attributes->cgroup->paths[1].prefix, std::nullopt);
}

TEST(ImageCgroups, NobodyIsElsewhere) {
  Dump dump = InCgroups();
  dump.cores[10].mutable_thread_core()->set_cg_set(1);
  const Snapshot snapshot = LoadGood(dump);
  EXPECT_FALSE(snapshot.processes[0].attributes->cgroup);
  EXPECT_TRUE(snapshot.cgroup_directories.empty());
}

/// What the dumper leaves of the image then.
TEST(ImageCgroups, AnImageWithoutAnEntry) {
  Dump dump;
  dump.edits = {[](Files& files) { files["cgroup.img"] = MagicsOf("CGROUP"); }};
  EXPECT_FALSE(LoadGood(dump).processes[0].attributes->cgroup);
}

TEST(ImageCgroups, WhatIsLeftOutIsLeftOutOfAll) {
  Dump dump = InCgroups();
  dump.AddProcess(11, 10);
  const Loaded loaded = Load(dump);
  EXPECT_EQ(loaded.diag.Count(Severity::kUnsupported), 1u);
  EXPECT_EQ(loaded.diag.entries().front().loss, Loss::kCgroups);
  EXPECT_FALSE(loaded.snapshot.processes[0].attributes->cgroup);
  EXPECT_TRUE(loaded.snapshot.cgroup_directories.empty());
}

}  // namespace
}  // namespace crgen
