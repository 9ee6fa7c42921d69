// SPDX-License-Identifier: Apache-2.0
#include "preflight/pid_namespace.h"

#include <fcntl.h>
#include <linux/nsfs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <optional>
#include <set>
#include <sstream>
#include <unordered_map>
#include <vector>

#include "model/printable.h"
#include "preflight/doing.h"
#include "preflight/held_namespaces.h"
#include "preflight/numbered_folder.h"
#include "preflight/numbers.h"

namespace crgen::preflight {
namespace {

constexpr const char* kOwn = "/proc/self/ns/pid";
constexpr int kLevelsAtMost = 32;  // MAX_PID_NS_LEVEL

ino_t InodeOf(int fd) {
  struct stat status;
  return fstat(fd, &status) == 0 ? status.st_ino : 0;
}

/// Namespaces by inode, from that of `fd` outwards, as far as this process may know them; `fd` is
/// closed.
std::vector<ino_t> AncestorsOf(int fd) {
  std::vector<ino_t> ancestors;
  for (int level = 0; fd >= 0 && level <= kLevelsAtMost; ++level) {
    ancestors.push_back(InodeOf(fd));
    const int parent = ioctl(fd, NS_GET_PARENT);
    close(fd);
    fd = parent;
  }
  if (fd >= 0) close(fd);
  return ancestors;
}

/// A line of /proc/PID/status: one number for each namespace, from that of /proc inwards.
using Numbers = std::vector<Pid>;

struct Status {
  std::string name;  ///< printable
  char state = 'X';
  Pid parent = 0;
  Numbers pid, group, session;
};

Status ReadStatus(const std::string& folder) {
  Status status;
  std::ifstream file(folder + "/status");
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string label;
    words >> label;
    const auto numbers = [&](Numbers* to) {
      for (Pid number = 0; words >> number;) to->push_back(number);
    };
    if (label == "Name:")
      status.name = Printable(line.substr(std::min<std::size_t>(line.size(), 6)));
    if (label == "State:") words >> status.state;
    if (label == "PPid:") words >> status.parent;
    if (label == "NSpid:") numbers(&status.pid);
    if (label == "NSpgid:") numbers(&status.group);
    if (label == "NSsid:") numbers(&status.session);
  }
  return status;
}

/// Who is in a pid namespace below that of /proc, or further below.
class Inhabitants {
 public:
  /// `level`: how far below.
  Inhabitants(ino_t space, std::size_t level) : space_(space), level_(level) {}

  /// Somebody may be in there of whom this process cannot see it.
  bool is_blind() const { return blind_; }
  /// `each(number, pid, leader, own)` for each number that is taken there: by process `pid` of this
  /// /proc, whose own it is, or by a thread, the group or the session of it.
  template <typename Each>
  void ForEach(Each&& each) {
    ForEachNumberIn("/proc", [&](Pid pid) {
      const std::string folder = "/proc/" + std::to_string(pid);
      const Status leader = ReadStatus(folder);
      const bool gone = leader.state == 'X';  // being reaped: its number is free in a moment
      if (gone || leader.pid.size() <= level_ || !IsInside(folder)) return;
      for (const Numbers* numbers : {&leader.pid, &leader.group, &leader.session}) {
        if (numbers->size() > level_) {
          each((*numbers)[level_], pid, leader, numbers == &leader.pid);
        }
      }
      ForEachNumberIn(folder + "/task", [&](Pid tid) {
        if (tid == pid) return;
        const Status thread = ReadStatus(folder + "/task/" + std::to_string(tid));
        if (thread.pid.size() > level_) each(thread.pid[level_], pid, leader, false);
      });
    });
  }

 private:
  bool IsInside(const std::string& folder) {
    const int fd = open((folder + "/ns/pid").c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
      blind_ = blind_ || (errno != ENOENT && errno != ESRCH);
      return false;
    }
    const auto [known, is_new] = inside_.try_emplace(InodeOf(fd), false);
    if (is_new) {
      const std::vector<ino_t> ancestors = AncestorsOf(fd);
      known->second = std::ranges::find(ancestors, space_) != ancestors.end();
    } else {
      close(fd);
    }
    return known->second;
  }

