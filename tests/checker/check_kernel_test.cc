// SPDX-License-Identifier: Apache-2.0
// The kernel as judge of the checker: random programs run for real, each in a fresh pid namespace.
// How each command ends, and the processes, descriptors and pages in the end, must be what the
// checker says. Needs root; says so where it cannot run. CRGEN_SEED=n or =random makes another
// random choice, CRGEN_ROUNDS=n makes it n times as long.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/sched.h>
#include <malloc.h>
#include <sys/epoll.h>
#include <sys/fanotify.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <iterator>
#include <map>
#include <memory>
#include <new>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "dsl/json/program_json.h"
#include "tests/support/kernel_pool.h"
#include "tests/support/kernel_state.h"
#include "tests/support/program_maker.h"
#include "tests/support/seed.h"
#include "tests/support/simulated_state.h"

namespace crgen {
namespace {

using test::KernelCase;
using test::KernelPool;
using test::KernelView;
using test::ProgramMaker;
using test::RealLines;
using test::SimulatedLines;
using test::StateLines;
using test::Topic;
using test::Verdict;
using Kind = Verdict::Kind;
using namespace test;  // NOLINT: the vocabulary of programs

constexpr int kSecondsPerRound = 240;  // of a test that hangs; one that does not needs a tenth
constexpr std::size_t kProgramsPerRound = 1500;

unsigned Number(const char* variable, unsigned otherwise) {
  const char* text = std::getenv(variable);
  return text == nullptr ? otherwise : static_cast<unsigned>(std::strtoul(text, nullptr, 10));
}

/// How often each command ended in which way, counted by all workers.
struct Tally {
  static constexpr std::string_view kErrors[] = {
      "success", "EPERM", "EEXIST", "EINVAL", "ECHILD", "EAGAIN", "EBADF",     "ENOENT", "EACCES",
      "ENODEV",  "EBUSY", "ENOMEM", "EFAULT", "ELOOP",  "SIGHUP", "EOVERFLOW", "other"};
  static constexpr std::size_t kCommands = std::variant_size_v<CommandBody>;
  std::atomic<std::size_t> count[kCommands][std::size(kErrors)];
  // In the ends of all programs.
  std::atomic<std::size_t> files[std::variant_size_v<FileBody>];
  std::atomic<std::size_t> late[std::variant_size_v<LateState>];
  std::atomic<std::size_t> dead;  ///< PIDFDs of those who are gone

  void Add(const check::Kernel& kernel) {
    std::set<const check::Description*> known;
    for (const check::Task& task : kernel.tasks) {
      if (task.pid == 0 || task.table == nullptr) continue;
      task.table->slots.ForEach([&](Fd, const check::Slot& slot) {
        const check::Description& it = *slot.description;
        if (!known.insert(&it).second) return;
        ++files[it.file->body.index()];
        const auto* pidfd = As<Pidfd>(*it.file);
        if (pidfd != nullptr && (pidfd->dead || kernel.HasLostTarget(it))) ++dead;
        for (const LateState& state : it.late) ++late[state.index()];
      });
    }
  }
  void Add(const Program& program, const std::vector<std::string>& errors) {
    for (std::size_t i = 0; i < program.size(); ++i) {
      const std::string_view error = errors[i].empty() ? kErrors[0] : errors[i];
      const auto* at = std::find(std::begin(kErrors), std::end(kErrors) - 1, error);
      ++count[program[i].body.index()][at - std::begin(kErrors)];
    }
  }
};

class CheckKernelTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    char folder[] = "/tmp/crgen-check-kernel-XXXXXX";
    ASSERT_NE(mkdtemp(folder), nullptr);
    folder_ = folder;
    features_.emplace();
    if (!features_->missing.empty()) {
      std::printf("not tried, because this kernel does not have it:%s\n",
                  features_->missing.c_str());
    }
    ASSERT_TRUE(MakeFiles(folder_));
    void* memory =
        mmap(nullptr, sizeof(Tally), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ASSERT_NE(memory, MAP_FAILED);
    tally_ = new (memory) Tally;
  }
  static void TearDownTestSuite() {
    std::filesystem::remove_all(folder_);
    munmap(tally_, sizeof(Tally));
  }

  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "not root: no programs in a pid namespace";
    const Program least = {ForkOf(0, 1), ForkOf(1, 77)};
    const Verdict probe = Run(least, {}, least);
    if (probe.kind == Kind::kNotPossible || probe.kind == Kind::kRefused) {
      GTEST_SKIP() << "this machine does not run programs in a pid namespace: " << probe.text;
    }
    ASSERT_EQ(probe.kind, Kind::kSame) << probe.text;
  }

