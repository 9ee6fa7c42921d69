// SPDX-License-Identifier: Apache-2.0
// The kernel as judge of what the checker says of terminals: random programs of sessions, groups
// and ptys, run for real. How each command ends, and which terminal and foreground group each
// process has in the end, must be what the checker says. Needs root. CRGEN_SEED=n or =random makes
// another random choice.
#include <gtest/gtest.h>
#include <sys/sysmacros.h>

#include <cstdio>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "checker/kernel/kernel.h"
#include "dsl/json/program_json.h"
#include "tests/support/check_support.h"
#include "tests/support/choice.h"
#include "tests/support/kernel_pool.h"
#include "tests/support/seed.h"

namespace crgen {
namespace {

using namespace test;  // NOLINT: the vocabulary of programs

constexpr std::size_t kPrograms = 3000;
constexpr int kSeconds = 240;

class TerminalProgramMaker : private Choice {
 public:
  explicit TerminalProgramMaker(unsigned seed) : Choice(seed) {}

  void Make(std::size_t length) {
    Try(ForkOf(0, kRoot));
    Try(SidOf(kRoot));
    while (program_.size() < length) Try(Early());
    for (std::size_t i = 0; i < length / 2; ++i) {
      const bool foreground = i < length / 3;
      const Pid pid = AnyTask().pid;
      Try(foreground ? LateOf(pid, AnyFd(), TtyForeground{PidReference{AnyPid()}})
                     : LateOf(pid, AnyFd(), TtyLock{}));
    }
  }

  const Program& program() const { return program_; }
  const std::vector<std::string>& errors() const { return errors_; }
  const check::Kernel& kernel() const { return *state_.kernel(); }

 private:
  static constexpr Pid kRoot = 5, kMostPid = 12;
  static constexpr Fd kFds = 6;

  void Try(const Command& command) {
    program_.push_back(command);
    Diagnostics diag;
    SimulatedState state;
    (void)CheckProgram(program_, &state, diag);
    std::string error;
    for (const Diagnostic& entry : diag.entries()) {
      if (entry.command != program_.size() - 1 || entry.severity != Severity::kError) continue;
      error = entry.what.substr(0, entry.what.find(':'));
    }
    // What would end a session for real is no program's.
    if (error == "SIGHUP") return program_.pop_back();
    errors_.push_back(error);
    state_ = std::move(state);
  }

  const check::Task& AnyTask() {
    std::vector<const check::Task*> living;
    for (const check::Task& task : kernel().tasks) {
      if (task.pid != 0 && task.state == check::TaskState::kExecuting) living.push_back(&task);
    }
    return *living[Below(static_cast<std::uint32_t>(living.size()))];
  }
  Pid AnyPid() { return kRoot + static_cast<Pid>(Below(kMostPid - kRoot)); }
  Fd AnyFd() { return static_cast<Fd>(Below(kFds)); }

  Command Early() {
    const check::Task& task = AnyTask();
    switch (Below(12)) {
      case 0:
      case 1:
        return ForkOf(task.pid, AnyPid());
      case 2:
        return SidOf(task.pid);
      case 3:
        return PgidOf(task.pid, OneIn(2) ? task.pid : AnyPid());
      case 4:
        if (task.pid != kRoot && OneIn(2)) return ExitOf(task.pid, 1);
        return WaitOf(task.pid, AnyPid());
      case 5:
        return {task.pid, DupFd{AnyFd(), AnyFd(), false}};
      case 6:
        return {task.pid, CloseFd{AnyFd()}};
      default:
        return {task.pid, OpenFile{AnyFd(), AnyTerminal(task), false, nullptr, {}}};
    }
  }

  std::shared_ptr<const File> AnyTerminal(const check::Task& task) {
    Tty tty;
    tty.tty_id.value = Below(kTerminals);
    tty.driver = OneIn(3) ? kPtyMaster : kPtySlave;
    // One thing wrong at a time: which of two is said first is nobody's rule.
    const auto& terminals = kernel().files.Of<Tty>();
    const std::uint32_t other = Below(kTerminals);
    const bool wrong =
        OneIn(8) && (terminals.Find(tty.tty_id) != nullptr || terminals.Find({other}) != nullptr);
    tty.index = wrong ? other : static_cast<std::uint32_t>(tty.tty_id.value);
    tty.controlling = tty.driver == kPtySlave && !wrong && !OneIn(3);
    // The session of outside has no terminal here, and may have one there.
    if (OneIn(6) && task.sid != 0) {
      tty = {};
      tty.tty_id.value = kTerminals + 1;
      tty.driver = kOwnTerminal;
    }
    return std::make_shared<const File>(File{{next_++}, {O_RDWR}, std::move(tty)});
  }

