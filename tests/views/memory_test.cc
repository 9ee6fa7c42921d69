// SPDX-License-Identifier: Apache-2.0
// `crgen memory`: what is found in a stream of bytes does not depend on how it is cut; what is
// printed is what the images have, those of parents included.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <vector>

#include "tests/support/cli_fixture.h"
#include "views/memory_search.h"

namespace crgen::test {
namespace {

struct Found {
  std::uint64_t address;
  std::size_t size;
  friend bool operator==(const Found&, const Found&) = default;
};

std::vector<Found> FindIn(const BytePattern& pattern, const std::vector<std::string>& pieces,
                          std::size_t most = ~std::size_t{0}) {
  std::vector<Found> found;
  StreamSearch search(pattern, [&](std::uint64_t address, std::size_t size, std::string_view) {
    found.push_back({address, size});
    return found.size() < most;
  });
  std::uint64_t address = 0x10000;
  for (const std::string& piece : pieces) {
    if (!search.Add(address, piece)) return found;
    address += piece.size();
  }
  search.End();
  return found;
}

std::unique_ptr<BytePattern> Regex(const std::string& text) {
  std::string problem;
  auto pattern = RegexPattern(text, &problem);
  EXPECT_NE(pattern, nullptr) << problem;
  return pattern;
}

TEST(MemorySearch, FindsTheSameHoweverTheBytesAreCut) {
  std::mt19937 random(7);
  for (const char* regex : {"ab+", "\\bb", "^a", "b$", "a.{3}b", "(?s)a.*?b", "x|", "c[^a]*c"}) {
    const auto pattern = Regex(regex);
    for (int round = 0; round < 40; ++round) {
      // Longer than what is held back, so that pieces are searched before the next ones come.
      std::string text(StreamSearch::kLongest * 3 + random() % 1000, '.');
      for (int i = 0; i < 60; ++i) text[random() % text.size()] = "abcx \n"[random() % 6];
      for (const std::size_t at : {std::size_t{0}, text.size() - 1}) text[at] = "ab"[random() % 2];
      std::vector<std::string> pieces;
      for (std::size_t at = 0; at < text.size();) {
        const std::size_t size = std::min<std::size_t>(1 + random() % 40000, text.size() - at);
        pieces.push_back(text.substr(at, size));
        at += size;
      }
      // A match that goes on behind what is held back may be cut.
      const bool bounded = std::strcmp(regex, "(?s)a.*?b") != 0 && *regex != 'c';
      const auto whole = FindIn(*pattern, {text}, 200), cut = FindIn(*pattern, pieces, 200);
      if (bounded) {
        EXPECT_EQ(whole.size(), cut.size()) << regex;
        EXPECT_TRUE(whole == cut) << regex << " round " << round;
      }
      for (const Found& found : cut) EXPECT_LE(found.address - 0x10000 + found.size, text.size());
    }
  }
}

TEST(MemorySearch, FindsWhatLiesAcrossPiecesButNotAcrossHoles) {
  std::string problem;
  const auto pattern = HexPattern("70 61 7373", &problem);
  ASSERT_NE(pattern, nullptr) << problem;
  EXPECT_EQ(FindIn(*pattern, {"..p", "a", "ss.."}), (std::vector<Found>{{0x10002, 4}}));
  std::vector<std::uint64_t> found;
  StreamSearch search(*pattern, [&](std::uint64_t address, std::size_t, std::string_view) {
    found.push_back(address);
    return true;
  });
  EXPECT_TRUE(search.Add(0x1000, "..pa"));
  EXPECT_TRUE(search.Add(0x9000, "ss..pass"));
  EXPECT_TRUE(search.End());
  EXPECT_EQ(found, (std::vector<std::uint64_t>{0x9004}));
}

TEST(MemorySearch, StopsWhenNoMoreIsWanted) {
  const auto pattern = Regex("a(.*b)?");
  // Each match looks to the end for a `b`.
  const std::string text(StreamSearch::kLongest * 4, 'a');
  EXPECT_EQ(FindIn(*pattern, {text, text}, 5).size(), 5U);
}

TEST(MemorySearch, SaysWhatIsNoPattern) {
  std::string problem;
  for (const char* wrong : {"", "7", "7f4", "0x7f", "zz", " "}) {
    problem.clear();
    EXPECT_EQ(HexPattern(wrong, &problem), nullptr) << wrong;
    EXPECT_NE(problem, "") << wrong;
  }
  for (const char* wrong : {"(", "a{9999}", "(a{1000}){1000}", "\\1"}) {
    problem.clear();
    EXPECT_EQ(RegexPattern(wrong, &problem), nullptr) << wrong;
    EXPECT_NE(problem, "") << wrong;
  }
}

class MemoryTest : public CliTest {
 protected:
  /// The bytes of `--at`, of lines that are not repeated.
  static std::string BytesIn(const std::string& printed) {
    std::string bytes;
    std::istringstream lines(printed);
    for (std::string line; std::getline(lines, line);) {
      if (!line.starts_with("  ") || line.find('|') == line.npos) continue;
      std::istringstream words(line.substr(0, line.find('|')));
      std::string word;
      words >> word;  // address
      while (words >> word) bytes += static_cast<char>(std::stoi(word, nullptr, 16));
    }
    return bytes;
  }
};

TEST_F(MemoryTest, PrintsWhatTheImagesHave) {
  // Where tests/golden/incremental.json loads them from: this dump, and both of its parents.
  const struct {
    const char* place;
    const char* image;
    std::size_t offset;
  } cases[] = {{"10000000", "parent/parent/pages-2.img", 16384},
               {"10004000", "parent/pages-2.img", 12288},
               {"10008000", "pages-2.img", 12288},
               {"0x20002000", "parent/pages-1.img", 0},
               {"7ffed5d67000", "pages-2.img", 53248}};
  for (const auto& test : cases) {
    const Ran run =
        Crgen("memory --pid 32400 --at " + std::string(test.place) + ",64 " + Dump("incremental"));
    EXPECT_EQ(run.code, 0) << run.err;
    const std::string image = ReadFileText(fs::path(Dump("incremental")) / test.image);
    std::string expected;
    for (std::size_t at = 0; at < 64; at += 16) {  // repeated lines are printed once
      const std::string line = image.substr(test.offset + at, 16);
      if (expected.size() < 16 || expected.substr(expected.size() - 16) != line) expected += line;
    }
    EXPECT_EQ(BytesIn(run.out), expected) << test.place << "\n" << run.out;
  }
}

TEST_F(MemoryTest, SaysWhatIsNotInTheDump) {
  const Ran file = Crgen("memory --pid 32400 --at 402000,4096 " + Dump("incremental"));
  EXPECT_NE(file.out.find("/program at 0x1000"), std::string::npos) << file.out;
  EXPECT_NE(file.out.find("402000-403000  as the file has it"), std::string::npos) << file.out;
  const Ran gap = Crgen("memory --pid 32400 --at 10000,16 " + Dump("incremental"));
  EXPECT_NE(gap.out.find("10000-10010  not mapped"), std::string::npos) << gap.out;
  const Ran zero = Crgen("memory --pid 32400 --at 23b19000,16 " + Dump("incremental"));
  EXPECT_NE(zero.out.find("nobody has written"), std::string::npos) << zero.out;
  const Ran end = Crgen("memory --pid 32400 --at ffffffffffffff00,1000 " + Dump("incremental"));
  EXPECT_EQ(end.code, 0) << end.err;
}

TEST_F(MemoryTest, SearchesAndListsText) {
  const std::string dump = Dump("threads") + " --pid 31500 ";
  const Ran text = Crgen("memory " + dump + "--search '/tmp/crgen-fixture/[a-z]+'");
  EXPECT_EQ(text.code, 0) << text.err;
  EXPECT_NE(text.out.find("  /tmp/crgen-fixture/threads\n"), std::string::npos) << text.out;
  EXPECT_NE(text.out.find("[stack]+0x"), std::string::npos) << text.out;
  const Ran bytes = Crgen("memory " + dump + "--bytes 2f746d702f637267656e");  // "/tmp/crgen"
  const auto lines = [](const std::string& out) { return std::ranges::count(out, '\n'); };
  EXPECT_EQ(lines(bytes.out), lines(text.out));
  const Ran strings = Crgen("memory " + dump + "--strings");
  EXPECT_NE(strings.out.find("/tmp/crgen-fixture/threads"), std::string::npos);
  const Ran none = Crgen("memory " + dump + "--search 'there is no such text'");
  EXPECT_EQ(none.code, 0);
  EXPECT_TRUE(none.out.starts_with("0 matches in ")) << none.out;
  const Ran many = Crgen("memory " + dump + "--limit 3 --search '(.*x)?'");
  EXPECT_NE(many.out.find("more than 3 matches"), std::string::npos) << many.out;
}

TEST_F(MemoryTest, RefusesWhatNobodyCanShow) {
  EXPECT_EQ(Crgen("memory --pid 31500 " + Dump("threads")).code, 2);
  EXPECT_EQ(Crgen("memory --strings " + Dump("threads")).code, 2);
  EXPECT_EQ(Crgen("memory --pid 5 --strings " + Dump("threads")).code, 2);
  EXPECT_EQ(Crgen("memory --pid 31500 --at xyz " + Dump("threads")).code, 2);
  EXPECT_EQ(Crgen("memory --pid 31500 --at 1000,0 " + Dump("threads")).code, 2);
  EXPECT_EQ(Crgen("memory --pid 31500 --search '(' " + Dump("threads")).code, 2);
  EXPECT_EQ(Crgen("memory --pid 31500 --search x --bytes 00 " + Dump("threads")).code, 2);
  const Ran zombie = Crgen("memory --pid 31601 --strings " + Dump("zombies"));
  EXPECT_EQ(zombie.code, 2);
  EXPECT_NE(zombie.err.find("is a zombie"), std::string::npos) << zombie.err;
}

TEST_F(MemoryTest, SaysWhichImageCannotBeRead) {
  const fs::path dump = CopyOf("threads");
  for (const auto& image : fs::directory_iterator(dump)) {
    if (image.path().filename().string().starts_with("pages-")) fs::remove(image);
  }
  const Ran run = Crgen("memory --pid 31500 --strings " + dump.string());
  EXPECT_EQ(run.code, 3);
  EXPECT_NE(run.err.find("pages-"), std::string::npos) << run.err;
  const Ran core =
      Crgen("core --pid 31500 -o " + (folder_ / "core").string() + " " + dump.string());
  EXPECT_EQ(core.code, 3);
}

}  // namespace
}  // namespace crgen::test
