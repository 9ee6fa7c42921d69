// SPDX-License-Identifier: Apache-2.0
// Pipes and FIFOs of plans written by hand, and what the caller hands over.
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <functional>

#include "tests/support/plan_files.h"
#include "tests/support/restorer_support.h"

namespace crgen::test {
namespace {

using Plan = PlanBuilder;

class RestorerPipesTest : public RestorerTest {
 protected:
  static Json End(int id, int pipe, Json flags, Json more = Json::object()) {
    Json file = {{"type", "PIPE"}, {"id", id}, {"flags", flags}, {"pipe_id", pipe}};
    file.update(more);
    return file;
  }
  /// `bytes` of the page of code.
  static Json Data(int bytes, int offset = 0) {
    return {{"data", {{"image", "code.img"}, {"offset", offset}, {"bytes", bytes}}}};
  }
  static Json Both(Json one, Json other) {
    one.update(other);
    return one;
  }
  /// A process that only waits, with what `open` gives it.
  Plan PlanWith(const std::function<void(Plan&)>& open) {
    Plan plan;
    plan.Fork(0, Pid(0));
    plan.MapProgram(Pid(0));
    open(plan);
    plan.Resume(Pid(0));
    return plan;
  }
  Plan FromOutside(Json flags = {"O_WRONLY"}) {
    return PlanWith([&](Plan& plan) {
      plan.Add("OPEN_FILE", Pid(0),
               {{"fd", 1}, {"file", End(1, 7, flags, {{"external", "pipe:[7]"}})}});
    });
  }
  /// What the restored process has at `fd`, opened anew; -1: nothing.
  static int Opened(int pid, int fd, int flags) {
    const std::string path = "/proc/" + std::to_string(pid) + "/fd/" + std::to_string(fd);
    return open(path.c_str(), flags | O_CLOEXEC);
  }
  static std::string FlagsOf(int pid, int fd) {
    std::ifstream info("/proc/" + std::to_string(pid) + "/fdinfo/" + std::to_string(fd));
    for (std::string key, value; info >> key >> value;) {
      if (key == "flags:") return value;
    }
    return "";
  }
  static ino_t InodeOf(int pid, int fd) {
    struct stat status = {};
    stat(("/proc/" + std::to_string(pid) + "/fd/" + std::to_string(fd)).c_str(), &status);
    return status.st_ino;
  }
  void ExpectRefused(const Plan& plan, const std::string& arguments, const std::string& message,
                     int status = 3) {
    const Outcome outcome = Run(plan, "--detach " + arguments);
    EXPECT_EQ(outcome.status, status) << outcome.errors;
    EXPECT_NE(outcome.errors.find(message), std::string::npos) << message << "\n" << outcome.errors;
    EXPECT_TRUE(Left().empty());
  }
};

/// The supervisor's own descriptors come to lie on every number that a process has them at.
TEST_F(RestorerPipesTest, AreMadeWhateverElseTheCallerHasOpen) {
  std::vector<int> open;
  for (int i = 0; i < 12; ++i) {
    const Outcome outcome =
        Run(PlanWith([&](Plan& plan) {
              plan.Add("OPEN_FILE", Pid(0),
                       {{"fd", 12},
                        {"file", End(1, 7, {"O_WRONLY"})},
                        {"peer", {{"fd", 11}, {"file", End(2, 7, {"O_RDONLY"})}}}});
              plan.Add("OPEN_FILE", Pid(0),
                       {{"fd", 1}, {"file", End(3, 7, {"O_RDWR", "O_LARGEFILE"})}});
            }),
            "--detach");
    EXPECT_EQ(outcome.status, 0) << i << " more: " << outcome.errors;
    KillEverybody();
    open.push_back(dup(STDIN_FILENO));
  }
  for (const int fd : open) close(fd);
}

TEST_F(RestorerPipesTest, HoldWhatWasQueued) {
  const Outcome outcome = Run(PlanWith([&](Plan& plan) {
    plan.Add(
        "OPEN_FILE", Pid(0),
        {{"fd", 1},
         {"file", End(1, 7, {"O_WRONLY", "O_NONBLOCK"}, Both({{"capacity", 8192}}, Data(100, 64)))},
         {"peer", {{"fd", 0}, {"cloexec", true}, {"file", End(2, 7, {"O_RDONLY"})}}}});
    plan.Add("OPEN_FILE", Pid(0),
             {{"fd", 2}, {"file", End(3, 7, {"O_RDWR", "O_LARGEFILE", "O_DIRECT"})}});
    plan.Add("OPEN_FILE", Pid(0),
             {{"fd", 3}, {"file", End(4, 8, {"O_RDONLY", "O_DIRECT"}, Data(3))}});
  }));
  ASSERT_EQ(outcome.status, 0) << outcome.errors;
  EXPECT_EQ(FlagsOf(Pid(0), 0), "02000000");
  EXPECT_EQ(FlagsOf(Pid(0), 1), "04001");
  EXPECT_EQ(FlagsOf(Pid(0), 2), "0140002");
  EXPECT_EQ(FlagsOf(Pid(0), 3), "040000");
  EXPECT_EQ(InodeOf(Pid(0), 0), InodeOf(Pid(0), 1));
  EXPECT_EQ(InodeOf(Pid(0), 0), InodeOf(Pid(0), 2));
  const int pipe = Opened(Pid(0), 0, O_RDONLY | O_NONBLOCK);
  EXPECT_EQ(fcntl(pipe, F_GETPIPE_SZ), 8192);
  char bytes[200];
  ASSERT_EQ(read(pipe, bytes, sizeof bytes), 100);
  EXPECT_EQ(std::string(bytes, 100), CodePage().substr(64, 100));
  close(pipe);
  const int alone = Opened(Pid(0), 3, O_RDONLY | O_NONBLOCK);
  EXPECT_EQ(read(alone, bytes, sizeof bytes), 3);
  EXPECT_EQ(read(alone, bytes, sizeof bytes), 0);  // nobody writes: not even the restorer
  close(alone);
}

TEST_F(RestorerPipesTest, FifosAreOpenedFromOneSide) {
  const std::string path = folder_ + "/fifo";
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  const auto plan = PlanWith([&](Plan& it) {
    it.Add("OPEN_FILE", Pid(0),
           {{"fd", 0}, {"file", FifoFile(1, path, {"O_RDONLY", "O_LARGEFILE"}, Data(100))}});
  });
  const Outcome outcome = Run(plan);
  ASSERT_EQ(outcome.status, 0) << outcome.errors;
  EXPECT_EQ(FlagsOf(Pid(0), 0), "0100000");
  const int fifo = Opened(Pid(0), 0, O_RDONLY | O_NONBLOCK);
  int queued = 0;
  EXPECT_EQ(ioctl(fifo, FIONREAD, &queued), 0);
  EXPECT_EQ(queued, 100);
  close(fifo);
  KillEverybody();
  ASSERT_EQ(unlink(path.c_str()), 0);
  std::ofstream(path) << "no FIFO";
  ExpectRefused(plan, "", path + " is no FIFO");
}

/// Whoever outside has kept a FIFO open has kept what was queued in it.
TEST_F(RestorerPipesTest, WhatIsInAFifoAlreadyIsNotWrittenAgain) {
  const std::string path = folder_ + "/fifo";
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  const auto plan = PlanWith([&](Plan& it) {
    it.Add("OPEN_FILE", Pid(0),
           {{"fd", 0}, {"file", FifoFile(1, path, {"O_RDONLY", "O_LARGEFILE"}, Data(5))}});
  });
  const int outside = open(path.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC);
  ASSERT_EQ(write(outside, "hello", 5), 5);
  const Outcome outcome = Run(plan);
  ASSERT_EQ(outcome.status, 0) << outcome.errors;
  EXPECT_NE(outcome.errors.find("warning: " + path + ": 5 bytes are in the FIFO already"),
            std::string::npos)
      << outcome.errors;
  KillEverybody();
  int queued = 0;
  EXPECT_EQ(ioctl(outside, FIONREAD, &queued), 0);
  EXPECT_EQ(queued, 5);
  ASSERT_EQ(write(outside, "!", 1), 1);
  ExpectRefused(plan, "", "the FIFO has bytes already, and not as many as the plan) " + path, 5);
  EXPECT_EQ(ioctl(outside, FIONREAD, &queued), 0);
  EXPECT_EQ(queued, 6);
  close(outside);
}

/// He would read what is queued, though the restore fails.
TEST_F(RestorerPipesTest, NothingIsDoneToAFifoThatSomebodyOutsideHas) {
  const std::string path = folder_ + "/fifo";
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  const auto plan = [&](const Json& more) {
    return PlanWith([&](Plan& it) {
      it.Add("OPEN_FILE", Pid(0),
             {{"fd", 0}, {"file", FifoFile(1, path, {"O_RDWR", "O_LARGEFILE"}, more)}});
    });
  };
  const int other = open(path.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC);
  const int reader = open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  const int writer = open(path.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC);
  close(other);
  const auto refused = [&] {
    const Json capacity = {{"capacity", 8192}};
    ExpectRefused(plan(Data(5)), "", "somebody outside has the FIFO open, and has read it) " + path,
                  5);
    ExpectRefused(plan(capacity), "", "somebody outside has the FIFO open) " + path, 5);
    const Outcome same = Run(plan({{"capacity", 65536}}));
    EXPECT_EQ(same.status, 0) << same.errors;
    KillEverybody();
  };
  refused();
  char byte;
  EXPECT_EQ(read(reader, &byte, 1), -1);
  EXPECT_EQ(fcntl(reader, F_GETPIPE_SZ), 65536);
  close(writer);
  refused();
  const int again = open(path.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC);
  close(reader);
  refused();
  close(again);
  const Outcome outcome = Run(plan(Both(Data(5), {{"capacity", 8192}})));
  EXPECT_EQ(outcome.status, 0) << outcome.errors;
}

TEST_F(RestorerPipesTest, DescriptionsOfAPipeFromOutsideAreTheProcesssOwn) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  const int there = fcntl(ends[0], F_DUPFD, 50);
  const Json outside = {{"external", "pipe:[7]"}};
  const auto plan = PlanWith([&](Plan& it) {
    it.Add("OPEN_FILE", Pid(0), {{"fd", 3}, {"file", End(1, 7, {"O_RDONLY"}, outside)}});
    it.Add("OPEN_FILE", Pid(0),
           {{"fd", 4}, {"file", End(2, 7, {"O_RDONLY", "O_NONBLOCK"}, outside)}});
    it.Add("OPEN_FILE", Pid(0),
           {{"fd", 5}, {"file", End(3, 7, {"O_WRONLY", "O_DIRECT", "O_LARGEFILE"}, outside)}});
    it.Add("DUP_FD", Pid(0), {{"old_fd", 4}, {"new_fd", 6}});
  });
  const Outcome outcome =
      Run(plan, "--detach --inherit-fd fd[" + std::to_string(there) + "]:pipe:[7]");
  ASSERT_EQ(outcome.status, 0) << outcome.errors;
  EXPECT_EQ(FlagsOf(Pid(0), 3), "0100000");
  EXPECT_EQ(FlagsOf(Pid(0), 4), "0104000");
  EXPECT_EQ(FlagsOf(Pid(0), 5), "0140001");
  for (const int fd : {3, 4, 5}) EXPECT_EQ(InodeOf(Pid(0), fd), InodeOf(getpid(), there)) << fd;
  const auto same = [](int pid, int one, int other_pid, int other) {
    return syscall(SYS_kcmp, pid, other_pid, 0 /* KCMP_FILE */, one, other) == 0;
  };
  EXPECT_TRUE(same(Pid(0), 4, Pid(0), 6));
  EXPECT_FALSE(same(Pid(0), 3, Pid(0), 4));
  EXPECT_FALSE(same(Pid(0), 3, getpid(), there));
  EXPECT_EQ(fcntl(there, F_GETFL), O_RDONLY);
  for (const int fd : {there, ends[0], ends[1]}) close(fd);
}

TEST_F(RestorerPipesTest, WhatComesFromOutsideIsHandedOver) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, 0), 0);
  const int there = fcntl(ends[1], F_DUPFD, 50);
  close(ends[1]);
  struct stat status = {};
  ASSERT_EQ(fstat(there, &status), 0);
  const std::string given = "--inherit-fd fd[" + std::to_string(there) + "]:pipe:[7]";
  const Outcome outcome = Run(FromOutside(), "--detach " + given);
  EXPECT_EQ(outcome.status, 0) << outcome.errors;
  EXPECT_EQ(InodeOf(Pid(0), 1), status.st_ino);
  close(there);
  EXPECT_EQ(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
  char byte;
  EXPECT_EQ(read(ends[0], &byte, 1), -1) << "the process has it open";
  KillEverybody();
  EXPECT_EQ(read(ends[0], &byte, 1), 0) << "somebody else has it open";
  close(ends[0]);
}

