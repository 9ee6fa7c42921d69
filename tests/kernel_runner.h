// Executes tree programs for real: each in a pid namespace of its own, every process its own
// commands, one after another in the program's order.
#pragma once

#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <new>
#include <string>
#include <unordered_map>
#include <vector>

#include "generator/tree/analyzer.h"
#include "model/tree.h"
#include "tests/pid_namespace.h"

namespace crgen::test {

struct Verdict {
  enum class Kind : std::uint32_t {
    kNone,         ///< not run
    kSame,         ///< the processes are those of the snapshot
    kDiffers,      ///< they are not
    kRefused,      ///< a command failed
    kNotPossible,  ///< this machine does not let the test do what it needs
  };
  Kind kind = Kind::kNone;
  std::string text;
};

/// What the processes of a program share. Actor 0 is the restorer, actor k the k-th that is born.
struct Board {
  static constexpr std::size_t kMaxActors = 2048;
  static constexpr std::uint32_t kAbort = 0xffffffff;
  Word turn[kMaxActors];  ///< one more than the step that the actor may take
  Word subreaper[kMaxActors];
  Word verdict;
  char text[256];
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

  /// Executes `ops` and compares what the kernel then has with `snapshot`. A root with pid 1 is the
  /// namespace's init; else init plays the restorer.
  Verdict Run(const TreeSnapshot& snapshot, const std::vector<TreeOp>& ops) {
    snapshot_ = &snapshot;
    deadline_ = Deadline(kSecondsEach);
    if (std::string problem = Prepare(ops); !problem.empty()) {
      return {Verdict::Kind::kNotPossible, problem};
    }
    int pidfd = -1;
    const long init = Clone3(CLONE_NEWPID | CLONE_PIDFD, 0, &pidfd);
    if (init == 0) BeInit();
    if (init < 0) return {Verdict::Kind::kNotPossible, Failed("clone3(CLONE_NEWPID)")};
    const bool ended = AwaitEnd(static_cast<pid_t>(init), pidfd);
    close(pidfd);
    if (!ended) return {Verdict::Kind::kDiffers, "the namespace's init does not die"};
    return {static_cast<Verdict::Kind>(board_->verdict.load()), board_->text};
  }

 private:
  struct Step {
    TreeOp op;
    int child = 0;  ///< of a fork, the actor that is born
    Pid died = 0;   ///< who exits in the step before
  };

  static constexpr int kSecondsEach = 20;

  static std::string Failed(const std::string& what) { return what + ": " + strerror(errno); }

  /// Who takes which step. The last actor with a pid is the one that a command means.
  std::string Prepare(const std::vector<TreeOp>& ops) {
    if (board_ == nullptr) return "no shared memory";
    steps_.clear();
    steps_of_.assign(1, {});
    actor_of_step_.clear();
    actor_of_.clear();
    actor_of_[0] = 0;
    for (const TreeOp& op : ops) {
      const int actor = actor_of_.at(op.pid);
      Step step{op, 0, 0};
      if (!steps_.empty() && steps_.back().op.kind == TreeOp::Kind::kExit) {
        step.died = steps_.back().op.pid;
      }
      if (op.kind == TreeOp::Kind::kFork) {
        step.child = static_cast<int>(steps_of_.size());
        steps_of_.emplace_back();
        actor_of_[op.arg] = step.child;
      }
      // An init that is in a group with the number of another process of its namespace never
      // finishes dying: it holds the number that the kernel waits for.
      if (op.kind == TreeOp::Kind::kSetPgid && op.pid == 1 && op.arg != 1) {
        return "init in a group of another process";
      }
      steps_of_[Index(actor)].push_back(static_cast<int>(steps_.size()));
      actor_of_step_.push_back(actor);
      steps_.push_back(step);
    }
    if (steps_of_.size() > Board::kMaxActors) return "too many processes";
    init_ = snapshot_->nodes[0].pid == 1 ? 1 : 0;
    actor_of_step_.push_back(init_);  // it looks at everything in the end
    for (std::size_t k = 0; k < steps_of_.size(); ++k) {
      board_->turn[k].store(0);
      board_->subreaper[k].store(0);
    }
    board_->verdict.store(0);
    board_->text[0] = '\0';
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
    Pass(init_);  // step 0 is the root's birth: an init that is the root is there already
    Act(init_);
    const int last = static_cast<int>(steps_.size());
    AwaitTurn(init_, last);
    if (steps_.back().op.kind == TreeOp::Kind::kExit &&
        !AwaitDeathOf(steps_.back().op.pid, deadline_)) {
      GiveUp(Verdict::Kind::kDiffers, "a process that exits does not die");
    }
    const std::string difference = Compare();
    GiveUp(difference.empty() ? Verdict::Kind::kSame : Verdict::Kind::kDiffers, difference);
  }

