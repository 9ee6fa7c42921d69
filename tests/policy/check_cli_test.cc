// SPDX-License-Identifier: Apache-2.0
// `crgen check` as a user meets it: verdicts, exit codes, what this machine says.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <nlohmann/json.hpp>

#include "tests/support/cli_fixture.h"
#include "tests/support/dump_edit.h"

namespace crgen::test {
namespace {

using nlohmann::json;

class CheckCliTest : public CliTest {
 protected:
  std::string Derive(const std::string& arguments) {
    const fs::path policy = folder_ / "policy.json";
    const Ran run = Crgen("check --derive " + arguments);
    EXPECT_EQ(run.code, 0) << run.err;
    std::ofstream(policy) << run.out;
    return policy.string();
  }

  /// The members of a policy that the causes name.
  std::vector<std::string> Members(const std::string& arguments) {
    const Ran run = Crgen("check --json " + arguments);
    EXPECT_TRUE(run.code == 0 || run.code == 6) << run.err;
    const json told = json::parse(run.out);
    EXPECT_EQ(told["verdict"], run.code == 0 ? "allowed" : "denied");
    std::vector<std::string> members;
    for (const json& cause : told["causes"]) members.push_back(cause["member"]);
    return members;
  }

  /// A dump of a process that has `path` open, which was a regular file of that mode and size.
  fs::path WithFile(const std::string& path, std::uint32_t mode, std::uint64_t size) {
    test::Dump dump;
    for (const std::string& edit :
         {"file 4 \"" + path + "\"", "files.img[3].reg.mode = " + std::to_string(mode),
          "files.img[3].reg.size = " + std::to_string(size),
          std::string("descriptor 10 3 4 REG")}) {
      EXPECT_EQ(ApplyEdit(edit, &dump), "");
    }
    const fs::path images = folder_ / "images";
    fs::create_directories(images);
    for (const auto& [name, content] : dump.Build()) {
      std::ofstream(images / name, std::ios::binary) << content;
    }
    return images;
  }

