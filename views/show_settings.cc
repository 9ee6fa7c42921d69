// SPDX-License-Identifier: Apache-2.0
// What a process runs with: where it is, what it may use, how it is scheduled.
#include <sys/resource.h>

#include <cstdio>

#include "views/show_parts.h"

namespace crgen {
namespace {

std::string LimitText(std::uint64_t limit) {
  return limit == RLIM_INFINITY ? "unlimited" : std::to_string(limit);
}

/// "RLIMIT_NOFILE 1024 of 4096, …": the limits that limit something.
std::string LimitsText(const Attributes& attributes) {
  std::string text;
  for (const Rlimit& it : attributes.rlimits) {
    if (it.cur == RLIM_INFINITY) continue;
    text += (text.empty() ? "" : ", ") + NameText(it.resource) + " " + LimitText(it.cur);
    if (it.max != it.cur) text += " of " + LimitText(it.max);
  }
  return text;
}

std::string SchedText(const Sched& sched) {
  std::string text = NameText(sched.policy);
  if (sched.nice != 0) text += ", nice " + std::to_string(sched.nice);
  if (sched.priority != 0) text += ", priority " + std::to_string(sched.priority);
  return text + (sched.reset_on_fork ? ", reset for children" : "");
}

std::string UmaskText(std::uint32_t umask) {
  char text[16];
  std::snprintf(text, sizeof text, "%04o", umask);
  return text;
}

void ShowFs(const Show& show, const FsAttributes& fs) {
  constexpr std::string_view kGone = " (deleted)";
  const auto place = [&](const Text& path, bool gone) {
    return path.bytes + std::string(gone ? kGone : "");
  };
  Fact(show, "working directory", place(fs.cwd, fs.cwd_unlinked.has_value()));
  if (fs.root.bytes != "/") Fact(show, "root", place(fs.root, fs.root_unlinked.has_value()));
  if (fs.umask) Fact(show, "umask", UmaskText(*fs.umask));
}

/// What is usual goes without saying.
void ShowUnusual(const Show& show, const Attributes& attributes) {
  constexpr std::int32_t kDumpable = 1;
  constexpr std::uint32_t kNobodyLoggedIn = ~std::uint32_t{0};
  if (attributes.personality.value_or(Hex{}).value != 0) {
    Fact(show, "personality", HexText(attributes.personality->value));
  }
  if (attributes.oom_score_adj.value_or(0) != 0) {
    Fact(show, "oom_score_adj", std::to_string(*attributes.oom_score_adj));
  }
  if (attributes.loginuid.value_or(kNobodyLoggedIn) != kNobodyLoggedIn) {
    Fact(show, "loginuid", std::to_string(*attributes.loginuid));
  }
  if (attributes.dumpable.value_or(kDumpable) != kDumpable) {
    Fact(show, "dumpable", std::to_string(*attributes.dumpable));
  }
  if (attributes.thp_disabled.value_or(false)) Fact(show, "transparent huge pages", "disabled");
}

void ShowThread(const Show& show, const std::string& of, const Attributes& attributes) {
  constexpr std::uint64_t kUsualSlack = 50'000;
  if (attributes.sched && *attributes.sched != Sched{}) {
    Fact(show, "scheduling" + of, SchedText(*attributes.sched));
  }
  if (attributes.timer_slack.value_or(kUsualSlack) != kUsualSlack) {
    Fact(show, "timer slack" + of, std::to_string(*attributes.timer_slack) + " ns");
  }
}

}  // namespace

void ShowSettings(const Show& show) {
  show.ForEachProcess([&](ProcessIndex index, const Process& process) {
    if (process.state == ProcessState::kZombie || process.attributes == nullptr) return;
    const Attributes& attributes = *process.attributes;
    const Pid pid = show.PidOf(index);
    show.Line(show.NameOf(index), Ink::kHeading);
    if (attributes.fs) ShowFs(show, *attributes.fs);
    Fact(show, "limits", LimitsText(attributes));
    ShowUnusual(show, attributes);
    ForEachThread(pid, process, [&](Pid tid, const Attributes& thread) {
      ShowThread(show, tid == pid ? "" : " of thread " + std::to_string(tid), thread);
    });
  });
}

}  // namespace crgen
