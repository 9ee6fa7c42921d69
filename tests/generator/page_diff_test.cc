// SPDX-License-Identifier: Apache-2.0
// Page runs, against versions that go page by page.
#include "generator/memory/page_diff.h"

#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <random>
#include <set>

#include "tests/support/snapshot_builder.h"

namespace crgen::test {
namespace {

using Pages = std::map<std::uint64_t, PageRun>;  // number of the page -> the page alone

Pages PagesOf(const std::vector<PageRun>& runs) {
  Pages pages;
  for (const PageRun& run : runs) {
    for (std::uint64_t i = 0; i < run.nr_pages; ++i) {
      const std::uint64_t at = run.start + i * kPageSize;
      const bool added =
          pages.emplace(at / kPageSize, PageRun{at, 1, run.image, run.image_offset + i * kPageSize})
              .second;
      EXPECT_TRUE(added) << "page " << at / kPageSize << " stands twice";
    }
  }
  return pages;
}

std::string Text(const Pages& pages) {
  std::string text;
  for (const auto& [page, run] : pages) {
    text += std::to_string(page) + ":" + std::to_string(run.image) + "+" +
            std::to_string(run.image_offset / kPageSize) + " ";
  }
  return text;
}

const std::vector<std::string> kImages = {"a.img", "b.img"};

/// Pages of the range 0 … 40 with contents in two images, some of them in both at one place.
std::vector<PageRun> RandomRuns(std::mt19937_64& random, PageImages* images) {
  std::vector<PageRun> runs;
  for (std::uint64_t page = 0; page < 40; ++page) {
    if (random() % 3 == 0) continue;
    const auto image = static_cast<std::uint32_t>(random() % 8 == 0);
    const std::uint64_t offset = images->Append(kImages[image], random() % 3);
    PageRun run{page * kPageSize, 1, image, offset};
    if (random() % 6 == 0) {
      runs.push_back(run);
    } else {
      AppendRun(run, &runs);
    }
  }
  return runs;
}

TEST(PageDiffTest, AppendRunJoinsWhatGoesOn) {
  std::vector<PageRun> runs;
  AppendRun({0x1000, 2, 0, 0x5000}, &runs);
  AppendRun({0x3000, 1, 0, 0x7000}, &runs);  // goes on
  AppendRun({0x4000, 1, 1, 0x8000}, &runs);  // another image
  AppendRun({0x5000, 1, 1, 0xa000}, &runs);  // a gap in the image
  AppendRun({0x7000, 1, 1, 0xb000}, &runs);  // a gap in addresses
  AppendRun({0x8000, 1, 1, 0xc000}, &runs);
  ASSERT_EQ(runs.size(), 4u);
  EXPECT_EQ(runs[0].nr_pages, 3u);
  EXPECT_EQ(runs[3].nr_pages, 2u);
}

TEST(PageDiffTest, RunsInCutsAtBothEnds) {
  const std::vector<PageRun> runs = {{0x1000, 4, 0, 0x10000}, {0x8000, 2, 0, 0x20000}};
  EXPECT_TRUE(RunsIn(runs, {0x5000, 0x8000}).empty());
  EXPECT_TRUE(RunsIn({}, {0, 0x8000}).empty());
  EXPECT_EQ(Text(PagesOf(RunsIn(runs, {0x2000, 0x4000}))), "2:0+17 3:0+18 ");
  EXPECT_EQ(Text(PagesOf(RunsIn(runs, {0x4000, 0x9000}))), "4:0+19 8:0+32 ");
  EXPECT_EQ(RunsIn(runs, {0, 0x100000}).size(), 2u);
}

TEST(PageDiffTest, RunsInRandom) {
  std::mt19937_64 random(1);
  for (int round = 0; round < 2000; ++round) {
    PageImages images;
    const std::vector<PageRun> runs = RandomRuns(random, &images);
    const std::uint64_t start = random() % 41, end = start + random() % (41 - start);
    Pages expected = PagesOf(runs);
    std::erase_if(expected, [&](const auto& p) { return p.first < start || p.first >= end; });
    EXPECT_EQ(Text(PagesOf(RunsIn(runs, {start * kPageSize, end * kPageSize}))), Text(expected));
  }
}

TEST(PageDiffTest, DropsSpanPagesThatAreLoadedOrThatNobodyHas) {
  PageImages images;
  for (int i = 0; i < 8; ++i) images.Append("a.img", 1);
  Diagnostics diag;
  PageChanges changes;
  const std::vector<PageRun> present = {
      {0x1000, 1, 0, 0}, {0x3000, 1, 0, 0x1000}, {0x5000, 2, 0, 0x2000}};
  const std::vector<PageRun> wanted = {{0x4000, 1, 0, 0x5000}, {0x6000, 1, 0, 0x6000}};
  ASSERT_TRUE(Succeeded(DiffPages(present, wanted, kImages, images.Reader(), &changes, diag)));
  EXPECT_EQ(changes.drops, (std::vector<AddressRange>{{0x1000, 0x6000}}));
  EXPECT_EQ(Text(PagesOf(changes.loads)), "4:0+5 ");
}

TEST(PageDiffTest, AnUnreadableImageIsAnError) {
  PageImages images;
  images.Append("a.img", 1);
  Diagnostics diag;
  PageChanges changes;
  EXPECT_TRUE(Failed(DiffPages(std::vector<PageRun>{{0x1000, 1, 0, 0}},
                               std::vector<PageRun>{{0x1000, 1, 0, 0x1000}}, kImages,
                               images.Reader(), &changes, diag)));
  EXPECT_TRUE(diag.HasErrors());
}

TEST(PageDiffTest, LastByteOfALongRun) {
  PageImages images;
  for (int i = 0; i < 300; ++i) images.Append("a.img", 2);
  for (int i = 0; i < 300; ++i) images.Append("b.img", i % 64 == 63 || i == 299 ? 3 : 2);
  Diagnostics diag;
  PageChanges changes;
  ASSERT_TRUE(Succeeded(DiffPages(std::vector<PageRun>{{0x1000, 300, 0, 0}},
                                  std::vector<PageRun>{{0x1000, 300, 1, 0}}, kImages,
                                  images.Reader(), &changes, diag)));
  EXPECT_EQ(Text(PagesOf(changes.loads)), "64:1+63 128:1+127 192:1+191 256:1+255 300:1+299 ");
  EXPECT_TRUE(changes.drops.empty());
}

/// Images of holes, but for a few pages, each of which is of one byte. Counts what is read.
class SparseImages {
 public:
  static constexpr std::uint64_t kPages = std::uint64_t{1} << 24;  // 64 GiB