  using Names = std::vector<std::string>;
};

TEST_F(CheckCliTest, AllowsWhatIsDerived) {
  for (const auto& dump : fs::directory_iterator(CRGEN_FIXTURES "/dumps")) {
    const std::string path = dump.path().string();
    const std::string policy = Derive(path);
    const Ran run = Crgen("check " + path + " --policy " + policy);
    EXPECT_EQ(run.code, 0) << path << run.out;
    EXPECT_NE(run.out.find("\nallowed\n"), std::string::npos) << run.out;
    EXPECT_TRUE(run.out.starts_with("who it becomes\n  uids ")) << run.out;
    // Its plan is judged alike.
    const fs::path plan = folder_ / "plan.json";
    EXPECT_EQ(Crgen(path + " -q -o " + plan.string()).code, 0);
    for (const std::string& member : Members(plan.string() + " --policy " + policy)) {
      EXPECT_EQ(member, "processes") << path;
    }
  }
}

TEST_F(CheckCliTest, DeniesOthersWithACauseOnEachLine) {
  const std::string policy = Derive(Dump("unprivileged"));
  const Ran run = Crgen("check " + Dump("threads") + " --policy " + policy);
  EXPECT_EQ(run.code, 6);
  EXPECT_NE(run.out.find("\ndenied, for "), std::string::npos) << run.out;
  EXPECT_NE(run.out.find("\n  uids 0: process 31500 and "), std::string::npos) << run.out;
  EXPECT_NE(run.out.find("; refuse it, or allow \"uids\": [0]\n"), std::string::npos) << run.out;
  const json told =
      json::parse(Crgen("check --json " + Dump("threads") + " --policy " + policy).out);
  EXPECT_EQ(told["verdict"], "denied");
  EXPECT_EQ(told["causes"][0]["member"], "uids");
  EXPECT_EQ(told["causes"][0]["value"], 0);
  EXPECT_EQ(told["authority"], json::parse(Crgen("check --derive " + Dump("threads")).out));
}

TEST_F(CheckCliTest, WithoutAPolicyNothingIsJudged) {
  const Ran run = Crgen("check " + Dump("threads"));
  EXPECT_EQ(run.code, 0);
  EXPECT_EQ(run.out.find("allowed"), std::string::npos);
  EXPECT_FALSE(json::parse(Crgen("check --json " + Dump("threads")).out).contains("verdict"));
}

/// Limits and credentials of who restores.
TEST_F(CheckCliTest, WhatIsInheritedByTheWordIsFromOutside) {
  const auto external = [&](const std::vector<std::string>& settings) {
    std::string plan = R"([{"command": "FORK", "pid": 0, "child_pid": 10})";
    for (const std::string& attributes : settings) {
      plan += R"(, {"command": "SET_ATTR", "pid": 10, "attributes": )" + attributes + "}";
    }
    std::ofstream(folder_ / "plan.json") << plan + R"(, {"command": "RESUME", "pid": 10}])";
    const Ran run = Crgen("check --derive " + (folder_ / "plan.json").string());
    EXPECT_EQ(run.code, 0) << run.err;
    std::string kinds;
    const json policy = json::parse(run.out);
    for (const json& one : policy["externals"]) {
      kinds += one["kind"].get<std::string>() + " ";
    }
    return kinds;
  };
  json all = json::array();
  for (const char* name :
       {"CPU", "FSIZE", "DATA", "STACK", "CORE", "RSS", "NPROC", "NOFILE", "MEMLOCK", "AS", "LOCKS",
        "SIGPENDING", "MSGQUEUE", "NICE", "RTPRIO", "RTTIME"}) {
    all.push_back({{"resource", std::string("RLIMIT_") + name}, {"cur", 1}, {"max", 1}});
  }
  const std::string creds = R"({"creds": "inherit"})", limits = R"({"rlimits": "inherit"})";
  const std::string word = R"({"creds": "inherit", "rlimits": "inherit"})";
  const std::string some =
      R"({"rlimits": [{"resource": "RLIMIT_CORE", "cur": 0, "max": 0}], "creds": "inherit"})";
  EXPECT_EQ(external({word, R"({"comm": "a"})"}), "credentials limits session ");
  EXPECT_EQ(external({some, limits}), "credentials limits session ");
  EXPECT_EQ(external({limits, some}), "credentials limits session ");
  EXPECT_EQ(external({creds, json{{"rlimits", all}}.dump()}), "credentials session ");
  EXPECT_EQ(external({word, json{{"rlimits", all}}.dump()}), "credentials session ");
}

/// Who the same plan is outside of a user namespace, or of another one.
TEST_F(CheckCliTest, RootOfAnotherUserNamespaceIsDenied) {
  const auto plan = [&](const std::string& born) {
    const std::string path = (folder_ / "plan.json").string();
    std::ofstream(path)
        << R"([{"command": "FORK", "pid": 0, "child_pid": 1, "flags": ["CLONE_NEWPID")" << born
        << R"(}, {"command": "SET_ATTR", "pid": 1, "attributes": {"creds": "inherit", )"
        << R"("rlimits": "inherit"}}, {"command": "RESUME", "pid": 1}])";
    return path;
  };
  const auto maps = [](const std::string& outside) {
    return R"(, "CLONE_NEWUSER"], "uid_map": [{"inside": 0, "outside": )" + outside +
           R"(, "count": 5}], "gid_map": [{"inside": 0, "outside": 9, "count": 1}])";
  };
  const std::string policy = Derive(plan(maps("1000")));
  EXPECT_EQ(Crgen("check " + plan(maps("1000")) + " --policy " + policy).code, 0);
  EXPECT_EQ(Members(plan(maps("0")) + " --policy " + policy), std::vector<std::string>{"id_maps"});
  EXPECT_EQ(Members(plan("]") + " --policy " + policy), std::vector<std::string>{"namespaces"});
}

TEST_F(CheckCliTest, WhatNobodyCanReadIsDenied) {
  const std::string dump = WithUnsupported().string();
  const Ran derived = Crgen("check --derive " + dump);
  EXPECT_EQ(derived.code, 0);
  EXPECT_NE(derived.err.find("no policy allows it"), std::string::npos) << derived.err;
  const std::string policy = Derive(dump);
  EXPECT_EQ(Members(dump + " --policy " + policy), (Names{"", ""}));
  // A plan that leaves it out is another matter.
  const fs::path plan = folder_ / "plan.json";
  EXPECT_EQ(Crgen("-q --partial " + dump + " -o " + plan.string()).code, 0);
  EXPECT_EQ(Members(plan.string() + " --policy " + policy), Names{});
}

/// No program says them, but they are no authority.
TEST_F(CheckCliTest, RegistersThatTheImageLacksAreNotDenied) {
  test::Dump dump;
  ASSERT_EQ(ApplyEdit("core-10.img[0].thread_info.fpregs.xsave.xstate_bv = 0x600ff", &dump), "");
  const fs::path images = folder_ / "images";
  fs::create_directories(images);
  for (const auto& [name, content] : dump.Build()) {
    std::ofstream(images / name, std::ios::binary) << content;
  }
  EXPECT_EQ(Crgen(images.string()).code, 4);
  const std::string plan = (folder_ / "plan.json").string();
  EXPECT_EQ(Crgen("-q --partial " + images.string() + " -o " + plan).code, 0);
  EXPECT_EQ(Crgen("-q validate " + plan).code, 0);
  const Ran derived = Crgen("check --derive " + images.string());
  EXPECT_EQ(derived.code, 0);
  EXPECT_EQ(derived.err, "");
  EXPECT_EQ(Members(images.string() + " --policy " + Derive(images.string())), Names{});
}

TEST_F(CheckCliTest, RefusesWhatIsNoPolicyOrNoInput) {
  const std::string bad = (folder_ / "bad.json").string();
  std::ofstream(bad) << R"({"version": 1, "uid": [0]})";
  const Ran run = Crgen("check " + Dump("threads") + " --policy " + bad);
  EXPECT_EQ(run.code, 3);
  EXPECT_EQ(run.out, "");
  EXPECT_NE(run.err.find("uid"), std::string::npos) << run.err;
  EXPECT_EQ(Crgen("check " + Dump("threads") + " --policy " + bad + ".no").code, 3);
  std::ofstream(bad) << Golden("threads");
  EXPECT_NE(Crgen("check " + Dump("threads") + " --policy " + bad).err.find("is a list"),
            std::string::npos);
  EXPECT_EQ(Crgen("check " + folder_.string()).code, 3);
  EXPECT_EQ(Crgen("check").code, 2);
  EXPECT_EQ(Crgen("check --derive --policy x " + Dump("threads")).code, 2);
  EXPECT_EQ(Crgen("check --root / " + Dump("threads")).code, 2);
  // A fragment: nobody says with which rights it would run.
  std::ofstream(folder_ / "plan.json") << R"([{"command": "FORK", "pid": 0, "child_pid": 10}])";
  EXPECT_EQ(Crgen("check " + (folder_ / "plan.json").string()).code, 3);
}

TEST_F(CheckCliTest, ThisMachineSaysWhatFilesAre) {
  const fs::path tool = folder_ / "tool";
  std::ofstream(tool) << "12345";
  chmod(tool.c_str(), 0755);
  const std::string dump = WithFile(tool.string(), S_IFREG | 0755, 5).string();
  const std::string policy = Derive("--host " + dump);
  const std::string check = "--host " + dump + " --policy " + policy;
  const auto allow = json::parse(ReadFileText(policy));
  EXPECT_FALSE(allow.contains("changed")) << allow;
  EXPECT_EQ(Members(check), Names{});
  chmod(tool.c_str(), 04755);
  EXPECT_EQ(Members(check), (Names{"setuid", "changed"}));
  EXPECT_EQ(Members(dump + " --policy " + policy), Names{});
  chmod(tool.c_str(), 0757);
  EXPECT_EQ(Members(check), (Names{"changed", "writable_by_all"}));
  chmod(tool.c_str(), 0755);
  std::ofstream(tool) << "123456";
  EXPECT_EQ(Members(check), Names{"changed"});
  fs::rename(tool, folder_ / "moved");
  EXPECT_EQ(Members(check), Names{"missing"});
  std::ofstream(folder_ / "moved") << "12345";
  fs::create_symlink(folder_ / "moved", tool);
  EXPECT_EQ(Members(check), Names{"paths"});
  fs::remove(tool);
  fs::create_symlink("/dev/zero", tool);
  EXPECT_EQ(Members(check), (Names{"devices", "changed"}));
}

TEST_F(CheckCliTest, LooksBelowTheRootThatIsGiven) {
  const fs::path root = folder_ / "root";
  fs::create_directories(root / "bin");
  fs::create_directories(root / "dev");
  for (const char* name : {"bin/program", "dev/null", "tool"}) std::ofstream(root / name) << "x";
  chmod((root / "tool").c_str(), 0755);
  const std::string dump = WithFile("/tool", S_IFREG | 0755, 1).string();
  const std::string with = "--host --root " + root.string() + " " + dump;
  const std::string policy = Derive(with);
  EXPECT_EQ(Members(with + " --policy " + policy), Names{});
  EXPECT_EQ(Members("--host " + dump + " --policy " + policy).front(), "missing");
  // No link leads out.
  fs::remove(root / "tool");
  std::ofstream(folder_ / "outside") << "x";
  fs::create_symlink("../outside", root / "tool");
  EXPECT_EQ(Members(with + " --policy " + policy), Names{"missing"});
  // A tree with a root of its own needs one.
  const std::string own = Derive("--host " + Dump("pidns"));
  EXPECT_EQ(Members("--host " + Dump("pidns") + " --policy " + own).size(),
            json::parse(Crgen("check --json " + Dump("pidns")).out)["authority"].contains("mounts")
                ? 1U
                : 0U);
}

}  // namespace
}  // namespace crgen::test
