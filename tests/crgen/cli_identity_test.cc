// SPDX-License-Identifier: Apache-2.0
// A plan is bound to its dump, as a user meets it.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "model/digest.h"
#include "tests/support/cli_fixture.h"
#include "tests/support/tar_maker.h"

namespace crgen::test {
namespace {

using Json = nlohmann::json;

class CliIdentityTest : public CliTest {
 protected:
  std::string Write(const std::string& name, const std::string& bytes) {
    std::ofstream(folder_ / name, std::ios::binary) << bytes;
    return (folder_ / name).string();
  }
  /// `about.dump` of what `crgen arguments` prints.
  Json DumpOf(const std::string& arguments) {
    const Ran run = Crgen(arguments);
    EXPECT_EQ(run.code, 0) << run.err;
    return run.code == 0 ? Json::parse(run.out)[0]["about"]["dump"] : Json();
  }
  /// What `crgen validate` says of `plan` against `dump`.
  Ran Against(const std::string& plan, const fs::path& dump) {
    return Crgen("validate " + plan + " --against " + dump.string());
  }
};

void Flip(const fs::path& file, std::size_t at) {
  std::string bytes = ReadFileText(file);
  bytes[at] = static_cast<char>(bytes[at] ^ 1);
  std::ofstream(file, std::ios::binary) << bytes;
}

TEST_F(CliIdentityTest, SizesAlwaysAndDigestsOnRequest) {
  for (const char* name : {"shared_fds", "incremental", "pipeline"}) {
    const Json plain = DumpOf(Dump(name)), summed = DumpOf("--digest " + Dump(name));
    EXPECT_EQ(plain["id"].get<std::string>().size(), 36U);
    ASSERT_FALSE(plain["images"].empty());
    ASSERT_EQ(plain["images"].size(), summed["images"].size());
    for (std::size_t i = 0; i < plain["images"].size(); ++i) {
      Json with = plain["images"][i];
      const std::string bytes = ReadFileText(fs::path(Dump(name)) / with["name"]);
      EXPECT_EQ(with["size"], bytes.size());
      EXPECT_FALSE(with.contains("digest"));
      Sha256 sum;
      sum.Add(bytes);
      with["digest"] = sum.Finish().text;
      EXPECT_EQ(summed["images"][i], with);
    }
  }
}

/// However many threads, and however the dump is packed.
TEST_F(CliIdentityTest, OneDumpHasOneText) {
  const Files files = ReadFixture("incremental");
  const std::string plan = Crgen("--digest --threads 1 " + Dump("incremental")).out;
  EXPECT_EQ(Crgen("--digest --threads 7 " + Dump("incremental")).out, plan);
  for (const char* how : {"", "gzip", "zstd", "xz"}) {
    const std::string archive =
        Write("dump.tar", Compressed(TarOf(files, "checkpoint/") + TarEnd(), how));
    EXPECT_EQ(Crgen("--digest " + archive).out, plan) << how;
    const std::string extract = (folder_ / (std::string("x") + how)).string();
    EXPECT_EQ(Crgen("--digest " + archive + " --extract " + extract).out, plan) << how;
    EXPECT_EQ(Against(Write("plan.json", plan), archive).code, 0) << how;
  }
}

TEST_F(CliIdentityTest, ComparesSizesDigestsAndTheRun) {
  const std::string plain = Write("plain.json", Crgen(Dump("shared_fds")).out);
  const std::string summed = Write("summed.json", Crgen("--digest " + Dump("shared_fds")).out);
  const fs::path copy = CopyOf("shared_fds");
  EXPECT_EQ(Against(plain, copy).code, 0);
  EXPECT_EQ(Against(summed, copy).code, 0);
  // A byte of the vdso, which no command loads.
  const Json images = Json::parse(ReadFileText(summed))[0]["about"]["dump"]["images"];
  const std::string name = images[0]["name"];
  const std::size_t size = images[0]["size"];
  Flip(copy / name, size - 1);
  EXPECT_EQ(Against(plain, copy).code, 0);
  const Ran changed = Against(summed, copy);
  EXPECT_EQ(changed.code, 3);
  EXPECT_NE(changed.err.find(name + ": the plan says sha256:"), std::string::npos) << changed.err;
  Json plan = Json::parse(ReadFileText(plain));
  plan[0]["about"]["dump"]["images"][0]["size"] = size + 4096;
  const Ran larger = Against(Write("larger.json", plan.dump()), Dump("shared_fds"));
  EXPECT_EQ(larger.code, 3);
  EXPECT_NE(larger.err.find(name + ": the plan says " + std::to_string(size + 4096) +
                            " bytes, the dump has " + std::to_string(size)),
            std::string::npos)
      << larger.err;
  EXPECT_EQ(larger.err.find("crgen: error: " + Dump("shared_fds") + "/" + name + ": "), 0u)
      << larger.err;
  plan = Json::parse(ReadFileText(plain));
  plan[0]["about"]["dump"]["images"].push_back({{"name", "pages-99.img"}, {"size", 4096}});
  const Ran absent = Against(Write("absent.json", plan.dump()), Dump("shared_fds"));
  EXPECT_NE(absent.err.find(Dump("shared_fds") + "/pages-99.img: No such file or directory"),
            std::string::npos)
      << absent.err;
  plan = Json::parse(ReadFileText(plain));
  plan[0]["about"]["dump"]["id"] = "another-run";
  const Ran other = Against(Write("other.json", plan.dump()), Dump("shared_fds"));
  EXPECT_EQ(other.code, 3);
  EXPECT_NE(other.err.find("about.dump.id: the plan says another-run, the dump has "),
            std::string::npos)
      << other.err;
}

TEST_F(CliIdentityTest, KeepsToTheSizesThatItSays) {
  Json plan = Json::parse(Crgen(Dump("shared_fds")).out);
  plan[0]["about"]["dump"]["images"][0]["size"] = 4095;
  const Ran run = Crgen("validate " + Write("plan.json", plan.dump()));
  EXPECT_EQ(run.code, 3);
  EXPECT_NE(run.err.find("has 4095 bytes by about.dump"), std::string::npos) << run.err;
}

/// Another dump of the same program has images of the same sizes.
TEST_F(CliIdentityTest, TellsRunsApartThatHaveTheSameSizes) {
  const std::string plan = Write("plan.json", Crgen(Dump("shared_fds")).out);
  const fs::path other = CopyOf("shared_fds");
  const std::string id = Json::parse(ReadFileText(plan))[0]["about"]["dump"]["id"];
  std::string inventory = ReadFileText(other / "inventory.img");
  const std::size_t at = inventory.find(id);
  ASSERT_NE(at, inventory.npos);
  inventory[at] = inventory[at] == '0' ? '1' : '0';
  const auto diff = [&] {
    return Crgen("diff --images " + other.string() + " " + plan + " " + Dump("shared_fds"));
  };
  EXPECT_EQ(diff().code, 0);
  std::ofstream(other / "inventory.img", std::ios::binary) << inventory;
  EXPECT_EQ(Against(plan, other).code, 3);
  const Ran refused = diff();
  EXPECT_EQ(refused.code, 3);
  EXPECT_EQ(refused.out, "");
  EXPECT_NE(refused.err.find("the images are of another run"), refused.err.npos) << refused.err;
  fs::remove(other / "inventory.img");
  const Ran unknown = diff();
  EXPECT_EQ(unknown.code, 0) << unknown.err;
  EXPECT_NE(unknown.err.find("whether the images are of the run " + id), unknown.err.npos);
}

TEST_F(CliIdentityTest, DiffRefusesImagesThatAreNotThePlans) {
  const std::string summed = Write("summed.json", Crgen("--digest " + Dump("shared_fds")).out);
  const fs::path copy = CopyOf("shared_fds");
  const std::string command =
      "diff --images " + copy.string() + " " + summed + " " + Dump("shared_fds");
  EXPECT_EQ(Crgen(command).code, 0);
  const std::string name =
      Json::parse(ReadFileText(summed))[0]["about"]["dump"]["images"][0]["name"];
  Flip(copy / name, fs::file_size(copy / name) - 1);
  EXPECT_EQ(Crgen(command).code, 3);
  fs::resize_file(copy / name, fs::file_size(copy / name) + 4096);
  EXPECT_EQ(Crgen(command).code, 3);
}

TEST_F(CliIdentityTest, ExtractsWhatSaysOfWhichRunItIs) {
  const std::string archive =
      Write("dump.tar", TarOf(ReadFixture("incremental"), "checkpoint/") + TarEnd());
  const fs::path extract = folder_ / "x";
  EXPECT_EQ(Crgen(archive + " --extract " + extract.string()).code, 0);
  EXPECT_EQ(ReadFileText(extract / "inventory.img"),
            ReadFileText(fs::path(Dump("incremental")) / "inventory.img"));
}

TEST_F(CliIdentityTest, SaysWhichVdso) {
  const Json about = Json::parse(Crgen(Dump("threads")).out)[0]["about"];
  EXPECT_EQ(about["vdso"]["size"].get<int>() % 4096, 0);
  EXPECT_EQ(about["vdso"]["build_id"].get<std::string>().size(), 40U);
  bool found = false;
  for (const Json& symbol : about["vdso"]["symbols"]) found |= symbol["name"] == "clock_gettime";
  EXPECT_TRUE(found) << about.dump();
  EXPECT_TRUE(about["cpu"].contains("xsave")) << about.dump();
}

}  // namespace
}  // namespace crgen::test
