// SPDX-License-Identifier: Apache-2.0
// How the supervisor waits for the processes that it restores: until they have arrived, or until
// one of them cannot arrive any more, in whatever way, or for too long.
#pragma once

#include <functional>
#include <string>
#include <utility>

#include "restorer/compile.h"
#include "restorer/deadline.h"
#include "restorer/problem.h"

namespace crgen::restorer {

/// How far it has come, on the last line of a terminal; nothing if stderr is none.
class Progress {
 public:
  ~Progress();
  void Show(Word done, Word total);

 private:
  bool shown_ = false;
};

class Watch {
 public:
  /// `timeout`: seconds without any step of any process; 0: for ever.
  Watch(const Program& program, const Arena& arena, const Script& script, unsigned timeout);

  /// Until `*word` is not `value`. The problem that came first, or none.
  RestoreProblem AwaitChange(const Word* word, Word value);
  /// Until all threads have counted themselves.
  RestoreProblem AwaitAll(Word Board::*counter);
  /// To be asked in every other wait, a few times a second: what makes it vain, or none.
  RestoreProblem Look();
  /// The root's number here, once it is born.
  void RootIsBorn(pid_t root) { root_ = root; }
  /// Why a number of a pid namespace from outside cannot be had, by the error of clone3(2): what is
  /// then put behind the problem. Without this nothing is said of another pid namespace.
  void LookElsewhere(std::function<std::string(pid_t number, int error)> why) {
    elsewhere_ = std::move(why);
  }
  /// To be put behind the problem that nobody could be born with `number`; 0: nothing.
  std::string WhyNot(pid_t number, int error) const;
  /// From here on this process traces all threads: stops are reported to it.
  void Traced() { traced_ = true; }

 private:
  RestoreProblem TheirProblem() const;
  RestoreProblem LookForLost();
  RestoreProblem LookForUnknown();
  RestoreProblem LookForStops() const;
  RestoreProblem LookForLimit();
  RestoreProblem Stuck() const;
  bool IsBorn(std::size_t process) const;
  bool Built(const Process& process) const;
  pid_t NumberOf(const Thread& thread) const;

  const Program& program_;
  const Arena& arena_;
  const Script& script_;
  const bool other_numbers_;  ///< this pid namespace has others than the program
  std::function<std::string(pid_t, int)> elsewhere_;
  Deadline deadline_;
  std::uint64_t steps_ = 0;  ///< of all processes together, when last looked
  bool traced_ = false;
  pid_t root_ = 0;
  std::size_t unknown_ = 0;  ///< the first process whose number was not known when last looked
  Progress progress_;
};

/// "process 12", "thread 13 of process 12".
std::string NameOf(const Thread& thread);

/// To be put behind the problem that a number is taken: by whom, and what helps.
std::string TakenText(pid_t number);

/// What a tracer is told of a thread that did not stop as it was asked to.
std::string Interference(const Thread& thread, int status);
/// The same of one that is not there to be asked.
std::string HasDied(const Thread& thread);

}  // namespace crgen::restorer
