// SPDX-License-Identifier: Apache-2.0
// Dumps out of archives: the same snapshot as out of folders, and what is refused.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <random>

#include "dsl/json/program_json.h"
#include "generator/generate.h"
#include "images/dump.h"
#include "images/source/archive.h"
#include "images/source/archive_reader.h"
#include "tests/support/lines.h"
#include "tests/support/tar_maker.h"

namespace crgen::test {
namespace {

namespace fs = std::filesystem;

/// The plan of a source, as text; what was found, where there is none.
std::string PlanOf(ImageSource& source) {
  Snapshot snapshot;
  Diagnostics diag;
  const PageReader read = PageReaderOf(source);
  Program program;
  if (Failed(LoadDump(source, &snapshot, diag)) ||
      GenerateProgram(snapshot, {}, read, &program, diag) != GenerateOutcome::kOk) {
    std::string text;
    for (const std::string& line : GradedLines(diag)) text += line + "\n";
    return text;
  }
  return WriteProgram(program, Layout::kLines);
}

std::string PlanOfArchive(const std::string& bytes, NewFolder* extract = nullptr) {
  Diagnostics diag;
  const auto source = OpenArchiveBytes(bytes, extract, diag);
  EXPECT_EQ(GradedLines(diag), std::vector<std::string>());
  return source == nullptr ? "" : PlanOf(*source);
}

/// The one finding of an archive that is refused.
std::string Refusal(const std::string& bytes) {
  Diagnostics diag;
  EXPECT_EQ(OpenArchiveBytes(bytes, nullptr, diag), nullptr);
  return diag.entries().size() == 1 ? diag.entries()[0].where + ": " + diag.entries()[0].what
                                    : std::to_string(diag.entries().size()) + " findings";
}

const Files& Threads() {
  static const Files files = ReadFixture("threads");
  return files;
}

/// A dump in an archive, with something else behind it.
std::string With(const std::string& more) { return TarOf(Threads(), "dump/") + more + TarEnd(); }

TEST(Archives, HaveThePlanOfTheFolder) {
  for (const std::string& name : FixtureNames()) {
    SCOPED_TRACE(name);
    const Files files = ReadFixture(name);
    const std::string plan = PlanOf(*OpenMemory(files));
    EXPECT_TRUE(plan.starts_with("[") || name == "pipeline") << plan;
    for (const char* how : {"", "gzip", "zstd", "xz"}) {
      EXPECT_EQ(PlanOfArchive(Compressed(TarOf(files, "checkpoint/") + TarEnd(), how)), plan)
          << how;
    }
    EXPECT_EQ(PlanOfArchive(TarOf(files, "") + TarEnd()), plan);
    EXPECT_EQ(PlanOfArchive(TarOf(files, "./a//b/") + TarEnd()), plan);
  }
}

TEST(Archives, OfEngines) {
  const std::string plan = PlanOf(*OpenMemory(Threads()));
  const std::string beside = TarFile("config.dump", "{}") + TarFile("stats-dump", "?") +
                             TarFile("rootfs-diff.tar", TarEnd()) + TarFile("disk.img", "raw");
  EXPECT_EQ(PlanOfArchive(beside + TarOf(Threads(), "checkpoint/") + TarFile("spec.dump", "{}") +
                          TarEnd()),
            plan);
}

class ExtractTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "crgen-extract-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { fs::remove_all(folder_); }

  static mode_t ModeOf(const fs::path& path) {
    struct stat info = {};
    EXPECT_EQ(lstat(path.c_str(), &info), 0) << path;
    return info.st_mode & 07777;
  }

