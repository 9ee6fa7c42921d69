// SPDX-License-Identifier: Apache-2.0
#include "restorer/own_limits.h"

#include <algorithm>
#include <csignal>
#include <iterator>

namespace crgen::restorer {
namespace {

constexpr rlim_t kEnoughStack = 8 << 20, kLeastStack = 512 << 10;

rlimit callers[std::size(kRaisedLimits)] = {};
bool raised = false;
void (*callers_action)(int) = SIG_DFL;

rlim_t Raised(int resource, const rlimit& limit) {
  if (resource != RLIMIT_STACK) return limit.rlim_max;
  return std::max(limit.rlim_cur, std::min(limit.rlim_max, kEnoughStack));
}

}  // namespace

std::string RaiseOwnLimits() {
  for (std::size_t i = 0; i < std::size(kRaisedLimits); ++i) {
    getrlimit(kRaisedLimits[i], &callers[i]);
    const rlimit all = {Raised(kRaisedLimits[i], callers[i]), callers[i].rlim_max};
    setrlimit(kRaisedLimits[i], &all);
  }
  raised = true;
  callers_action = std::signal(SIGXFSZ, SIG_IGN);
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGCHLD, SIG_DFL);
  rlimit stack = {};
  getrlimit(RLIMIT_STACK, &stack);
  if (stack.rlim_cur >= kLeastStack) return "";
  return "RLIMIT_STACK allows " + std::to_string(stack.rlim_cur) + " bytes, and needs to allow " +
         std::to_string(kLeastStack) + ": raise it (ulimit -s " +
         std::to_string(kLeastStack / 1024) + ")";
}

rlimit CallersLimit(int resource) {
  rlimit limit = {};
  getrlimit(resource, &limit);
  const auto* found = std::ranges::find(kRaisedLimits, resource);
  return raised && found != std::end(kRaisedLimits) ? callers[found - kRaisedLimits] : limit;
}

void LowerOwnLimits() {
  if (!raised) return;
  for (std::size_t i = 0; i < std::size(kRaisedLimits); ++i) {
    setrlimit(kRaisedLimits[i], &callers[i]);
  }
  std::signal(SIGXFSZ, callers_action);
  std::signal(SIGPIPE, SIG_DFL);
}

}  // namespace crgen::restorer
