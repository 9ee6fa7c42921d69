// SPDX-License-Identifier: Apache-2.0
// Incremental dumps: pages in the sets behind the links `parent`.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

#include "tests/support/image_builder.h"

namespace crgen {
namespace {

using namespace test;  // NOLINT: the vocabulary of these tests

/// "0x10000 +2 parent/pages-3.img @4096" for each run.
std::vector<std::string> RunsOf(const Snapshot& snapshot, const std::vector<PageRun>& runs) {
  std::vector<std::string> out;
  for (const PageRun& run : runs) {
    out.push_back(HexText(run.start) + " +" + std::to_string(run.nr_pages) + " " +
                  snapshot.page_images[run.image] + " @" + std::to_string(run.image_offset));
  }
  return out;
}

std::vector<std::string> RunsOf(const Snapshot& snapshot) {
  return RunsOf(snapshot, snapshot.processes[0].memory.pages);
}

pb::pagemap_entry OldInParent(std::uint64_t start, std::uint32_t pages) {
  pb::pagemap_entry run;
  run.set_vaddr(start);
  run.set_compat_nr_pages(pages);
  run.set_in_parent(true);
  return run;
}

/// Six pages of memory, `runs` of them.
Dump WithRuns(std::vector<pb::pagemap_entry> runs) {
  Dump dump;
  dump.mms[10].mutable_vmas(0)->set_end(0x16000);
  dump.pagemaps["pagemap-10.img"].runs = std::move(runs);
  return dump;
}

TEST(ImageParents, OneLevel) {
  Dump dump = WithRuns({PagesAt(0x10000, 1), PagesAt(0x11000, 2, kInParent), PagesAt(0x15000, 1)});
  dump.pagemaps["parent/pagemap-10.img"] = {3, {PagesAt(0x10000, 6)}};
  EXPECT_EQ(RunsOf(LoadGood(dump)), (std::vector<std::string>{"0x10000 +1 pages-10.img @0",
                                                              "0x11000 +2 parent/pages-3.img @4096",
                                                              "0x15000 +1 pages-10.img @4096"}));
}

TEST(ImageParents, TheOldFieldForParentIsTheSame) {
  Dump dump = WithRuns({OldInParent(0x11000, 2)});
  dump.pagemaps["parent/pagemap-10.img"] = {3, {PagesAt(0x11000, 2)}};
  EXPECT_EQ(RunsOf(LoadGood(dump)), std::vector<std::string>{"0x11000 +2 parent/pages-3.img @0"});
}

TEST(ImageParents, RunsOfTheParentHaveOtherBounds) {
  Dump dump = WithRuns({PagesAt(0x10000, 6, kInParent)});
  dump.pagemaps["parent/pagemap-10.img"] = {
      3, {PagesAt(0x8000, 9), PagesAt(0x11000, 2), PagesAt(0x13000, 8)}};
  EXPECT_EQ(RunsOf(LoadGood(dump)),
            (std::vector<std::string>{"0x10000 +1 parent/pages-3.img @32768",
                                      "0x11000 +2 parent/pages-3.img @36864",
                                      "0x13000 +3 parent/pages-3.img @45056"}));
}

TEST(ImageParents, SeveralLevels) {
  Dump dump = WithRuns({PagesAt(0x10000, 6, kInParent)});
  dump.pagemaps["parent/pagemap-10.img"] = {
      3, {PagesAt(0x10000, 1), OldInParent(0x11000, 4), PagesAt(0x15000, 1)}};
  dump.pagemaps["parent/parent/pagemap-10.img"] = {
      3, {PagesAt(0x10000, 2), PagesAt(0x12000, 1, kInParent), PagesAt(0x13000, 3)}};
  dump.pagemaps["parent/parent/parent/pagemap-10.img"] = {1, {PagesAt(0x12000, 1)}};
  EXPECT_EQ(
      RunsOf(LoadGood(dump)),
      (std::vector<std::string>{
          "0x10000 +1 parent/pages-3.img @0", "0x11000 +1 parent/parent/pages-3.img @4096",
          "0x12000 +1 parent/parent/parent/pages-1.img @0",
          "0x13000 +2 parent/parent/pages-3.img @8192", "0x15000 +1 parent/pages-3.img @4096"}));
}

TEST(ImageParents, SharedObjectsHaveParentsToo) {
  Dump dump;
  dump.AddArea(10, 0x20000, 3, kRegular | kAnonShared).set_shmid(7);
  dump.pagemaps["pagemap-shmem-7.img"] = {5, {PagesAt(0, 1), PagesAt(0x1000, 2, kInParent)}};
  dump.pagemaps["parent/pagemap-shmem-7.img"] = {5, {PagesAt(0, 3)}};
  const Snapshot snapshot = LoadGood(dump);
  EXPECT_EQ(
      RunsOf(snapshot, snapshot.shmems.at(0).pages),
      (std::vector<std::string>{"0x0 +1 pages-5.img @0", "0x1000 +2 parent/pages-5.img @4096"}));
}

TEST(ImageParents, BytesOfPages) {
  Dump dump = WithRuns({PagesAt(0x10000, 2, kInParent)});
  dump.pagemaps["parent/pagemap-10.img"] = {3,
                                            {PagesAt(0x10000, 1), PagesAt(0x11000, 1, kInParent)}};
  dump.pagemaps["parent/parent/pagemap-10.img"] = {4, {PagesAt(0x10000, 2)}};
  auto source = OpenMemory(dump.Build());
  PageImages images(*source);
  Diagnostics diag;
  char byte = 0;
  EXPECT_EQ(images.Read("parent/parent/pages-4.img", 4096, {&byte, 1}, diag), Result::kOk);
  EXPECT_EQ(byte, 'b');
  EXPECT_EQ(images.Read("parent/pages-3.img", 0, {&byte, 1}, diag), Result::kOk);
  EXPECT_EQ(byte, 'a');
  EXPECT_TRUE(diag.entries().empty());
  EXPECT_EQ(images.Read("parent/pages-3.img", 4096, {&byte, 1}, diag), Result::kError);
  EXPECT_EQ(images.Read("pages-9.img", 0, {&byte, 1}, diag), Result::kError);
  EXPECT_EQ(images.Read("parent/parent/parent/pages-1.img", 0, {&byte, 1}, diag), Result::kError);
  EXPECT_EQ(GradedLines(diag),
            (std::vector<std::string>{"error pages-3.img: ends before byte 4097",
                                      "error pages-9.img: no such file",
                                      "error parent/parent/parent/pages-1.img: there is no parent "
                                      "set"}));
}

TEST(ImageParents, Errors) {
  auto with_parent = [](std::vector<pb::pagemap_entry> runs) {
    return [=](Dump& d) {
      d = WithRuns({PagesAt(0x10000, 4, kInParent)});
      d.edits = {Drop("pages-10.img")};
      d.pagemaps["parent/pagemap-10.img"] = {3, runs};
    };
  };
  const std::string lacks = ", where its child set expects them";
  RunCases({
      {"no parent",
       [&](Dump& d) {
         with_parent({})(d);
         d.pagemaps.erase("parent/pagemap-10.img");
       },
       {"error parent/pagemap-10.img: is missing, pages at 0x10000 are to be found there"}},
      {"a parent without this process",
       [&](Dump& d) {
         with_parent({})(d);
         d.pagemaps.erase("parent/pagemap-10.img");
         d.pagemaps["parent/pagemap-11.img"] = {};
       },
       {"error parent/pagemap-10.img: is missing, pages at 0x10000 are to be found there"}},
      {"no pages at all",
       with_parent({}),
       {"error parent/pagemap-10.img: has no pages at 0x10000" + lacks}},
      {"the first is missing",
       with_parent({PagesAt(0x11000, 3)}),
       {"error parent/pagemap-10.img: has no pages at 0x10000" + lacks}},
      {"one between is missing",
       with_parent({PagesAt(0x10000, 2), PagesAt(0x13000, 1)}),
       {"error parent/pagemap-10.img: has no pages at 0x12000" + lacks}},
      {"the last is missing",
       with_parent({PagesAt(0x10000, 3)}),
       {"error parent/pagemap-10.img: has no pages at 0x13000" + lacks}},
      {"the parent leaves them to a parent that is not there",
       with_parent({PagesAt(0x10000, 2), PagesAt(0x12000, 2, kInParent)}),
       {"error parent/parent/pagemap-10.img: is missing, pages at 0x12000 are to be found there"}},
      {"left with the source host",
       with_parent({PagesAt(0x10000, 4, kLazy)}),
       {"unsupported parent/pagemap-10.img[1]: pages at 0x10000 were left with the source host"}},
      {"runs overlap",
       with_parent({PagesAt(0x10000, 4), PagesAt(0x11000, 1)}),
       {"error parent/pagemap-10.img[2]: begins at 0x11000, before the end of the run before"}},
      {"no pages image",
       [&](Dump& d) {
         with_parent({PagesAt(0x10000, 4)})(d);
         d.edits.push_back(Drop("parent/pages-3.img"));
       },
       {"error parent/pages-3.img: is missing, parent/pagemap-10.img wants 4 pages of it"}},
      {"pages image cut",
       [&](Dump& d) {
         with_parent({PagesAt(0x10000, 4)})(d);
         d.edits.push_back(CutBy("parent/pages-3.img", 1));
       },
       {"error parent/pages-3.img: has 16383 bytes, parent/pagemap-10.img wants 16384"}},
  });
}

/// A folder for one test.
class ImageFolders : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/crgen-test-XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    path_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(path_); }

