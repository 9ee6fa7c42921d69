// SPDX-License-Identifier: Apache-2.0
#include "restorer/proc_files.h"

#include <sys/stat.h>
#include <sys/syscall.h>

#include <fstream>
#include <sstream>

#include "preflight/numbered_folder.h"

namespace crgen::restorer {
namespace {

std::string Folder(pid_t pid) { return "/proc/" + std::to_string(pid); }

struct NamedCall {
  long number;
  const char* name;
};
/// Those that the executor can be in for long.
constexpr NamedCall kCalls[] = {
    {__NR_openat, "openat"},         {__NR_pread64, "pread64"},
    {__NR_preadv, "preadv"},         {__NR_mmap, "mmap"},
    {__NR_munmap, "munmap"},         {__NR_mremap, "mremap"},
    {__NR_mprotect, "mprotect"},     {__NR_madvise, "madvise"},
    {__NR_clone3, "clone3"},         {__NR_nanosleep, "nanosleep"},
    {__NR_close, "close"},           {__NR_close_range, "close_range"},
    {__NR_waitid, "waitid"},         {__NR_futex, "futex"},
    {__NR_pause, "pause"},           {__NR_write, "write"},
    {__NR_chdir, "chdir"},           {__NR_membarrier, "membarrier"},
    {__NR_exit_group, "exit_group"},
};

/// A number of /proc/PID/status; 0: there is none.
pid_t InStatus(pid_t pid, const std::string& wanted) {
  std::ifstream status(Folder(pid) + "/status");
  for (std::string line; std::getline(status, line);) {
    std::istringstream words(line);
    std::string label;
    pid_t number = 0;
    if (words >> label >> number && label == wanted) return number;
  }
  return 0;
}

}  // namespace

char StateOf(pid_t pid) {
  std::ifstream file(Folder(pid) + "/stat");
  std::string line;
  std::getline(file, line);
  const std::size_t name_end = line.rfind(')');
  return name_end == std::string::npos || name_end + 2 >= line.size() ? 'X' : line[name_end + 2];
}

std::uint64_t RunTimeOf(pid_t pid) {
  constexpr std::uint64_t kNanoseconds = 1'000'000;
  std::uint64_t ran = 0;
  std::ifstream(Folder(pid) + "/schedstat") >> ran;
  return ran / kNanoseconds;
}

pid_t ParentOf(pid_t pid) { return InStatus(pid, "PPid:"); }

std::vector<pid_t> ChildrenOf(pid_t pid) {
  std::vector<pid_t> all;
  const std::string tasks = Folder(pid) + "/task";
  preflight::ForEachNumberIn(tasks, [&](pid_t tid) {
    std::ifstream children(tasks + "/" + std::to_string(tid) + "/children");
    for (pid_t child = 0; children >> child;) all.push_back(child);
  });
  return all;
}

pid_t TracerOf(pid_t pid) { return InStatus(pid, "TracerPid:"); }

bool IsThreadOf(pid_t root, pid_t number, pid_t pid, pid_t tid) {
  struct stat spaces[2];
  if (stat((Folder(root) + "/ns/pid").c_str(), &spaces[0]) != 0 ||
      stat((Folder(number) + "/ns/pid").c_str(), &spaces[1]) != 0 ||
      spaces[0].st_ino != spaces[1].st_ino) {
    return false;
  }
  pid_t innermost_pid = 0, innermost_tid = 0;
  std::ifstream status(Folder(number) + "/status");
  for (std::string line; std::getline(status, line);) {
    std::istringstream words(line);
    std::string label;
    words >> label;
    pid_t id = 0;
    while ((label == "NStgid:" || label == "NSpid:") && words >> id) {
      (label == "NSpid:" ? innermost_tid : innermost_pid) = id;
    }
  }
  return innermost_pid == pid && innermost_tid == tid;
}

std::string SystemCallOf(pid_t pid, long* number) {
  // "running", or it is gone: no number.
  if (!(std::ifstream(Folder(pid) + "/syscall") >> *number)) *number = -1;
  if (*number < 0) return "no system call";
  for (const NamedCall& call : kCalls) {
    if (call.number == *number) return std::string("system call ") + call.name;
  }
  return "system call number " + std::to_string(*number);
}

}  // namespace crgen::restorer
