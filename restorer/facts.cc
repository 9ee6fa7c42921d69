// SPDX-License-Identifier: Apache-2.0
#include "restorer/facts.h"

#include <fcntl.h>
#include <linux/nsfs.h>
#include <linux/sched.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <string_view>

#include "restorer/script_attributes.h"

namespace crgen::restorer {
namespace {

/// A whole file of proc(5).
bool ReadFile(const std::string& path, std::string* text) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  text->clear();
  ssize_t got;
  do {
    constexpr std::size_t kAtOnce = 4096;
    const std::size_t size = text->size();
    text->resize(size + kAtOnce);
    got = read(fd, text->data() + size, kAtOnce);
    text->resize(size + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
  } while (got > 0);
  const int error = errno;
  close(fd);
  errno = error;
  return got == 0;
}

/// One value behind a label: numbers in `base`, until the line ends.
class Numbers {
 public:
  Numbers(const char* at, int base) : at_(at), base_(base) {}
  bool Next(std::uint64_t* value) {
    while (*at_ == ' ' || *at_ == '\t') ++at_;
    char* end = nullptr;
    if (*at_ == '\n' || *at_ == 0) return false;
    *value = std::strtoull(at_, &end, base_);
    if (end == at_) return false;
    at_ = end;
    return true;
  }

 private:
  const char* at_;
  int base_;
};

struct HexRow {
  std::string_view label;
  std::uint64_t ThreadFacts::*field;
};
constexpr HexRow kCapabilities[] = {{"CapInh:", &ThreadFacts::inheritable},
                                    {"CapPrm:", &ThreadFacts::permitted},
                                    {"CapEff:", &ThreadFacts::effective},
                                    {"CapBnd:", &ThreadFacts::bounding},
                                    {"CapAmb:", &ThreadFacts::ambient}};
struct WordRow {
  std::string_view label;
  std::uint32_t ThreadFacts::*field;
};
constexpr WordRow kWords[] = {{"NoNewPrivs:", &ThreadFacts::no_new_privs},
                              {"Seccomp:", &ThreadFacts::seccomp_mode},
                              {"Seccomp_filters:", &ThreadFacts::seccomp_filters}};

void ReadIds(Numbers numbers, std::array<std::uint32_t, 4>* ids) {
  std::uint64_t id = 0;
  for (std::uint32_t& to : *ids) {
    if (numbers.Next(&id)) to = static_cast<std::uint32_t>(id);
  }
}

void ReadLine(std::string_view label, const char* value, ThreadFacts* facts,
              std::uint64_t* ignored) {
  std::uint64_t number = 0;
  if (label == "Uid:") ReadIds(Numbers(value, 10), &facts->uid);
  if (label == "Gid:") ReadIds(Numbers(value, 10), &facts->gid);
  if (label == "SigIgn:") Numbers(value, 16).Next(ignored);
  if (label == "Groups:") {
    facts->groups.clear();
    for (Numbers numbers(value, 10); numbers.Next(&number);) {
      facts->groups.push_back(static_cast<std::uint32_t>(number));
    }
    std::sort(facts->groups.begin(), facts->groups.end());
  }
  for (const HexRow& row : kCapabilities) {
    if (label == row.label) Numbers(value, 16).Next(&(facts->*row.field));
  }
  for (const WordRow& row : kWords) {
    if (label == row.label && Numbers(value, 10).Next(&number)) {
      facts->*row.field = static_cast<std::uint32_t>(number);
    }
  }
}

bool ReadScheduling(pid_t tid, Scheduling* scheduling) {
  SchedulingState attributes = {};
  if (syscall(__NR_sched_getattr, tid, &attributes, sizeof attributes, 0) != 0) return false;
  errno = 0;
  scheduling->nice = getpriority(PRIO_PROCESS, static_cast<id_t>(tid));  // of any policy
  scheduling->policy = attributes.policy;
  scheduling->priority = attributes.priority;
  scheduling->reset_on_fork = (attributes.flags & SCHED_FLAG_RESET_ON_FORK) != 0;
  return errno == 0;
}

/// "Max cpu time             unlimited            unlimited            seconds".
Limit ReadLimit(const char* line) {
  constexpr std::size_t kNameWidth = 26;
  Limit limit;
  const char* at = line + kNameWidth;
  for (std::uint64_t* to : {&limit.first, &limit.second}) {
    while (*at == ' ') ++at;
    char* end = nullptr;
    *to = *at == 'u' ? RLIM_INFINITY : std::strtoull(at, &end, 10);
    while (*at != ' ' && *at != '\n' && *at != 0) ++at;
  }
  return limit;
}

}  // namespace

bool ReadThread(pid_t tid, ThreadFacts* facts, std::uint64_t* ignored) {
  std::string text;
  if (!ReadFile("/proc/" + std::to_string(tid) + "/status", &text)) return false;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const std::size_t colon = text.find(':', at);
    if (colon < end) {
      ReadLine(std::string_view(text).substr(at, colon + 1 - at), text.data() + colon + 1, facts,
               ignored);
    }
    at = end + 1;
  }
  return ReadScheduling(tid, &facts->scheduling);
}

IdMap ReadIdMap(pid_t pid, const char* file) {
  IdMap map;
  std::ifstream text("/proc/" + std::to_string(pid) + "/" + file);
  for (IdRange range; text >> range.inside >> range.outside >> range.count;) map.push_back(range);
  return map;
}

std::uint64_t ReadOwner(pid_t pid, const char* kind) {
  const std::string path = "/proc/" + std::to_string(pid) + "/ns/" + kind;
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  const int owner = fd < 0 ? -1 : ioctl(fd, NS_GET_USERNS);
  struct stat facts;
  const bool known = owner >= 0 && fstat(owner, &facts) == 0;
  if (owner >= 0) close(owner);
  if (fd >= 0) close(fd);
  return known ? facts.st_ino : 0;
}

bool ReadNamespaces(pid_t pid, std::array<std::uint64_t, kNamespaces.size()>* namespaces) {
  for (std::size_t i = 0; i < kNamespaces.size(); ++i) {
    struct stat named;
    const std::string name = "/proc/" + std::to_string(pid) + "/ns/" + kNamespaces[i];
    const bool there = stat(name.c_str(), &named) == 0;
    if (!there && errno != ENOENT) return false;
    (*namespaces)[i] = there ? named.st_ino : 0;
  }
  return true;
}

bool ReadLimits(pid_t pid, std::array<Limit, kLimits>* limits) {
  // Several times as quick as the text, but of other users only for CAP_SYS_RESOURCE.
  std::size_t known = 0;
  for (rlimit64 limit; known < kLimits; ++known) {
    if (syscall(__NR_prlimit64, pid, known, nullptr, &limit) != 0) break;
    (*limits)[known] = {limit.rlim_cur, limit.rlim_max};
  }
  if (known == kLimits) return true;
  std::string text;
  if (errno != EPERM || !ReadFile("/proc/" + std::to_string(pid) + "/limits", &text)) return false;
  std::size_t at = text.find('\n');  // behind the heading
  for (Limit& limit : *limits) {
    constexpr std::size_t kShortest = 40;
    if (at == std::string::npos || text.size() - at < kShortest) {
      errno = EPROTO;
      return false;
    }
    limit = ReadLimit(text.data() + at + 1);
    at = text.find('\n', at + 1);
  }
  return true;
}

}  // namespace crgen::restorer
