// SPDX-License-Identifier: Apache-2.0
// Where the area of rseq(2) may lie: the checker's answer and the kernel's.
#include <sys/rseq.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "tests/support/check_support.h"

namespace crgen::test {
namespace {

struct Area {
  const char* name;
  std::uint64_t start;  ///< of the area; at 0x20000 are two pages
  std::uint64_t prot;   ///< of the first page
  bool unmapped;        ///< the first page
  int error;            ///< 0: it is good; -SIGSEGV: the thread dies
};

constexpr std::uint64_t kPages = 0x20000;

/// What the kernel does to a child whose memory is like that.
int AskTheKernel(const Area& area) {
  const pid_t child = fork();
  if (child == 0) {
    syscall(SYS_rseq, static_cast<char*>(__builtin_thread_pointer()) + __rseq_offset, 32,
            1 /* RSEQ_FLAG_UNREGISTER */, RSEQ_SIG);
    const auto pages = reinterpret_cast<void*>(kPages);
    mmap(pages, 2 * kPageSize, static_cast<int>(kRw), MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
         0);
    mprotect(pages, kPageSize, static_cast<int>(area.prot));
    if (area.unmapped) munmap(pages, kPageSize);
    if (syscall(SYS_rseq, area.start, 32, 0, RSEQ_SIG) != 0) _exit(errno);
    for (int i = 0; i < 20; ++i) usleep(100);  // it goes on, again and again
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

std::string AskTheChecker(const Area& area, bool of_thread) {
  Attributes attributes;
  attributes.rseq = Rseq{{area.start}, 32, {RSEQ_SIG}, {}};
  Program program = {ForkOf(0, 10), ThreadOf(10, 11), MapOf(10, kPages, kPages + 2 * kPageSize),
                     AttrOf(10, attributes, of_thread ? std::optional<Pid>(11) : std::nullopt),
                     ProtectOf(10, kPages, kPages + kPageSize, area.prot)};
  if (area.unmapped) program.push_back(UnmapOf(10, kPages, kPages + kPageSize));
  const std::vector<std::string> lines = Violations(program + Program{ResumeOf(10)});
  return lines.empty() ? "" : lines.front();
}

TEST(CheckRseq, LiesWhereTheThreadCanWrite) {
  for (const Area& area : {
           Area{"written and read", kPages, kRw, false, 0},
           Area{"written alone", kPages, PROT_WRITE, false, 0},
           Area{"at the end of a page", kPages + kPageSize - 32, kRw, false, 0},
           Area{"in the second page", kPages + kPageSize, PROT_NONE, true, 0},
           Area{"read alone", kPages, PROT_READ, false, -SIGSEGV},
           Area{"not even read", kPages, PROT_NONE, false, EFAULT},
           Area{"not mapped", kPages + 64, kRw, true, EFAULT},
       }) {
    SCOPED_TRACE(area.name);
    EXPECT_EQ(AskTheKernel(area), area.error);
    for (const bool of_thread : {false, true}) {
      const std::string found = AskTheChecker(area, of_thread);
      const std::string name = area.error == 0 ? "" : area.error < 0 ? "SIGSEGV" : "EFAULT";
      EXPECT_EQ(found.empty(), name.empty()) << found;
      EXPECT_NE(found.find(name + (name.empty() ? "" : ": thread 1")), std::string::npos) << found;
    }
  }
}

TEST(CheckRseq, IsNoPlaceForGuards) {
  Attributes attributes;
  attributes.rseq = Rseq{{kPages}, 32, {RSEQ_SIG}, {}};
  EXPECT_EQ(Violations({ForkOf(0, 10), MapOf(10, kPages, kPages + kPageSize),
                        AdviseOf(10, kPages, kPages + kPageSize, std::uint64_t{1} << 63),
                        AttrOf(10, attributes), ResumeOf(10)})
                .front(),
            "commands[4] RESUME pid 10: EFAULT: thread 10 has its rseq area at 0x20000, which is "
            "guarded");
}

}  // namespace
}  // namespace crgen::test
