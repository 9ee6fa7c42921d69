// SPDX-License-Identifier: Apache-2.0
// What a plan knows its dump by: the run of CRIU, images and their digests; the processor; the
// vdso.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "images/dump.h"
#include "images/proto/cpuinfo.pb.h"
#include "images/source/archive.h"
#include "tests/support/image_builder.h"
#include "tests/support/own_vdso.h"
#include "tests/support/tar_maker.h"

namespace crgen::test {
namespace {

/// With that vdso in process 10, behind two pages of its own.
Dump WithVdso(const std::string& vdso) {
  Dump dump;
  const std::uint64_t pages = vdso.size() / kPage;
  dump.AddArea(10, 0x20000, pages, kRegular | kAnonPrivate | kVdso).set_prot(5);
  dump.pagemaps["pagemap-10.img"].runs = {PagesAt(0x10000, 2), PagesAt(0x20000, pages)};
  dump.edits.push_back([vdso](Files& files) {
    std::string& image = files["pages-10.img"];
    image.replace(2 * kPage, vdso.size(), vdso);
  });
  return dump;
}

TEST(ImageIdentity, TheRunOfCriu) {
  Dump dump;
  EXPECT_EQ(LoadGood(dump).dump_id, "");
  dump.inventory.set_dump_criu_run_id("61e1d7a4-92d0-47f4-a9f0-02689a493cda");
  EXPECT_EQ(LoadGood(dump).dump_id, "61e1d7a4-92d0-47f4-a9f0-02689a493cda");
  dump.inventory.set_dump_criu_run_id("\x1b[2J");
  EXPECT_EQ(LoadGood(dump).dump_id, "");
  dump.inventory.set_dump_criu_run_id(std::string(65, 'a'));
  EXPECT_EQ(LoadGood(dump).dump_id, "");
}

TEST(ImageIdentity, TheVdsoOfTheDump) {
  const std::string own = OwnVdso();
  const auto expected = ParseVdso(own);
  ASSERT_TRUE(expected);
  const Files files = WithVdso(own).Build();
  EXPECT_EQ(Load(files).snapshot.vdso, expected);
  EXPECT_EQ(LoadGood(Dump()).vdso, std::nullopt);
}

/// A dump is none the worse for it.
TEST(ImageIdentity, AVdsoThatCannotBeReadIsNone) {
  const std::string own = OwnVdso();
  EXPECT_EQ(LoadGood(WithVdso(std::string(own.size(), '\0'))).vdso, std::nullopt);
  Dump half = WithVdso(own);
  half.pagemaps["pagemap-10.img"].runs = {PagesAt(0x10000, 2), PagesAt(0x20000, 1)};
  half.edits.clear();
  EXPECT_EQ(LoadGood(half).vdso, std::nullopt);
  Dump other = WithVdso(own);
  other.pagemaps["pagemap-10.img"].runs = {PagesAt(0x10000, 2), PagesAt(0x21000, 1)};
  other.edits.clear();
  EXPECT_EQ(LoadGood(other).vdso, std::nullopt);
}

/// Of an archive it is kept while that goes past, whatever the pieces are: none is read again.
TEST(ImageIdentity, TheVdsoInAnArchive) {
  const std::string own = OwnVdso();
  const Files files = WithVdso(own).Build();
  const std::string path = std::filesystem::temp_directory_path() / "crgen-vdso.tar";
  for (const char* how : {"", "gzip", "zstd", "xz"}) {
    std::ofstream(path, std::ios::binary)
        << Compressed(TarOf(files, "checkpoint/") + TarEnd(), how);
    Diagnostics diag;
    const auto source = OpenArchive(path, nullptr, diag);
    ASSERT_NE(source, nullptr);
    std::filesystem::resize_file(path, 0);
    EXPECT_EQ(Load(*source).snapshot.vdso, ParseVdso(own)) << how;
  }
  std::filesystem::remove(path);
}

TEST(ImageIdentity, FeaturesOfTheProcessor) {
  pb::cpuinfo_entry cpus;
  pb::cpuinfo_x86_entry& cpu = *cpus.add_x86_entry();
  cpu.set_capability_ver(2);
  for (int word = 0; word < 19; ++word) cpu.add_capability(0);
  cpu.set_capability(0, 1U << 25 | 1U);  // sse, and the FPU, without which there is no x86-64
  cpu.set_capability(4, 1U << 28);       // avx
  cpu.set_capability(9, 1U << 16);       // avx512f
  Dump dump;
  dump.edits.push_back(Put("cpuinfo.img", ImageOf("CPUINFO", cpus)));
  const std::vector<std::string> names = {"sse", "avx", "avx512f"};
  EXPECT_EQ(LoadGood(dump).cpu.features, names);
  cpu.mutable_capability()->Truncate(5);  // of an older CRIU, or cut
  dump.edits.push_back(Put("cpuinfo.img", ImageOf("CPUINFO", cpus)));
  EXPECT_EQ(LoadGood(dump).cpu.features, (std::vector<std::string>{"sse", "avx"}));
  dump.edits.push_back(CutBy("cpuinfo.img", 1));
  EXPECT_TRUE(Load(dump).diag.HasErrors());
}

/// Of an image with everything else, by several threads, out of parent sets too.
TEST(ImageIdentity, ImagesAndTheirDigests) {
  const Files files = {{"inventory.img", ""},
                       {"a.img", std::string(1 << 20, 'a')},
                       {"b.img", ""},
                       {"parent/a.img", "abc"},
                       {"parent/parent/c.img", std::string(300000, '\0')}};
  const std::vector<std::string> names = {"a.img", "parent/a.img", "b.img", "parent/parent/c.img"};
  const auto source = OpenMemory(files);
  for (const unsigned threads : {1U, 3U, 8U}) {
    PageImages images(*source);
    std::vector<ImageFile> found;
    Diagnostics diag;
    ASSERT_EQ(images.Describe(names, true, threads, &found, diag), Result::kOk);
    ASSERT_EQ(found.size(), names.size());
    for (std::size_t i = 0; i < names.size(); ++i) {
      Sha256 sum;
      sum.Add(files.at(names[i]));
      EXPECT_EQ(found[i].name, names[i]);
      EXPECT_EQ(found[i].size, files.at(names[i]).size());
      EXPECT_EQ(found[i].digest, sum.Finish());
    }
    ASSERT_EQ(images.Describe({"b.img"}, false, threads, &found, diag), Result::kOk);
    EXPECT_EQ(found[0].digest, std::nullopt);
    EXPECT_EQ(images.Describe({"b.img", "none.img"}, true, threads, &found, diag), Result::kError);
    EXPECT_EQ(images.Describe({"parent/parent/parent/c.img"}, true, threads, &found, diag),
              Result::kError);
  }
}

/// Made while the archive goes past; holes count as the zeros that they are.
TEST(ImageIdentity, DigestsOfAnArchive) {
  Dump dump;
  dump.AddQueue("PIPES_DATA", 7, 3, 4096);
  const Files files = dump.Build();
  for (const char* how : {"", "zstd"}) {
    Diagnostics diag;
    const auto source =
        OpenArchiveBytes(Compressed(TarOf(files, "") + TarEnd(), how), nullptr, diag, true);
    ASSERT_NE(source, nullptr);
    for (const char* name : {"pages-10.img", "pipes-data.img"}) {
      Sha256 sum;
      sum.Add(files.at(name));
      Digest digest;
      EXPECT_EQ(source->DigestOf(name, &digest, diag), Result::kOk);
      EXPECT_EQ(digest, sum.Finish()) << name;
    }
    Digest digest;
    EXPECT_EQ(source->DigestOf("core-10.img", &digest, diag), Result::kError);
  }
}

}  // namespace
}  // namespace crgen::test
