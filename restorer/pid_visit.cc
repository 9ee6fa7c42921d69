// SPDX-License-Identifier: Apache-2.0
#include "restorer/pid_visit.h"

#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "preflight/numbers.h"
#include "preflight/pid_namespace.h"
#include "restorer/supervisor_calls.h"

namespace crgen::restorer {
namespace {

std::string Enter(int fd, const char* which) {
  if (!FailsOnPurpose() && setns(fd, CLONE_NEWPID) == 0) return "";
  return ErrorText(std::string("setns(CLONE_NEWPID) of ") + which);
}

}  // namespace

const PidNamespace* OuterPidNamespace(const Program& program, const RestoreOptions& options) {
  if (options.new_pid_namespace) return nullptr;
  const auto root = std::ranges::find_if(program, [](const Command& command) {
    return command.pid == 0 && std::holds_alternative<Fork>(command.body);
  });
  if (root == program.end()) return nullptr;
  const auto& outer = std::get<Fork>(root->body).pid_namespace;
  return outer ? &*outer : nullptr;
}

std::string WhyNobodyIsBorn(const Program& program, const RestoreOptions& options,
                            const HostFiles& files, pid_t number, int error) {
  const int given = preflight::GivenPidNamespace(*OuterPidNamespace(program, options),
                                                 options.namespaces, files, options.inherited);
  const std::string why =
      error == EEXIST   ? preflight::TakenThere(given, number)
      : error == EINVAL ? "kernel.pid_max of the pid namespace from outside may be lower"
      : error == ENOMEM ? "the init of the pid namespace from outside may have ended"
                        : "";
  return why.empty() ? "" : "; " + why + " (" + preflight::kPidnsHelps + ")";
}

PidVisit::PidVisit(const Program& program, const RestoreOptions& options, const HostFiles& files) {
  const PidNamespace* outer = OuterPidNamespace(program, options);
  if (outer == nullptr) return;
  const int given =
      preflight::GivenPidNamespace(*outer, options.namespaces, files, options.inherited);
  const ScopedFd there(FailsOnPurpose() ? -1 : Reopen(given, O_RDONLY));
  if (there.get() < 0) {
    problem_ = ErrorText("open of the pid namespace from outside");
    return;
  }
  own_.Reset(open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC));
  problem_ = own_.get() < 0 ? ErrorText("open of /proc/self/ns/pid")
                            : Enter(there.get(), "the pid namespace from outside");
  if (!problem_.empty()) own_.Reset(-1);
}

std::string PidVisit::Leave() {
  if (own_.get() < 0) return problem_;
  std::string problem = Enter(own_.get(), "this process's own pid namespace");
  own_.Reset(-1);
  if (problem_.empty()) problem_ = std::move(problem);
  return problem_;
}

}  // namespace crgen::restorer
