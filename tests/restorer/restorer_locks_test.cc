// SPDX-License-Identifier: Apache-2.0
// File locks and leases: set where the user says so, refused by name where others hold them, and
// all or nothing.
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <set>

#include "tests/support/helper_process.h"
#include "tests/support/terminal_plans.h"

namespace crgen::test {
namespace {

using Plan = PlanBuilder;

class RestorerLocksTest : public RestorerTest {
 protected:
  void SetUp() override {
    RestorerTest::SetUp();
    for (const char* name : {"data", "leased", "broken"}) std::ofstream(Path(name)) << "hello";
  }
  std::string Path(const std::string& name) const { return folder_ + "/" + name; }

  static Json Lock(const std::string& kind, const std::string& type, int start = 0,
                   int length = 0) {
    Json lock = {{"kind", kind}, {"type", type}};
    if (start != 0) lock["start"] = start;
    if (length != 0) lock["length"] = length;
    return lock;
  }
  static Json At(int fd, Json locks) { return {{"fd", fd}, {"locks", std::move(locks)}}; }

  void Open(Plan& plan, int pid, int fd, const std::string& name, const char* access) {
    plan.Add("OPEN_FILE", pid,
             {{"fd", fd},
              {"file", {{"type", "REG"}, {"id", fd}, {"path", Path(name)}, {"flags", {access}}}}});
  }
  static void Late(Plan& plan, int pid, Json entries) {
    plan.Add("SET_ATTR", pid, {{"attributes", {{"descriptors", std::move(entries)}}}});
  }

  /// Two processes with every kind of lock.
  Plan Rich() {
    Plan plan;
    plan.Fork(0, Pid(0));
    plan.MapProgram(Pid(0));
    Open(plan, Pid(0), 3, "data", "O_RDWR");
    Open(plan, Pid(0), 4, "leased", "O_RDONLY");
    Open(plan, Pid(0), 5, "broken", "O_RDWR");
    plan.Fork(Pid(0), Pid(1));
    plan.Add("CLOSE_FD", Pid(1), {{"fd", 5}});
    Late(plan, Pid(0),
         {At(3, {Lock("POSIX", "F_WRLCK", 10, 5), Lock("POSIX", "F_RDLCK", 100),
                 Lock("FLOCK", "F_WRLCK")})});
    Late(plan, Pid(1), {At(3, {Lock("POSIX", "F_WRLCK", 20, 5), Lock("OFD", "F_RDLCK", 50, 5)})});
    Json lease = Lock("LEASE", "F_WRLCK");
    lease["breaking"] = "F_UNLCK";
    Late(plan, Pid(0), {At(4, {Lock("LEASE", "F_RDLCK")}), At(5, {lease})});
    plan.Resume(Pid(0));
    plan.Resume(Pid(1));
    return plan;
  }