  Program program_;
  std::vector<std::string> errors_;
  SimulatedState state_;
  std::uint64_t next_ = 1;
};

/// Of a process: device number of its terminal, and the foreground group of that.
struct TerminalFacts {
  int device = 0, group = -1;
  friend bool operator==(const TerminalFacts&, const TerminalFacts&) = default;
};

std::string Text(const TerminalFacts& facts) {
  return "device " + std::to_string(facts.device) + " group " + std::to_string(facts.group);
}

std::optional<TerminalFacts> RealFacts(int proc, Pid pid) {
  const std::vector<std::string> lines = LinesOf(proc, std::to_string(pid) + "/stat");
  if (lines.empty()) return std::nullopt;
  const std::string& line = lines.front();
  TerminalFacts facts;
  std::sscanf(line.c_str() + line.rfind(')') + 1, " %*c %*d %*d %*d %d %d", &facts.device,
              &facts.group);
  return facts;
}

/// The group that was said last to be in the foreground of each terminal.
std::map<std::uint64_t, Pid> Foregrounds(const Program& program,
                                         const std::vector<std::string>& errors,
                                         const check::Kernel& kernel) {
  std::map<std::uint64_t, Pid> groups;
  for (std::size_t i = 0; i < program.size(); ++i) {
    const auto* set = std::get_if<SetAttr>(&program[i].body);
    if (set == nullptr || !errors[i].empty()) continue;
    const LateState& late = set->attributes->descriptors.front().state;
    const auto* foreground = std::get_if<TtyForeground>(&late);
    if (foreground == nullptr) continue;
    const check::Task& task = kernel.tasks[kernel.FindTask(program[i].pid)];
    groups[task.terminal->value] = foreground->foreground.value;
  }
  return groups;
}

std::string Compare(const KernelView& view, const TerminalProgramMaker& maker) {
  constexpr unsigned kSlaves = 136;  // UNIX98_PTY_SLAVE_MAJOR
  const auto groups = Foregrounds(maker.program(), maker.errors(), maker.kernel());
  for (const check::Task& task : maker.kernel().tasks) {
    if (task.pid == 0 || task.state != check::TaskState::kExecuting) continue;
    TerminalFacts expected;
    if (task.terminal) {
      const auto* terminal = maker.kernel().files.Of<Tty>().Find(*task.terminal);
      expected.device = static_cast<int>(makedev(kSlaves, *terminal->name.index));
      const auto said = groups.find(task.terminal->value);
      expected.group = said == groups.end() ? static_cast<int>(task.sid) : said->second;
    }
    const auto found = RealFacts(view.proc, task.pid);
    if (found == expected) continue;
    return "process " + std::to_string(task.pid) + ": " + (found ? Text(*found) : "gone") +
           ", the checker says " + Text(expected);
  }
  return "";
}

TEST(CheckTerminalsKernelTest, Agrees) {
  if (geteuid() != 0) GTEST_SKIP() << "not root: no programs in a pid namespace";
  const unsigned first = FirstSeed();
  const auto made = [&](std::size_t i) {
    auto maker = std::make_shared<TerminalProgramMaker>(first + static_cast<unsigned>(i));
    maker->Make(8 + i % 30);
    return maker;
  };
  const KernelPool pool(
      kPrograms,
      [&](std::size_t i) {
        const auto maker = made(i);
        return KernelCase{maker->program(), maker->errors(),
                          [=](const KernelView& view) { return Compare(view, *maker); }, true};
      },
      kSeconds);
  std::map<std::string, std::size_t> ends;
  std::size_t same = 0, shown = 0, controlled = 0, foregrounds = 0;
  for (std::size_t i = 0; i < kPrograms; ++i) {
    const Verdict verdict = pool.At(i);
    const auto maker = made(i);
    if (verdict.kind == Verdict::Kind::kSame) {
      ++same;
      for (const std::string& error : maker->errors()) ++ends[error];
      foregrounds += Foregrounds(maker->program(), maker->errors(), maker->kernel()).size();
      for (const check::Task& task : maker->kernel().tasks) controlled += task.terminal.has_value();
    } else if (++shown <= 5) {
      ADD_FAILURE() << "seed " << first + i << ": "
                    << (verdict.kind == Verdict::Kind::kNone ? "not run" : verdict.text) << "\n"
                    << WriteProgram(maker->program(), Layout::kLines);
    }
  }
  EXPECT_EQ(same, kPrograms);
  std::printf("seed %u: %zu of %zu agree, %zu processes with a terminal, %zu foreground groups:",
              first, same, kPrograms, controlled, foregrounds);
  for (const auto& [error, count] : ends) {
    std::printf(" %s %zu", error.empty() ? "success" : error.c_str(), count);
  }
  std::printf("\n");
  EXPECT_GT(controlled, kPrograms / 4);
  EXPECT_GT(foregrounds, kPrograms / 20);
  for (const char* error : {"EPERM", "ENOTTY", "ENXIO", "EEXIST"}) {
    EXPECT_GT(ends[error], 0U) << error;
  }
}

}  // namespace
}  // namespace crgen
