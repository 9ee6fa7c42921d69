// SPDX-License-Identifier: Apache-2.0
// The framing of images, and the table of their kinds, on all fixtures.
#include <gtest/gtest.h>
#include <regex.h>

#include "images/image_reader.h"
#include "tests/support/image_builder.h"

namespace crgen {
namespace {

using namespace test;  // NOLINT: the vocabulary of these tests

std::string FileName(const std::string& path) { return path.substr(path.rfind('/') + 1); }

/// The pattern of an image's name as an extended regular expression.
std::string ExpressionOf(std::string_view pattern) {
  std::string text = "^";
  for (char c : pattern) {
    if (c == '#') {
      text += "(0|[1-9][0-9]*)";
    } else if (c == '%') {
      text += "(0|[1-9a-f][0-9a-f]*)";
    } else {
      text += c == '.' ? "[.]" : std::string(1, c);
    }
  }
  return text + "$";
}

/// The rows of the table that match, by a matcher of its own.
std::vector<const ImageKind*> RowsOf(const std::string& name) {
  // Never freed, as regex_t has no destructor.
  static const std::vector<regex_t>& expressions = *[] {
    auto& all = *new std::vector<regex_t>(ImageKinds().size());
    for (std::size_t i = 0; i < all.size(); ++i) {
      EXPECT_EQ(
          regcomp(&all[i], ExpressionOf(ImageKinds()[i].pattern).c_str(), REG_EXTENDED | REG_NOSUB),
          0);
    }
    return &all;
  }();
  std::vector<const ImageKind*> rows;
  for (std::size_t i = 0; i < expressions.size(); ++i) {
    if (regexec(&expressions[i], name.c_str(), 0, nullptr, 0) == 0) {
      rows.push_back(&ImageKinds()[i]);
    }
  }
  return rows;
}

TEST(ImageFraming, EveryFixtureFileIsInOneRowOfTheTable) {
  std::size_t files = 0;
  for (const std::string& fixture : FixtureNames()) {
    for (const auto& [path, content] : ReadFixture(fixture)) {
      const std::vector<const ImageKind*> rows = RowsOf(FileName(path));
      ASSERT_EQ(rows.size(), 1u) << fixture << "/" << path;
      std::uint64_t number = 0;
      EXPECT_EQ(FindImageKind(FileName(path), &number), rows[0]) << fixture << "/" << path;
      ++files;
    }
  }
  EXPECT_GT(files, 700u);
}

TEST(ImageFraming, WhatIsReadIsWhatWasWritten) {
  std::size_t images = 0;
  for (const std::string& fixture : FixtureNames()) {
    for (const auto& [path, content] : ReadFixture(fixture)) {
      const ImageKind& kind = *RowsOf(FileName(path))[0];
      if (kind.payload != Payload::kNone) continue;
      SCOPED_TRACE(fixture + "/" + path);
      Diagnostics diag;
      ImageReader reader(path, content);
      ASSERT_EQ(reader.ReadMagic(kind, diag), Result::kOk);
      std::string again = MagicsOf(kind.name);
      while (!reader.AtEnd()) {
        std::string_view entry;
        ASSERT_EQ(reader.Next(&entry, diag), Result::kOk);
        AppendEntry(entry, &again);
      }
      EXPECT_EQ(again, content);
      EXPECT_TRUE(!kind.following.empty() || reader.count() == 1);
      ++images;
    }
  }
  EXPECT_GT(images, 600u);
}

TEST(ImageFraming, Names) {
  struct Case {
    std::string name, kind;
    std::uint64_t number = 0;
  };
  for (const Case& test :
       std::vector<Case>{{"inventory.img", "INVENTORY"},
                         {"core-1.img", "CORE", 1},
                         {"core-4194303.img", "CORE", 4194303},
                         {"core-18446744073709551615.img", "CORE", 18446744073709551615u},
                         {"pagemap-7.img", "PAGEMAP", 7},
                         {"pagemap-shmem-7.img", "SHMEM_PAGEMAP", 7},
                         {"timens-0.img", "TIMENS", 0},
                         {"ghost-file-1f.img", "GHOST_FILE", 31},
                         {"stats-dump", "STATS"},
                         {"core-18446744073709551616.img", ""},
                         {"core-.img", ""},
                         {"core-01.img", ""},
                         {"core-+1.img", ""},
                         {"core--1.img", ""},
                         {"core-1.img.bak", ""},
                         {"core-1 .img", ""},
                         {"core-1f.img", ""},
                         {"xcore-1.img", ""},
                         {"inventory.img~", ""},
                         {"ghost-file-1g.img", ""},
                         {"dump.log", ""},
                         {"", ""}}) {
    std::uint64_t number = 0;
    const ImageKind* kind = FindImageKind(test.name, &number);
    EXPECT_EQ(kind == nullptr ? "" : kind->name, test.kind) << test.name;
    if (kind != nullptr) {
      EXPECT_EQ(number, test.number) << test.name;
    }
  }
}

TEST(ImageFraming, EmptyEntriesAndEmptyLists) {
  const std::string content = MagicsOf("FILES") + Entry("") + Entry("ab") + Entry("");
  Diagnostics diag;
  ImageReader reader("files.img", content);
  std::string_view entry;
  ASSERT_EQ(reader.ReadMagic(ImageKindNamed("FILES"), diag), Result::kOk);
  EXPECT_EQ(reader.Where(), "files.img[0]");
  for (std::string_view expected : {"", "ab", ""}) {
    ASSERT_FALSE(reader.AtEnd());
    ASSERT_EQ(reader.Next(&entry, diag), Result::kOk);
    EXPECT_EQ(entry, expected);
  }
  EXPECT_EQ(reader.Where("reg.name"), "files.img[2].reg.name");
  EXPECT_TRUE(reader.AtEnd());
  ImageReader empty("files.img", std::string_view(content).substr(0, 8));
  ASSERT_EQ(empty.ReadMagic(ImageKindNamed("FILES"), diag), Result::kOk);
  EXPECT_TRUE(empty.AtEnd());
}

}  // namespace
}  // namespace crgen
