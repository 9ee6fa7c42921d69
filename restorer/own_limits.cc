// SPDX-License-Identifier: Apache-2.0
#include "restorer/own_limits.h"

#include <csignal>

namespace crgen::restorer {
namespace {

rlimit callers_descriptors = {};
bool raised = false;
void (*callers_action)(int) = SIG_DFL;

}  // namespace

void RaiseOwnLimits() {
  getrlimit(RLIMIT_NOFILE, &callers_descriptors);
  raised = true;
  const rlimit all = {callers_descriptors.rlim_max, callers_descriptors.rlim_max};
  setrlimit(RLIMIT_NOFILE, &all);
  callers_action = std::signal(SIGXFSZ, SIG_IGN);
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGCHLD, SIG_DFL);
}

rlimit CallersDescriptorLimit() {
  if (raised) return callers_descriptors;
  rlimit now = {};
  getrlimit(RLIMIT_NOFILE, &now);
  return now;
}

void LowerOwnLimits() {
  if (!raised) return;
  setrlimit(RLIMIT_NOFILE, &callers_descriptors);
  std::signal(SIGXFSZ, callers_action);
  std::signal(SIGPIPE, SIG_DFL);
}

}  // namespace crgen::restorer