  /// What fdinfo shows, each lock as kind, state, type and range.
  /// Sorted: the kernel lists those of one owner together, in the order in which they came.
  static std::string LocksOf(int pid, int fd) {
    std::ifstream info("/proc/" + std::to_string(pid) + "/fdinfo/" + std::to_string(fd));
    std::multiset<std::string> locks;
    for (std::string line; std::getline(info, line);) {
      std::istringstream words(line);
      std::string label, number, kind, state, type, owner, file, first, last;
      words >> label >> number >> kind >> state >> type >> owner >> file >> first >> last;
      if (label == "lock:")
        locks.insert(kind + " " + state + " " + type + " " + first + "-" + last + "\n");
    }
    std::string found;
    for (const std::string& lock : locks) found += lock;
    return found;
  }
  void ExpectRich() {
    EXPECT_EQ(LocksOf(Pid(0), 3),
              "FLOCK ADVISORY WRITE 0-EOF\n"
              "OFDLCK ADVISORY READ 50-54\n"
              "POSIX ADVISORY READ 100-EOF\n"
              "POSIX ADVISORY WRITE 10-14\n");
    EXPECT_EQ(LocksOf(Pid(1), 3),
              "FLOCK ADVISORY WRITE 0-EOF\n"
              "OFDLCK ADVISORY READ 50-54\n"
              "POSIX ADVISORY WRITE 20-24\n");
    EXPECT_EQ(LocksOf(Pid(0), 4), "LEASE ACTIVE READ 0-EOF\n");
    EXPECT_EQ(LocksOf(Pid(0), 5), "LEASE BREAKING UNLCK 0-EOF\n");
  }
  /// Nobody has anything locked.
  void ExpectFree() {
    std::ifstream locks("/proc/locks");
    for (std::string line; std::getline(locks, line);) {
      for (int pid = Pid(0); pid < Pid(10); ++pid) {
        EXPECT_EQ(line.find(" " + std::to_string(pid) + " "), std::string::npos) << line;
      }
    }
  }
};

TEST_F(RestorerLocksTest, SetsEveryKind) {
  const Outcome outcome = Run(Rich(), "--detach --file-locks");
  ASSERT_EQ(outcome.status, 0) << outcome.errors;
  ExpectRich();
  std::string pending;
  std::ifstream status("/proc/" + std::to_string(Pid(0)) + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("ShdPnd:")) pending = line;
  }
  EXPECT_EQ(pending, "ShdPnd:\t0000000000000000") << "the signal of the break that it made itself";
}

/// Of what has no path, or another type.
TEST_F(RestorerLocksTest, SetsThemOnPipesSocketsAndTerminals) {
  ASSERT_EQ(mkfifo(Path("fifo").c_str(), 0600), 0);
  Plan plan;
  plan.Fork(0, Pid(0));
  plan.MapProgram(Pid(0));
  const auto open = [&](int fd, const Json& file, const Json& peer = {}) {
    Json both = {{"fd", fd}, {"file", file}};
    both["file"]["id"] = fd;
    if (!peer.is_null()) {
      both["peer"] = {{"fd", fd + 1}, {"file", peer}};
      both["peer"]["file"]["id"] = fd + 1;
    }
    plan.Add("OPEN_FILE", Pid(0), both);
  };
  const auto end = [](const char* flag) {
    return Json{{"type", "PIPE"}, {"pipe_id", 7}, {"flags", {flag}}};
  };
  const auto socket = [](int id) {
    return Json{{"type", "UNIXSK"},
                {"socket_id", id},
                {"socket_type", "SOCK_STREAM"},
                {"state", "connected"},
                {"flags", {"O_RDWR"}}};
  };
  const int index = FreeIndex() + 200;  // far from those of tests that run meanwhile
  const auto tty = [&](const char* driver) {
    return Json{{"type", "TTY"},
                {"tty_id", 90},
                {"index", index},
                {"driver", driver},
                {"flags", {"O_RDWR"}}};
  };
  open(3, end("O_RDONLY"), end("O_WRONLY"));
  open(5, socket(1), socket(2));
  open(7, tty("ptm"));
  open(8, tty("pts"));
  open(9, {{"type", "FIFO"}, {"pipe_id", 8}, {"path", Path("fifo")}, {"flags", {"O_RDWR"}}});
  plan.Fork(Pid(0), Pid(1));
  Late(plan, Pid(0),
       {At(3, {Lock("FLOCK", "F_RDLCK"), Lock("POSIX", "F_RDLCK", 1, 5)}),
        At(4, {Lock("FLOCK", "F_RDLCK"), Lock("OFD", "F_WRLCK", 10, 5)})});
  for (const int fd : {5, 6, 7, 8, 9}) {
    Late(plan, Pid(1), {At(fd, {Lock("FLOCK", "F_WRLCK"), Lock("POSIX", "F_WRLCK", 1, 5)})});
  }
  plan.Resume(Pid(0));
  plan.Resume(Pid(1));
  Outcome outcome = Run(plan, "--detach --file-locks");
  ASSERT_EQ(outcome.status, 0) << outcome.errors;
  EXPECT_EQ(LocksOf(Pid(0), 3), "FLOCK ADVISORY READ 0-EOF\nPOSIX ADVISORY READ 1-5\n");
  EXPECT_EQ(LocksOf(Pid(0), 4), "FLOCK ADVISORY READ 0-EOF\nOFDLCK ADVISORY WRITE 10-14\n");
  for (const int fd : {5, 6, 7, 8, 9}) {
    EXPECT_EQ(LocksOf(Pid(0), fd), "FLOCK ADVISORY WRITE 0-EOF\n") << fd;
    EXPECT_EQ(LocksOf(Pid(1), fd), "FLOCK ADVISORY WRITE 0-EOF\nPOSIX ADVISORY WRITE 1-5\n") << fd;
  }
  KillEverybody();
  const int fifo = ::open(Path("fifo").c_str(), O_RDWR | O_CLOEXEC);
  ASSERT_EQ(flock(fifo, LOCK_SH), 0);
  outcome = Run(plan, "--detach --file-locks");
  EXPECT_EQ(outcome.status, 3);
  EXPECT_NE(outcome.errors.find(Path("fifo") + ": process 1 ("), std::string::npos)
      << outcome.errors;
  close(fifo);
}

TEST_F(RestorerLocksTest, WantsToBeToldTo) {
  const Outcome outcome = Run(Rich());
  EXPECT_EQ(outcome.status, 4);
  EXPECT_NE(outcome.errors.find("unsupported: 7 file locks (--file-locks sets them)"),
            std::string::npos)
      << outcome.errors;
  EXPECT_TRUE(Left().empty());
}

TEST_F(RestorerLocksTest, SaysWhoIsInTheWay) {
  const int fd = open(Path("data").c_str(), O_RDWR | O_CLOEXEC);
  const std::string self = "process " + std::to_string(getpid());
  const auto refused = [&](const std::string& kind) {
    const Outcome outcome = Run(Rich(), "--detach --file-locks");
    EXPECT_EQ(outcome.status, 3) << outcome.errors;
    EXPECT_NE(outcome.errors.find(Path("data") + ": " + self), std::string::npos) << outcome.errors;
    EXPECT_NE(outcome.errors.find("holds a " + kind + " lock on it"), std::string::npos)
        << outcome.errors;
    EXPECT_TRUE(Left().empty());
  };
  struct flock range = {};
  range.l_type = F_RDLCK;
  range.l_start = 12;
  range.l_len = 1;
  ASSERT_EQ(fcntl(fd, F_SETLK, &range), 0);
  refused("POSIX read");
  range.l_type = F_UNLCK;
  ASSERT_EQ(fcntl(fd, F_SETLK, &range), 0);
  ASSERT_EQ(flock(fd, LOCK_SH), 0);
  refused("FLOCK read");
  ASSERT_EQ(flock(fd, LOCK_UN), 0);
  range.l_type = F_WRLCK;
  range.l_start = 15;
  ASSERT_EQ(fcntl(fd, F_SETLK, &range), 0);
  const Outcome beside = Run(Rich(), "--detach --file-locks");
  EXPECT_EQ(beside.status, 0) << beside.errors;
  close(fd);
}

/// The name is gone, or another file's: what is locked has another one, and is opened by the link
/// that the dumper has left.
TEST_F(RestorerLocksTest, SaysWhoHasALockOfWhatHasAnotherName) {
  std::filesystem::create_hard_link(Path("data"), Path("link_remap.1"));
  const int fd = open(Path("data").c_str(), O_RDWR | O_CLOEXEC);
  ASSERT_EQ(flock(fd, LOCK_SH), 0);
  std::filesystem::rename(Path("data"), Path("other"));
  Plan plan;
  plan.Fork(0, Pid(0));
  plan.MapProgram(Pid(0));
  plan.Add("OPEN_FILE", Pid(0),
           {{"fd", 3},
            {"file",
             {{"type", "REG"},
              {"id", 3},
              {"path", Path("data")},
              {"opened_by", Path("link_remap.1")},
              {"flags", {"O_RDWR"}}}}});
  Late(plan, Pid(0), {At(3, {Lock("FLOCK", "F_WRLCK")})});
  plan.Resume(Pid(0));
  const Outcome outcome = Run(plan, "--detach --file-locks");
  EXPECT_EQ(outcome.status, 3) << outcome.errors;
  EXPECT_NE(outcome.errors.find(Path("data") + ": process " + std::to_string(getpid()) + " ("),
            std::string::npos)
      << outcome.errors;
  EXPECT_NE(outcome.errors.find("holds a FLOCK read lock on it"), std::string::npos)
      << outcome.errors;
  EXPECT_TRUE(Left().empty());
  EXPECT_EQ(access(Path("link_remap.1").c_str(), F_OK), 0);
  close(fd);
}

/// /proc/locks knows who has made a lock, and of an OFD lock not even that.
TEST_F(RestorerLocksTest, SaysWhoHasALockThatAnotherHasMade) {
  const auto open_data = [&] { return open(Path("data").c_str(), O_RDWR | O_CLOEXEC); };
  const auto lock_in_child = [&](bool reaped) {
    const int fd = open_data();
    const int maker = fork();
    if (maker == 0) _exit(flock(fd, LOCK_EX));
    siginfo_t end = {};
    return waitid(P_PID, static_cast<id_t>(maker), &end, WEXITED | (reaped ? 0 : WNOWAIT)) == 0 &&
           end.si_status == 0;
  };
  const auto refused = [&](int holder, const std::string& lock) {
    const Outcome outcome = Run(Rich(), "--detach --file-locks");
    EXPECT_EQ(outcome.status, 3) << outcome.errors;
    const std::string who = Path("data") + ": process " + std::to_string(holder) + " (";
    EXPECT_NE(outcome.errors.find(who), std::string::npos) << outcome.errors;
    EXPECT_NE(outcome.errors.find(") holds " + lock + " lock on it"), std::string::npos)
        << outcome.errors;
    EXPECT_EQ(outcome.errors.find("error:"), outcome.errors.rfind("error:")) << outcome.errors;
  };
  for (const bool reaped : {false, true}) {
    const int holder = Helper([&] { return lock_in_child(reaped); });
    ASSERT_GT(holder, 0);
    refused(holder, "a FLOCK write");
    EndHelper(holder);
  }
  const int owner = Helper([&] {
    struct flock range = {};
    range.l_type = F_WRLCK;
    range.l_start = 12;
    range.l_len = 1;
    return fcntl(open_data(), F_OFD_SETLK, &range) == 0;
  });
  ASSERT_GT(owner, 0);
  refused(owner, "an OFD write");
  EndHelper(owner);
  // Numbers of a pid namespace inside are others.
  int inside[2];
  ASSERT_EQ(pipe(inside), 0);
  const int outer = Helper([&] {
    if (unshare(CLONE_NEWPID) != 0) return false;
    const int init = Helper([&] { return lock_in_child(true); });
    return write(inside[1], &init, sizeof init) == sizeof init;
  });
  ASSERT_GT(outer, 0);
  int init = -1;
  ASSERT_EQ(read(inside[0], &init, sizeof init), static_cast<ssize_t>(sizeof init));
  ASSERT_GT(init, 1);
  refused(init, "a FLOCK write");
  EndHelper(outer);
  for (const int fd : inside) close(fd);
}

/// To open the file would break it, after a long wait.
TEST_F(RestorerLocksTest, LeavesALeaseOfSomebodyElse) {
  const int fd = open(Path("data").c_str(), O_RDONLY | O_CLOEXEC);
  ASSERT_EQ(fcntl(fd, F_SETSIG, SIGURG), 0);  // of a break, and ignored
  const auto plan = [&](const char* access) {
    Plan made;
    made.Fork(0, Pid(0));
    made.MapProgram(Pid(0));
    Open(made, Pid(0), 3, "data", access);
    made.Resume(Pid(0));
    return made;
  };
  const auto refused = [&](const Plan& made, int type, const std::string& name) {
    ASSERT_EQ(fcntl(fd, F_SETLEASE, type), 0) << errno;
    const Outcome outcome = Run(made, "--detach --file-locks");
    EXPECT_EQ(outcome.status, 3) << outcome.errors;
    const std::string self = Path("data") + ": process " + std::to_string(getpid());
    EXPECT_NE(outcome.errors.find(self), std::string::npos) << outcome.errors;
    EXPECT_NE(outcome.errors.find("holds a LEASE " + name + " on it"), std::string::npos)
        << outcome.errors;
    EXPECT_TRUE(Left().empty());
    EXPECT_EQ(fcntl(fd, F_GETLEASE), type);
  };
  refused(plan("O_RDONLY"), F_WRLCK, "write");
  refused(plan("O_RDWR"), F_WRLCK, "write");
  refused(Rich(), F_WRLCK, "write");
  refused(plan("O_WRONLY"), F_RDLCK, "read");
  const Outcome beside = Run(plan("O_RDONLY"));
  EXPECT_EQ(beside.status, 0) << beside.errors;
  EXPECT_EQ(fcntl(fd, F_GETLEASE), F_RDLCK);
  close(fd);
}

/// An opening that nobody can know of makes the lease fail, by its path, and nothing is left.
/// Setting the executable would end it.
TEST_F(RestorerLocksTest, RefusesAPosixLockOfTheExecutable) {
  Plan plan;
  plan.Fork(0, Pid(0));
  plan.MapProgram(Pid(0));
  std::ofstream(Path("program")) << "x";
  chmod(Path("program").c_str(), 0755);
  Open(plan, Pid(0), 3, "program", "O_RDONLY");
  Late(plan, Pid(0), {At(3, {Lock("POSIX", "F_RDLCK")})});
  Json mm = {{"exe", Path("program")}, {"auxv", Json::array()}};
  for (const char* name : {"start_code", "end_code", "start_data", "end_data", "start_brk", "brk",
                           "start_stack", "arg_start", "arg_end", "env_start", "env_end"}) {
    mm[name] = Plan::Hex(kStack);
  }
  mm["end_code"] = Plan::Hex(kStack + 1);
  plan.Resume(Pid(0), Plan::Registers(kPause), {{"mm", mm}});
  const Outcome outcome = Run(plan, "--detach --file-locks");
  EXPECT_EQ(outcome.status, 4) << outcome.errors;
  EXPECT_NE(outcome.errors.find("a process whose executable it is"), std::string::npos)
      << outcome.errors;
}

TEST_F(RestorerLocksTest, NamesTheFileThatCannotBeLeased) {
  const int fd = open(Path("leased").c_str(), O_WRONLY | O_CLOEXEC);
  const Outcome outcome = Run(Rich(), "--detach --file-locks");
  EXPECT_EQ(outcome.status, 5);
  EXPECT_NE(outcome.errors.find("fcntl(F_SETLEASE) (somebody has it open for writing) " +
                                Path("leased") + ": EAGAIN"),
            std::string::npos)
      << outcome.errors;
  EXPECT_TRUE(Left().empty());
  ExpectFree();
  close(fd);
}

TEST_F(RestorerLocksTest, AnyFailingCallLeavesNothing) {
  const Plan plan = Rich();
  const auto look = [&](const Outcome& outcome) {
    if (outcome.status != 0) ExpectFree();
  };
  EXPECT_GT(FailEachCall(plan, "--detach --file-locks", look), 50);
}

}  // namespace
}  // namespace crgen::test

int main(int argc, char** argv) { return crgen::test::MainInNewPidNamespace(argc, argv); }