  void Write(const std::string& folder, const Dump& dump) {
    const Files files = dump.Build();
    for (const auto& [name, content] : files) {
      const std::filesystem::path file = path_ / folder / name;
      std::filesystem::create_directories(file.parent_path());
      std::ofstream(file, std::ios::binary) << content;
    }
  }
  Loaded LoadFolder(const std::string& folder) {
    Diagnostics diag;
    auto source = OpenFolder(path_ / folder, diag);
    EXPECT_NE(source, nullptr);
    return Load(*source);
  }

  std::filesystem::path path_;
};

TEST_F(ImageFolders, AChainOfFolders) {
  for (int i = 0; i < 3; ++i) {
    const std::string folder = std::to_string(i);
    Write(folder, WithRuns({PagesAt(0x10000 + i * kPage, 1),
                            PagesAt(0x11000 + i * kPage, 5 - i, i == 2 ? kPresent : kInParent)}));
    if (i != 2) {
      std::filesystem::create_symlink("../" + std::to_string(i + 1), path_ / folder / "parent");
    }
  }
  const Loaded loaded = LoadFolder("0");
  EXPECT_EQ(GradedLines(loaded.diag), std::vector<std::string>());
  EXPECT_EQ(
      RunsOf(loaded.snapshot),
      (std::vector<std::string>{"0x10000 +1 pages-10.img @0", "0x11000 +1 parent/pages-10.img @0",
                                "0x12000 +1 parent/parent/pages-10.img @0",
                                "0x13000 +3 parent/parent/pages-10.img @4096"}));
}

