// SPDX-License-Identifier: Apache-2.0
#include "restorer/release_gate.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <string>

#include "preflight/credentials.h"
#include "preflight/host_files.h"
#include "restorer/descriptor_limit.h"
#include "restorer/momentary_name.h"
#include "restorer/supervisor_calls.h"

namespace crgen::restorer {
namespace {

/// Whether it may send everybody a signal (sigio_perm() of the kernel).
bool IsRootOfTheHost() {
  Host host;
  return geteuid() == 0 && preflight::ReadCredentials(host).initial_namespace();
}

int HighestDescriptor() {
  int highest = -1;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd", error)) {
    highest = std::max(highest, std::stoi(entry.path().filename()));
  }
  return highest;
}

}  // namespace

ReleaseGate::~ReleaseGate() {
  for (const int writer : {low_, high_}) {
    if (writer >= 0) close(writer);
  }
  Open();
}

void ReleaseGate::Open() {
  if (first_ >= 0) close_range(static_cast<unsigned>(first_), static_cast<unsigned>(last_), 0);
  first_ = -1;
}

/// A reader of the pipe, next to the last one.
bool ReleaseGate::Add(int pipe, pid_t process) {
  const ScopedFd anywhere(FailsOnPurpose() ? -1 : Reopen(pipe, O_RDONLY));
  const int reader = fcntl(anywhere.get(), F_DUPFD_CLOEXEC, last_ + 1);
  if (reader < 0) return false;
  last_ = reader;
  const f_owner_ex owner = {F_OWNER_PID, process};
  return !FailsOnPurpose() && fcntl(reader, F_SETOWN_EX, &owner) == 0 &&
         fcntl(reader, F_SETSIG, SIGKILL) == 0 && fcntl(reader, F_SETFL, O_ASYNC) == 0;
}

bool ReleaseGate::Close(const std::vector<pid_t>& processes) {
  const int highest = HighestDescriptor();
  constexpr std::size_t kOthers = 8;
  if (!IsRootOfTheHost() || highest < 0 ||
      !AllowDescriptors(static_cast<std::size_t>(highest) + 2 * processes.size() + kOthers)) {
    return false;
  }
  int one[2], other[2];
  if (pipe2(one, O_CLOEXEC) != 0) return false;
  const ScopedFd reader(one[0]);
  low_ = one[1];
  if (pipe2(other, O_CLOEXEC) != 0) return false;
  const ScopedFd other_reader(other[0]), other_writer(other[1]);
  last_ = std::max(highest, other[1]);
  first_ = last_ + 1;
  const bool all = std::ranges::all_of(processes, [&](pid_t process) {
    return Add(reader.get(), process) && Add(other_reader.get(), process);
  });
  high_ = fcntl(other_writer.get(), F_DUPFD_CLOEXEC, last_ + 1);
  if (all && high_ >= 0) return true;
  Open();
  return false;
}

}  // namespace crgen::restorer
