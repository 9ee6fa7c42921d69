// SPDX-License-Identifier: Apache-2.0
// Pagemaps as real dumps have them, and where readers are apt to go wrong: what is read.
#include <gtest/gtest.h>

#include "tests/support/image_builder.h"

namespace crgen {
namespace {

using namespace test;  // NOLINT: the vocabulary of these tests

TEST(ImagePages, PageCountsStandInOneOfTwoFields) {
  struct Case {
    std::string name;
    std::optional<std::uint64_t> count;
    std::uint32_t old_count;
    std::uint64_t expected;
  };
  for (const Case& test : std::vector<Case>{{"old", std::nullopt, 2, 2}, {"new", 2, 0, 2}}) {
    Dump dump;
    pb::pagemap_entry run;
    run.set_vaddr(0x10000);
    run.set_compat_nr_pages(test.old_count);
    if (test.count) run.set_nr_pages(*test.count);
    run.set_flags(kPresent);
    dump.pagemaps["pagemap-10.img"].runs = {run};
    const Snapshot snapshot = LoadGood(dump);
    std::uint64_t pages = 0;
    for (const PageRun& got : snapshot.processes[0].memory.pages) pages += got.nr_pages;
    EXPECT_EQ(pages, test.expected) << test.name;
  }
}

TEST(ImagePages, FlagsOfRuns) {
  Dump dump;
  pb::pagemap_entry no_flags = PagesAt(0x10000, 1);
  no_flags.clear_flags();
  dump.pagemaps["pagemap-10.img"].runs = {no_flags, PagesAt(0x11000, 1, kPresent | kLazy)};
  EXPECT_EQ(PagesOf(LoadGood(dump)), (std::vector<Numbers>{{0x10000, 1, 0}, {0x11000, 1, 4096}}));
}

TEST(ImagePages, OnlyPresentRunsTakeRoomInThePagesImage) {
  Dump dump;
  dump.AddArea(10, 0x12000, 6, kRegular | kAnonPrivate);
  dump.pagemaps["pagemap-10.img"].runs = {PagesAt(0x10000, 1), PagesAt(0x11000, 3, kInParent),
                                          PagesAt(0x14000, 1), PagesAt(0x16000, 1)};
  dump.pagemaps["parent/pagemap-10.img"] = {3, {PagesAt(0x11000, 3)}};
  const Snapshot snapshot = LoadGood(dump);
  EXPECT_EQ(PagesOf(snapshot), (std::vector<Numbers>{{0x10000, 1, 0},
                                                     {0x11000, 1, 0},
                                                     {0x12000, 2, 4096},
                                                     {0x14000, 1, 4096},
                                                     {0x16000, 1, 8192}}));
}

TEST(ImagePages, OneRunMaySpanAreas) {
  Dump dump;
  dump.AddArea(10, 0x12000, 1, kRegular | kAnonPrivate).set_prot(kRead);
  pb::vma_entry& file = dump.AddArea(10, 0x13000, 2, kRegular | kFilePrivate);
  file.set_shmid(1);
  dump.pagemaps["pagemap-10.img"].runs = {PagesAt(0x11000, 3)};
  EXPECT_EQ(PagesOf(LoadGood(dump)),
            (std::vector<Numbers>{{0x11000, 1, 0}, {0x12000, 1, 4096}, {0x13000, 1, 8192}}));
}

TEST(ImagePages, PagesOfWhatTheKernelProvidesAreNotLoaded) {
  Dump dump;
  dump.AddArea(10, 0x12000, 1, kRegular | kAnonPrivate | kVdso);
  dump.AddArea(10, 0x13000, 1, kRegular | kAnonPrivate);
  dump.pagemaps["pagemap-10.img"].runs = {PagesAt(0x11000, 3)};
  EXPECT_EQ(PagesOf(LoadGood(dump)), (std::vector<Numbers>{{0x11000, 1, 0}, {0x13000, 1, 8192}}));
}

TEST(ImagePages, AChildMayLackPagesOfItsParent) {
  Dump dump;
  dump.AddProcess(11, 10);
  dump.pagemaps["pagemap-11.img"].runs = {PagesAt(0x11000, 1)};
  dump.AddProcess(12, 10);
  dump.pagemaps["pagemap-12.img"].runs = {};
  const Snapshot snapshot = LoadGood(dump);
  EXPECT_EQ(PagesOf(snapshot, 0), (std::vector<Numbers>{{0x10000, 2, 0}}));
  EXPECT_EQ(PagesOf(snapshot, 1), (std::vector<Numbers>{{0x11000, 1, 0}}));
  EXPECT_EQ(PagesOf(snapshot, 2), (std::vector<Numbers>{}));
  EXPECT_EQ(snapshot.page_images, (std::vector<std::string>{"pages-10.img", "pages-11.img"}));
}

}  // namespace
}  // namespace crgen
