// SPDX-License-Identifier: Apache-2.0
// The program as a user meets it: arguments, exit codes, what goes where.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <utility>

#include "tests/support/cli_fixture.h"
#include "tests/support/dump_edit.h"

namespace crgen::test {
namespace {

TEST_F(CliTest, PrintsThePlanOfADump) {
  const Ran run = Crgen(Dump("sessions"));
  EXPECT_EQ(run.code, 0);
  EXPECT_EQ(run.out, Golden("sessions"));
  EXPECT_EQ(run.err, "");
  EXPECT_EQ(Crgen("generate " + Dump("sessions")).out, run.out);
  EXPECT_EQ(Crgen("-q " + Dump("sessions")).out, run.out);
}

TEST_F(CliTest, SaysWhatAMistypedNameMayMean) {
  const std::pair<const char*, const char*> lines[] = {
      {"shwo", "crgen: error: shwo: neither a subcommand nor a file; did you mean show?\n"},
      {"inspect",
       "crgen: error: inspect: neither a subcommand nor a file; `crgen --help` says what there "
       "is\n"},
      {"plann dump", "crgen: error: plann: neither a subcommand nor a file; did you mean plan?\n"},
      {"validate --jsno x", "crgen: error: --jsno: no such option; did you mean --json?\n"},
      {"dump --foo", "crgen: error: --foo: no such option; `crgen --help` says what there is\n"},
      {"schema --man --policy",
       "crgen: error: --man and --policy exclude each other: each is a page\n"},
      {"dump --wthout=locks", "crgen: error: --wthout: no such option; did you mean --without?\n"},
      {"why --quite-other x",
       "crgen: error: --quite-other: no such option; `crgen why --help` says what there is\n"},
      {"why x y",
       "crgen: error: y: one argument too many; `crgen why --help` says what there is\n"},
      {"show fsd x",
       "crgen: error: fsd: nothing of a dump is called that; there are processes, fds, files, "
       "memory, sockets, mounts, signals, timers, credentials, settings, env, all; did you mean "
       "fds?\n"},
      {"dump --namespaces=calle",
       "crgen: error: --namespaces: calle not in {caller}; did you mean caller?\n"},
      {"dump --without=quues",
       "crgen: error: --without: nothing is called \"quues\" there; known are cgroups, "
       "descriptors, "
       "labels, locks, queues, unlinked; did you mean queues?\n"},
  };
  for (const auto& [arguments, line] : lines) {
    const Ran run = Crgen(arguments);
    EXPECT_EQ(run.code, 2) << arguments;
    EXPECT_EQ(run.err, line) << arguments;
    EXPECT_EQ(run.out, "");
  }
  for (const char* arguments : {"", "show", "diff a", "generate --threads many x"}) {
    const Ran run = Crgen(arguments);
    EXPECT_EQ(run.code, 2) << arguments;
    EXPECT_TRUE(run.err.starts_with("crgen: error: ")) << run.err;
  }
  // A file of that name is a file.
  std::ofstream(folder_ / "shwo") << "x";
  EXPECT_EQ(Crgen((folder_ / "shwo").string()).code, 3);
}

/// Sessions of another process's making: without CLONE_PARENT and subreapers there are more
/// processes for a while, or no way at all.
TEST_F(CliTest, KeepsPlansToTheSystemCallsThatAreNamed) {
  const std::string basis = "--syscalls fork,setsid,setpgid,exit ";
  std::size_t planned = 0;
  for (const auto& dump : fs::directory_iterator(CRGEN_FIXTURES "/dumps")) {
    const Ran all = Crgen("--partial " + dump.path().string());
    const Ran run = Crgen(basis + "--partial " + dump.path().string());
    if (all.code != 0) continue;
    if (run.code == 5) continue;  // a subreaper is needed for a moment
    ASSERT_EQ(run.code, 0) << dump.path() << run.err;
    ++planned;
    EXPECT_EQ(run.out.find("CLONE_PARENT"), run.out.npos) << dump.path();
  }
  EXPECT_GT(planned, 10U);
  EXPECT_EQ(Crgen("--syscalls fork " + Dump("sessions")).code, 2);
}

TEST_F(CliTest, IndentsWhenAsked) {
  const Ran run = Crgen(Dump("sessions") + " --pretty");
  EXPECT_EQ(run.code, 0);
  EXPECT_TRUE(run.out.starts_with("[\n  {\n    \"command\": \"FORK\",\n    \"pid\": 0,\n"));
}

TEST_F(CliTest, AnswersTheSameWithAnyNumberOfThreads) {
  // Broken: one image is cut, one is missing.
  const fs::path broken = CopyOf("threads");
  for (const auto& image : fs::directory_iterator(broken)) {
    const std::string name = image.path().filename().string();
    if (name.starts_with("mm-")) fs::resize_file(image, 100);
    if (name.starts_with("fs-")) fs::remove(image);
  }
  std::vector<fs::path> dumps{broken};
  for (const auto& dump : fs::directory_iterator(CRGEN_FIXTURES "/dumps")) {
    dumps.push_back(dump.path());
  }
  ASSERT_GT(dumps.size(), 10U);
  for (const fs::path& dump : dumps) {
    const Ran one = Crgen("--partial --threads 1 " + dump.string());
    EXPECT_EQ(one.code != 0, one.out.empty()) << dump;
    for (const char* threads : {"2", "8"}) {
      const Ran more = Crgen("--partial --threads " + std::string(threads) + " " + dump.string());
      EXPECT_EQ(more.code, one.code) << dump;
      EXPECT_EQ(more.out, one.out) << dump;
      EXPECT_EQ(more.err, one.err) << dump;
    }
  }
  EXPECT_NE(Crgen("--threads 2 " + broken.string()).code, 0);
}

TEST_F(CliTest, SaysWhatItDoesOnStderr) {
  const Ran run = Crgen("-v " + Dump("sessions"));
  EXPECT_EQ(run.out, Golden("sessions"));
  EXPECT_NE(run.err.find("15 processes"), std::string::npos) << run.err;
}

TEST_F(CliTest, TakesVerbosityBeforeASubcommandToo) {
  const std::string dump = Dump("deep_tree");
  EXPECT_EQ(Crgen("-q show " + dump).out, Crgen("show -q " + dump).out);
  EXPECT_EQ(Crgen("--verbose " + dump).err, Crgen("generate -v " + dump).err);
  EXPECT_EQ(Crgen("-v -q").code, 2);
}

TEST_F(CliTest, WritesAFileWholeOrNotAtAll) {
  const fs::path plan = folder_ / "plan.json";
  EXPECT_EQ(Crgen(Dump("threads") + " -o " + plan.string()).code, 0);
  EXPECT_EQ(ReadFileText(plan), Golden("threads"));
  // A refused dump leaves what was there, and nothing else.
  EXPECT_EQ(Crgen(WithUnsupported().string() + " -o " + plan.string()).code, 4);
  EXPECT_EQ(ReadFileText(plan), Golden("threads"));
  EXPECT_EQ(Crgen(Dump("threads") + " -o " + (folder_ / "no/plan.json").string()).code, 3);
  std::size_t files = 0;
  for ([[maybe_unused]] const auto& entry : fs::directory_iterator(folder_)) ++files;
  EXPECT_EQ(files, 4u);  // plan.json, out, err, the dump
}

TEST_F(CliTest, ReportsAFullDisk) {
  for (const std::string& arguments : {std::string("--help"), std::string("--version"),
                                       std::string("show --help"), Dump("threads")}) {
    const std::string command =
        std::string(CRGEN_BINARY) + " " + arguments + " >/dev/full 2>" + (folder_ / "err").string();
    EXPECT_EQ(WEXITSTATUS(std::system(command.c_str())), 3) << arguments;
    EXPECT_NE(ReadFileText(folder_ / "err").find("No space left on device"), std::string::npos);
  }
}

TEST_F(CliTest, RefusesUnsupportedThingsByName) {
  const Ran run = Crgen(WithUnsupported());
  EXPECT_EQ(run.code, 4);
  EXPECT_EQ(run.out, "");
  for (const char* name : {"sk-queues.img[1]: unsupported", "an AppArmor namespace"}) {
    EXPECT_NE(run.err.find(name), std::string::npos) << name;
  }
}

TEST_F(CliTest, PlansTheRestOnRequest) {
  const Ran run = Crgen(WithUnsupported().string() + " --partial");
  EXPECT_EQ(run.code, 0);
  EXPECT_NE(run.err.find("warning: sk-queues.img[1]: left out"), std::string::npos) << run.err;
  EXPECT_NE(run.out.find("\"left_out\": [{\"where\": "), std::string::npos);
  // But for what `about` says, the plan of the rest.
  const std::string rest = Golden("pipeline");
  EXPECT_EQ(run.out.substr(run.out.find('\n', 2)), rest.substr(rest.find('\n', 2)));
}

TEST_F(CliTest, EndsWithWhatNoPlanHas) {
  const std::string note = "is in no plan: docs/not-in-a-dump.md\n";
  const std::string dump = WithUnsupported().string();
  const Ran run = Crgen("-v --partial " + dump);
  EXPECT_EQ(run.code, 0);
  EXPECT_NE(run.err.find("warning: "), std::string::npos) << run.err;
  EXPECT_TRUE(run.err.ends_with(note)) << run.err;
  EXPECT_EQ(Crgen("-v " + dump).err.find(note), std::string::npos);
}

/// Their bits are off, or no processor would take the rest.
TEST_F(CliTest, LeavesOutRegistersThatNoImageHas) {
  test::Dump dump;
  const std::string field = "core-10.img[0].thread_info.fpregs.xsave.xstate_bv";
  ASSERT_EQ(ApplyEdit(field + " = 0x600ff", &dump), "");
  fs::create_directories(folder_ / "images");
  for (const auto& [name, content] : dump.Build()) {
    std::ofstream(folder_ / "images" / name, std::ios::binary) << content;
  }
  const std::string images = (folder_ / "images").string();
  const Ran run = Crgen("--partial " + images);
  EXPECT_EQ(run.code, 0) << run.err;
  EXPECT_NE(run.err.find(field + ": left out: components 0x600"), std::string::npos) << run.err;
  EXPECT_NE(run.err.find(": the thread has these registers as it was born (AMX: SIGILL"),
            std::string::npos)
      << run.err;
  EXPECT_NE(run.out.find("\"left_out\": [{\"where\": \"" + field), std::string::npos);
  EXPECT_EQ(run.out.find("\"xstate_bv\": \"0x6"), std::string::npos);
  EXPECT_EQ(run.out.find("\"xsave\": \"0x6"), std::string::npos);
  EXPECT_NE(run.out.find("\"xstate_bv\": \"0x"), std::string::npos);
}

/// descriptors.json of a runtime tells which pipes are not of the tree.
TEST_F(CliTest, NamesWhatComesFromOutside) {
  const std::string plan = Crgen(Dump("pipeline") + " --partial").out;
  const std::size_t at = plan.find("\"pipe_id\": ");
  ASSERT_NE(at, std::string::npos);
  const std::string key = "pipe:[" + std::to_string(std::stoul(plan.substr(at + 11))) + "]";
  EXPECT_EQ(plan.find("external"), std::string::npos);
  const std::filesystem::path dump = folder_ / "dump";
  std::filesystem::copy(Dump("pipeline"), dump, std::filesystem::copy_options::recursive);
  std::ofstream(dump / "descriptors.json") << "[\"/dev/null\", \"" << key << "\"]";
  const Ran run = Crgen(dump.string() + " --partial");
  EXPECT_EQ(run.code, 0);
  EXPECT_NE(run.out.find("{\"kind\": \"descriptor\", \"what\": \"" + key + "\"}"),
            std::string::npos);
  EXPECT_NE(run.out.find("\"external\": \"" + key + "\"}"), std::string::npos);
  EXPECT_NE(run.err.find("crrestore wants --inherit-fd fd[N]:" + key), std::string::npos)
      << run.err;
}

/// CLI11 has a type, and what a flag sets, in the place of what is typed.
TEST_F(CliTest, HelpShowsWhatIsTyped) {
  const std::string help = Crgen("generate --help").out;
  for (const char* line : {"\nUsage: crgen generate [OPTIONS] DUMP\n", "\n  DUMP           ",
                           "\n  -o,--output FILE   ", "\n  --threads N   "}) {
    EXPECT_NE(help.find(line), std::string::npos) << line << "\n" << help;
  }
  for (const char* unwanted : {"DUMP DUMP", "REQUIRED", "INT in"}) {
    EXPECT_EQ(help.find(unwanted), std::string::npos) << help;
  }
  EXPECT_NE(Crgen("core --help").out.find("--pid INT REQUIRED"), std::string::npos);
}

TEST_F(CliTest, LeavesOutWhatIsNamed) {
  const std::string dump = WithUnsupported();
  EXPECT_NE(
      Crgen("generate --help").out.find("KINDS:{cgroups,descriptors,labels,locks,queues,unlinked}"),
      std::string::npos);
  const Ran some = Crgen(dump + " --without=queues,unlinked");
  EXPECT_EQ(some.code, 4);
  EXPECT_EQ(some.out, "");
  EXPECT_NE(some.err.find("warning: sk-queues.img[1]: left out"), std::string::npos) << some.err;
  EXPECT_NE(some.err.find("apparmor.img[0]: unsupported"), std::string::npos) << some.err;
  const Ran all = Crgen(dump + " --without=labels,unlinked --without queues");
  EXPECT_EQ(all.code, 0) << all.err;
  EXPECT_EQ(all.out, Crgen(dump + " --partial").out);
  const Ran wrong = Crgen(Dump("pipeline") + " --without=lock");
  EXPECT_EQ(wrong.code, 2);
  EXPECT_NE(wrong.err.find("\"lock\""), std::string::npos) << wrong.err;
  EXPECT_NE(Crgen("generate --help").out.find("  locks "), std::string::npos);
}

TEST_F(CliTest, SaysWhatReachesOutside) {
  const Ran planned = Crgen(Dump("shell_job"));
  EXPECT_EQ(planned.code, 0);
  EXPECT_EQ(planned.out, Golden("shell_job"));
  EXPECT_NE(planned.err.find("not of the tree"), std::string::npos) << planned.err;
  EXPECT_NE(planned.err.find("--shell-job"), std::string::npos) << planned.err;
  EXPECT_NE(planned.out.find("\"external\": [{\"kind\": \"session\""), std::string::npos);
  EXPECT_EQ(Crgen("--shell-job " + Dump("shell_job")).out, planned.out);
}

TEST_F(CliTest, WritesIntoWhatIsNoRegularFile) {
  const std::string full = (folder_ / "full").string();
  ASSERT_EQ(std::system(("mknod " + full + " c 1 7 2>/dev/null || mkfifo " + full).c_str()), 0);
  struct stat before, after;
  ASSERT_EQ(stat(full.c_str(), &before), 0);
  if (S_ISCHR(before.st_mode)) {
    EXPECT_EQ(Crgen(Dump("threads") + " -o " + full).code, 3);
  }
  const std::string fifo = (folder_ / "fifo").string();
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  const std::string reader = "cat " + fifo + " >" + (folder_ / "read").string() + " & " +
                             CRGEN_BINARY + " " + Dump("threads") + " -o " + fifo + "; wait";
  EXPECT_EQ(std::system(reader.c_str()), 0);
  EXPECT_EQ(ReadFileText(folder_ / "read"), Golden("threads"));
  ASSERT_EQ(stat(full.c_str(), &after), 0);
  EXPECT_EQ(after.st_mode, before.st_mode);
  EXPECT_TRUE(fs::is_fifo(fifo));
}

TEST_F(CliTest, WritesIntoADescriptorOfTheCaller) {
  const std::string plan = Golden("threads");
  EXPECT_EQ(Crgen(Dump("threads") + " -o -").out, plan);
  const std::string into = (folder_ / "plan.json").string();
  for (const char* name : {"/dev/stdout", "/proc/self/fd/1", "/dev/fd/1"}) {
    const std::string command =
        std::string(CRGEN_BINARY) + " -q " + Dump("threads") + " -o " + name;
    EXPECT_EQ(std::system((command + " | cat >" + into).c_str()), 0) << name;
    EXPECT_EQ(ReadFileText(into), plan) << name;
    const std::string socket =
        "python3 -c 'import socket, subprocess\n"
        "a, b = socket.socketpair()\n"
        "p = subprocess.Popen(\"" +
        command +
        "\".split(), stdout=b)\n"
        "b.close()\n"
        "open(\"" +
        into + "\", \"wb\").write(a.makefile(\"rb\").read())' ";
    EXPECT_EQ(std::system(socket.c_str()), 0) << name;
    EXPECT_EQ(ReadFileText(into), plan) << name;
  }
}

TEST_F(CliTest, AnOptionTakesOneValue) {
  EXPECT_EQ(Crgen("--without=locks " + Dump("threads")).out, Golden("threads"));
  EXPECT_EQ(Crgen("--without locks " + Dump("threads")).out, Golden("threads"));
  EXPECT_EQ(Crgen("--syscalls fork,setsid,setpgid,exit " + Dump("threads")).code, 0);
}

TEST_F(CliTest, FollowsLinksAndKeepsModes) {
  const fs::path plan = folder_ / "plan.json", link = folder_ / "link", dangling = folder_ / "far";
  EXPECT_EQ(Crgen(Dump("threads") + " -o " + plan.string()).code, 0);
  EXPECT_EQ(fs::status(plan).permissions(), fs::perms::owner_read | fs::perms::owner_write);
  fs::permissions(plan, static_cast<fs::perms>(0644));
  fs::create_symlink("plan.json", link);
  EXPECT_EQ(Crgen(Dump("sessions") + " -o " + link.string()).code, 0);
  EXPECT_TRUE(fs::is_symlink(link));
  EXPECT_EQ(ReadFileText(plan), Golden("sessions"));
  EXPECT_EQ(fs::status(plan).permissions(), static_cast<fs::perms>(0644));
  fs::create_symlink("new.json", dangling);
  EXPECT_EQ(Crgen(Dump("threads") + " -o " + dangling.string()).code, 0);
  EXPECT_TRUE(fs::is_symlink(dangling));
  EXPECT_EQ(ReadFileText(folder_ / "new.json"), Golden("threads"));
}

TEST_F(CliTest, LeavesNothingBehindWhereAFileIsTooLarge) {
  const std::string plan = (folder_ / "plan.json").string();
  const std::string command = "bash -c 'ulimit -c 0 -f 1; " + std::string(CRGEN_BINARY) + " " +
                              Dump("threads") + " -o " + plan + "' >/dev/null 2>&1";
  EXPECT_EQ(WEXITSTATUS(std::system(command.c_str())), 3);
  EXPECT_TRUE(fs::is_empty(folder_));
}

TEST_F(CliTest, SaysWhatWasGivenForADump) {
  const std::string program = std::string(CRGEN_GOLDEN) + "/threads.json";
  for (const char* command : {"", "show ", "why ", "needs "}) {
    const Ran run = Crgen(command + program);
    EXPECT_EQ(run.code, 3) << command;
    EXPECT_NE(run.err.find("is a program, expected a dump"), std::string::npos) << run.err;
  }
  const fs::path text = folder_ / "text";
  std::ofstream(text) << "no archive";
  const Ran archive = Crgen(text.string());
  EXPECT_EQ(archive.code, 3);
  EXPECT_NE(archive.err.find("is no archive (.tar, .tar.gz, .tar.zst, .tar.xz)"), std::string::npos)
      << archive.err;
  fs::remove(text);
  CopyOf("threads");
  const Ran above = Crgen(folder_.string());
  EXPECT_EQ(above.code, 0);
  EXPECT_EQ(above.out, Golden("threads"));
  const std::string more = CopyOf("sessions");
  const Ran several = Crgen(folder_.string());
  EXPECT_EQ(several.code, 3);
  EXPECT_NE(several.err.find("is no dump, but has several: " + more + ", " +
                             (folder_ / "threads").string()),
            std::string::npos)
      << several.err;
  fs::rename(folder_ / "threads", folder_ / "checkpoint");
  EXPECT_EQ(Crgen(folder_.string()).out, Golden("threads"));
  EXPECT_NE(Crgen("validate " + folder_.string()).err.find("is a folder, expected a file"),
            std::string::npos);
  EXPECT_NE(Crgen("validate - </dev/null").err.find("standard input: is empty"), std::string::npos);
}

TEST_F(CliTest, EscapesNames) {
  const std::string name =
      "pl\x1b[2J\xc2\x9b\xe2\x80\x8b\xe2\x80\xae\xff"
      "\xc3\xa9.json";
  const Ran run = Crgen("validate '" + (folder_ / name).string() + "'");
  EXPECT_EQ(run.code, 3);
  EXPECT_NE(run.err.find("pl\\x1b[2J\\u009b\\u200b\\u202e\\xff\xc3\xa9.json: No such file"),
            std::string::npos)
      << run.err;
  std::ofstream(folder_ / "plan.json") << R"([
    {"command": "FORK", "pid": 0, "child_pid": 10},
    {"command": "OPEN_FILE", "pid": 10, "fd": 3,
     "file": {"type": "REG", "id": 1, "path": "/\u001b[2J\u202e", "flags": ["O_RDWR"]}},
    {"command": "LOAD_PAGES", "pid": 10, "start": "0x1000", "pages": 1,
     "source": {"image": "/\u001b\u202e", "offset": 0}}])";
  const std::string plan = (folder_ / "plan.json").string();
  for (const char* view : {"validate --state ", "validate --json "}) {
    const Ran shown = Crgen(view + plan);
    EXPECT_EQ(shown.code, 3);
    EXPECT_EQ((shown.out + shown.err).find('\x1b'), std::string::npos) << view;
    EXPECT_EQ((shown.out + shown.err).find("\xe2\x80\xae"), std::string::npos) << view;
  }
}

