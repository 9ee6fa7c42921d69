// SPDX-License-Identifier: Apache-2.0
// Files that never answer: file systems that hang, FIFOs without another end. crrestore says so and
// ends (docs/restorer.md, --timeout).
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/fuse.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <chrono>
#include <cstring>

#include "tests/support/restorer_support.h"

namespace crgen {
namespace {

using test::PlanBuilder;

/// A file system of FUSE with one kind of file, of 4096 bytes, whatever its name.
class HangingFiles {
 public:
  enum class Until { kNothing, kOpened };  ///< what is answered

  HangingFiles(const std::string& folder, Until until) : folder_(folder) {
    mkdir(folder.c_str(), 0700);
    fd_ = open("/dev/fuse", O_RDWR | O_CLOEXEC);
    const std::string options =
        "fd=" + std::to_string(fd_) + ",rootmode=40000,user_id=0,group_id=0";
    mounted_ = fd_ >= 0 && mount("hanging", folder.c_str(), "fuse", 0, options.c_str()) == 0;
    if (!mounted_ || until == Until::kNothing) return;
    server_ = fork();
    if (server_ == 0) Serve();
    close(fd_);  // the server's alone: what waits for it ends with it
    fd_ = -1;
  }
  ~HangingFiles() {
    if (server_ > 0) {
      kill(server_, SIGKILL);
      waitpid(server_, nullptr, 0);
    }
    if (fd_ >= 0) close(fd_);
    if (mounted_) umount2(folder_.c_str(), MNT_DETACH);
  }
  bool mounted() const { return mounted_; }

 private:
  template <typename Body>
  void Answer(std::uint64_t unique, const Body& body) const {
    char message[sizeof(fuse_out_header) + sizeof body];
    const fuse_out_header header = {sizeof message, 0, unique};
    std::memcpy(message, &header, sizeof header);
    std::memcpy(message + sizeof header, &body, sizeof body);
    [[maybe_unused]] const ssize_t sent = write(fd_, message, sizeof message);
  }
  static fuse_attr AttributesOf(std::uint64_t node) {
    fuse_attr attributes = {};
    attributes.ino = node;
    attributes.size = 4096;
    attributes.nlink = 1;
    attributes.mode = node == FUSE_ROOT_ID ? S_IFDIR | 0755 : S_IFREG | 0755;
    return attributes;
  }
  [[noreturn]] void Serve() const {
    alignas(8) static char request[1 << 17];
    for (;;) {
      if (read(fd_, request, sizeof request) < 0) _exit(0);
      const auto* in = reinterpret_cast<const fuse_in_header*>(request);
      if (in->opcode == FUSE_INIT) {
        fuse_init_out out = {};
        out.major = FUSE_KERNEL_VERSION;
        out.minor = FUSE_KERNEL_MINOR_VERSION;
        out.max_write = 4096;
        Answer(in->unique, out);
      } else if (in->opcode == FUSE_LOOKUP) {
        fuse_entry_out out = {};
        out.nodeid = 2;
        out.entry_valid = out.attr_valid = 1000;
        out.attr = AttributesOf(2);
        Answer(in->unique, out);
      } else if (in->opcode == FUSE_GETATTR) {
        fuse_attr_out out = {};
        out.attr_valid = 1000;
        out.attr = AttributesOf(in->nodeid);
        Answer(in->unique, out);
      } else if (in->opcode == FUSE_OPEN) {
        Answer(in->unique, fuse_open_out{});
        // What has been opened is closed, with FUSE_FLUSH, before a process is gone: no signal ends
        // that wait.
        sleep(4);
        _exit(0);
      } else if (in->opcode != FUSE_FORGET) {
        const fuse_out_header refused = {sizeof refused, -ENOSYS, in->unique};
        [[maybe_unused]] const ssize_t sent = write(fd_, &refused, sizeof refused);
      }
    }
  }

  std::string folder_;
  int fd_ = -1;
  pid_t server_ = -1;
  bool mounted_ = false;
};

class PatienceTest : public test::RestorerTest {
 protected:
  using Until = HangingFiles::Until;

  static PlanBuilder OneProcess() {
    PlanBuilder plan;
    plan.Fork(0, Pid(0));
    plan.MapProgram(Pid(0));
    plan.Resume(Pid(0));
    return plan;
  }
  /// What crrestore says with these arguments, a plan among them.
  Outcome Say(const std::string& arguments) {
    std::ofstream(folder_ + "/plan.json") << OneProcess().Text();
    const int status = system(("cd " + folder_ + " && timeout -s KILL 20 " CRRESTORE_BINARY " " +
                               arguments + " >out 2>errors")
                                  .c_str());
    std::ostringstream text;
    text << std::ifstream(folder_ + "/errors").rdbuf();
    return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), text.str()};
  }
  void Hangs(const std::string& arguments, const std::string& words) {
    SCOPED_TRACE(arguments);
    const Outcome outcome = Say("--timeout 1 --detach " + arguments);
    EXPECT_EQ(outcome.status, 3) << outcome.errors;
    EXPECT_NE(outcome.errors.find(words), std::string::npos) << outcome.errors;
    EXPECT_NE(outcome.errors.find("--timeout"), std::string::npos) << outcome.errors;
    EXPECT_EQ(Left(), std::vector<int>());
  }
};