  static bool MakeFiles(const std::string& folder) {
    bool made = true;
    for (int i = 0; i < 3; ++i) {
      const std::string path = folder + "/" + std::to_string(i);
      const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
      for (std::uint64_t page = 0; page < test::kFilePages; ++page) {
        const std::uint64_t word = test::FileWord(page);
        made &= pwrite(fd, &word, sizeof word, static_cast<off_t>(page * kPageSize)) == 8;
      }
      made &= ftruncate(fd, test::kFilePages * kPageSize) == 0;
      close(fd);
    }
    return made;
  }

  /// Programs that run at the same time would see each other's locks.
  static std::string FolderFor(Topic topic, std::size_t program) {
    if (topic != Topic::kLocks) return folder_;
    const std::string folder = folder_ + "/" + std::to_string(program) + "-files";
    if (mkdir(folder.c_str(), 0755) == 0) MakeFiles(folder);
    return folder;
  }

  static std::string FilePath(int i) { return folder_ + "/" + std::to_string(i); }

  template <std::size_t kSize>
  static void ExpectAllDiffer(const std::pair<Program, Program> (&pairs)[kSize]) {
    for (std::size_t i = 0; i < std::size(pairs); ++i) {
      SCOPED_TRACE(i);
      const auto& [first, second] = pairs[i];
      EXPECT_EQ(Run(first, {}, first).text, "");
      EXPECT_EQ(Run(second, {}, second).text, "");
      EXPECT_EQ(Run(first, {}, second).kind, Kind::kDiffers);
      EXPECT_EQ(Run(second, {}, first).kind, Kind::kDiffers);
    }
  }

  static std::string Compare(const KernelView& view, const check::Kernel& kernel,
                             const std::vector<std::string>& errors) {
    if (!errors.empty() && errors.back() == "SIGHUP") return CompareHangup(view, kernel);
    const auto real = RealLines(view).Write();
    if (!real) return "/proc cannot be read";
    return StateLines::Difference(*real, SimulatedLines(kernel).Write());
  }

  /// An exit has orphaned a group with stopped members: they are not stopped any more.
  static std::string CompareHangup(const KernelView& view, const check::Kernel& kernel) {
    std::map<Pid, test::ProcEntry> found;
    if (!test::ReadProcesses(view.proc, &found)) return "/proc cannot be read";
    for (const check::Task& task : kernel.tasks) {
      if (task.stopped && found[task.pid].state != 'T') return "";
    }
    return "all that were stopped still are";
  }

  /// Runs `program`, expects `errors` of its commands, and what the checker says `simulated` ends
  /// in.
  static Verdict Run(const Program& program, const std::vector<std::string>& errors,
                     const Program& simulated) {
    auto make = [&](std::size_t) {
      auto end = std::make_shared<SimulatedState>();
      Diagnostics diag;
      (void)CheckProgram(simulated, end.get(), diag);
      return KernelCase{program, errors, [=](const KernelView& view) {
                          return Compare(view, *end->kernel(), errors);
                        }};
    };
    return KernelPool(1, make, kSecondsPerRound).At(0);
  }

  static void MakeProgram(Topic topic, unsigned seed, ProgramMaker* maker) {
    maker->Make(topic, seed % 16 == 0 ? 150 : 12 + seed % 40);
  }