TEST_F(RestorerPipesTest, WhatIsHandedOverWrongIsRefused) {
  ExpectRefused(FromOutside(), "", "pipe:[7] comes from outside, and is not handed over");
  ExpectRefused(FromOutside(), "--inherit-fd 'fd[50]:pipe:[7]'",
                "descriptor 50, handed over as pipe:[7], is not open");
  ExpectRefused(FromOutside(), "--inherit-fd 'fd[0]:pipe:[7]' </dev/null",
                "descriptor 0, handed over as pipe:[7], is no PIPE");
  const std::string fifo = folder_ + "/fifo";
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  const int meanwhile = open(fifo.c_str(), O_RDWR | O_CLOEXEC);
  ExpectRefused(FromOutside(), "--inherit-fd 'fd[0]:pipe:[7]' <" + fifo, "is not open for writing");
  close(meanwhile);
  ExpectRefused(FromOutside(), "--inherit-fd 'fd[0]:pipe:[8]'",
                "--inherit-fd fd[0]:pipe:[8]: nothing in the plan has that key");
  ExpectRefused(FromOutside(), "--inherit-fd 'fd[]:pipe:[7]'", "expected fd[N]:KEY", 2);
  ExpectRefused(FromOutside(), "--inherit-fd 'fd[0]:pipe:[7]' --inherit-fd 'fd[1]:pipe:[7]'",
                "this key stands twice", 2);
}

}  // namespace
}  // namespace crgen::test

int main(int argc, char** argv) { return crgen::test::MainInNewPidNamespace(argc, argv); }