TEST_F(ImageFolders, ParentsInARing) {
  const Dump dump = WithRuns({PagesAt(0x10000, 6, kInParent)});
  Write("self", dump);
  std::filesystem::create_symlink(".", path_ / "self/parent");
  EXPECT_EQ(GradedLines(LoadFolder("self").diag),
            std::vector<std::string>{"error parent/pagemap-10.img: is missing, pages at 0x10000 "
                                     "are to be found there"});
  Write("a", dump);
  Write("b", dump);
  std::filesystem::create_symlink("../b", path_ / "a/parent");
  std::filesystem::create_symlink("../a", path_ / "b/parent");
  EXPECT_EQ(GradedLines(LoadFolder("a").diag),
            std::vector<std::string>{"error parent/parent/pagemap-10.img: is missing, pages at "
                                     "0x10000 are to be found there"});
}

/// A set whose parent is like itself, without end.
class Endless : public ImageSource {
 public:
  explicit Endless(const Files& files, int* opened) : files_(files), opened_(opened) { ++*opened; }
  Result List(std::vector<std::string>* names, Diagnostics&) override {
    for (const auto& [name, content] : files_) names->push_back(name);
    return Result::kOk;
  }
  Result Read(const std::string& name, std::string* content, Diagnostics&) override {
    *content = files_.at(name);
    return Result::kOk;
  }
  Result Size(const std::string& name, std::uint64_t* size, Diagnostics&) override {
    *size = files_.at(name).size();
    return Result::kOk;
  }
  Result ReadAt(const std::string& name, std::uint64_t, std::span<char>,
                Diagnostics& diag) override {
    return diag.Fail(name, "is not to be read");
  }
  std::unique_ptr<ImageSource> Parent() override {
    return std::make_unique<Endless>(files_, opened_);
  }