  static void RunMany(const char* name, Topic topic) {
    static const unsigned first_seed = test::FirstSeed();
    const std::size_t rounds = Number("CRGEN_ROUNDS", 1);
    const std::size_t count = kProgramsPerRound * rounds;
    auto seed = [&](std::size_t i) { return first_seed + static_cast<unsigned>(i); };
    auto make = [&](std::size_t i) {
      auto maker = std::make_shared<ProgramMaker>(seed(i), FolderFor(topic, i), *features_);
      MakeProgram(topic, seed(i), maker.get());
      auto compare = [maker](const KernelView& view) {
        std::string difference = Compare(view, maker->kernel(), maker->errors());
        if (difference.empty()) {
          tally_->Add(maker->program(), maker->errors());
          tally_->Add(maker->kernel());
        }
        return difference;
      };
      return KernelCase{maker->program(), maker->errors(), compare};
    };
    new (tally_) Tally;
    const KernelPool pool(count, make, kSecondsPerRound * static_cast<int>(rounds));
    std::size_t same = 0, shown = 0;
    for (std::size_t i = 0; i < count; ++i) {
      const Verdict verdict = pool.At(i);
      if (verdict.kind == Kind::kSame) {
        ++same;
      } else if (++shown <= 5) {
        ProgramMaker maker(seed(i), FolderFor(topic, i), *features_);
        MakeProgram(topic, seed(i), &maker);
        ADD_FAILURE() << "program " << i << ", seed " << seed(i) << ": "
                      << (verdict.kind == Kind::kNone ? "not run" : verdict.text) << "\n"
                      << WriteProgram(maker.program(), Layout::kLines);
      }
    }
    EXPECT_EQ(same, count);
    std::printf("%s: checker and kernel agree on %zu of %zu programs; seed %u\n", name, same, count,
                first_seed);
    PrintTally();
  }

  /// How many descriptions of that type, or with that late state, there were in all ends together.
  template <typename Body>
  static std::size_t Met() {
    if constexpr (std::is_constructible_v<FileBody, Body>) {
      return tally_->files[FileBody(Body{}).index()].load();
    } else {
      return tally_->late[LateState(Body{}).index()].load();
    }
  }
  static std::size_t Succeeded(std::size_t command) { return tally_->count[command][0].load(); }

  static void PrintTally() {
    std::size_t commands = 0, refused = 0;
    for (std::size_t command = 0; command < Tally::kCommands; ++command) {
      std::string text;
      for (std::size_t error = 0; error < std::size(Tally::kErrors); ++error) {
        const std::size_t count = tally_->count[command][error].load();
        if (count == 0) continue;
        commands += count;
        if (error != 0) refused += count;
        text += "  " + std::string(Tally::kErrors[error]) + " " + std::to_string(count);
      }
      if (!text.empty()) std::printf("  %-15s%s\n", NameOf(command).c_str(), text.c_str());
    }
    std::printf("  %zu commands, %zu of them refused\n", commands, refused);
  }
  template <std::size_t... kIndex>
  static std::string NameOf(std::size_t command, std::index_sequence<kIndex...>) {
    constexpr std::string_view kNames[] = {
        std::variant_alternative_t<kIndex, CommandBody>::kName...};
    return std::string(kNames[command]);
  }
  static std::string NameOf(std::size_t command) {
    return NameOf(command, std::make_index_sequence<Tally::kCommands>());
  }

  static inline std::string folder_;
  static inline std::optional<test::MemoryFeatures> features_;
  static inline Tally* tally_ = nullptr;
};

TEST_F(CheckKernelTest, SeesHowCommandsEnd) {
  const Program program = {ForkOf(0, 1), SidOf(1), SidOf(1), ForkOf(1, 2), WaitOf(1, 2)};
  auto run = [&](std::vector<std::string> errors) { return Run(program, errors, program).text; };
  EXPECT_EQ(run({"", "", "EPERM", "", "EAGAIN"}), "");
  EXPECT_EQ(run({"", "EPERM", "EPERM", "", "EAGAIN"}),
            "commands[1] SET_SID pid 1: success, not EPERM");
  EXPECT_EQ(run({"", "", "", "", "EAGAIN"}), "commands[2] SET_SID pid 1: EPERM, not success");
  EXPECT_EQ(run({"", "", "EPERM", "EEXIST", "EAGAIN"}),
            "commands[3] FORK pid 1: success, not EEXIST");
  const Program orphaned = {ForkOf(0, 1), SidOf(1),     ForkOf(1, 2), SidOf(2),
                            ForkOf(2, 3), PgidOf(3, 3), StopOf(3),    ExitOf(2)};
  EXPECT_EQ(Run(orphaned, {"", "", "", "", "", "", "", "SIGHUP"}, orphaned).text, "");
  const Program linked = {ForkOf(0, 1), SidOf(1),     ForkOf(1, 2), PgidOf(2, 2),
                          StopOf(2),    ForkOf(1, 3), ExitOf(3)};
  EXPECT_EQ(Run(linked, {}, linked).text, "");
  EXPECT_EQ(Run(linked, {"", "", "", "", "", "", "SIGHUP"}, linked).text,
            "all that were stopped still are");
  EXPECT_EQ(run({"", "", "EPERM", "", "ECHILD"}), "commands[4] WAIT pid 1: EAGAIN, not ECHILD");
}

