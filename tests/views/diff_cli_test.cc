// SPDX-License-Identifier: Apache-2.0
// `crgen diff` as a user meets it. CRGEN_REBASE=1 rewrites what is expected.
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <string_view>
#include <utility>

#include "tests/support/cli_fixture.h"

namespace crgen::test {
namespace {

class DiffCliTest : public CliTest {
 protected:
  void IsExpected(const std::string& golden, const std::string& arguments, int code) {
    const Ran run = Crgen(arguments);
    EXPECT_EQ(run.code, code) << run.err;
    const fs::path path = fs::path(CRGEN_SOURCE) / "tests/views/golden" / golden;
    if (std::getenv("CRGEN_REBASE") != nullptr) std::ofstream(path, std::ios::binary) << run.out;
    EXPECT_EQ(run.out, ReadFileText(path)) << arguments;
  }
  std::string Write(const std::string& name, const std::string& text) {
    std::ofstream(folder_ / name, std::ios::binary) << text;
    return (folder_ / name).string();
  }
};

TEST_F(DiffCliTest, RealDumpsThatDiffer) {
  IsExpected("anon_shared-shared_memory.diff",
             "diff " + Dump("anon_shared") + " " + Dump("shared_memory"), 6);
  const fs::path changed = CopyOf("shared_fds");
  std::string pages = ReadFileText(changed / "pages-1.img");
  pages[3 * 4096 + 7] ^= 1;
  std::ofstream(changed / "pages-1.img", std::ios::binary) << pages;
  IsExpected("changed_page.diff", "diff " + Dump("shared_fds") + " " + changed.string(), 6);
  IsExpected("changed_page.diff.json", "diff --json " + Dump("shared_fds") + " " + changed.string(),
             6);
}

/// Where the kernel itself notes the processor of a thread: rseq(2), here at 0xd21fca0.
TEST_F(DiffCliTest, OfTheSameMeaningAreAllProcessors) {
  const std::string dump = Dump("shared_fds");
  const std::string pages = ReadFileText(fs::path(dump) / "pages-1.img");
  const fs::path changed = CopyOf("shared_fds");
  const std::size_t area = 28672 + 0xca0;
  for (const std::size_t place : {0, 4, 8, 16, 20, 24, 28}) {
    std::string other = pages;
    other[area + place] ^= 1;
    std::ofstream(changed / "pages-1.img", std::ios::binary) << other;
    const bool kernels = place != 8 && place != 16 && place != 28;
    EXPECT_EQ(Crgen("diff " + dump + " " + changed.string()).code, 6) << place;
    EXPECT_EQ(Crgen("diff --same-meaning " + dump + " " + changed.string()).code, kernels ? 0 : 6)
        << place;
  }
}

TEST_F(DiffCliTest, RefusesTolerancesThatAreNone) {
  const std::string dumps = Dump("threads") + " " + Dump("threads");
  EXPECT_EQ(Crgen("diff --same-meaning --tolerance -1 " + dumps).code, 2);
  EXPECT_EQ(Crgen("diff --tolerance 5 " + dumps).code, 2);
  EXPECT_EQ(Crgen("diff --same-meaning --tolerance 0 " + dumps).code, 0);
}

/// A plan of a real dump, after somebody has edited it.
TEST_F(DiffCliTest, EditedPlanOfARealDump) {
  std::string plan = Golden("shared_fds");
  const std::pair<const char*, const char*> edits[] = {
      {R"("pos": 5)", R"("pos": 20)"},
      {R"("new_fd": 20, "cloexec": true)", R"("new_fd": 20)"},
      {R"("O_WRONLY", "O_APPEND", "O_LARGEFILE"])", R"("O_WRONLY", "O_LARGEFILE"])"},
      {R"("start": "0xd21f000", "end": "0xd241000")",
       R"("start": "0xd21f000", "end": "0xd242000")"},
      {R"("comm": "program")", R"("comm": "other")"},
      {R"("umask": 18)", R"("umask": 63)"},
      {R"("sec": 2981, "nsec": 199967727)", R"("sec": 2991, "nsec": 199967727)"}};
  for (const auto& [from, to] : edits) {
    const std::size_t at = plan.find(from);
    ASSERT_NE(at, plan.npos) << from;
    plan.replace(at, std::string_view(from).size(), to);
  }
  const std::string edited = Write("edited.json", plan);
  const std::string dump = Dump("shared_fds");
  IsExpected("edited.diff", "diff --images " + dump + " " + dump + " " + edited, 6);
  IsExpected("edited.diff.json", "diff --json --images " + dump + " " + dump + " " + edited, 6);
  IsExpected("edited.same_meaning.diff",
             "diff --same-meaning --images " + dump + " " + dump + " " + edited, 6);
}

TEST_F(DiffCliTest, EveryFixtureIsItselfAndItsPlan) {
  std::size_t dumps = 0;
  for (const auto& dump : fs::directory_iterator(CRGEN_FIXTURES "/dumps")) {
    ++dumps;
    const std::string path = dump.path().string();
    const std::string plan =
        std::string(CRGEN_GOLDEN) + "/" + dump.path().filename().string() + ".json";
    for (const std::string mode : {"", "--same-meaning "}) {
      for (const std::string& two :
           {path + " " + path, "--images " + path + " " + path + " " + plan,
            "--images " + path + " " + plan + " " + path,
            "--images " + path + " " + plan + " " + plan}) {
        const Ran run = Crgen("diff " + mode + two);
        EXPECT_EQ(run.code, 0) << two << run.out << run.err;
        EXPECT_TRUE(run.out.starts_with("no difference\n")) << two << run.out;
        EXPECT_EQ(run.out.find("content of"), run.out.npos) << run.out;
      }
    }
    EXPECT_EQ(Crgen("diff " + path + " " + plan).code, 0) << path;
  }
  EXPECT_GT(dumps, 10U);
}

TEST_F(DiffCliTest, EveryPairOfFixturesDiffersBothWays) {
  const char* const names[] = {"anon_shared", "cow_memory", "pidns",
                               "pipeline",    "threads",    "zombies"};
  for (const char* one : names) {
    for (const char* other : names) {
      const Ran run = Crgen("diff --json " + Dump(one) + " " + Dump(other));
      EXPECT_EQ(run.code, std::string(one) == other ? 0 : 6) << one << other << run.err;
      const auto found = nlohmann::json::parse(run.out);
      EXPECT_EQ(found["equal"], found["differences"].empty());
      EXPECT_EQ(found["equal"], std::string(one) == other);
    }
  }
}

TEST_F(DiffCliTest, KnowsANetworkLockByAnotherTable) {
  const auto plan = [&](const std::string& table) {
    return Write(table + ".json",
                 R"([{"command": "FORK", "pid": 0, "child_pid": 5, "about": {"version": "1.0", )"
                 R"("network_lock": {"method": "nftables", "table": ")" +
                     table + R"("}}}, {"command": "SET_SID", "pid": 5}])");
  };
  const std::string two = plan("one") + " " + plan("two");
  const Ran differ = Crgen("diff " + two);
  EXPECT_EQ(differ.code, 6) << differ.err;
  EXPECT_NE(differ.out.find("network_lock.table one, then two"), differ.out.npos) << differ.out;
  EXPECT_EQ(Crgen("diff --same-meaning " + two).code, 0);
}

