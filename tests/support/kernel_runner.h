// SPDX-License-Identifier: Apache-2.0
// Executes programs for real: each in a pid namespace of its own, every process its own commands,
// one after another in the program's order.
#pragma once

#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <new>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

#include "dsl/commands.h"
#include "tests/support/kernel_executor.h"
#include "tests/support/pid_namespace.h"

namespace crgen::test {

struct Verdict {
  enum class Kind : std::uint32_t {
    kNone,         ///< not run
    kSame,         ///< the commands ended as expected, and the processes are those expected
    kDiffers,      ///< the processes are not
    kRefused,      ///< a command ended otherwise than expected
    kNotPossible,  ///< this machine does not let the test do what it needs
  };
  Kind kind = Kind::kNone;
  std::string text;
};

struct KernelView;

struct KernelCase {
  /// Begins with the birth of the root. A root with pid 1 is the namespace's init; else init plays
  /// the restorer.
  Program program;
  /// How the commands end: "" or the name of an errno, such as "EPERM". Empty: all succeed. An EXIT
  /// that is to end in "SIGHUP", for the members of a group that it leaves orphaned, is executed.
  std::vector<std::string> errors;
  /// Called in init after the last command; says how the processes are not what they are to be.
  std::function<std::string(const KernelView&)> compare;
  bool terminals = false;  ///< it needs them: kernel_terminals.h
};

/// What the processes of a program share. Actor 0 is the restorer, actor k the k-th that is born.
struct Board {
  static constexpr std::size_t kMaxActors = 2048;
  static constexpr std::uint32_t kAbort = 0xffffffff;
  SharedWord turn[kMaxActors];  ///< one more than the step that the actor may take
  SharedWord subreaper[kMaxActors];
  SharedWord verdict;
  char text[2048];
  SharedObjects objects;
};

/// What init sees in the end.
struct KernelView {
  int proc = -1;                 ///< the namespace's /proc
  bool init_is_outside = false;  ///< process 1 is the restorer, not the root
  const Board& board;
  const std::unordered_map<Pid, int>& actor_of;  ///< the last one with that pid