/// Each pair differs in one thing: both agree with themselves, and neither with the other.
TEST_F(CheckKernelTest, SeesWhatIsWrong) {
  constexpr std::uint64_t kAt = test::kArena.start, kEnd = kAt + 2 * kPageSize;
  const Program root = {ForkOf(0, 1), SidOf(1), ForkOf(1, 2)};
  auto file = [](std::uint64_t flags, std::uint64_t pos, std::uint64_t id = 1) {
    RegularFile body;
    body.path = {FilePath(0)};
    body.pos = pos;
    return std::make_shared<const File>(File{{id}, {flags}, body});
  };
  const Program opened = root + Program{OpenOf(2, 3, file(O_RDWR, 5))};
  const Program mapped = root + Program{MapOf(2, kAt, kEnd)};
  const Program watched =
      root + Program{OpenOf(2, 3, EpollOf(1)), OpenOf(2, 4, EpollOf(2)), OpenOf(2, 5, EpollOf(3))};
  const Program watching = watched + Program{FillOf(2, 3, {{4, {EPOLLIN}, {7}}})};
  const std::pair<Program, Program> pairs[] = {
      {root, root + Program{ForkOf(2, 3)}},
      {root + Program{ForkOf(1, 3)}, root + Program{ForkOf(2, 3)}},
      {root, root + Program{SidOf(2)}},
      {root, root + Program{PgidOf(2, 2)}},
      {root, root + Program{ThreadOf(2, 3)}},
      {root, root + Program{SubreaperOf(2, true)}},
      {root, root + Program{ExitOf(2)}},
      {root, root + Program{StopOf(2)}},
      {root + Program{ExitOf(2, 1)}, root + Program{ExitOf(2, 2)}},
      {root + Program{ExitOf(2, 9)}, root + Program{KilledBy(2, 9)}},
      {root + Program{ExitOf(2)}, root + Program{ExitOf(2), WaitOf(1, 2)}},
      {root, opened},
      {opened, root + Program{OpenOf(2, 4, file(O_RDWR, 5))}},
      {opened, root + Program{OpenOf(2, 3, file(O_RDWR, 6))}},
      {opened, root + Program{OpenOf(2, 3, file(O_RDONLY, 5))}},
      {opened, root + Program{OpenOf(2, 3, file(O_RDWR, 5), true)}},
      {opened + Program{OpenOf(2, 4, file(O_RDWR, 5, 2))}, opened + Program{DupOf(2, 3, 4)}},
      {opened + Program{ForkOf(2, 3)}, opened + Program{ForkOf(2, 3, CLONE_FILES)}},
      {root + Program{OpenOf(2, 3, NewMemfd(1, 1, 0))},
       root + Program{OpenOf(2, 3, NewMemfd(1, 2, 0))}},
      {root + Program{OpenOf(2, 3, NewMemfd(1, 1, 0))},
       root + Program{OpenOf(2, 3, NewMemfd(1, 1, 1))}},
      {root + Program{OpenOf(2, 3, NewMemfd(1, 1, 0))},
       root + Program{OpenOf(2, 3, NewMemfd(1, 1, 0, F_SEAL_GROW))}},
      {root + Program{OpenOf(2, 3, EpollOf(1))}, root + Program{OpenOf(2, 3, InotifyOf(1))}},
      {root + Program{OpenOf(2, 3, PipeEnd(1, O_RDONLY))},
       root + Program{OpenOf(2, 3, PipeEnd(1, O_WRONLY))}},
      {root + Program{OpenOf(2, 3, PipeEnd(1, O_RDONLY))},
       root + Program{OpenOf(2, 3, PipeEnd(1, O_RDONLY, 7, 8192))}},
      {root + Program{OpenOf(2, 3, PipeEnd(1, O_RDONLY, 7, {}, 5))},
       root + Program{OpenOf(2, 3, PipeEnd(1, O_RDONLY, 7, {}, 6))}},
      {watching, watching + Program{CloseOf(2, 4)}},
      {watching, watched + Program{FillOf(2, 3, {{4, {EPOLLOUT}, {7}}})}},
      {watching, watched + Program{FillOf(2, 3, {{4, {EPOLLIN}, {8}}})}},
      {watching, watched + Program{FillOf(2, 3, {{5, {EPOLLIN}, {7}}})}},
      {watching, watched + Program{DupOf(2, 5, 4), FillOf(2, 3, {{4, {EPOLLIN}, {7}}})}},
      {root, mapped},
      {mapped, root + Program{MapOf(2, kAt, kAt + kPageSize)}},
      {mapped, mapped + Program{ProtectOf(2, kAt, kAt + kPageSize, PROT_READ)}},
      {mapped, mapped + Program{AdviseOf(2, kAt, kEnd, MadviseBit(MADV_DONTFORK))}},
      {mapped, mapped + Program{AdviseOf(2, kAt, kEnd, kGuardInstall)}},
      {mapped, mapped + Program{LoadOf(2, kAt, 1)}},
      {mapped + Program{LoadOf(2, kAt, 1)}, mapped + Program{LoadOf(2, kAt, 1, kPageSize)}},
      {mapped, root + Program{MapShmem(2, kAt, kEnd, 1, 2 * kPageSize)}},
      {root + Program{MapShmem(2, kAt, kEnd, 2, 2 * kPageSize)},
       root + Program{MapShmem(2, kAt, kEnd, 1, 2 * kPageSize)}},
      {opened + Program{MapFd(2, kAt, kEnd, 3, MAP_PRIVATE)},
       opened + Program{MapFd(2, kAt, kEnd, 3, MAP_SHARED)}},
      {opened + Program{MapFd(2, kAt, kEnd, 3, MAP_PRIVATE)},
       opened + Program{MapFd(2, kAt, kEnd, 3, MAP_PRIVATE, kRw, kPageSize)}},
  };
  ExpectAllDiffer(pairs);
}

