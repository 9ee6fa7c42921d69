// SPDX-License-Identifier: Apache-2.0
// `crgen tree` as a user meets it.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/support/cli_fixture.h"

namespace crgen::test {
namespace {

TEST_F(CliTest, ExplainsATree) {
  const Ran dump = Crgen("tree " + Dump("sessions"));
  EXPECT_EQ(dump.code, 0) << dump.err;
  EXPECT_NE(dump.out.find("31000"), std::string::npos);
  const Ran sibling = Crgen("tree '1 1 1 [ 5 4 3 []  3 3 3 [ 4 4 3 []  9 3 3 [] ] ]'");
  EXPECT_EQ(sibling.code, 0) << sibling.err;
  EXPECT_NE(sibling.out.find("sibling 5 (CLONE_PARENT)"), std::string::npos) << sibling.out;
  const Ran invented = Crgen("tree '1 1 1 [ 3 2 2 [] ]'");
  EXPECT_EQ(invented.code, 0) << invented.err;
  EXPECT_NE(invented.out.find("invented: 1"), std::string::npos) << invented.out;

  fs::create_directory(folder_ / "alone");
  fs::copy(Dump("sessions") + "/pstree.img", folder_ / "alone");
  const Ran alone = Crgen("tree " + (folder_ / "alone").string());
  EXPECT_EQ(alone.code, 0) << alone.err;
}

/// The worked example of the published grammar, by its own calls: 5 is born to somebody who is
/// gone.
TEST_F(CliTest, KeepsToTheSystemCallsThatAreNamed) {
  const std::string tree = " '1 1 1 [ 5 4 3 []  3 3 3 [ 4 4 3 []  9 3 3 [] ] ]'";
  const Ran basis = Crgen("tree --syscalls fork,setsid,setpgid,exit" + tree);
  EXPECT_EQ(basis.code, 0) << basis.err;
  EXPECT_TRUE(
      basis.out.starts_with("1 group 1 session 1\n"
                            "├─ 5 group 4 session 3\n"
                            "└─ 3 group 3 session 3\n"
                            "  ├─ 4 group 4 session 3\n"
                            "  └─ 9 group 3 session 3\n"))
      << basis.out;
  EXPECT_NE(basis.out.find("  1        fork: child 3\n"
                           "  3        setsid: leads session and group 3\n"
                           "  3        fork: child 4\n"
                           "  4        setpgid: founds group 4\n"
                           "  4        fork: child 10\n"
                           "  10       fork: child 5\n"
                           "  10       exit"),
            basis.out.npos)
      << basis.out;
  EXPECT_NE(basis.out.find("(heuristic 2"), basis.out.npos);
  EXPECT_NE(basis.out.find("Heuristics find who is gone"), basis.out.npos);
  const Ran all = Crgen("tree" + tree);
  EXPECT_EQ(
      Crgen("tree --syscalls fork,setsid,setpgid,exit,wait,clone_parent,subreaper" + tree).out,
      all.out);
  EXPECT_EQ(all.out.find("Heuristics"), all.out.npos);
  // Only a subreaper for a moment holds the orphan there.
  const std::string deep = " '1 1 1 [ 2 1 1 r [ 5 3 3 [] ] 3 3 3 [] ]'";
  EXPECT_EQ(Crgen("tree" + deep).code, 0);
  EXPECT_EQ(Crgen("tree --syscalls fork,setsid,setpgid,exit" + deep).code, 5);
  // A root that is not init holds orphans only as a subreaper, or if a sibling has forked them.
  const std::string outer = " '7 7 7 [ 8 3 3 [] ]'", flag = " '7 7 7 [ 8 7 7 r [] ]'";
  EXPECT_EQ(Crgen("tree" + outer).code, 0);
  const Ran none = Crgen("tree --syscalls fork,setsid,setpgid,exit" + outer);
  EXPECT_EQ(none.code, 5);
  EXPECT_NE(none.err.find("pid 7: it would have to become a subreaper"), none.err.npos) << none.err;
  EXPECT_EQ(Crgen("tree --syscalls fork,setsid,setpgid,exit,subreaper" + outer).code, 0);
  EXPECT_EQ(Crgen("tree --syscalls fork,setsid,setpgid,exit" + flag).code, 5);
  const Ran sibling = Crgen("tree --syscalls fork,setsid,setpgid,exit,clone_parent" + outer);
  EXPECT_EQ(sibling.out.find("subreaper: on"), sibling.out.npos) << sibling.out;
  const Ran wrong = Crgen("tree --syscalls frok,setsid,setpgid,exit" + tree);
  EXPECT_EQ(wrong.code, 2);
  EXPECT_NE(wrong.err.find("did you mean fork?"), wrong.err.npos) << wrong.err;
  EXPECT_EQ(Crgen("tree --syscalls fork" + tree).code, 2);
}

TEST_F(CliTest, RefusesABrokenOrUnreachableTree) {
  const Ran broken = Crgen("tree '1 1 1 [ 2 1 ]'");
  EXPECT_EQ(broken.code, 3);
  EXPECT_NE(broken.err.find("Parsing error"), std::string::npos) << broken.err;
  const Ran nowhere = Crgen("tree no-such-dump");
  EXPECT_EQ(nowhere.code, 3);
  EXPECT_EQ(nowhere.err,
            "crgen: error: no-such-dump: neither a dump nor a tree: there is no such folder or "
            "file, and a tree is written as '1 1 1 [ 2 1 1 [] ]'\n");
  EXPECT_EQ(Crgen("tree '1 1 1 [ 2 1 1 [] ]'").code, 0);
  const Ran unreachable = Crgen("tree '1 1 1 [ 2 2 3 [ 3 3 3 [] ] ]'");
  EXPECT_EQ(unreachable.code, 5);
  EXPECT_EQ(unreachable.out, "");
}

TEST_F(CliTest, PrintsTheProgramOfATree) {
  const Ran run = Crgen("tree --program '1 1 1 [ 2 1 1 r [ 3 3 3 z [] 4 3 3 [] ] ]'");
  EXPECT_EQ(run.code, 0) << run.err;
  EXPECT_EQ(run.out,
            "[\n"
            "  {\"command\": \"FORK\", \"pid\": 0, \"child_pid\": 1, \"flags\": "
            "[\"CLONE_NEWPID\"]},\n"
            "  {\"command\": \"SET_SID\", \"pid\": 1},\n"
            "  {\"command\": \"FORK\", \"pid\": 1, \"child_pid\": 2},\n"
            "  {\"command\": \"FORK\", \"pid\": 2, \"child_pid\": 3},\n"
            "  {\"command\": \"SET_SID\", \"pid\": 3},\n"
            "  {\"command\": \"FORK\", \"pid\": 3, \"child_pid\": 4, \"flags\": "
            "[\"CLONE_PARENT\"]},\n"
            "  {\"command\": \"EXIT\", \"pid\": 3, \"status\": {\"code\": 0}},\n"
            "  {\"command\": \"SET_ATTR\", \"pid\": 2, \"attributes\": "
            "{\"child_subreaper\": true}}\n"
            "]\n");
  EXPECT_EQ(Crgen("tree --program '1 1 1 [ 2 1 ]'").code, 3);
  EXPECT_EQ(Crgen("tree --program '1 1 1 [ 2 2 3 [ 3 3 3 [] ] ]'").code, 5);
  const Ran dump = Crgen("tree --program " + Dump("sessions"));
  EXPECT_EQ(dump.code, 0) << dump.err;
  EXPECT_NE(dump.out.find("\"child_pid\": 31000"), std::string::npos);
}

TEST_F(CliTest, AnswersManyTreesALineEach) {
  std::ofstream(folder_ / "trees") << "1 1 1 [ 2 2 1 [] ]\n"
                                      "\n"
                                      "1 1 1 [ 2 2 3 [ 3 3 3 [] ] ]\r\n"
                                      "1 1 1 [ 2 1 ]\n"
                                      "7 5 5 []\n"
                                      "7 7 7 []";
  const Ran run = Crgen("tree --program - <" + (folder_ / "trees").string());
  EXPECT_EQ(run.code, 0) << run.err;
  EXPECT_EQ(run.out,
            "[{\"command\": \"FORK\", \"pid\": 0, \"child_pid\": 1, \"flags\": "
            "[\"CLONE_NEWPID\"]}, "
            "{\"command\": \"SET_SID\", \"pid\": 1}, "
            "{\"command\": \"FORK\", \"pid\": 1, \"child_pid\": 2}, "
            "{\"command\": \"SET_PGID\", \"pid\": 2, \"pgid\": 2}]\n"
            "{\"error\": \"line 2, column 1: Parsing error: found the end of the text, expected "
            "a pid (1 to 4194303)\", \"pid\": 0}\n"
            "{\"error\": \"it must be born in session 3, whose leader descends from it\", "
            "\"pid\": 2}\n"
            "{\"error\": \"line 4, column 13: Parsing error: found ']', expected a sid (0 to "
            "4194303)\", \"pid\": 0}\n"
            "[{\"command\": \"FORK\", \"pid\": 0, \"child_pid\": 7}]\n"
            "[{\"command\": \"FORK\", \"pid\": 0, \"child_pid\": 7}, "
            "{\"command\": \"SET_SID\", \"pid\": 7}]\n");

  const Ran nothing = Crgen("tree --program - </dev/null");
  EXPECT_EQ(nothing.code, 0);
  EXPECT_EQ(nothing.out, "");
  EXPECT_EQ(Crgen("tree - </dev/null").code, 2);
  const std::string full = std::string(CRGEN_BINARY) + " tree --program - >/dev/full 2>&1 <" +
                           (folder_ / "trees").string();
  EXPECT_EQ(WEXITSTATUS(std::system(full.c_str())), 3);
}

TEST_F(CliTest, AnswersTreesThatAreLongerThanWhatIsReadAtOnce) {
  constexpr int kProcesses = 150000;
  {
    std::ofstream trees(folder_ / "trees");
    for (int k = 0; k < 2; ++k) {
      trees << "1 1 1 [";
      for (int i = 2; i <= kProcesses; ++i) trees << i << " 1 1[]";
      trees << "]\n";
    }
  }
  const Ran run = Crgen("tree --program - <" + (folder_ / "trees").string());
  EXPECT_EQ(run.code, 0) << run.err;
  EXPECT_EQ(std::count(run.out.begin(), run.out.end(), '\n'), 2);
  EXPECT_EQ(run.out.substr(0, run.out.size() / 2), run.out.substr(run.out.size() / 2));
  EXPECT_TRUE(run.out.ends_with("\"child_pid\": 150000}]\n"));
}

}  // namespace
}  // namespace crgen::test