TEST_F(CliTest, NamesWhatIsWrongWithADump) {
  const fs::path dump = CopyOf("threads");
  fs::remove(dump / "inventory.img");
  Ran run = Crgen(dump.string());
  EXPECT_EQ(run.code, 3);
  EXPECT_EQ(run.out, "");
  EXPECT_NE(run.err.find("inventory.img: is missing"), std::string::npos) << run.err;

  run = Crgen((folder_ / "nothing").string());
  EXPECT_EQ(run.code, 3);
  EXPECT_NE(run.err.find("No such file or directory"), std::string::npos) << run.err;

  fs::create_directories(folder_ / "empty");
  run = Crgen((folder_ / "empty").string());
  EXPECT_EQ(run.code, 3);
  EXPECT_NE(run.err.find((folder_ / "empty").string() + ": has no images of CRIU"),
            std::string::npos)
      << run.err;
}

TEST_F(CliTest, ReportsAllProblemsInOneRun) {
  const fs::path dump = CopyOf("sessions");
  fs::resize_file(dump / "files.img", fs::file_size(dump / "files.img") - 1);
  for (const auto& entry : fs::directory_iterator(dump)) {
    if (entry.path().filename().string().starts_with("mm-")) fs::remove(entry.path());
  }
  const Ran run = Crgen(dump.string());
  EXPECT_EQ(run.code, 3);
  EXPECT_NE(run.err.find("files.img"), std::string::npos);
  EXPECT_NE(run.err.find("mm-31000.img: is missing"), std::string::npos) << run.err;
  // The same of many is said once.
  EXPECT_NE(run.err.find("; the same of 14 others (-v lists them)"), std::string::npos) << run.err;
  EXPECT_EQ(run.err.find("mm-31001.img"), std::string::npos) << run.err;
  EXPECT_NE(Crgen("-v " + dump.string()).err.find("mm-31001.img: is missing\n"), std::string::npos);
}

TEST_F(CliTest, PrintsSchemaAndReferences) {
  EXPECT_EQ(Crgen("schema").out, ReadFileText(CRGEN_SOURCE "/schema/restore-program.schema.json"));
  EXPECT_EQ(Crgen("schema --commands").out, ReadFileText(CRGEN_SOURCE "/schema/commands.md"));
  EXPECT_EQ(Crgen("schema --images").out, ReadFileText(CRGEN_SOURCE "/docs/images.md"));
}

TEST_F(CliTest, HelpsAndRefusesWrongArguments) {
  for (const char* arguments : {"--help", "generate --help", "tree --help", "validate --help"}) {
    const Ran run = Crgen(arguments);
    EXPECT_EQ(run.code, 0) << arguments;
    EXPECT_NE(run.out.find("Example"), std::string::npos) << arguments;
  }
  EXPECT_TRUE(Crgen("--version").out.starts_with("crgen "));
  for (const char* arguments :
       {"", "generate", "tree", "validate", "schema extra", "--nonsense x"}) {
    EXPECT_EQ(Crgen(arguments).code, 2) << arguments;
  }
}

}  // namespace
}  // namespace crgen::test