/// Likewise, of what reports events.
TEST_F(CheckKernelTest, SeesWhatIsWrongWithEvents) {
  const Program root = {ForkOf(0, 1), SidOf(1), ForkOf(1, 2)};
  const auto with = [&](std::shared_ptr<const File> file) {
    return root + Program{OpenOf(2, 3, std::move(file))};
  };
  const auto of = [](auto body, std::uint64_t flags) {
    return std::make_shared<const File>(File{{1}, {flags}, std::move(body)});
  };
  int names = 0;  // each program has its FIFO for itself
  const auto fifo = [&](std::optional<std::uint64_t> capacity, std::uint64_t bytes,
                        std::uint64_t flags = O_RDWR) {
    Fifo body{{1}, {folder_ + "/fifo-" + std::to_string(names++)}, capacity, {}};
    if (bytes != 0) body.data = ImageBytes{"fifo-data.img", 8, bytes};
    return with(of(body, flags));
  };
  const auto space = [&](int type) {
    return with(of(NamespaceFile{{static_cast<std::uint32_t>(type)}, {}}, O_RDONLY));
  };
  const auto gone = [&](bool thread) { return with(of(Pidfd{{}, DeadId{1}, thread}, O_RDWR)); };
  const Program group = with(of(Fanotify{{0}, {O_RDONLY}}, O_RDWR));
  const auto mark = [&](std::uint32_t type, std::uint64_t mask, std::uint64_t ignored = 0,
                        int file = 0) {
    FanotifyMark it;
    it.type.value = type;
    it.mask.bits = mask;
    it.ignored_mask.bits = ignored;
    if (ignored != 0) it.flags = {FAN_MARK_IGNORED_SURV_MODIFY};
    it.path = Text{FilePath(file)};
    return group + Program{LateOf(2, 3, FanotifyMarks{{it}})};
  };
  const Program clock = with(of(Timerfd{{CLOCK_MONOTONIC}}, O_RDWR));
  const auto timer = [&](std::uint64_t sec, std::uint64_t every = 0, std::uint64_t ticks = 0,
                         std::uint64_t flags = 0) {
    TimerfdSetting it;
    it.settime_flags.bits = flags;
    it.value = {sec, 0};
    it.interval = {every, 0};
    it.ticks = ticks;
    return clock + Program{LateOf(2, 3, it)};
  };
  const std::pair<Program, Program> pairs[] = {
      {fifo({}, 0), fifo(8192, 0)},
      {fifo({}, 0), fifo({}, 5)},
      {fifo({}, 5), fifo({}, 6)},
      {fifo({}, 0), fifo({}, 0, O_RDONLY)},
      {fifo({}, 0), fifo({}, 0, O_RDWR | O_NONBLOCK)},
      {space(CLONE_NEWUTS), space(CLONE_NEWIPC)},
      {space(CLONE_NEWNET), space(CLONE_NEWPID)},
      {gone(false), gone(true)},
      {gone(false), with(PidfdOf(1, 2))},
      {group, mark(FAN_MARK_INODE, FAN_OPEN)},
      {mark(FAN_MARK_INODE, FAN_OPEN), mark(FAN_MARK_INODE, FAN_MODIFY)},
      {mark(FAN_MARK_INODE, FAN_OPEN), mark(FAN_MARK_MOUNT, FAN_OPEN)},
      {mark(FAN_MARK_INODE, FAN_OPEN), mark(FAN_MARK_INODE, FAN_OPEN, FAN_ACCESS)},
      {mark(FAN_MARK_INODE, FAN_OPEN), mark(FAN_MARK_INODE, FAN_OPEN, 0, 1)},
      {clock, timer(1000)},
      {timer(1000), timer(50000)},
      {timer(1000), timer(1000, 300)},
      {timer(1000), timer(1000, 0, 7)},
      {timer(1000), timer(1000, 0, 0, TFD_TIMER_ABSTIME)},
      {timer(1000), timer(0)},
  };
  ExpectAllDiffer(pairs);
}