  /// Takes the actor's steps; of an exit there is no return.
  void Act(int actor) {
    for (const int s : steps_of_[Index(actor)]) {
      AwaitTurn(actor, s);
      const Step& step = steps_[Index(s)];
      if (step.died != 0 && !AwaitDeathOf(step.died, deadline_)) {
        GiveUp(Verdict::Kind::kDiffers, "process " + std::to_string(step.died) + " does not die");
      }
      if (step.op.kind == TreeOp::Kind::kFork) {
        BearChild(s);  // who takes the next turn itself
        continue;
      }
      if (step.op.kind == TreeOp::Kind::kExit) {
        Pass(s + 1);
        _exit(0);
      }
      Execute(s);
      NoteSubreaper(actor);
      Pass(s + 1);
    }
  }

  void BearChild(int s) {
    const Step& step = steps_[Index(s)];
    const long child = Clone3(step.op.clone_parent ? CLONE_PARENT : 0, step.op.arg);
    if (child < 0) Refuse(s);
    if (child > 0) return;
    NoteSubreaper(step.child);
    Pass(s + 1);
    Act(step.child);
    for (;;) pause();
  }

  void Execute(int s) {
    const TreeOp& op = steps_[Index(s)].op;
    bool done = false;
    switch (op.kind) {
      case TreeOp::Kind::kSetSid:
        done = setsid() == op.pid;
        break;
      case TreeOp::Kind::kSetPgid:
        done = setpgid(0, op.arg) == 0;
        break;
      case TreeOp::Kind::kWait:
        errno = ECHILD;
        done = waitpid(op.arg, nullptr, __WALL | WNOHANG) == op.arg;
        break;
      case TreeOp::Kind::kSetSubreaper:
        done = prctl(PR_SET_CHILD_SUBREAPER, op.arg) == 0;
        break;
      case TreeOp::Kind::kFork:
      case TreeOp::Kind::kExit:
        break;
    }
    if (!done) Refuse(s);
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

  [[noreturn]] void Refuse(int s) {
    const std::string error = strerror(errno);
    const TreeOp& op = steps_[Index(s)].op;
    static const char* const kNames[] = {"clone3", "setsid", "setpgid",
                                         "exit",   "wait",   "subreaper"};
    GiveUp(Verdict::Kind::kRefused,
           "step " + std::to_string(s) + ", pid " + std::to_string(op.pid) + ": " +
               kNames[static_cast<int>(op.kind)] + " " + std::to_string(op.arg) + ": " + error);
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

  std::string Compare() const {
    std::map<Pid, ProcEntry> found;
    const int proc = OpenProc();
    if (proc < 0) return Failed("fsopen(proc)");
    const bool read = ReadProcesses(proc, &found);
    close(proc);
    if (!read) return "/proc cannot be read";
    if (init_ == 0) found.erase(1);
    for (const TreeNode& node : snapshot_->nodes) {
      const auto entry = found.find(node.pid);
      if (entry == found.end()) return "process " + std::to_string(node.pid) + " is missing";
      if (auto text = CompareProcess(node, entry->second); !text.empty()) return text;
      found.erase(entry);
    }
    return found.empty() ? "" : "process " + std::to_string(found.begin()->first) + " is left";
  }

  std::string CompareProcess(const TreeNode& node, const ProcEntry& entry) const {
    const Pid outside = init_ == 0 ? 1 : 0;
    const Pid ppid = node.parent < 0 ? outside : snapshot_->nodes[Index(node.parent)].pid;
    std::string text;
    auto same = [&](const char* name, Pid is, Pid expected) {
      if (is == expected) return;
      text += std::string(text.empty() ? "process " + std::to_string(node.pid) : "") + " has " +
              name + " " + std::to_string(is) + ", not " + std::to_string(expected);
    };
    same("ppid", entry.ppid, ppid);
    same("pgid", entry.pgid, node.pgid);
    same("sid", entry.sid, node.sid);
    same("a zombie's state:", entry.state == 'Z', node.zombie);
    if (!node.zombie) {
      const auto flag = board_->subreaper[actor_of_.at(node.pid)].load();
      same("child_subreaper", static_cast<Pid>(flag), node.subreaper);
    }
    return text;
  }

  static std::size_t Index(int i) { return static_cast<std::size_t>(i); }

  Board* board_ = nullptr;
  const TreeSnapshot* snapshot_ = nullptr;
  Deadline deadline_{0};
  int init_ = 0;
  std::vector<Step> steps_;
  std::vector<std::vector<int>> steps_of_;  ///< by actor
  std::vector<int> actor_of_step_;          ///< one more than steps: who looks in the end
  std::unordered_map<Pid, int> actor_of_;
};

}  // namespace crgen::test