  void Set(const std::string& image, std::uint64_t page, char byte) { data_[image][page] = byte; }
  std::size_t reads() const { return reads_; }

  PageReader Reader() {
    const auto read = [this](const std::string& image, std::uint64_t offset, std::span<char> out,
                             Diagnostics&) {
      ++reads_;
      for (std::uint64_t at = 0; at < out.size(); at += kPageSize) {
        const auto page = data_[image].find((offset + at) / kPageSize);
        std::memset(&out[at], page == data_[image].end() ? 0 : page->second, kPageSize);
      }
      return Result::kOk;
    };
    const auto hole = [this](const std::string& image, std::uint64_t offset) {
      const auto next = data_[image].lower_bound(offset / kPageSize);
      return (next == data_[image].end() ? kPages : next->first) * kPageSize - offset;
    };
    return {read, hole};
  }

 private:
  std::map<std::string, std::map<std::uint64_t, char>> data_;
  std::size_t reads_ = 0;
};

TEST(PageDiffTest, WorkFollowsTheDataOfSparseImages) {
  SparseImages images;
  images.Set("a.img", 100, 'x');
  images.Set("b.img", 100, 'x');
  images.Set("a.img", 200'000, 'x');   // a hole in the other
  images.Set("b.img", 300'000, 'y');   // likewise
  images.Set("b.img", 400'000, '\0');  // which is equal
  images.Set("b.img", SparseImages::kPages - 1, 'y');
  constexpr std::uint64_t kStart = std::uint64_t{1} << 40;
  Diagnostics diag;
  PageChanges changes;
  const std::vector<PageRun> present = {{kPageSize, 1, 0, 0}, {kStart, SparseImages::kPages, 0, 0}};
  const std::vector<PageRun> wanted = {{kStart, SparseImages::kPages - 1, 1, 0},
                                       {kStart + (SparseImages::kPages - 1) * kPageSize, 1, 1,
                                        (SparseImages::kPages - 1) * kPageSize}};
  const PageReader read = images.Reader();
  ASSERT_TRUE(Succeeded(DiffPages(present, wanted, kImages, read, &changes, diag)));
  std::vector<std::uint64_t> loaded;
  for (const PageRun& run : changes.loads) {
    EXPECT_EQ(run.nr_pages, 1u);
    EXPECT_EQ(run.start - kStart, run.image_offset);
    loaded.push_back(run.image_offset / kPageSize);
  }
  EXPECT_EQ(loaded, (std::vector<std::uint64_t>{200'000, 300'000, SparseImages::kPages - 1}));
  EXPECT_EQ(changes.drops, (std::vector<AddressRange>{{kPageSize, 2 * kPageSize}}));
  EXPECT_LT(images.reads(), 20u);
}

/// A hole that both have is kept: what is dropped before it and behind it is dropped apart.
TEST(PageDiffTest, HolesAreKept) {
  SparseImages images;
  Diagnostics diag;
  PageChanges changes;
  const std::vector<PageRun> present = {{0x1000, 9, 0, 0}};
  const std::vector<PageRun> wanted = {{0x3000, 4, 1, 0}};
  const PageReader read = images.Reader();
  ASSERT_TRUE(Succeeded(DiffPages(present, wanted, kImages, read, &changes, diag)));
  EXPECT_EQ(changes.drops, (std::vector<AddressRange>{{0x1000, 0x3000}, {0x7000, 0xa000}}));
  EXPECT_TRUE(changes.loads.empty());
  EXPECT_EQ(images.reads(), 0u);
}

TEST(PageDiffTest, DiffRandom) {
  std::mt19937_64 random(2);
  for (int round = 0; round < 3000; ++round) {
    SCOPED_TRACE(round);
    PageImages images;
    const std::vector<PageRun> present = RandomRuns(random, &images);
    std::vector<PageRun> wanted = RandomRuns(random, &images);
    if (round % 5 == 0) wanted = RunsIn(present, {3 * kPageSize, 30 * kPageSize});
    Diagnostics diag;
    PageChanges changes;
    ASSERT_TRUE(Succeeded(DiffPages(present, wanted, kImages, images.Reader(), &changes, diag)));

    const Pages before = PagesOf(present), after = PagesOf(wanted);
    Pages loads;
    std::set<std::uint64_t> drops, kept;
    auto content = [&](const PageRun& run) {
      return images.At(kImages[run.image], run.image_offset);
    };
    for (const auto& [page, run] : after) {
      auto old = before.find(page);
      if (old == before.end() || content(old->second) != content(run)) {
        loads.emplace(page, run);
      } else {
        kept.insert(page);
      }
    }
    for (const auto& [page, run] : before) {
      if (!after.contains(page)) drops.insert(page);
    }
    EXPECT_EQ(Text(PagesOf(changes.loads)), Text(loads));
    // As few drops as there are groups with no page in between that stays.
    std::size_t groups = 0;
    std::uint64_t last = 0;
    for (std::uint64_t page : drops) {
      const bool parted = groups == 0 || kept.lower_bound(last) != kept.lower_bound(page);
      groups += parted ? 1 : 0;
      last = page;
    }
    EXPECT_EQ(changes.drops.size(), groups);
    std::uint64_t end = 0;
    for (const AddressRange& drop : changes.drops) {
      EXPECT_GE(drop.start, end);
      end = drop.end;
      for (std::uint64_t page = drop.start / kPageSize; page < drop.end / kPageSize; ++page) {
        EXPECT_FALSE(kept.contains(page));
        drops.erase(page);
      }
    }
    EXPECT_TRUE(drops.empty());
  }
}

}  // namespace
}  // namespace crgen::test
