// SPDX-License-Identifier: Apache-2.0
// Archives, and what a restore needs, as a user meets them.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/support/cli_fixture.h"
#include "tests/support/namespace_images.h"
#include "tests/support/tar_maker.h"

namespace crgen::test {
namespace {

using Json = nlohmann::json;

class CliArchiveTest : public CliTest {
 protected:
  fs::path Write(const std::string& name, const std::string& bytes) {
    fs::create_directories((folder_ / name).parent_path());
    std::ofstream(folder_ / name, std::ios::binary) << bytes;
    return folder_ / name;
  }

  fs::path WriteDump(const test::Dump& dump) {
    for (const auto& [name, content] : dump.Build()) Write("made/" + name, content);
    return folder_ / "made";
  }
};

std::vector<std::string> NamesOfImages(const Json& value) {
  std::vector<std::string> names;
  if (value.is_object() && value.contains("image")) names.push_back(value["image"]);
  if (value.is_structured()) {
    for (const auto& member : value) {
      for (std::string& name : NamesOfImages(member)) names.push_back(std::move(name));
    }
  }
  return names;
}

/// With processes that share pages, which are compared: with `--extract` in the new folder.
TEST_F(CliArchiveTest, PlansArchivesAsFolders) {
  for (const char* name : {"cow_memory", "incremental", "shared_fds"}) {
    const std::string tar = TarOf(ReadFixture(name), "checkpoint/") + TarEnd();
    for (const char* how : {"", "gzip", "zstd", "xz"}) {
      const std::string archive = Write("dump.tar", Compressed(tar, how));
      EXPECT_EQ(Crgen(archive).out, Golden(name)) << name << how;
      const fs::path extract = folder_ / (std::string(name) + how);
      const Ran run = Crgen(archive + " --extract " + extract.string());
      EXPECT_EQ(run.code, 0);
      EXPECT_EQ(run.out, Golden(name)) << name << how;
      const std::vector<std::string> images = NamesOfImages(Json::parse(run.out));
      EXPECT_FALSE(images.empty());
      for (const std::string& image : images) EXPECT_TRUE(fs::exists(extract / image)) << image;
      EXPECT_EQ(
          Crgen("validate " + Write("plan.json", run.out).string() + " --against " + archive).code,
          0);
    }
  }
}

TEST_F(CliArchiveTest, ShowsTheTreeOfAnArchive) {
  const std::string tar = TarOf(ReadFixture("sessions"), "") + TarEnd();
  EXPECT_EQ(Crgen("tree " + Write("dump.tar", tar).string()).out,
            Crgen("tree " + Dump("sessions")).out);
}

TEST_F(CliArchiveTest, ExtractsAllOrNothing) {
  const std::string tar = TarOf(ReadFixture("threads"), "");
  const std::string good = Write("good.tar", tar + TarEnd());
  const std::string bad = Write("bad.tar", tar + TarBlock("e\x1b[2J", {'2', "/"}) + TarEnd());
  const std::string extract = (folder_ / "images").string();
  const Ran refused = Crgen(bad + " --extract " + extract);
  EXPECT_EQ(refused.code, 3);
  EXPECT_EQ(refused.out, "");
  EXPECT_NE(refused.err.find("bad.tar: e\\x1b[2J: is a symbolic link"), refused.err.npos)
      << refused.err;
  EXPECT_FALSE(fs::exists(extract));
  EXPECT_EQ(
      Crgen(good + " -o " + (folder_ / "no/plan.json").string() + " --extract " + extract).code, 3);
  EXPECT_FALSE(fs::exists(extract));
  EXPECT_EQ(Crgen(good + " --extract " + extract).code, 0);
  EXPECT_TRUE(fs::exists(extract));
  const Ran again = Crgen(good + " --extract " + extract);
  EXPECT_EQ(again.code, 3);
  EXPECT_NE(again.err.find("images: exists; expected the name of a new folder"), again.err.npos);
  EXPECT_TRUE(fs::exists(extract));
  const Ran folder = Crgen(Dump("threads") + " --extract " + (folder_ / "x").string());
  EXPECT_EQ(folder.code, 3);
  EXPECT_NE(folder.err.find("is a folder, expected an archive"), folder.err.npos) << folder.err;
  EXPECT_FALSE(fs::exists(folder_ / "x"));
}

TEST_F(CliArchiveTest, SaysThatNothingIsNeeded) {
  const Ran run = Crgen("needs " + Dump("threads"));
  EXPECT_EQ(run.code, 0);
  EXPECT_EQ(run.out, "crrestore plan.json --images " + Dump("threads") + "\n");
  EXPECT_EQ(Crgen("needs " + Dump("shell_job")).out,
            "session: session 32090, which is not of the tree: --shell-job\n\n"
            "crrestore plan.json --images " +
                Dump("shell_job") + " --shell-job\n");
}

/// A mount namespace with three mounts of the caller's, and a network namespace of the caller's.
test::Dump Container() {
  test::Dump dump;
  AddOwnNamespace(dump, "mnt", 13);
  AddOwnNamespace(dump, "net", 14);
  dump.nets[14].set_ext_key("extRootNetNS");
  AddMount(dump, 13, {30, 9, 17, 7, "/", "/"});
  std::uint32_t id = 31;
  for (const char* key : {"/it's", "/proc/a\x1b b", "/data"}) {
    const std::string place = "/m" + std::to_string(id);
    AddMount(dump, 13, {id, 30, 5, id, "/", place}).set_ext_key(key);
    ++id;
  }
  return dump;
}

TEST_F(CliArchiveTest, SaysWhatIsNeeded) {
  const std::string dump = WriteDump(Container());
  const Ran run = Crgen("needs " + dump);
  EXPECT_EQ(run.code, 0) << run.err;
  EXPECT_EQ(run.out,
            "root: the root file system: --root DIR or --oci FILE\n"
            "mount /data: what is mounted at /m33: --external 'mnt[/data]:PATH' or --oci FILE\n"
            "mount /it's: what is mounted at /m31: --external 'mnt[/it'\\''s]:PATH' or --oci FILE\n"
            "mount /proc/a\\x1b b: what is mounted at /m32: --external "
            "$'mnt[/proc/a\\033 b]:PATH' or --oci FILE\n"
            "network extRootNetNS: the network namespace: --external 'net[PATH]:extRootNetNS' or "
            "--inherit-fd 'fd[N]:extRootNetNS' or --join-ns net:PATH or --empty-ns net\n\n"
            "crrestore plan.json --images " +
                dump +
                " --root DIR --external 'mnt[/data]:PATH' --external 'mnt[/it'\\''s]:PATH' "
                "--external $'mnt[/proc/a\\033 b]:PATH' --external 'net[PATH]:extRootNetNS'\n");
  // One cause is one line.
  const Ran plan = Crgen(dump);
  EXPECT_EQ(plan.code, 0) << plan.err;
  EXPECT_EQ(std::ranges::count(plan.err, '\n'), 2) << plan.err;
  EXPECT_NE(plan.err.find("--root DIR and --external mnt[KEY]:PATH for 3 mounts"), plan.err.npos)
      << plan.err;
}

/// bash gives back the words, whatever is in them.
TEST_F(CliArchiveTest, QuotesForShells) {
  const std::string dump = WriteDump(Container());
  const std::string command =
      Crgen("needs " + dump + " --plan 'a b$(id)`id`.json' --images \"'\"").out;
  const std::string last = command.substr(command.rfind("\n\n") + 2);
  const fs::path script = Write("script", "printf '%s|' " + last);
  ASSERT_EQ(std::system(("bash " + script.string() + " >" + (folder_ / "words").string()).c_str()),
            0);
  EXPECT_EQ(ReadFileText(folder_ / "words"),
            "crrestore|a b$(id)`id`.json|--images|'|--root|DIR|--external|mnt[/data]:PATH|"
            "--external|mnt[/it's]:PATH|--external|mnt[/proc/a\x1b b]:PATH|--external|"
            "net[PATH]:extRootNetNS|");
}

TEST_F(CliArchiveTest, SaysWhatIsNeededToMachines) {
  const std::string dump = WriteDump(Container());
  const Ran run = Crgen("needs --json " + dump);
  EXPECT_EQ(run.code, 0);
  const Json needs = Json::parse(run.out);
  ASSERT_EQ(needs["needs"].size(), 5u);
  EXPECT_EQ(needs["needs"][1], Json::parse(R"({"kind": "mount", "key": "/data", "optional": false,
      "what": "what is mounted at /m33",
      "options": [{"name": "--external", "value": "mnt[/data]:PATH"},
                  {"name": "--oci", "value": "FILE"}]})"));
  EXPECT_EQ(needs["needs"][3]["key"], "/proc/a\x1b b");
  EXPECT_EQ(needs["needs"][4]["options"].size(), 4u);
  EXPECT_TRUE(needs["command"].get<std::string>().starts_with("crrestore plan.json --images "));
}

TEST_F(CliArchiveTest, SaysWhatIsNeededOfWhatCannotBePlanned) {
  const std::string dump = WithUnsupported();
  const Ran run = Crgen("needs " + dump);
  EXPECT_EQ(run.code, 4);
  EXPECT_NE(run.err.find("an AppArmor namespace"), run.err.npos) << run.err;
  EXPECT_NE(run.out.find("crrestore plan.json"), run.out.npos);
  EXPECT_EQ(Crgen("needs --partial " + dump).code, 0);
  EXPECT_NE(Crgen("needs --partial " + dump).out.find(" --partial\n"), run.out.npos);
  EXPECT_EQ(Crgen("needs " + (folder_ / "none").string()).code, 3);
}

}  // namespace
}  // namespace crgen::test