TEST_F(DiffCliTest, DumpsThatNoProgramSays) {
  const fs::path dump = WithUnsupported();
  const Ran equal = Crgen("diff " + dump.string() + " " + dump.string());
  EXPECT_EQ(equal.code, 0) << equal.err;
  EXPECT_NE(equal.out.find("not compared: "), equal.out.npos) << equal.out;
  EXPECT_NE(equal.out.find("crgen why"), equal.out.npos) << equal.out;
}

TEST_F(DiffCliTest, WhatNoProgramSaysDiffersToo) {
  const fs::path dump = WithUnsupported();
  const Ran run = Crgen("diff " + Dump("pipeline") + " " + dump.string());
  EXPECT_EQ(run.code, 6) << run.out;
  EXPECT_NE(run.out.find(": 0 times, then 1 times"), run.out.npos) << run.out;
  const Ran equal = Crgen("diff " + dump.string() + " " + dump.string());
  EXPECT_TRUE(equal.out.starts_with("no difference in what was compared\n")) << equal.out;
}

/// Another file under the same name, which is also open as what it was.
TEST_F(DiffCliTest, MappedFilesThatWereReplaced) {
  const auto map = [](const char* size, const char* build_id) {
    const std::string file = R"("type": "REG", "flags": ["O_RDONLY"], "path": "/bin/x", )";
    return R"([{"command": "FORK", "pid": 0, "child_pid": 5},
{"command": "OPEN_FILE", "pid": 5, "fd": 0, "file": {"id": 1, )" +
           file +
           R"("pos": 3, "size": 100, "mode": 33261, "build_id": "AAA="}},
{"command": "OPEN_FILE", "pid": 5, "fd": 3, "file": {"id": 2, )" +
           file + R"("mode": 33261, "size": )" + size + R"(, "build_id": ")" + build_id + R"("}},
{"command": "MAP_REGION", "pid": 5, "start": "0x10000", "end": "0x11000", "prot": ["PROT_READ"],
"flags": ["MAP_PRIVATE"], "fd": 3, "offset": "0x0"},
{"command": "CLOSE_FD", "pid": 5, "fd": 3}])";
  };
  const std::string before = Write("before.json", map("100", "AAA="));
  EXPECT_EQ(Crgen("diff " + before + " " + before).code, 0);
  const Ran run = Crgen("diff " + before + " " + Write("after.json", map("101", "AAE=")));
  EXPECT_EQ(run.code, 6) << run.err;
  EXPECT_NE(run.out.find("region 10000-11000: size 100, then 101"), run.out.npos) << run.out;
  EXPECT_NE(run.out.find("region 10000-11000: build_id "), run.out.npos) << run.out;
}

