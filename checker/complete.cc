// SPDX-License-Identifier: Apache-2.0
// What a whole restore has at its end, and a fragment may lack.
#include <linux/if_tun.h>

#include <algorithm>
#include <string>
#include <vector>

#include "checker/check.h"
#include "checker/kernel/kernel.h"
#include "dsl/value_text.h"

namespace crgen {
namespace check {
namespace {

/// What is left open for one process.
struct Open {
  const Task* task;
  bool executing = false;  ///< neither RESUME nor EXIT
  bool creds = false;      ///< it resumes, and of a thread's creds nothing was said
  bool rlimits = false;    ///< likewise of one of its limits
  bool registers = false;  ///< likewise of a thread's registers
  Pid thread = 0;          ///< the first such thread
};

/// Of which nobody has said anything: the restorer's would stay.
std::vector<Resource> UnsaidLimits(const Attributes& attributes) {
  std::vector<Resource> unsaid;
  for (std::uint32_t i = 0; i < kResources && !attributes.inherit_rlimits; ++i) {
    const bool said = std::ranges::any_of(
        attributes.rlimits, [&](const Rlimit& limit) { return limit.resource.value == i; });
    if (!said) unsaid.push_back({i});
  }
  return unsaid;
}

/// "rlimits", or the names of those of them.
std::string LimitNames(const std::vector<Resource>& resources) {
  if (resources.size() == kResources) return "rlimits";
  std::string names;
  for (const Resource& resource : resources) {
    names += (names.empty() ? "" : ", ") + ValueText(resource);
  }
  return names;
}

std::vector<Open> FindOpen(const Kernel& kernel) {
  std::vector<Open> found;
  for (const Task& task : kernel.tasks) {
    if (&task == &kernel.tasks[kRestorer]) continue;
    Open open{&task};
    open.executing = task.state == TaskState::kExecuting;
    if (task.state == TaskState::kResumed) {
      open.rlimits = !task.rlimits_said;
      const auto silent = std::find_if(task.threads.begin(), task.threads.end(),
                                       [](const SimulatedThread& it) { return !it.creds_said; });
      open.creds = !task.creds_said || silent != task.threads.end();
      open.registers =
          !task.attributes->registers ||
          std::any_of(task.threads.begin(), task.threads.end(),
                      [](const SimulatedThread& it) { return !it.attributes->registers; });
      open.thread = !task.creds_said || !open.creds ? task.pid : silent->tid;
    }
    if (open.executing || open.creds || open.rlimits || open.registers) found.push_back(open);
  }
  return found;
}

/// "processes 10, 11 and 7 more"
std::string Names(const std::vector<Open>& all, bool Open::*which) {
  constexpr std::size_t kNamed = 8;
  std::size_t count = 0;
  std::string names;
  for (const Open& open : all) {
    if (!(open.*which) || ++count > kNamed) continue;
    names += (count == 1 ? " " : ", ") + std::to_string(open.task->pid);
  }
  if (count == 0) return "";
  if (count > kNamed) names += " and " + std::to_string(count - kNamed) + " more";
  return (count == 1 ? "process" : "processes") + names;
}

/// The first device of tun(4) that would stay, and is not to.
const NetDevice* StayingDevice(const Kernel& kernel) {
  if (kernel.root() == kNoTask) return nullptr;
  const NetDevice* found = nullptr;
  ForEachNet(*kernel.tasks[kernel.root()].attributes, [&](const NetNamespace& net) {
    for (const NetDevice& device : net.devices) {
      const bool stays = device.tun && !device.tun->flags.Has(IFF_PERSIST) &&
                         !kernel.files.Of<TunFile>().WasAttached(net.id, device.name.bytes);
      if (stays && found == nullptr) found = &device;
    }
  });
  return found;
}

}  // namespace
}  // namespace check

Result CheckComplete(const Program& program, const SimulatedState& state, Diagnostics& diag) {
  const std::size_t before = diag.Count(Severity::kError);
  for (const check::Open& open : check::FindOpen(*state.kernel())) {
    const std::string pid = std::to_string(open.task->pid);
    if (open.executing) {
      diag.Error("end of program", "process " + pid + " (commands[" +
                                       std::to_string(open.task->born) +
                                       "]) neither resumes nor exits");
      continue;
    }
    const std::string where = CommandPlace(program[open.task->ended], open.task->ended);
    const auto report = [&](const std::string& what) {
      diag.Add({Severity::kError, where,
                "EPERM: " + what + ": set them, or say \"inherit\" for those of the restorer",
                open.task->ended});
    };
    if (open.creds) {
      report("of creds of " +
             (open.thread == open.task->pid ? "process " + pid
                                            : "thread " + std::to_string(open.thread)) +
             " nothing is said");
    }
    if (open.rlimits) {
      report("of " + check::LimitNames(check::UnsaidLimits(*open.task->attributes)) +
             " of process " + pid + " nothing is said");
    }
  }
  if (const NetDevice* device = check::StayingDevice(*state.kernel())) {
    diag.Error("end of program", "EINVAL: net: device " + std::to_string(device->ifindex) +
                                     " has no IFF_PERSIST, and no TUNF is attached to it");
  }
  return diag.Count(Severity::kError) == before ? Result::kOk : Result::kError;
}

void FindUnfinished(const SimulatedState& state, Diagnostics& diag) {
  const std::vector<check::Open> all = check::FindOpen(*state.kernel());
  const auto warn = [&](bool check::Open::*which, const std::string& what) {
    const std::string names = check::Names(all, which);
    if (!names.empty()) diag.Warning("end of program", "a fragment: " + names + what);
  };
  const bool one = std::count_if(all.begin(), all.end(),
                                 [](const check::Open& open) { return open.executing; }) == 1;
  warn(&check::Open::executing,
       one ? " is still in the restorer's hands" : " are still in the restorer's hands");
  warn(&check::Open::creds, ": nothing is said of creds, which a restore wants set or \"inherit\"");
  warn(&check::Open::rlimits,
       ": not all rlimits are said, which a restore wants set or \"inherit\"");
  const std::string names = check::Names(all, &check::Open::registers);
  if (names.empty()) return;
  diag.Warning("end of program", names + ": nothing is said of registers, which a restore wants");
}

}  // namespace crgen