 private:
  const Files& files_;
  int* opened_;
};

TEST_F(ImageFolders, ThereIsAnEndToParents) {
  const Files files = WithRuns({PagesAt(0x10000, 6, kInParent)}).Build();
  int opened = 0;
  Endless source(files, &opened);
  const std::vector<std::string> lines = GradedLines(Load(source).diag);
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_TRUE(lines[0].ends_with("is missing, pages at 0x10000 are to be found there"));
  EXPECT_LE(opened, 1025);
}

TEST_F(ImageFolders, WhatIsNoFile) {
  Write("dump", Dump());
  const std::filesystem::path dump = path_ / "dump";
  std::filesystem::remove(dump / "fs-10.img");
  std::filesystem::create_directory(dump / "fs-10.img");
  std::filesystem::remove(dump / "mm-10.img");
  std::filesystem::create_symlink("nowhere", dump / "mm-10.img");
  std::filesystem::create_directory(dump / "folder");
  std::filesystem::resize_file(dump / "files.img", std::uint64_t{1} << 40);
  EXPECT_EQ(
      GradedLines(LoadFolder("dump").diag),
      (std::vector<std::string>{
          "error files.img: has 1099511627776 bytes, expected at most 2147483647",
          "error fdinfo-10.img[0].id: no file 3 in files.img (fd 0 of pid 10)",
          "error mm-10.img: No such file or directory", "error fs-10.img: is not a regular file"}));
  Diagnostics diag;
  EXPECT_EQ(OpenFolder(path_ / "none", diag), nullptr);
  EXPECT_EQ(OpenFolder(dump / "pstree.img", diag), nullptr);
  EXPECT_EQ(diag.Count(Severity::kError), 2u);
}

TEST_F(ImageFolders, AFolderKnowsTheHolesOfItsImages) {
  constexpr std::uint64_t kGiga = std::uint64_t{1} << 30;
  std::filesystem::create_directories(path_ / "dump");
  {
    std::ofstream image(path_ / "dump/pages-1.img", std::ios::binary);
    image.seekp(kGiga);
    image << "data";
  }
  std::filesystem::resize_file(path_ / "dump/pages-1.img", 3 * kGiga);
  Diagnostics diag;
  auto source = OpenFolder(path_ / "dump", diag);
  ASSERT_NE(source, nullptr);
  EXPECT_EQ(source->HoleAt("pages-1.img", 0), kGiga);
  EXPECT_EQ(source->HoleAt("pages-1.img", kGiga - kPage), kPage);
  EXPECT_EQ(source->HoleAt("pages-1.img", kGiga), 0u);
  EXPECT_EQ(source->HoleAt("pages-1.img", 2 * kGiga), kGiga);
  EXPECT_EQ(source->HoleAt("pages-1.img", 3 * kGiga), 0u);  // nothing is there
  EXPECT_EQ(source->HoleAt("pages-1.img", ~std::uint64_t{0}), 0u);
  EXPECT_EQ(source->HoleAt("pages-2.img", 0), 0u);
}

TEST_F(ImageFolders, AnImageOfHolesIsNotRead) {
  Write("dump", Dump());
  std::filesystem::resize_file(path_ / "dump/pstree.img", (std::uint64_t{1} << 31) - 1);
  EXPECT_EQ(
      GradedLines(LoadFolder("dump").diag),
      std::vector<std::string>{"error pstree.img: has more than 1048576 bytes of holes, which "
                               "no image has"});
}

TEST_F(ImageFolders, AFifoDoesNotHang) {
  Write("dump", Dump());
  std::filesystem::remove(path_ / "dump/pstree.img");
  ASSERT_EQ(mkfifo((path_ / "dump/pstree.img").c_str(), 0600), 0);
  EXPECT_EQ(GradedLines(LoadFolder("dump").diag),
            std::vector<std::string>{"error pstree.img: is not a regular file"});
}

}  // namespace
}  // namespace crgen