TEST_F(DiffCliTest, ExitCodes) {
  const std::string fds = Dump("shared_fds");
  EXPECT_EQ(Crgen("diff " + fds).code, 2);
  EXPECT_EQ(Crgen("diff - - </dev/null").code, 2);
  const Ran nobody = Crgen("diff --pid 99 " + fds + " " + fds);
  EXPECT_EQ(nobody.code, 2);
  EXPECT_NE(nobody.err.find("--pid: no process 99 is in "), nobody.err.npos) << nobody.err;
  EXPECT_EQ(Crgen("diff --pid 31100 " + fds + " " + Dump("zombies")).code, 6);
  EXPECT_EQ(Crgen("diff --images " + fds + " " + fds + " " + fds).code, 2);
  EXPECT_EQ(Crgen("diff " + fds + " /nonexistent").code, 3);
  EXPECT_EQ(Crgen("diff " + fds + " " + Write("bad.json", "[{\"command\": \"FORK\"}]")).code, 3);
  const std::string full =
      CRGEN_BINARY " diff " + fds + " " + Dump("zombies") + " >/dev/full 2>/dev/null";
  EXPECT_EQ(WEXITSTATUS(std::system(full.c_str())), 3);
  EXPECT_EQ(Crgen("diff " + fds + " - <" CRGEN_GOLDEN "/shared_fds.json").code, 0);
  // A damaged dump: what is left is compared.
  const fs::path damaged = CopyOf("zombies");
  fs::resize_file(damaged / "pages-1.img", 0);
  const Ran run = Crgen("diff " + damaged.string() + " " + Dump("zombies"));
  EXPECT_EQ(run.code, 3);
  EXPECT_NE(run.err, "");
}

/// Names from outside do not reach a terminal as they are.
TEST_F(DiffCliTest, EscapesNames) {
  const std::string plan =
      R"([{"command": "FORK", "pid": 0, "child_pid": 5}, {"command": "SET_ATTR", "pid": 5, "attributes": {"comm": "\u001b[31mx"}}])";
  const std::string one = Write("one.json", plan);
  std::string text = plan;
  const std::string other = Write("other.json", text.replace(text.find("mx"), 2, "my"));
  const Ran run = Crgen("diff " + one + " " + other);
  EXPECT_EQ(run.code, 6) << run.err;
  EXPECT_EQ(run.out.find('\033'), run.out.npos);
  EXPECT_NE(run.out.find("5: comm "), run.out.npos) << run.out;
  EXPECT_EQ(Crgen("diff --json " + one + " " + other).out.find('\033'), run.out.npos);
}

/// schema/diff.schema.json names every member and every kind, and no other.
TEST_F(DiffCliTest, JsonIsOfItsSchema) {
  const auto schema =
      nlohmann::json::parse(ReadFileText(fs::path(CRGEN_SOURCE) / "schema" / "diff.schema.json"));
  const auto& entry = schema["properties"]["differences"]["items"];
  std::set<std::string> kinds, members;
  for (const auto& kind : entry["properties"]["kind"]["enum"]) kinds.insert(kind);
  for (const auto& [name, rest] : entry["properties"].items()) members.insert(name);
  for (const char* other : {"pidns", "threads", "zombies", "clone_files"}) {
    const auto found =
        nlohmann::json::parse(Crgen("diff --json " + Dump("shared_fds") + " " + Dump(other)).out);
    for (const auto& [name, rest] : found.items()) EXPECT_TRUE(schema["properties"].contains(name));
    for (const auto& name : schema["required"]) EXPECT_TRUE(found.contains(name));
    for (const auto& it : found["differences"]) {
      EXPECT_TRUE(kinds.contains(it["kind"])) << it;
      for (const auto& [name, rest] : it.items()) EXPECT_TRUE(members.contains(name)) << it;
      for (const auto& name : entry["required"]) EXPECT_TRUE(it.contains(name)) << it;
    }
  }
}

}  // namespace
}  // namespace crgen::test
