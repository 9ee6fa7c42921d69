// SPDX-License-Identifier: Apache-2.0
// Files that threads read ahead, against the files themselves.
#include "images/source/read_ahead.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

namespace crgen {
namespace {

constexpr unsigned kSeed = 20240701;

/// Some 8 MB in 2,000 files: more than is held at once. Every tenth one cannot be read.
class ReadAheadTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::mt19937 random(kSeed);
    std::map<std::string, std::string> files;
    for (int i = 0; i < 2000; ++i) {
      names_.push_back("file" + std::to_string(i));
      contents_.emplace_back(random() % 8192, static_cast<char>(random()));
      if (i % 10 != 0) files[names_.back()] = contents_.back();
    }
    source_ = OpenMemory(std::move(files));
  }

  std::vector<const std::string*> Names() const {
    std::vector<const std::string*> names;
    for (const std::string& name : names_) names.push_back(&name);
    return names;
  }

  std::vector<std::string> names_;
  std::vector<std::string> contents_;
  std::unique_ptr<ImageSource> source_;
};

TEST_F(ReadAheadTest, GivesEachFileOnceInAnyOrder) {
  for (const unsigned threads : {1U, 2U, 5U}) {
    for (const int disorder : {0, 20, 2000}) {
      ReadAhead ahead(*source_, Names(), threads);
      std::mt19937 random(kSeed + disorder);
      std::vector<std::size_t> order(names_.size());
      for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
      for (std::size_t i = 0; disorder != 0 && i < order.size(); ++i) {
        const std::size_t last = std::min(order.size() - 1, i + disorder);
        std::swap(order[i], order[i + random() % (last - i + 1)]);
      }
      std::string content;
      for (const std::size_t index : order) {
        if (ahead.Take(index, &content)) {
          EXPECT_NE(index % 10, 0U) << "a file that cannot be read";
          EXPECT_EQ(content, contents_[index]) << index;
        }
        EXPECT_FALSE(ahead.Take(index, &content)) << "a second time";
      }
    }
  }
}

TEST_F(ReadAheadTest, EndsBeforeAllIsTaken) {
  for (int run = 0; run < 200; ++run) {
    ReadAhead ahead(*source_, Names(), 3);
    std::string content;
    for (int i = 0; i < run; ++i) (void)ahead.Take(static_cast<std::size_t>(i), &content);
  }
}

TEST_F(ReadAheadTest, ReadsNothingOfNothing) { ReadAhead ahead(*source_, {}, 2); }

}  // namespace
}  // namespace crgen
