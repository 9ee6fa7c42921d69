// SPDX-License-Identifier: Apache-2.0
#include "restorer/services.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fstream>

#include "dsl/references.h"
#include "preflight/descriptors.h"
#include "restorer/descriptor_limit.h"
#include "restorer/files/files.h"
#include "restorer/files/inet_socket.h"
#include "restorer/namespaces.h"
#include "restorer/problem.h"
#include "restorer/supervisor_calls.h"
#include "restorer/unlinked.h"
#include "restorer/user_namespace.h"

namespace crgen::restorer {
namespace {

/// What the supervisor makes before any process exists.
std::string PrepareFiles(const Program& program, Services* services) {
  for (const Command& command : program) {
    const auto* open = std::get_if<OpenFile>(&command.body);
    if (open == nullptr || open->from) continue;
    std::string problem;
    ForEachOpened(*open, [&](Fd, const File& file, bool) {
      if (!problem.empty() || file.external) return;
      problem = std::visit(
          [&]<typename Body>(const Body& body) {
            return FileRestorer<Body>::Prepare(file, body, *services);
          },
          file.body);
    });
    if (!problem.empty()) return problem;
  }
  return "";
}

/// Where there are connections: who builds the tree may close some that only messages carry.
std::string MakeKeeper(const Program& program, Services* services) {
  const bool any = std::ranges::any_of(program, [](const Command& command) {
    const auto* open = std::get_if<OpenFile>(&command.body);
    return open != nullptr && IsConnection(*open->file);
  });
  if (!any || services->tcp_close) return "";
  constexpr int kMostBuffer = 0x3fffffff;
  if (FailsOnPurpose() ||
      socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, services->keeper.data()) != 0 ||
      setsockopt(services->keeper[0], SOL_SOCKET, SO_SNDBUFFORCE, &kMostBuffer,
                 sizeof kMostBuffer) != 0) {
    return ErrorText("socketpair, for connections");
  }
  return "";
}

}  // namespace

SpareNumbers::SpareNumbers(const Program& program) {
  std::ifstream("/proc/sys/kernel/pid_max") >> next_;
  for (const Command& command : program) {
    if (const auto* fork = std::get_if<Fork>(&command.body)) wanted_.insert(fork->child_pid);
    if (const auto* thread = std::get_if<CreateThread>(&command.body)) wanted_.insert(thread->tid);
  }
}

pid_t SpareNumbers::Next() {
  const auto is_taken = [&] {
    return wanted_.contains(next_) || kill(next_, 0) == 0 || errno != ESRCH;
  };
  do --next_;
  while (next_ > 1 && is_taken());
  return next_;
}

std::string OpenServices(const Program& program, Services* services) {
  services->socket_files = NumberSocketFiles(program);
  std::string problem = PrepareFiles(program, services);
  EndDying(*services);
  services->terminals.Made();
  if (!problem.empty()) return problem;
  problem = MakeKeeper(program, services);
  if (!problem.empty()) return problem;
  problem = PreparePipes(program, services);
  if (!problem.empty()) return problem;
  problem = MakeUnlinked(program, services);
  if (!problem.empty()) return problem;
  services->helper_tid = SpareNumbers(program).Next();
  // Who has the same descriptors, and lets all have them.
  const pid_t holder = services->user != nullptr ? services->user->pid() : getpid();
  const std::string folder = "/proc/" + std::to_string(holder) + "/fd";
  services->fd = open(folder.c_str(), O_RDONLY | O_DIRECTORY);
  if (services->fd < 0) return ErrorText(folder);
  services->pidfd = static_cast<int>(syscall(__NR_pidfd_open, holder, 0));
  if (services->pidfd < 0) return ErrorText("pidfd_open");
  const auto highest = static_cast<rlim_t>(preflight::FirstUnusedFd(program));
  const rlim_t needed = highest + preflight::SpareDescriptors(program);
  return AllowDescriptors(needed) ? "" : ErrorText("RLIMIT_NOFILE of " + std::to_string(needed));
}

}  // namespace crgen::restorer
