// SPDX-License-Identifier: Apache-2.0
#include "preflight/own_status.h"

#include <fcntl.h>
#include <linux/oom.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <fstream>
#include <sstream>

namespace crgen {
namespace {

constexpr const char* kOomScore = "/proc/self/oom_score_adj";

std::optional<std::string> kept_status;
std::optional<int> kept_lowest;

bool Write(int fd, int score) {
  char text[16];
  const auto size = std::to_chars(std::begin(text), std::end(text), score).ptr - text;
  return write(fd, text, static_cast<std::size_t>(size)) == size;
}

/// In a child, which has `own`. Who has that capability may have all.
int TryScores(int own) {
  const int fd = open(kOomScore, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return own;
  if (Write(fd, OOM_SCORE_ADJ_MIN)) return OOM_SCORE_ADJ_MIN;
  int refused = OOM_SCORE_ADJ_MIN, lowest = own;
  while (refused + 1 < lowest) {
    const int middle = refused + (lowest - refused) / 2;
    (Write(fd, middle) ? lowest : refused) = middle;
  }
  return lowest;
}

int FindLowest() {
  int lowest = 0;
  std::ifstream(kOomScore) >> lowest;
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return lowest;
  const pid_t child = fork();
  if (child == 0) {
    const int found = TryScores(lowest);
    _exit(write(ends[1], &found, sizeof found) == sizeof found ? 0 : 1);
  }
  close(ends[1]);
  int found = 0;
  if (child > 0 && read(ends[0], &found, sizeof found) == sizeof found) lowest = found;
  close(ends[0]);
  while (child > 0 && waitpid(child, nullptr, 0) < 0 && errno == EINTR) continue;
  return lowest;
}

}  // namespace

void KeepOwnStatus() {
  std::ostringstream status;
  status << std::ifstream("/proc/self/status").rdbuf();
  kept_status = status.str();
  if (kept_status->ends_with('\n')) kept_status->pop_back();
  kept_lowest = FindLowest();
  preflight::KeepLowestBound();
  preflight::KeepSecurebits();
}

const std::optional<std::string>& KeptStatus() { return kept_status; }

int LowestOomScore() { return kept_lowest ? *kept_lowest : FindLowest(); }

}  // namespace crgen