  bool IsSubreaper(Pid pid) const {
    return board.subreaper[static_cast<std::size_t>(actor_of.at(pid))].load() != 0;
  }
  /// Numbers as a program names them: 0 is the restorer.
  Pid Named(Pid pid) const { return init_is_outside && pid == 1 ? 0 : pid; }
};

/// Runs one program after another; not more than one at a time. Nothing outlives Run(): the
/// namespace's first process ends by its deadline at the latest, and dies with whoever called
/// Run().
class KernelRunner {
 public:
  KernelRunner() {
    void* memory =
        mmap(nullptr, sizeof(Board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    board_ = memory == MAP_FAILED ? nullptr : new (memory) Board;
  }
  ~KernelRunner() { munmap(board_, sizeof(Board)); }
  KernelRunner(const KernelRunner&) = delete;
  KernelRunner& operator=(const KernelRunner&) = delete;

  Verdict Run(const KernelCase& it) {
    case_ = &it;
    deadline_ = Deadline(kSecondsEach);
    if (std::string problem = Prepare(); !problem.empty()) {
      return {Verdict::Kind::kNotPossible, problem};
    }
    int pidfd = -1;
    const long init = Clone3(CLONE_NEWPID | CLONE_PIDFD, {}, &pidfd);
    if (init == 0) BeInit();
    if (init < 0) return {Verdict::Kind::kNotPossible, Failed("clone3(CLONE_NEWPID)")};
    const bool ended = AwaitEnd(static_cast<pid_t>(init), pidfd);
    close(pidfd);
    if (!ended) return {Verdict::Kind::kDiffers, "the namespace's init does not die"};
    return {static_cast<Verdict::Kind>(board_->verdict.load()), board_->text};
  }

 private:
  struct Step {
    const Command* command;
    std::string error;  ///< expected
    int child = 0;      ///< of a fork, the actor that is born
    Pid died = 0;       ///< who exits in the step before
    Pid stopped = 0;    ///< who stops in the step before
  };

  static constexpr int kSecondsEach = 20;

  static std::string Failed(const std::string& what) { return what + ": " + strerror(errno); }

  /// Who takes which step. The last actor with a pid is the one that a command means.
  std::string Prepare() {
    if (board_ == nullptr) return "no shared memory";
    steps_.clear();
    steps_of_.assign(1, {});
    actor_of_step_.clear();
    actor_of_.clear();
    actor_of_[0] = 0;
    Pid died = 0, stopped = 0;
    for (const Command& command : case_->program) {
      Step step{&command, {}, 0, std::exchange(died, 0), std::exchange(stopped, 0)};
      if (!case_->errors.empty()) step.error = case_->errors[steps_.size()];
      const int actor = actor_of_.at(command.pid);
      if (step.error.empty()) {
        if (const auto* fork = std::get_if<Fork>(&command.body)) {
          step.child = static_cast<int>(steps_of_.size());
          steps_of_.emplace_back();
          actor_of_[fork->child_pid] = step.child;
        }
        const auto* resume = std::get_if<Resume>(&command.body);
        if (resume != nullptr && resume->stopped) stopped = command.pid;
        // An init that is in a group with the number of another process of its namespace never
        // finishes dying: it holds the number that the kernel waits for.
        const auto* join = std::get_if<SetPgid>(&command.body);
        if (join != nullptr && command.pid == 1 && join->pgid != 1) {
          return "init in a group of another process";
        }
      }
      if (std::holds_alternative<Exit>(command.body)) died = command.pid;
      steps_of_[Index(actor)].push_back(static_cast<int>(steps_.size()));
      actor_of_step_.push_back(actor);
      steps_.push_back(std::move(step));
    }
    if (steps_of_.size() > Board::kMaxActors) return "too many processes";
    last_died_ = died;
    last_stopped_ = stopped;
    init_ = std::get<Fork>(case_->program.front().body).child_pid == 1 ? 1 : 0;
    actor_of_step_.push_back(init_);  // it looks at everything in the end
    for (std::size_t k = 0; k < steps_of_.size(); ++k) {
      board_->turn[k].store(0);
      board_->subreaper[k].store(0);
    }
    board_->verdict.store(0);
    board_->text[0] = '\0';
    board_->objects.Clear();
    return "";
  }

  /// For the process that called Run(). An init that does not die is killed, and rescued.
  static bool AwaitEnd(pid_t init, int pidfd) {
    bool ended = AwaitDeath(pidfd, Deadline(kSecondsEach + 5));
    if (!ended) {
      setpgid(init, init);
      kill(init, SIGKILL);
      ended = AwaitDeath(pidfd, Deadline(10));
    }
    if (ended) waitpid(init, nullptr, 0);
    return ended;
  }

  [[noreturn]] void BeInit() {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (std::string problem = executor_.Begin(&board_->objects, case_->terminals);
        !problem.empty()) {
      GiveUp(Verdict::Kind::kNotPossible, problem);
    }
    Pass(init_);  // step 0 is the root's birth: an init that is the root is there already
    Act(init_);
    AwaitTurn(init_, static_cast<int>(steps_.size()));
    AwaitExit(last_died_);
    AwaitStop(last_stopped_);
    const KernelView view{executor_.proc(), init_ == 0, *board_, actor_of_};
    const std::string difference = case_->compare(view);
    GiveUp(difference.empty() ? Verdict::Kind::kSame : Verdict::Kind::kDiffers, difference);
  }

  void AwaitExit(Pid pid) {
    if (pid == 0) return;
    if (!AwaitDeathOf(pid, deadline_)) {
      GiveUp(Verdict::Kind::kDiffers, "process " + std::to_string(pid) + " does not die");
    }
  }

  void AwaitStop(Pid pid) {
    if (pid == 0 || executor_.AwaitStop(pid, deadline_)) return;
    GiveUp(Verdict::Kind::kDiffers, "process " + std::to_string(pid) + " does not stop");
  }

  /// Takes the actor's steps; of an exit there is no return.
  void Act(int actor) {
    for (const int s : steps_of_[Index(actor)]) {
      AwaitTurn(actor, s);
      const Step& step = steps_[Index(s)];
      AwaitExit(step.died);
      AwaitStop(step.stopped);
      if (const auto* fork = std::get_if<Fork>(&step.command->body)) {
        BearChild(s, *fork);
        if (step.child != 0) continue;  // who takes the next turn itself
      } else if (const auto* exit = std::get_if<Exit>(&step.command->body)) {
        Pass(s + 1);
        executor_.Die(*exit);
      } else if (const auto* resume = std::get_if<Resume>(&step.command->body)) {
        Pass(s + 1);
        executor_.Leave(*resume);
        return;
      } else {
        Expect(s, executor_.Execute(step.command->body, step.error.empty()));
        NoteSubreaper(actor);
      }
      Pass(s + 1);
    }
  }

  void BearChild(int s, const Fork& fork) {
    const Step& step = steps_[Index(s)];
    const long child = executor_.Bear(fork, step.error.empty());
    if (child != 0) return Expect(s, child < 0 ? static_cast<int>(-child) : 0);
    if (step.child == 0) Expect(s, 0);
    NoteSubreaper(step.child);
    Pass(s + 1);
    Act(step.child);
    for (;;) pause();
  }

  void NoteSubreaper(int actor) {
    int flag = 0;
    prctl(PR_GET_CHILD_SUBREAPER, &flag);
    board_->subreaper[actor].store(flag != 0);
  }

  void AwaitTurn(int actor, int s) {
    const auto mine = static_cast<std::uint32_t>(s) + 1;
    for (;;) {
      const std::uint32_t now = board_->turn[actor].load();
      if (now == mine) return;
      if (now == Board::kAbort) _exit(0);
      if (!SleepWhile(&board_->turn[actor], now, deadline_)) {
        GiveUp(Verdict::Kind::kDiffers, "step " + std::to_string(s) + " never has its turn");
      }
    }
  }

  void Pass(int s) {
    SetAndWake(&board_->turn[actor_of_step_[Index(s)]], static_cast<std::uint32_t>(s) + 1);
  }

  /// The command has ended with `error` (errno, 0: well).
  void Expect(int s, int error) {
    const Step& step = steps_[Index(s)];
    const std::string name = error == 0 ? "" : strerrorname_np(error);
    if (name == step.error) return;
    auto text = [](const std::string& it) { return it.empty() ? "success" : it; };
    GiveUp(Verdict::Kind::kRefused,
           CommandPlace(*step.command, Index(s)) + ": " + text(name) + ", not " + text(step.error));
  }

  /// The first verdict counts. Init ends, and takes everybody with it.
  [[noreturn]] void GiveUp(Verdict::Kind kind, const std::string& text) {
    std::uint32_t none = 0;
    if (board_->verdict.compare_exchange_strong(none, static_cast<std::uint32_t>(kind))) {
      std::strncpy(board_->text, text.c_str(), sizeof board_->text - 1);
    }
    if (getpid() == 1) _exit(0);
    SetAndWake(&board_->turn[init_], Board::kAbort);
    for (;;) pause();
  }

  static std::size_t Index(int i) { return static_cast<std::size_t>(i); }

  Board* board_ = nullptr;
  Executor executor_;
  const KernelCase* case_ = nullptr;
  Deadline deadline_{0};
  int init_ = 0;
  Pid last_died_ = 0;
  Pid last_stopped_ = 0;
  std::vector<Step> steps_;
  std::vector<std::vector<int>> steps_of_;  ///< by actor
  std::vector<int> actor_of_step_;          ///< one more than steps: who looks in the end
  std::unordered_map<Pid, int> actor_of_;
};

}  // namespace crgen::test