TEST_F(PatienceTest, FilesThatAreNotFoundNorMissing) {
  const HangingFiles files(folder_ + "/hangs", Until::kNothing);
  if (!files.mounted()) GTEST_SKIP() << "no FUSE here";
  Hangs("hangs/plan.json", "hangs/plan.json: opening it: nothing has come of it for 1 s");
  Hangs("plan.json --images hangs/images", "hangs/images: opening it");
  Hangs("plan.json --trace hangs/trace", "hangs/trace: opening it");
  Hangs("plan.json --oci hangs/config.json", "hangs/config.json: opening it");
}

TEST_F(PatienceTest, FilesThatAreNotRead) {
  for (const char* arguments : {"hangs/plan.json", "plan.json --oci hangs/config.json"}) {
    const HangingFiles files(folder_ + "/hangs", Until::kOpened);
    if (!files.mounted()) GTEST_SKIP() << "no FUSE here";
    Hangs(arguments, "reading it: nothing has come of it for 1 s");
  }
}

TEST_F(PatienceTest, AnImageWhoseDigestIsWanted) {
  const HangingFiles files(folder_ + "/hangs", Until::kOpened);
  if (!files.mounted()) GTEST_SKIP() << "no FUSE here";
  PlanBuilder plan;
  plan.Fork(0, Pid(0));
  plan.MapProgram(Pid(0));
  plan.Resume(Pid(0));
  std::string text = plan.Text();
  const std::string child = "\"child_pid\":" + std::to_string(Pid(0));
  const std::size_t at = text.find(child);
  ASSERT_NE(at, std::string::npos);
  text.insert(at, R"("about":{"version":"1.0","dump":{"images":[{"name":"code.img","size":4096,)"
                  R"("digest":"sha256:)" +
                      std::string(64, '0') + "\"}]}},");
  std::ofstream(folder_ + "/digest.json") << text;
  Hangs("digest.json --images hangs", "hangs/code.img: checking its digest");
}

TEST_F(PatienceTest, FifosWithoutAnotherEnd) {
  ASSERT_EQ(mkfifo((folder_ + "/fifo").c_str(), 0600), 0);
  Hangs("fifo", "fifo: opening it: nothing has come of it for 1 s");
  Hangs("- <>fifo", "standard input: reading it: nothing has come of it for 1 s");
  const Outcome oci = Say("plan.json --oci fifo");
  EXPECT_EQ(oci.status, 2);
  EXPECT_NE(oci.errors.find("--oci fifo: is a FIFO, expected a regular file"), std::string::npos)
      << oci.errors;
  for (const char* option : {"--trace", "--gantt"}) {
    const Outcome late = Say(std::string("plan.json --detach ") + option + " fifo");
    EXPECT_EQ(late.status, 3);
    EXPECT_NE(late.errors.find("fifo: is a FIFO that nobody reads"), std::string::npos)
        << late.errors;
    EXPECT_EQ(Left(), std::vector<int>());
  }
}

TEST_F(PatienceTest, WhatAnswersIsReadAsEver) {
  ASSERT_EQ(mkfifo((folder_ + "/fifo").c_str(), 0600), 0);
  const std::string write = " & cd " + folder_ + "; cat plan.json >fifo; wait $!";
  for (const std::string& arguments :
       {std::string("plan.json"), std::string("--timeout 0 plan.json"), std::string("- <plan.json"),
        "fifo" + write, std::string("/dev/fd/3 3<plan.json"),
        std::string("--trace /dev/stdout plan.json | cat")}) {
    const Outcome outcome = Say("--detach --images . " + arguments);
    EXPECT_EQ(outcome.status, 0) << arguments << outcome.errors;
    EXPECT_EQ(Left(), std::vector<int>{Pid(0)}) << arguments;
    KillEverybody();
  }
  const Outcome device = Say("/dev/zero");
  EXPECT_EQ(device.status, 3);
  EXPECT_NE(device.errors.find("is a character device, expected a file or a pipe"),
            std::string::npos)
      << device.errors;
}

}  // namespace
}  // namespace crgen

int main(int argc, char** argv) { return crgen::test::MainInNewPidNamespace(argc, argv); }