  fs::path folder_;
};

/// Also of a parent set, whose pages the plan names as "parent/pages-1.img".
TEST_F(ExtractTest, WritesWhatRestoresRead) {
  const Files files = ReadFixture("incremental");
  NewFolder extract(folder_ / "images");
  Diagnostics diag;
  ASSERT_EQ(extract.Create(diag), Result::kOk);
  EXPECT_EQ(PlanOfArchive(TarOf(files, "x/") + TarEnd(), &extract), PlanOf(*OpenMemory(files)));
  std::size_t pages = 0, others = 0, in_parents = 0;
  for (const auto& [name, content] : files) {
    const fs::path path = folder_ / "images" / name;
    if (fs::path(name).filename().string().starts_with("pages-")) {
      ++pages;
      in_parents += name.starts_with("parent/");
      std::ifstream in(path, std::ios::binary);
      EXPECT_EQ(std::string(std::istreambuf_iterator<char>(in), {}), content) << name;
      EXPECT_EQ(ModeOf(path), 0600u);
    } else if (name.ends_with("core-1.img") || name.ends_with("pstree.img")) {
      ++others;
      EXPECT_FALSE(fs::exists(path)) << name;
    }
  }
  EXPECT_GT(pages, 1u);
  EXPECT_GT(others, 0u);
  EXPECT_GT(in_parents, 0u);
  EXPECT_EQ(ModeOf(folder_ / "images"), 0700u);
}

TEST_F(ExtractTest, LeavesNothingUnlessItIsKept) {
  for (const bool keep : {false, true}) {
    std::optional<NewFolder> extract(std::in_place, folder_ / "images/");
    Diagnostics diag;
    ASSERT_EQ(extract->Create(diag), Result::kOk);
    PlanOfArchive(TarOf(ReadFixture("incremental"), "") + TarEnd(), &*extract);
    if (keep) extract->Keep();
    EXPECT_FALSE(fs::is_empty(folder_ / "images"));
    extract.reset();
    EXPECT_EQ(fs::exists(folder_ / "images"), keep);
  }
}

TEST_F(ExtractTest, ReplacesNothing) {
  fs::create_directory(folder_ / "there");
  fs::create_directory_symlink(folder_ / "there", folder_ / "link");
  fs::create_directory_symlink(folder_ / "none", folder_ / "dangling");
  for (const char* name : {"there", "link", "dangling"}) {
    NewFolder extract(folder_ / name);
    Diagnostics diag;
    EXPECT_EQ(extract.Create(diag), Result::kError);
    EXPECT_EQ(GradedLines(diag),
              std::vector<std::string>{"error " + (folder_ / name).string() +
                                       ": exists; expected the name of a new folder"});
  }
  EXPECT_TRUE(fs::is_empty(folder_ / "there"));
  EXPECT_FALSE(fs::exists(folder_ / "none"));
}

TEST(Archives, WithAnythingButFilesAndFoldersAreRefused) {
  const std::string end = ", expected files and folders";
  EXPECT_EQ(Refusal(With(TarBlock("dump/a", {'2', "/etc"}))),
            "archive: dump/a: is a symbolic link" + end);
  EXPECT_EQ(Refusal(With(TarBlock("b", {'1', "dump/core-1.img"}))),
            "archive: b: is a hard link" + end);
  EXPECT_EQ(Refusal(With(TarBlock("c", {'3'}))), "archive: c: is a character device" + end);
  EXPECT_EQ(Refusal(With(TarBlock("d", {'4'}))), "archive: d: is a block device" + end);
  EXPECT_EQ(Refusal(With(TarBlock("e", {'6'}))), "archive: e: is a FIFO" + end);
  EXPECT_EQ(Refusal(With(TarBlock("dump/parent", {'2', "../other"}))),
            "archive: dump/parent: is a symbolic link" + end +
                "; tar --dereference packs what the link of an incremental dump leads to");
}

TEST(Archives, WithNamesThatLeadElsewhereAreRefused) {
  for (const char* name : {"..", "../x", "dump/../../x", "dump/..", "./../x"}) {
    EXPECT_EQ(Refusal(With(TarFile(name, "x"))),
              std::string("archive: ") + name + ": has a name that leads out of its folder");
  }
  EXPECT_EQ(Refusal(With(TarFile("/etc/passwd", "x"))),
            "archive: /etc/passwd: has an absolute name");
  EXPECT_EQ(Refusal(With(TarBlock("/", {'5'}))), "archive: /: has an absolute name");
  EXPECT_EQ(Refusal(With(TarFile(".", "x"))), "archive: .: has no name");
  const std::string name(5000, 'n');
  EXPECT_EQ(
      Refusal(With(PaxHeader(PaxRecord("path", name)) + TarFile("x", "x"))),
      "archive: " + name.substr(0, 64) + "…: has a name of 5000 bytes, expected at most 4095");
}

TEST(Archives, WithOneNameTwiceAreRefused) {
  const std::string name = Threads().begin()->first;
  EXPECT_EQ(Refusal(With(TarFile("./dump//" + name, "x"))),
            "archive: dump/" + name + ": stands there twice");
  EXPECT_EQ(Refusal(With(TarFile("a", "x") + TarFile("a", "x"))), "archive: a: stands there twice");
  EXPECT_EQ(Refusal(With(TarFile("other/pstree.img", "x"))),
            "archive: other/pstree.img: is an image in a second folder; the first is \"dump/\", "
            "expected one");
}

TEST(Archives, WithTooMuchAreRefused) {
  const std::uint64_t huge = std::uint64_t{1} << 50;
  const std::string most = ", expected at most 1099511627776 in all files";
  EXPECT_EQ(Refusal(With(TarBlock("dump/pages-9.img", {'0', "", huge}))),
            "archive: dump/pages-9.img: has " + std::to_string(huge) + " bytes" + most);
  EXPECT_EQ(Refusal(With(TarSparse("dump/pages-9.img", huge))),
            "archive: dump/pages-9.img: has " + std::to_string(huge) + " bytes" + most);
  const std::uint64_t half = archive_bound::kSize / 2;
  EXPECT_EQ(Refusal(TarSparse("a", half) + TarSparse("b", half) + TarSparse("c", 1) + TarEnd()),
            "archive: c: has 1 bytes" + most);
  EXPECT_EQ(Refusal(With(TarSparse("dump/core-9.img", 1 << 21))),
            "archive: dump/core-9.img: has more than 1048576 bytes of holes, which no image has");
  EXPECT_EQ(Refusal(With(TarSparse("dump/core-9.img", archive_bound::kHeld + 1))),
            "archive: dump/core-9.img: has 1073741825 bytes, expected at most 1073741824 in all "
            "images but those of pages");
}

TEST(Archives, WithTooManyBytesOfNamesAreRefused) {
  std::string many;
  const std::size_t count = archive_bound::kNameBytes / archive_bound::kName + 1;
  for (std::size_t i = 0; i < count; ++i) {
    std::string name = std::to_string(i);
    name.resize(archive_bound::kName, 'n');
    many += PaxHeader(PaxRecord("path", name)) + TarFile("x", "");
  }
  const std::string refusal = Refusal(many + TarEnd());
  EXPECT_TRUE(refusal.starts_with("archive: " + std::to_string(count - 1) + "nnn"));
  EXPECT_TRUE(refusal.ends_with("n: all names together have more than 67108864 bytes"));
}

/// Whoever has more pages than are held extracts them: then they are compared there.
TEST_F(ExtractTest, ComparesWhatIsTooLargeForMemory) {
  const Files files = ReadFixture("cow_memory");
  const std::string tar =
      TarOf(files, "") + TarSparse("pages-99.img", archive_bound::kPages) + TarEnd();
  Diagnostics diag;
  const auto source = OpenArchiveBytes(tar, nullptr, diag);
  ASSERT_NE(source, nullptr);
  const std::string refused = PlanOf(*source);
  EXPECT_NE(refused.find("expected at most 4294967296; --extract DIR compares them there"),
            refused.npos)
      << refused;
  NewFolder extract(folder_ / "images");
  ASSERT_EQ(extract.Create(diag), Result::kOk);
  EXPECT_EQ(PlanOfArchive(tar, &extract), PlanOf(*OpenMemory(files)));
}

TEST(Archives, WithTooManyEntriesAreRefused) {
  std::string many;
  many.reserve((archive_bound::kEntries + 1) * 512);
  const std::string folder = TarBlock("f/", {'5'});
  for (std::uint64_t i = 0; i < archive_bound::kEntries; ++i) many += folder;
  EXPECT_EQ(Refusal(many + TarBlock("last/", {'5'}) + TarEnd()),
            "archive: last: is entry 524289, expected at most 524288");
  EXPECT_EQ(Refusal(many + TarEnd()), "archive: has no images of CRIU in it");
}

TEST(Archives, ThatExpandWithoutEndAreRefused) {
  const std::string zeros(std::size_t{260} << 20, '\0');
  for (const char* how : {"gzip", "zstd"}) {
    const std::string refusal =
        Refusal(Compressed(TarBlock("bomb", {'0', "", zeros.size()}) + zeros + TarEnd(), how));
    EXPECT_TRUE(refusal.starts_with("archive: bomb: 268")) << refusal;
    EXPECT_NE(refusal.find("expected at most 500 times as many"), refusal.npos) << refusal;
  }
  EXPECT_EQ(Refusal(Compressed(Compressed(With(""), "gzip"), "xz")),
            "archive: is compressed 2 times, expected once");
}

TEST(Archives, ThatAreNoneAreRefused) {
  const std::string none = "archive: is no archive (.tar, .tar.gz, .tar.zst, .tar.xz): ";
  EXPECT_TRUE(Refusal("").starts_with(none));
  EXPECT_TRUE(Refusal("[{\"command\": \"FORK\"}]").starts_with(none));
  EXPECT_EQ(Refusal(TarEnd()), "archive: has no images of CRIU in it");
  const std::string cut = With("");
  EXPECT_TRUE(Refusal(cut.substr(0, cut.size() / 2 / 512 * 512 + 100))
                  .find(": is cut short, or damaged: ") != std::string::npos);
  const std::string zstd = Compressed(cut, "zstd");
  EXPECT_TRUE(Refusal(zstd.substr(0, zstd.size() / 3)).find("is cut short, or damaged: ") !=
              std::string::npos);
}

/// Whatever is changed: a source or a finding, each with a place, and the same one both times.
TEST(Archives, ThatAreDamagedCrashNothing) {
  std::minstd_rand random(1);
  Files files = Threads();
  for (auto& [name, content] : files) content.resize(std::min<std::size_t>(content.size(), 600));
  const std::string tar = TarOf(files, "dump/") + TarEnd();
  std::size_t refused = 0, read = 0;
  for (int i = 0; i < 600; ++i) {
    std::string bytes = i % 3 == 0 ? tar : Compressed(tar, i % 3 == 1 ? "gzip" : "zstd");
    for (int change = 0; change <= i % 4; ++change) {
      bytes[random() % bytes.size()] = static_cast<char>(random());
    }
    Diagnostics diag;
    const auto source = OpenArchiveBytes(bytes, nullptr, diag);
    ++(source == nullptr ? refused : read);
    EXPECT_EQ(source == nullptr, diag.HasErrors());
    if (source != nullptr) {
      EXPECT_NE(PlanOf(*source), "");
    }
  }
  EXPECT_GT(refused, 50u);
  EXPECT_GT(read, 50u);
}

}  // namespace
}  // namespace crgen::test
