// SPDX-License-Identifier: Apache-2.0
#include "preflight/preflight.h"

#include <linux/sched.h>
#include <sys/resource.h>

#include <algorithm>
#include <string>
#include <vector>

#include "preflight/question.h"

namespace crgen {
namespace preflight {

void Findings::Add(Severity severity, const std::string& what, const std::string& advice) {
  if (!said_.insert(what).second) return;
  bool& full = full_[static_cast<std::size_t>(severity)];
  if (full) return diag_.Add({severity, "", ""});
  diag_.Add({severity, CommandPlace((*program_)[index_], index_), what, index_, advice});
  full = diag_.Count(severity) > Diagnostics::kMaxKept && diag_.Dropped(severity) != 0;
}

bool IsInOtherMounts(const Context& context, Pid pid, const Rare<std::uint64_t>& mount) {
  if (context.mounts == nullptr) return false;
  if (!mount) return context.entered.contains(pid);
  const auto found = std::ranges::find(*context.mounts, *mount, &Mount::id);
  return found != context.mounts->end() && found->namespace_id.has_value();
}

namespace {

void FollowMounts(const Command& command, Context* context) {
  if (context->mounts == nullptr) return;
  if (const auto* fork = std::get_if<Fork>(&command.body)) {
    context->entered.erase(fork->child_pid);
    const auto from = context->entered.find(command.pid);
    if (from != context->entered.end()) context->entered[fork->child_pid] = from->second;
  }
  const auto* set = std::get_if<SetAttr>(&command.body);
  if (set == nullptr || !set->attributes->setns) return;
  const auto& mnt = set->attributes->setns->mnt;
  mnt ? (void)(context->entered[command.pid] = *mnt) : (void)context->entered.erase(command.pid);
}

void LookAtNamespaces(const Attributes& attributes, Context* context) {
  if (!attributes.mounts.empty()) context->mounts = &attributes.mounts;
  if (!attributes.net) return;
  context->other_network = true;
  context->new_network = !attributes.net->external || context->options.namespaces.empty_net;
}

constexpr rlim_t kLeastDescriptors = 32;

/// Nothing can be looked at without some.
bool HasDescriptors(Diagnostics& diag) {
  rlimit limit = {};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_max >= kLeastDescriptors) return true;
  diag.Error("RLIMIT_NOFILE", std::to_string(limit.rlim_max) + " descriptors at most, expected " +
                                  std::to_string(kLeastDescriptors) +
                                  " or more: raise it (ulimit -Hn)");
  return false;
}

Context MakeContext(const Program& program, const PreflightOptions& options, HostFiles& files,
                    Findings& findings, Host& host) {
  Context context = {program, options, files, findings, host};
  context.own_numbers = options.own_numbers;
  for (const Command& command : program) {
    if (const auto* fork = std::get_if<Fork>(&command.body)) {
      context.pids.insert(fork->child_pid);
      context.outer_pid_namespace = context.outer_pid_namespace || fork->pid_namespace;
      if (fork->flags.Has(CLONE_NEWPID) || fork->pid_namespace) context.own_numbers = true;
      if (command.pid == 0 && fork->flags.Has(CLONE_NEWUSER)) {
        context.user = UserNamespace{fork->uid_map, fork->gid_map};
      }
    } else if (const auto* create = std::get_if<CreateThread>(&command.body)) {
      context.pids.insert(create->tid);
    } else if (const auto* set = std::get_if<SetAttr>(&command.body)) {
      LookAtNamespaces(*set->attributes, &context);
    }
  }
  if (options.namespaces.joined.contains("net")) {
    context.other_network = true;
    context.new_network = false;
  }
  return context;
}

}  // namespace
}  // namespace preflight

Result Preflight(const Program& program, const PreflightOptions& options, HostFiles* files,
                 Diagnostics& diag) {
  using namespace preflight;
  Findings findings(diag);
  if (!HasDescriptors(diag)) return Result::kError;
  Host here;
  Host& host = options.host == nullptr ? here : *options.host;
  Context context = MakeContext(program, options, *files, findings, host);
  std::vector<std::unique_ptr<Question>> questions;
  for (const auto ask :
       {AskForNumbers, AskForRights, AskTheKernel, AskTheMachine, AskForMemory, AskForImages,
        AskForNamespaces, AskForFiles, AskForWatches, AskForInherited, AskForLocks, AskForSockets,
        AskForTerminals, AskForCgroups}) {
    if (ask == AskForImages && options.images.empty()) continue;
    questions.push_back(ask(context));
  }
  for (std::size_t i = 0; i < program.size(); ++i) {
    findings.GoTo(program, i);
    FollowMounts(program[i], &context);
    for (const auto& question : questions) question->Ask(program[i]);
  }
  for (const auto& question : questions) question->Finish();
  const bool wrong = diag.HasErrors() || diag.Count(Severity::kUnsupported) != 0;
  return wrong ? Result::kError : Result::kOk;
}

}  // namespace crgen
