// SPDX-License-Identifier: Apache-2.0
// What is newer than crgen, what contradicts itself, and what cannot be left out.
#include <gtest/gtest.h>

#include <array>

#include "tests/support/image_builder.h"

namespace crgen {
namespace {

using namespace test;  // NOLINT: the vocabulary of these tests

/// Appends `bytes` to every entry of the image.
std::function<void(Files&)> ToEveryEntry(std::string name, std::string bytes) {
  return [=](Files& files) {
    std::string& content = files.at(name);
    const std::size_t head = name == "inventory.img" ? 4 : 8;
    std::string changed = content.substr(0, head);
    for (std::size_t at = head; at < content.size();) {
      std::uint32_t length = 0;
      std::memcpy(&length, content.data() + at, sizeof length);
      AppendEntry(content.substr(at + 4, length) + bytes, &changed);
      at += 4 + length;
    }
    content = changed;
  };
}

TEST(ImagesBeyond, FieldsThatAreNewer) {
  const std::string field_1000 = "\xc2\x3e\x03new";
  const std::string decides =
      ", which this crgen does not know; the message decides where bytes lie, what is mapped or "
      "who gets which rights";
  std::vector<DumpCase> cases;
  for (const auto& [image, place, message] : std::vector<std::array<std::string, 3>>{
           {"inventory.img", "inventory.img[0]", "inventory_entry"},
           {"pstree.img", "pstree.img[0]", "pstree_entry"},
           {"mm-10.img", "mm-10.img[0]", "mm_entry"},
           {"ids-10.img", "ids-10.img[0]", "task_kobj_ids_entry"},
           {"fs-10.img", "fs-10.img[0]", "fs_entry"},
           {"files.img", "files.img[0]", "file_entry"},
           {"fdinfo-10.img", "fdinfo-10.img[0]", "fdinfo_entry"}}) {
    cases.push_back({message,
                     [=](Dump& d) { d.edits = {ToEveryEntry(image, field_1000)}; },
                     {"unsupported " + place + ": field 1000 of " + message + decides}});
  }
  cases.push_back({"pages that are compressed",
                   [](Dump& d) { d.edits = {ToEveryEntry("pagemap-10.img", "\x30\x07")}; },
                   {"unsupported pagemap-10.img[0]: field 6 of pagemap_head" + decides,
                    "unsupported pagemap-10.img[1]: field 6 of pagemap_entry" + decides}});
  cases.push_back({"a message inside",
                   [](Dump& d) {
                     auto* area = d.mms[10].mutable_vmas(0);
                     area->GetReflection()->MutableUnknownFields(area)->AddVarint(11, 1);
                     auto* creds = d.cores[10].mutable_thread_core()->mutable_creds();
                     creds->GetReflection()->MutableUnknownFields(creds)->AddVarint(20, 1);
                   },
                   {"unsupported core-10.img[0]: field 20 of creds_entry" + decides,
                    "unsupported mm-10.img[0]: field 11 of vma_entry" + decides}});
  cases.push_back({"where it decides nothing",
                   [](Dump& d) {
                     for (auto& action : *d.cores[10].mutable_tc()->mutable_sigactions()) {
                       action.GetReflection()->MutableUnknownFields(&action)->AddVarint(7, 1);
                     }
                   },
                   {"warning core-10.img[0]: field 7 of sa_entry is not known to this crgen: what "
                    "it says is not planned"}});
  cases.push_back({"what CRIU has and nobody reads",
                   [](Dump& d) {
                     d.edits = {ToEveryEntry("inventory.img", std::string("\x62\x00", 2)),
                                ToEveryEntry("core-10.img", std::string("\x32\x00", 2))};
                   },
                   {}});
  RunCases(cases);
}

TEST(ImagesBeyond, NewerFieldsAreCountedByMessageAndNumber) {
  Dump dump;
  for (auto& action : *dump.cores[10].mutable_tc()->mutable_sigactions()) {
    action.GetReflection()->MutableUnknownFields(&action)->AddVarint(7, 1);
    action.GetReflection()->MutableUnknownFields(&action)->AddVarint(8, 1);
  }
  const Loaded loaded = Load(dump);
  ASSERT_EQ(loaded.diag.entries().size(), 2u);
  for (const Diagnostic& entry : loaded.diag.entries()) EXPECT_EQ(entry.more, 61u);
  EXPECT_EQ(loaded.diag.Count(Severity::kWarning), 124u);
  EXPECT_EQ(loaded.diag.Dropped(Severity::kWarning), 0u);
  EXPECT_FALSE(loaded.diag.HasEssential());
}

TEST(ImagesBeyond, WhatDecidesCannotBeLeftOut) {
  Dump dump;
  dump.edits = {ToEveryEntry("pagemap-10.img", "\x30\x07")};
  EXPECT_TRUE(Load(dump).diag.HasEssential());
  Dump flags;
  flags.pagemaps["pagemap-10.img"].runs[0].set_flags(kPresent | 8);
  EXPECT_TRUE(Load(flags).diag.HasEssential());
}

TEST(ImagesBeyond, RightsWithoutANameCannotBeLeftOut) {
  const std::vector<std::function<void(pb::thread_core_entry&)>> changes = {
      [](auto& thread) { thread.mutable_creds()->set_secbits(0x10000); },
      [](auto& thread) { thread.mutable_creds()->mutable_cap_bnd()->Resize(2, 0xffffffff); },
      [](auto& thread) { thread.set_seccomp_mode(3); }};
  for (const auto& change : changes) {
    Dump dump;
    change(*dump.cores[10].mutable_thread_core());
    const Loaded loaded = Load(dump);
    EXPECT_EQ(loaded.result, Result::kOk);
    EXPECT_TRUE(loaded.diag.HasEssential());
  }
}

TEST(ImagesBeyond, ImagesOfUnknownKinds) {
  std::string unknown;
  AppendWord(kCommonMagic, &unknown);
  AppendWord(0x12345678, &unknown);
  RunCases({
      {"with the magic of CRIU",
       [=](Dump& d) { d.edits = {Put("news-1.img", unknown)}; },
       {"unsupported news-1.img: an image of a kind that this crgen does not know, magic "
        "0x12345678"}},
      {"of a plugin",
       [](Dump& d) { d.edits = {Put("amdgpu-kfd-1.img", "some text")}; },
       {"warning amdgpu-kfd-1.img: is called an image, but is none that CRIU itself writes: left "
        "alone"}},
  });
}

TEST(ImagesBeyond, Contradictions) {
  const std::string run = "error pagemap-10.img[1]: ";
  auto first = [](Dump& d) -> pb::pagemap_entry& { return d.pagemaps["pagemap-10.img"].runs[0]; };
  std::vector<DumpCase> cases = {
      {"here and in the parent",
       [=](Dump& d) { first(d).set_flags(kPresent | kInParent); },
       {run + "flags 0x5 say that the pages are here and in the parent"}},
      {"old and new field of the parent",
       [=](Dump& d) { first(d).set_in_parent(true); },
       {run + "in_parent says that the pages are in the parent, flags 0x4 do not"}},
      {"old and new length",
       [=](Dump& d) { first(d).set_compat_nr_pages(1); },
       {run + "2 pages by nr_pages, but 1 by compat_nr_pages"}},
      {"both lengths alike", [=](Dump& d) { first(d).set_compat_nr_pages(2); }, {}},
      {"a flag of the future",
       [=](Dump& d) { first(d).set_flags(kPresent | 8); },
       {"unsupported pagemap-10.img[1].flags: bits 0x8, which this crgen does not know: they may "
        "say where the pages are"}},
      {"a kind of the future",
       [](Dump& d) { d.AddArea(10, 0x20000, 1, kRegular | kAnonPrivate | 0x40000); },
       {"unsupported mm-10.img[0].vmas[1].status: bits 0x40000, which this crgen does not know"}},
  };
  for (std::uint32_t status :
       {kRegular | kAnonPrivate | kFilePrivate, kRegular | kFilePrivate | kFileShared,
        kRegular | kAnonPrivate | kVdso | kVvar, kRegular | kFileShared | kVdso,
        kRegular | kAnonPrivate | kMemfd, kRegular | kAnonPrivate | kSysvIpc, kGuard | kAnonPrivate,
        kAnonPrivate | kShadowStack | kAioRing}) {
    cases.push_back({HexText(status),
                     [=](Dump& d) { d.AddArea(10, 0x20000, 1, status); },
                     {"error mm-10.img[0].vmas[1].status: " + HexText(status) +
                      " says two kinds of area at once"}});
  }
  RunCases(cases);
}

TEST(ImagesBeyond, WhatOthersLieInCannotBeLeftOut) {
  auto essential = [](const Dump& dump, bool caller) {
    Snapshot snapshot;
    Diagnostics diag;
    LoadOptions options;
    options.caller_namespaces = caller;
    EXPECT_EQ(LoadDump(*OpenMemory(dump.Build()), &snapshot, diag, options), Result::kOk);
    EXPECT_EQ(diag.Count(Severity::kUnsupported), 1u);
    return diag.HasEssential();
  };
  Dump numbers;
  FillRequired(numbers.inventory.mutable_root_ids());
  numbers.inventory.mutable_root_ids()->set_pid_ns_id(1);
  numbers.ids[10].set_pid_ns_id(2);
  EXPECT_TRUE(essential(numbers, false));
  EXPECT_FALSE(essential(numbers, true));
  Dump outside = numbers;  // which is planned, if it is not to be the caller's
  outside.pids[2].set_ext_key("key");
  EXPECT_FALSE(essential(outside, true));
  Dump descriptor;
  descriptor.AddOther(4, pb::FD_EXT);
  descriptor.AddDescriptor(10, 4, 4, pb::FD_EXT);
  EXPECT_FALSE(essential(descriptor, false));
}

}  // namespace
}  // namespace crgen