TEST_F(CheckKernelTest, Processes) { RunMany("processes", Topic::kProcesses); }
TEST_F(CheckKernelTest, Files) { RunMany("files", Topic::kFiles); }
TEST_F(CheckKernelTest, Memory) { RunMany("memory", Topic::kMemory); }
TEST_F(CheckKernelTest, Locks) { RunMany("locks", Topic::kLocks); }
TEST_F(CheckKernelTest, Events) {
  RunMany("events", Topic::kEvents);
  constexpr std::size_t kFew = 50;
  EXPECT_GT(Met<Fifo>(), kFew);
  EXPECT_GT(Met<NamespaceFile>(), kFew);
  EXPECT_GT(Met<Fanotify>(), kFew);
  EXPECT_GT(Met<Timerfd>(), kFew);
  EXPECT_GT(Met<FanotifyMarks>(), kFew);
  EXPECT_GT(Met<InotifyWatches>(), kFew);
  EXPECT_GT(Met<TimerfdSetting>(), kFew);
  EXPECT_GT(Met<EpollTargets>(), kFew);
  EXPECT_GT(tally_->dead.load(), kFew);
  std::printf("  FIFO %zu  NS %zu  marks %zu  watches %zu  timers %zu  sets %zu  dead %zu\n",
              Met<Fifo>(), Met<NamespaceFile>(), Met<FanotifyMarks>(), Met<InotifyWatches>(),
              Met<TimerfdSetting>(), Met<EpollTargets>(), tally_->dead.load());
}
TEST_F(CheckKernelTest, All) {
  RunMany("all commands", Topic::kAll);
  for (std::size_t command = 0; command < Tally::kCommands; ++command) {
    EXPECT_GT(Succeeded(command), 0u) << NameOf(command);
  }
}

}  // namespace
}  // namespace crgen