  const ino_t space_;
  const std::size_t level_;
  std::unordered_map<ino_t, bool> inside_;
  bool blind_ = false;
};

/// How far below this process's own that one is of which these are; their number: it is not.
std::size_t LevelOf(const std::vector<ino_t>& ancestors) {
  const std::vector<ino_t> own = AncestorsOf(open(kOwn, O_RDONLY | O_CLOEXEC));
  const auto level = own.empty() ? ancestors.end() : std::ranges::find(ancestors, own.front());
  return static_cast<std::size_t>(level - ancestors.begin());
}

std::string TakenBy(Pid number, Pid pid, const Status& status, bool own) {
  std::string text =
      "EEXIST: pid " + std::to_string(number) + " is taken in the pid namespace that is given, by ";
  if (!own) text += "a thread, the group or the session of ";
  if (status.state == 'Z') text += "a zombie, child of " + std::to_string(status.parent) + ": ";
  return text + "\"" + status.name + "\", here " + std::to_string(pid);
}

void CheckNumbers(Context& context, int given) {
  const Doing doing("looking for the numbers in it", given);
  if (!IsOwnProc()) return;  // numbers.cc has told
  const std::vector<ino_t> ancestors = AncestorsOf(Reopen(given, O_RDONLY));
  const std::size_t level = LevelOf(ancestors);
  if (!ancestors.empty() && level == ancestors.size()) {
    return context.findings.Wrong(
        "the pid namespace that is given is neither this process's own nor below it: setns(2) "
        "refuses it",
        "run crrestore in it, or in one above it");
  }
  bool has_init = false, blind = ancestors.empty();
  std::set<Pid> told;
  if (!blind) {
    Inhabitants inhabitants(ancestors.front(), level);
    inhabitants.ForEach([&](Pid number, Pid pid, const Status& status, bool own) {
      has_init = has_init || (number == 1 && status.state != 'Z');
      if (!context.pids.contains(number) || !told.insert(number).second) return;
      context.findings.Wrong(TakenBy(number, pid, status, own), kPidnsHelps);
    });
    blind = inhabitants.is_blind();
  }
  if (has_init) return;
  if (blind) {
    return context.findings.Warn(
        "who is in the pid namespace that is given cannot be seen",
        "CAP_SYS_PTRACE shows it, with all capabilities of those in there");
  }
  context.findings.Wrong("the pid namespace that is given has no init, or one that has ended",
                         kPidnsHelps);
}

/// Whether the caller gives one; else it has told why not.
bool IsGiven(Context& context, const PidNamespace& outer) {
  const NamespaceOptions& options = context.options.namespaces;
  const auto& inherited = context.options.inherited;
  const std::string& key = outer.external.bytes;
  const auto joined = options.joined.find("pid"), path = options.pid_namespaces.find(key);
  if (joined != options.joined.end()) {
    return HoldNamespace(context, "--join-ns pid", joined->second, "pid", JoinPlace("pid"));
  }
  if (path != options.pid_namespaces.end()) {
    return HoldNamespace(context, "--external pid[" + path->second + "]", path->second, "pid",
                         PidPlace(key));
  }
  if (inherited.contains(key)) {
    const int fd = inherited.at(key);
    return fd >= 0 && CheckNamespace(context, fd, key, "pid");
  }
  context.findings.Wrong(
      "the pid namespace " + Printable(key) + " comes from outside, and is not handed over",
      "--inherit-fd fd[N]:" + Printable(key) + ", --join-ns pid:PATH, or --pidns for a new one");
  return false;
}

}  // namespace

int GivenPidNamespace(const PidNamespace& outer, const NamespaceOptions& options,
                      const HostFiles& files, const std::map<std::string, int>& inherited) {
  const std::string& key = outer.external.bytes;
  if (options.joined.contains("pid")) return files.place(JoinPlace("pid"));
  if (options.pid_namespaces.contains(key)) return files.place(PidPlace(key));
  const auto handed_over = inherited.find(key);
  return handed_over == inherited.end() ? -1 : handed_over->second;
}

std::string TakenThere(int given, Pid number) {
  const std::vector<ino_t> ancestors = AncestorsOf(Reopen(given, O_RDONLY));
  const std::size_t level = LevelOf(ancestors);
  std::string text;
  if (level == ancestors.size() || !IsOwnProc()) return text;
  Inhabitants(ancestors.front(), level)
      .ForEach([&](Pid taken, Pid pid, const Status& status, bool own) {
        if (taken == number && text.empty()) text = TakenBy(number, pid, status, own);
      });
  return text;
}

void CheckPidNamespace(Context& context, const PidNamespace* outer) {
  const NamespaceOptions& options = context.options.namespaces;
  const bool joins = options.joined.contains("pid"), is_new = context.options.own_numbers;
  if (joins && outer == nullptr) {
    context.findings.Wrong("--join-ns pid: the plan has no pid namespace from outside",
                           "leave it out");
  } else if (joins && is_new) {
    context.findings.Wrong("--join-ns pid and --pidns exclude each other", "leave one of them out");
  }
  for (const auto& [key, path] : options.pid_namespaces) {
    const std::string name = "--external pid[" + path + "]:" + Printable(key);
    if (outer == nullptr || key != outer->external.bytes) {
      context.findings.Warn(name + ": nothing in the plan has that key");
    } else if (is_new) {
      context.findings.Wrong(name + " and --pidns exclude each other", "leave one of them out");
    }
  }
  if (outer == nullptr || is_new || !IsGiven(context, *outer)) return;
  CheckNumbers(context,
               GivenPidNamespace(*outer, options, context.files, context.options.inherited));
}

}  // namespace crgen::preflight
