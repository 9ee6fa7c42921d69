// SPDX-License-Identifier: Apache-2.0
// Files without a name: made for the moment of an opening, and nothing of that is left, whatever
// fails.
#include <fcntl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/user.h>

#include <filesystem>
#include <set>

#include "tests/support/restorer_support.h"

namespace crgen::test {
namespace {

namespace fs = std::filesystem;
using Plan = PlanBuilder;

class RestorerUnlinkedTest : public RestorerTest {
 protected:
  void SetUp() override {
    RestorerTest::SetUp();
    fs::create_directory(Path("files"));
    std::ofstream(folder_ + "/ghost-file-1.img") << "headhello world";
  }
  std::string Path(const std::string& name) const { return folder_ + "/" + name; }

  Json New(int id, std::uint64_t size = 11) const {
    return {
        {"id", id},
        {"mode", 0100640},
        {"uid", 1234},
        {"gid", 1235},
        {"size", size},
        {"times",
         {{"access", {{"sec", 5}, {"nsec", 0}}},
          {"modification", {{"sec", 1000000000}, {"nsec", 7}}}}},
        {"content",
         {{{"at", 0}, {"source", {{"image", "ghost-file-1.img"}, {"offset", 4}}}, {"bytes", 11}}}}};
  }
  void Open(Plan& plan, int fd, const std::string& name, Json unlinked,
            Json flags = {"O_RDWR"}) const {
    plan.Add("OPEN_FILE", Pid(0),
             {{"fd", fd},
              {"file",
               {{"type", "REG"},
                {"id", fd},
                {"path", Path("files/" + name)},
                {"flags", flags},
                {"unlinked", std::move(unlinked)}}}});
  }
  Plan Begin() const {
    Plan plan;
    plan.Fork(0, Pid(0));
    plan.MapProgram(Pid(0));
    return plan;
  }
  /// Two descriptions, and a second name.
  Plan Rich() const {
    Plan plan = Begin();
    Open(plan, 3, "gone", New(1));
    Open(plan, 4, "gone", {{"id", 1}}, {"O_RDONLY"});
    Open(plan, 5, "other", {{"id", 2}, {"link_of", 1}}, {"O_WRONLY", "O_APPEND"});
    plan.Resume(Pid(0));
    return plan;
  }
  std::string Link(int fd) const {
    return fs::read_symlink("/proc/" + std::to_string(Pid(0)) + "/fd/" + std::to_string(fd));
  }
  struct stat Facts(int fd) const {
    struct stat facts = {};
    stat(("/proc/" + std::to_string(Pid(0)) + "/fd/" + std::to_string(fd)).c_str(), &facts);
    return facts;
  }
  std::set<std::string> Names() const {
    std::set<std::string> names;
    for (const auto& entry : fs::directory_iterator(Path("files"))) {
      names.insert(entry.path().filename());
    }
    return names;
  }
  /// A file of which the dumper's hard link is left.
  void Linked(Plan& plan) const {
    plan.Add("OPEN_FILE", Pid(0),
             {{"fd", 3},
              {"file",
               {{"type", "REG"},
                {"id", 3},
                {"path", Path("files/gone")},
                {"opened_by", Path("files/link_remap.1")},
                {"size", 6},
                {"flags", {"O_RDWR"}}}}});
  }
  /// Restores plan.json; one of the words between the process that is started here and the one that
  /// restores fails with EIO, if there are so many. The exit status.
  int RunWithFailingWord(int failing, bool* failed) const {
    const pid_t pid = fork();
    if (pid == 0) {
      ptrace(PTRACE_TRACEME, 0, 0, 0);
      if (chdir(folder_.c_str()) != 0) _exit(127);
      execl(CRRESTORE_BINARY, "crrestore", "plan.json", "--detach", nullptr);
      _exit(127);
    }
    int status = 0;
    waitpid(pid, &status, 0);
    ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
    bool fails = false;
    for (int signal = 0;;) {
      ptrace(PTRACE_SYSCALL, pid, 0, signal);
      if (waitpid(pid, &status, __WALL) != pid || !WIFSTOPPED(status)) break;
      signal = WSTOPSIG(status) == (SIGTRAP | 0x80) ? 0 : WSTOPSIG(status);
      if (signal != 0) continue;
      user_regs_struct regs;
      ptrace(PTRACE_GETREGS, pid, 0, &regs);
      const bool begins = static_cast<long>(regs.rax) == -ENOSYS && !fails;
      const bool word = regs.orig_rax == SYS_recvfrom || regs.orig_rax == SYS_sendto;
      if (fails) {
        regs.rax = static_cast<unsigned long long>(-EIO);
        fails = false;
      } else if (begins && word && --failing == 0) {
        // A word is told or not; who does not hear one does not hear what has been told.
        if (regs.orig_rax == SYS_sendto) regs.orig_rax = ~0ull;
        *failed = fails = true;
      } else {
        continue;
      }
      ptrace(PTRACE_SETREGS, pid, 0, &regs);
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
  void ExpectRefused(const Plan& plan, const std::string& message, int status = 3) {
    const std::set<std::string> before = Names();
    const Outcome outcome = Run(plan);
    EXPECT_EQ(outcome.status, status) << outcome.errors;
    EXPECT_NE(outcome.errors.find(message), std::string::npos) << message << "\n" << outcome.errors;
    EXPECT_TRUE(Left().empty());
    EXPECT_EQ(Names(), before);
  }
};

TEST_F(RestorerUnlinkedTest, HasItsOldPathAndNoName) {
  const Outcome outcome = Run(Rich());
  ASSERT_EQ(outcome.status, 0) << outcome.errors;
  EXPECT_EQ(Link(3), Path("files/gone") + " (deleted)");
  EXPECT_EQ(Link(4), Path("files/gone") + " (deleted)");
  EXPECT_EQ(Link(5), Path("files/other") + " (deleted)");
  const struct stat facts = Facts(3);
  EXPECT_EQ(facts.st_nlink, 0u);
  EXPECT_EQ(facts.st_mode, 0100640u);
  EXPECT_EQ(facts.st_uid, 1234u);
  EXPECT_EQ(facts.st_gid, 1235u);
  EXPECT_EQ(facts.st_size, 11);
  EXPECT_EQ(facts.st_mtim.tv_sec, 1000000000);
  EXPECT_EQ(facts.st_mtim.tv_nsec, 7);
  EXPECT_EQ(Facts(4).st_ino, facts.st_ino);
  EXPECT_EQ(Facts(5).st_ino, facts.st_ino);
  std::string text;
  std::getline(std::ifstream("/proc/" + std::to_string(Pid(0)) + "/fd/4"), text);
  EXPECT_EQ(text, "hello world");
  EXPECT_TRUE(Names().empty());
}

/// Nobody hears the warning: the file is restored all the same.
TEST_F(RestorerUnlinkedTest, NobodyReadsWhatItSays) {
  std::ofstream(Path("files/gone")) << "live";
  const std::set<std::string> before = Names();
  std::ofstream(folder_ + "/plan.json") << Rich().Text();
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  close(ends[0]);
  const pid_t pid = fork();
  if (pid == 0) {
    dup2(ends[1], 2);
    const std::string plan = folder_ + "/plan.json";
    execl(CRRESTORE_BINARY, "crrestore", plan.c_str(), "--detach", nullptr);
    _exit(127);
  }
  close(ends[1]);
  int status = 0;
  ASSERT_EQ(waitpid(pid, &status, 0), pid);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(Link(3), Path("files/gone.crrestore-1") + " (deleted)");
  EXPECT_EQ(Names(), before);
}

/// Who has the name by now keeps it.
TEST_F(RestorerUnlinkedTest, TakesNobodysName) {
  std::ofstream(Path("files/other")) << "live";
  fs::create_symlink("/nowhere", Path("files/gone"));
  const std::set<std::string> before = Names();
  const Outcome outcome = Run(Rich());
  ASSERT_EQ(outcome.status, 0) << outcome.errors;
  EXPECT_NE(outcome.errors.find(Path("files/other") +
                                " is another file now: the unlinked one comes back as "
                                "other.crrestore-1 (deleted)"),
            std::string::npos)
      << outcome.errors;
  EXPECT_EQ(Link(3), Path("files/gone.crrestore-1") + " (deleted)");
  EXPECT_EQ(Link(5), Path("files/other.crrestore-1") + " (deleted)");
  EXPECT_EQ(Facts(5).st_ino, Facts(3).st_ino);
  EXPECT_EQ(Facts(3).st_nlink, 0u);
  EXPECT_EQ(Names(), before);
  std::string text;
  std::getline(std::ifstream(Path("files/other")), text);
  EXPECT_EQ(text, "live");
}

TEST_F(RestorerUnlinkedTest, OtherNamesAreTakenAndTooLongAsWell) {
  const std::string longest(255, 'n');
  const std::string other = longest.substr(0, 255 - std::string(".crrestore-1").size());
  std::ofstream(Path("files/" + longest)) << "live";
  fs::create_directory(Path("files/" + other + ".crrestore-1"));
  const std::set<std::string> before = Names();
  Plan plan = Begin();
  Open(plan, 3, longest, New(1));
  plan.Resume(Pid(0));
  const Outcome outcome = Run(plan);
  ASSERT_EQ(outcome.status, 0) << outcome.errors;
  EXPECT_EQ(Link(3), Path("files/" + other + ".crrestore-2") + " (deleted)");
  EXPECT_EQ(Names(), before);
}

TEST_F(RestorerUnlinkedTest, IsRefusedWhereItCannotBeMade) {
  fs::resize_file(folder_ + "/ghost-file-1.img", 10);
  ExpectRefused(Rich(), "ghost-file-1.img has 10 bytes: not 11 from 4");
}

/// Folders that have gone, too, are there for the moment.
TEST_F(RestorerUnlinkedTest, ItsFoldersMayBeGone) {
  Plan plan = Begin();
  Open(plan, 3, "a/b/gone", New(1));
  Open(plan, 4, "a/c/other", New(2));
  plan.Resume(Pid(0));
  const Outcome outcome = Run(plan);
  ASSERT_EQ(outcome.status, 0) << outcome.errors;
  EXPECT_EQ(Link(3), Path("files/a/b/gone") + " (deleted)");
  EXPECT_EQ(Link(4), Path("files/a/c/other") + " (deleted)");
  EXPECT_TRUE(Names().empty());
}

class RestorerUnlinkedTypesTest : public RestorerUnlinkedTest {
 protected:
  static Json Of(int id, unsigned mode) {
    Json it = {{"id", id}, {"mode", mode}, {"uid", 1234}, {"gid", 1235}};
    it["times"] = {{"access", {{"sec", 5}, {"nsec", 0}}},
                   {"modification", {{"sec", 1000000000}, {"nsec", 7}}}};
    return it;
  }
  static Json With(Json it, const char* member, const Json& value) {
    it[member] = value;
    return it;
  }
  void OpenFifo(Plan& plan, int fd, Json unlinked, const char* flag) const {
    plan.Add("OPEN_FILE", Pid(0),
             {{"fd", fd},
              {"file",
               {{"type", "FIFO"},
                {"id", fd},
                {"pipe_id", 9},
                {"path", Path("files/fifo")},
                {"flags", {flag, "O_NONBLOCK"}},
                {"unlinked", std::move(unlinked)}}}});
  }
  /// One of each, a working directory, and a file inside of it.
  Plan All() const {
    Plan plan = Begin();
    Open(plan, 3, "folder/inside", New(1));
    Open(plan, 4, "folder", Of(2, S_IFDIR | 0751), {"O_RDONLY", "O_DIRECTORY"});
    Open(plan, 5, "folder/deeper", Of(3, S_IFDIR | 0700), {"O_RDONLY", "O_NOFOLLOW"});
    Open(plan, 6, "device", With(Of(4, S_IFCHR | 0600), "rdev", 0x105));
    Open(plan, 7, "link", With(Of(5, S_IFLNK | 0777), "target", "over/there"),
         {"O_RDONLY", "O_PATH", "O_NOFOLLOW"});
    Open(plan, 8, "nofollow", New(6), {"O_WRONLY", "O_APPEND", "O_NOFOLLOW"});
    Open(plan, 9, "#77", New(7), {"O_RDWR", "O_TMPFILE"});
    Open(plan, 10, "named", {{"id", 8}, {"link_of", 7}}, {"O_RDONLY"});
    OpenFifo(plan, 11, Of(9, S_IFIFO | 0600), "O_RDONLY");
    OpenFifo(plan, 12, {{"id", 9}}, "O_WRONLY");
    Open(plan, 13, "socket", Of(10, S_IFSOCK | 0700), {"O_RDONLY", "O_PATH"});
    plan.Add("SET_ATTR", Pid(0),
             {{"attributes",
               {{"fs", {{"cwd", Path("files/folder")}, {"cwd_unlinked", 2}, {"root", "/"}}}}}});
    plan.Resume(Pid(0));
    return plan;
  }
  int FlagsOf(int fd) const {
    std::ifstream info("/proc/" + std::to_string(Pid(0)) + "/fdinfo/" + std::to_string(fd));
    std::string word;
    while (info >> word && word != "flags:")
      ;
    info >> word;
    return static_cast<int>(std::stoul(word, nullptr, 8));
  }
  std::string Process() const { return "/proc/" + std::to_string(Pid(0)); }
};

TEST_F(RestorerUnlinkedTypesTest, ComeBack) {
  const Outcome outcome = Run(All());
  ASSERT_EQ(outcome.status, 0) << outcome.errors;
  EXPECT_TRUE(Names().empty());
  const std::pair<int, const char*> kNames[] = {
      {3, "folder/inside"}, {4, "folder"}, {5, "folder/deeper"}, {6, "device"}, {7, "link"},
      {8, "nofollow"},      {10, "named"}, {11, "fifo"},         {12, "fifo"},  {13, "socket"}};
  for (const auto& [fd, name] : kNames) {
    SCOPED_TRACE(name);
    EXPECT_EQ(Link(fd), Path("files/" + std::string(name)) + " (deleted)");
    EXPECT_EQ(Facts(fd).st_nlink, 0u);
    EXPECT_EQ(Facts(fd).st_uid, 1234u);
    EXPECT_EQ(Facts(fd).st_gid, 1235u);
    EXPECT_EQ(Facts(fd).st_mtim.tv_sec, 1000000000);
  }
  EXPECT_EQ(fs::read_symlink(Process() + "/cwd"), Path("files/folder") + " (deleted)");
  EXPECT_EQ(Facts(4).st_mode, S_IFDIR | 0751u);
  EXPECT_EQ(Facts(6).st_mode, S_IFCHR | 0600u);
  EXPECT_EQ(Facts(6).st_rdev, 0x105u);
  EXPECT_EQ(Facts(7).st_mode, S_IFLNK | 0777u);
  EXPECT_EQ(Facts(11).st_ino, Facts(12).st_ino);
  EXPECT_EQ(Facts(13).st_mode, S_IFSOCK | 0700u);
  EXPECT_NE(FlagsOf(5) & O_NOFOLLOW, 0);
  EXPECT_EQ(FlagsOf(7) & (O_PATH | O_NOFOLLOW), O_PATH | O_NOFOLLOW);
  EXPECT_EQ(FlagsOf(8) & (O_ACCMODE | O_APPEND | O_NOFOLLOW | O_NONBLOCK),
            O_WRONLY | O_APPEND | O_NOFOLLOW);
  EXPECT_EQ(FlagsOf(9) & (O_TMPFILE | O_ACCMODE | O_NONBLOCK), O_TMPFILE | O_RDWR);
  EXPECT_NE(Link(9).find("/files/#"), std::string::npos) << Link(9);
  EXPECT_EQ(Facts(9).st_ino, Facts(10).st_ino);
  std::string text;
  std::getline(std::ifstream(Process() + "/fd/9"), text);
  EXPECT_EQ(text, "hello world");
}

/// Whatever fails while they are made: no name is left.
TEST_F(RestorerUnlinkedTypesTest, NothingIsLeftWhateverFails) {
  std::ofstream(Path("files/other")) << "live";
  const auto look = [&](const Outcome& outcome) {
    EXPECT_EQ(Names(), (std::set<std::string>{"other"})) << outcome.errors;
  };
  EXPECT_GT(FailEachCall(All(), "--detach", look), 20);
}

TEST_F(RestorerUnlinkedTypesTest, AWatchIsOnAFileWithoutAName) {
  Plan plan = Begin();
  Open(plan, 3, "watched", New(1));
  plan.Add("OPEN_FILE", Pid(0),
           {{"fd", 4}, {"file", {{"type", "INOTIFY"}, {"id", 4}, {"flags", {"O_RDONLY"}}}}});
  plan.Add(
      "SET_ATTR", Pid(0),
      {{"attributes",
        {{"descriptors",
          {{{"fd", 4}, {"watches", {{{"wd", 5}, {"mask", {"IN_MODIFY"}}, {"unlinked", 1}}}}}}}}}});
  plan.Resume(Pid(0));
  const Outcome outcome = Run(plan);
  ASSERT_EQ(outcome.status, 0) << outcome.errors;
  std::ifstream info(Process() + "/fdinfo/4");
  const std::string text((std::istreambuf_iterator<char>(info)), {});
  char wanted[64];
  std::snprintf(wanted, sizeof wanted, "inotify wd:5 ino:%lx ",
                static_cast<unsigned long>(Facts(3).st_ino));
  EXPECT_NE(text.find(wanted), std::string::npos) << wanted << "\n" << text;
}

/// One file of two: when the second cannot be made, the first is gone, too.
TEST_F(RestorerUnlinkedTest, NothingIsLeftOfAFailure) {
  Plan plan = Begin();
  Open(plan, 3, "first", New(1));
  Open(plan, 4, "second", New(2));
  plan.Map(Pid(0), 0x100000000000, 1 << 30, {"PROT_READ", "PROT_WRITE"});  // more than there is
  plan.Resume(Pid(0));
  ExpectRefused(plan, "Cannot allocate memory", 5);
  EXPECT_TRUE(Names().empty());
}

TEST_F(RestorerUnlinkedTest, TheDumpersLinkGoesWithTheHandOver) {
  std::ofstream(Path("files/kept")) << "linked";
  fs::create_hard_link(Path("files/kept"), Path("files/link_remap.1"));
  const auto plan = [&] {
    Plan it = Begin();
    Linked(it);
    it.Resume(Pid(0));
    return it;
  };
  const Outcome failed =
      Run(plan(), "--detach", "CRRESTORE_FAILING_CALL=10", CRRESTORE_FAULTY_BINARY);
  EXPECT_EQ(failed.status, 5) << failed.errors;
  EXPECT_EQ(Names(), (std::set<std::string>{"kept", "link_remap.1"}));
  const Outcome outcome = Run(plan());
  ASSERT_EQ(outcome.status, 0) << outcome.errors;
  EXPECT_EQ(Link(3), Path("files/gone") + " (deleted)");
  EXPECT_EQ(Names(), (std::set<std::string>{"kept"}));
  EXPECT_EQ(Facts(3).st_nlink, 1u);
}

/// What this process is told and tells (recvfrom(2), sendto(2)) fails, one call after another: who
/// has said that it has failed has changed nothing.
TEST_F(RestorerUnlinkedTest, TheDumpersLinkStaysWhicheverWordFails) {
  std::ofstream(Path("files/kept")) << "linked";
  Plan plan = Begin();
  Linked(plan);
  plan.Resume(Pid(0));
  std::ofstream(folder_ + "/plan.json") << plan.Text();
  int failures = 0, restored = 0;
  for (int call = 1; restored < 2 && call < 20; ++call) {
    SCOPED_TRACE(call);
    if (!fs::exists(Path("files/link_remap.1"))) {
      fs::create_hard_link(Path("files/kept"), Path("files/link_remap.1"));
    }
    bool failed = false;
    const int status = RunWithFailingWord(call, &failed);
    if (!failed) ++restored;
    if (status != 0) {
      ++failures;
      EXPECT_EQ(status, 5);
      EXPECT_TRUE(Left().empty());
      EXPECT_EQ(Names(), (std::set<std::string>{"kept", "link_remap.1"}));
    } else {
      EXPECT_EQ(Link(3), Path("files/gone") + " (deleted)");
      EXPECT_EQ(Names(), (std::set<std::string>{"kept"}));
    }
    KillEverybody();
  }
  EXPECT_GE(failures, 4);
  EXPECT_EQ(restored, 2);
}

/// The caller's limit of descriptors holds for who is restored, not for the restorer.
TEST_F(RestorerUnlinkedTest, MoreFilesThanTheCallerMayHaveOpen) {
  Plan plan = Begin();
  constexpr int kFiles = 60;
  for (int i = 0; i < kFiles; ++i) Open(plan, 3 + i, "gone" + std::to_string(i), New(1 + i));
  plan.Resume(Pid(0));
  const Outcome outcome = Run(plan, "--detach", "ulimit -Sn 30 &&");
  ASSERT_EQ(outcome.status, 0) << outcome.errors;
  EXPECT_EQ(Facts(2 + kFiles).st_size, 11);
  std::ifstream limits("/proc/" + std::to_string(Pid(0)) + "/limits");
  std::string line, soft;
  while (std::getline(limits, line)) {
    if (line.starts_with("Max open files")) std::istringstream(line.substr(14)) >> soft;
  }
  EXPECT_EQ(soft, "30");
  std::ifstream status("/proc/" + std::to_string(Pid(0)) + "/status");
  std::string ignored;
  while (std::getline(status, line)) {
    if (line.starts_with("SigIgn:")) std::istringstream(line.substr(7)) >> ignored;
  }
  EXPECT_EQ(ignored, "0000000000000000");
}

/// Each with an image of its own: what is in a file is no longer held when the next one is made.
TEST_F(RestorerUnlinkedTest, HoldsOneDescriptorOfEachFile) {
  const auto plan = [this](int files) {
    Plan it = Begin();
    for (int i = 0; i < files; ++i) {
      const std::string image = "ghost-" + std::to_string(i) + ".img";
      std::ofstream(folder_ + "/" + image) << "headhello world";
      Json file = New(1 + i);
      file["content"][0]["source"]["image"] = image;
      Open(it, 3 + i, "gone" + std::to_string(i), file);
    }
    it.Resume(Pid(0));
    return it;
  };
  const Outcome outcome = Run(plan(120), "--detach", "ulimit -n 200 &&");
  ASSERT_EQ(outcome.status, 0) << outcome.errors;
  EXPECT_EQ(Facts(122).st_size, 11);
  KillEverybody();
  const Outcome refused = Run(plan(180), "--detach", "ulimit -n 200 &&");
  EXPECT_EQ(refused.status, 3);
  EXPECT_NE(refused.errors.find("files without a name take about "), std::string::npos)
      << refused.errors;
  EXPECT_NE(refused.errors.find("above RLIMIT_NOFILE, 200"), std::string::npos) << refused.errors;
  EXPECT_TRUE(Left().empty());
  EXPECT_TRUE(Names().empty());
}

TEST_F(RestorerUnlinkedTest, AFileThatMayNotBecomeSoLargeIsAnErrorByName) {
  Plan plan = Begin();
  Open(plan, 3, "gone", New(1, 100'000));
  plan.Resume(Pid(0));
  // In units of 512 bytes, or of 1024.
  const Outcome outcome = Run(plan, "--detach", "ulimit -f 20 &&");
  EXPECT_EQ(outcome.status, 5) << outcome.errors;
  EXPECT_NE(outcome.errors.find("gone: "), std::string::npos) << outcome.errors;
  EXPECT_NE(outcome.errors.find("File too large"), std::string::npos) << outcome.errors;
  EXPECT_TRUE(Left().empty());
  EXPECT_TRUE(Names().empty());
}

}  // namespace
}  // namespace crgen::test

int main(int argc, char** argv) { return crgen::test::MainInNewPidNamespace(argc, argv); }
