// SPDX-License-Identifier: Apache-2.0
// The driver of the checker: who may execute, and what holds at the end.
#include "checker/kernel/kernel.h"

#include <utility>
#include <variant>

#include "checker/check.h"

namespace crgen {
namespace check {

Kernel::Kernel() {
  tasks.emplace_back();
  tasks[kRestorer].attributes = std::make_shared<Attributes>();
  tasks[kRestorer].fs = std::make_shared<FsView>();
}

std::string RangeText(AddressRange range) {
  return HexText(range.start) + "-" + HexText(range.end);
}

std::string ExitText(const ExitStatus& status) {
  std::string text;
  if (status.code) text += "code " + std::to_string(*status.code);
  if (status.signal) {
    text += (text.empty() ? "" : " ") + ValueName(SignalKind::Names(), status.signal->value);
  }
  if (status.core_dumped.value_or(false)) text += " with core dumped";
  return text.empty() ? "no status" : text;
}

TaskIndex Kernel::FindTask(Pid pid) const {
  auto found = numbers.find(pid);
  return found == numbers.end() ? kNoTask : found->second.task;
}

std::string Kernel::At(std::size_t command) const {
  return "(commands[" + std::to_string(command) + "])";
}

std::string Kernel::Who(TaskIndex task) const {
  if (task == kRestorer) return "the restorer";
  const Task& it = tasks[task];
  std::string text = it.state == TaskState::kZombie ? "zombie " : "process ";
  return text + std::to_string(it.pid) + " " + At(it.born);
}

std::string Kernel::Where(std::size_t command) const {
  return CommandPlace((*program_)[command], command);
}

void Kernel::Violation(std::string_view error, std::string what) {
  // Behind the limit nobody reads it.
  if (diag_->Count(Severity::kError) >= Diagnostics::kMaxKept) {
    diag_->Error({}, {});
    return;
  }
  diag_->Add(
      {Severity::kError, Where(command_), std::string(error) + ": " + std::move(what), command_});
}

void Kernel::Suspect(std::string what) {
  diag_->Add({Severity::kWarning, Where(command_), std::move(what), command_});
}

bool Kernel::CheckExecutor(Pid pid) {
  const CommandBody& body = (*program_)[command_].body;
  self_ = kRestorer;
  if (pid == 0) {
    bool allowed = std::holds_alternative<Fork>(body) || std::holds_alternative<Wait>(body);
    if (!allowed) Violation("EPERM", "the restorer may only FORK the root and WAIT");
    return allowed;
  }
  auto last = last_of_pid_.find(pid);
  TaskIndex task = last == last_of_pid_.end() ? kNoTask : last->second;
  if (task == kNoTask) {
    if (!unknown_pids_.insert(pid).second) return false;
    auto use = numbers.find(pid);
    if (use != numbers.end() && use->second.thread_of != kNoTask) {
      Violation("ESRCH", std::to_string(pid) + " is a thread of " + Who(use->second.thread_of));
    } else {
      Violation("ESRCH", "there is no process " + std::to_string(pid));
    }
    return false;
  }
  self_ = task;
  if (self().state == TaskState::kExecuting) return true;
  if (!std::exchange(self().reported, true)) {
    bool resumed = self().state == TaskState::kResumed;
    Violation("ESRCH", "process " + std::to_string(pid) +
                           (resumed ? " has left the restorer " : " has exited ") +
                           At(self().ended));
  }
  return false;
}

void Kernel::Begin(const Program& program, Diagnostics& diag) {
  program_ = &program;
  diag_ = &diag;
}

void Kernel::RunTo(std::size_t end) {
  for (; command_ < end; ++command_) {
    const Command& command = (*program_)[command_];
    if (!CheckExecutor(command.pid)) continue;
    std::visit([this](const auto& body) { Execute(body); }, command.body);
  }
}

void Kernel::Finish() {
  RunTo(program_->size());
  SpreadAllFs();
  program_ = nullptr;
  diag_ = nullptr;
}

void Kernel::SpreadAllFs() {
  for (TaskIndex task(kRestorer + 1); task < TaskIndex(tasks.size()); ++task) {
    SpreadFs(tasks[task]);
  }
}

}  // namespace check

SimulatedState::SimulatedState() = default;
SimulatedState::~SimulatedState() = default;
SimulatedState::SimulatedState(SimulatedState&&) noexcept = default;
SimulatedState& SimulatedState::operator=(SimulatedState&&) noexcept = default;
void SimulatedState::Reset(std::unique_ptr<check::Kernel> kernel) { kernel_ = std::move(kernel); }

ProgramCheck::ProgramCheck(const Program& program, Diagnostics& diag)
    : program_(program),
      kernel_(std::make_unique<check::Kernel>()),
      diag_(diag),
      errors_before_(diag.Count(Severity::kError)) {
  kernel_->Begin(program, diag);
}

ProgramCheck::~ProgramCheck() = default;

void ProgramCheck::RunTo(std::size_t end) { kernel_->RunTo(end); }

Result ProgramCheck::Finish(SimulatedState* state) {
  kernel_->Finish();
  check::CheckAbout(program_, diag_);
  state->Reset(std::move(kernel_));
  return diag_.Count(Severity::kError) == errors_before_ ? Result::kOk : Result::kError;
}

Result CheckProgram(const Program& program, SimulatedState* state, Diagnostics& diag) {
  return ProgramCheck(program, diag).Finish(state);
}

}  // namespace crgen
