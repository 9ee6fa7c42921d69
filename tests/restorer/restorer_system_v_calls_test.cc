// SPDX-License-Identifier: Apache-2.0
// How the supervisor makes what is in an IPC namespace: each of its system calls fails once, and it
// says so, and is itself again. The whole restorer makes them before its own faults begin.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <functional>
#include <string>

#include "restorer/script.h"
#include "restorer/system_v.h"

namespace crgen::restorer {

extern const Setup* fault_setup;

namespace {

class SystemVCalls : public ::testing::Test {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "needs root";
    char name[] = "/tmp/crgen-system-v-XXXXXX";
    const int fd = mkstemp(name);
    ASSERT_GE(fd, 0);
    unlink(name);
    ASSERT_EQ(write(fd, "0123456789", 10), 10);
    files_.HoldImage("image", fd);
  }

  static IpcNamespace Ipc() {
    IpcNamespace ipc;
    ipc.sysctls.shm_rmid_forced = true;
    ShmSegment segment;
    segment.id = 7;
    segment.permissions = {0600, 1, 2, 33, 34};
    segment.size = 4096;
    segment.locked = segment.removed = true;
    segment.content = {{100, {"image", 2}, 5}};
    MsgQueue queue;
    queue.id = 8;
    queue.permissions = segment.permissions;
    queue.qbytes = 1;
    queue.messages = {{3, {"image", 0, 4}}, {4, {"image", 9, 1}}};
    SemSet set;
    set.id = 9;
    set.permissions = segment.permissions;
    set.values = {1, 2, 3};
    ipc.shm = {segment};
    ipc.msg = {queue};
    ipc.sem = {set};
    return ipc;
  }

  /// What making it says in a namespace of its own where call `failing` fails (0: none does), and,
  /// where it has changed, what the process is afterwards.
  std::string Make(Word failing) {
    int ends[2];
    if (pipe(ends) != 0) return "no pipe";
    const pid_t child = fork();
    if (child == 0) {
      close(ends[0]);
      const std::string text = unshare(CLONE_NEWIPC) != 0 ? "no namespace" : MakeHere(failing);
      _exit(write(ends[1], text.data(), text.size()) < 0);
    }
    close(ends[1]);
    std::string text;
    char piece[4096];
    for (ssize_t got; (got = read(ends[0], piece, sizeof piece)) > 0;) {
      text.append(piece, static_cast<std::size_t>(got));
    }
    close(ends[0]);
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? text : "it has died";
  }

 private:
  std::string MakeHere(Word failing) {
    static restorer::Setup setup;
    static Board board;
    setup.board = &board;
    setup.failing_call = failing;
    fault_setup = &setup;
    prctl(PR_SET_DUMPABLE, 1);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    SystemV system_v;
    std::string text = system_v.Make(Ipc(), files_, {});
    if (text.empty()) text = system_v.Release();
    int death_signal = 0;
    prctl(PR_GET_PDEATHSIG, &death_signal);
    if (geteuid() != 0 || getegid() != 0) text += ", with other ids";
    if (prctl(PR_GET_DUMPABLE) != 1) text += ", not dumpable";
    if (death_signal != SIGTERM) text += ", without a death signal";
    return text;
  }

  HostFiles files_;
};

TEST_F(SystemVCalls, EachFailsOnce) {
  ASSERT_EQ(Make(0), "");
  Word failing = 1;
  for (; failing < 200; ++failing) {
    const std::string said = Make(failing);
    if (said.empty()) break;
    EXPECT_TRUE(said.ends_with(": Input/output error")) << failing << ": " << said;
  }
  // Sysctls, then six calls at least for each object.
  EXPECT_GT(failing, 30);
  EXPECT_LT(failing, 200);
}

}  // namespace
}  // namespace crgen::restorer
