// SPDX-License-Identifier: Apache-2.0
// Pids: those that the program wants are free, and the system has room for them all.
#include "preflight/numbers.h"

#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cctype>
#include <cstdio>
#include <fstream>
#include <sstream>
#include <type_traits>
#include <unordered_map>
#include <vector>

#include "model/printable.h"
#include "preflight/doing.h"
#include "preflight/numbered_folder.h"
#include "preflight/question.h"

namespace crgen::preflight {
namespace {

/// A process of this system that occupies a number: its own, a thread's, its group's or session's.
struct Occupant {
  Pid pid = 0;
  std::string name;  ///< comm, printable
  char state = '?';
  Pid parent = 0;
};

/// /proc/PID/stat from the name to the session, "(NAME) STATE PARENT GROUP SESSION", in one line;
/// "": there is no such process any more.
std::string ReadStat(const std::string& folder) {
  std::ifstream file(folder + "/stat");
  std::string line, state, parent, group, session;
  std::getline(file, line, '\0');
  const std::size_t begin = line.find('('), end = line.rfind(')');
  if (begin == std::string::npos || end == std::string::npos) return "";
  std::istringstream words(line.substr(end + 1));
  if (!(words >> state >> parent >> group >> session)) return "";
  return Printable(line.substr(begin, end + 1 - begin)) + " " + state + " " + parent + " " + group +
         " " + session;
}

/// All processes, one a line: "PID (NAME) STATE PARENT GROUP SESSION TID…".
std::string ReadProcesses() {
  std::string text;
  ForEachNumberIn("/proc", [&](Pid pid) {
    const std::string folder = "/proc/" + std::to_string(pid);
    const std::string stat = ReadStat(folder);
    if (stat.empty()) return;
    text += (text.empty() ? "" : "\n") + std::to_string(pid) + " " + stat;
    // A second thread of this process (doing.h) ends before anything is made.
    const bool own = pid == getpid();
    ForEachNumberIn(folder + "/task", [&](Pid tid) {
      if (!own || tid == pid) text += " " + std::to_string(tid);
    });
  });
  return text;
}

/// All numbers that clone3(2) would refuse with EEXIST.
std::unordered_map<Pid, Occupant> ReadOccupants(const std::string& processes,
                                                const std::unordered_set<Pid>& wanted) {
  std::unordered_map<Pid, Occupant> occupants;
  std::istringstream lines(processes);
  for (std::string line; std::getline(lines, line);) {
    const std::size_t begin = line.find('('), end = line.rfind(')');
    if (begin == line.npos || end == line.npos || end < begin) continue;
    Occupant occupant = {0, line.substr(begin + 1, end - begin - 1)};
    Pid group = 0, session = 0;
    std::istringstream words(line.substr(end + 1));
    std::istringstream(line) >> occupant.pid;
    words >> occupant.state >> occupant.parent >> group >> session;
    if (wanted.contains(occupant.pid)) occupants[occupant.pid] = occupant;
    for (Pid tid; words >> tid;) {
      if (wanted.contains(tid)) occupants[tid] = occupant;
    }
    for (const Pid number : {group, session}) {
      if (wanted.contains(number)) occupants.try_emplace(number, occupant);
    }
  }
  return occupants;
}

std::string TakenText(Pid number, const Occupant& by) {
  std::string what = "EEXIST: pid " + std::to_string(number) + " is taken on this system, by ";
  if (by.pid != number)
    what += "a thread, the group or the session of pid " + std::to_string(by.pid) + " ";
  if (by.state == 'Z') what += "a zombie, child of " + std::to_string(by.parent) + ": ";
  return what + "\"" + by.name + "\"";
}

std::optional<std::string> Processes(Host& host) {
  return host.Text(FactKind::kProcesses, "all", ReadProcesses);
}

std::string ForeignProcOf(Host& host) {
  return host.Text(FactKind::kProcesses, "what is wrong with /proc", ForeignProc).value_or("");
}

constexpr const char* kPidMax = "/proc/sys/kernel/pid_max";
constexpr const char* kThreadsMax = "/proc/sys/kernel/threads-max";
constexpr std::int64_t kNoNumber = -1;  // there is none, or "max"

/// Of cgroup v2: its own and those above.
std::vector<std::string> OwnCgroups(Host& host) {
  std::vector<std::string> folders;
  std::istringstream file(host.File("/proc/self/cgroup"));
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with("0::/")) continue;
    for (std::string path = line.substr(3); path.size() > 1; path.resize(path.rfind('/'))) {
      folders.push_back("/sys/fs/cgroup" + path);
    }
  }
  return folders;
}

constexpr const char* kOwnProcHelps =
    "unshare --fork --mount-proc, or mount -t proc proc /proc in that namespace";

/// `each` of the groups that a command puts into the foreground.
template <typename Body, typename Each>
void ForEachForeground(const Body& body, Each&& each) {
  if constexpr (std::is_same_v<Body, SetAttr>) {
    for (const DescriptorState& late : body.attributes->descriptors) {
      const auto* foreground = std::get_if<TtyForeground>(&late.state);
      if (foreground != nullptr) each(foreground->foreground.value);
    }
  }
}

/// Since Linux 6.14 kernel.pid_max is one of each pid namespace, which another one does not show.
bool HasPidMaxOfEach(Host& host) {
  const auto of_each = host.Number(FactKind::kKernel, "pid_max of each pid namespace", [] {
    utsname name = {};
    int major = 0, minor = 0;
    const bool known = uname(&name) == 0 && std::sscanf(name.release, "%d.%d", &major, &minor) == 2;
    return known && (major > 6 || (major == 6 && minor >= 14));
  });
  return of_each.value_or(0) != 0;
}

class NumberQuestion : public QuestionOn<NumberQuestion> {
 public:
  explicit NumberQuestion(Context& context)
      : QuestionOn(context), pid_max_(host_.NumberIn(kPidMax, kNoNumber)) {
    foreign_proc_ = ForeignProcOf(host_);
    if (context.own_numbers && HasPidMaxOfEach(host_)) pid_max_ = kNoNumber;
    if (context.own_numbers || !foreign_proc_.empty()) return;
    std::unordered_set<Pid> numbers = context.pids;
    for (const Command& command : context.program) {
      std::visit(
          [&](const auto& body) {
            ForEachForeground(body, [&](Pid group) { numbers.insert(group); });
          },
          command.body);
    }
    if (const auto all = Processes(host_)) occupants_ = ReadOccupants(*all, numbers);
  }

  template <typename Body>
  void On(const Body& body) {
    // A group that has no member gets one for the moment.
    ForEachForeground(body, [&](Pid group) {
      if (context_.pids.contains(group)) return;
      Born(group);
      --living_;
    });
  }

  void On(const Fork& fork) {
    if (!foreign_proc_.empty()) findings_.Wrong(foreign_proc_, kOwnProcHelps);
    Born(fork.child_pid);
  }
  void On(const CreateThread& create) { Born(create.tid); }
  void On(const Wait&) { --living_; }

  void Finish() override {
    const auto lacks = [&](const std::string& limit, std::int64_t free) {
      if (free >= 0 && free < most_) {
        findings_.Wrong("the plan has " + std::to_string(most_) +
                            " processes and threads at once: " + limit + " leaves " +
                            std::to_string(free),
                        "raise it");
      }
    };
    const std::int64_t threads = host_.NumberIn(kThreadsMax, kNoNumber);
    if (threads > 0) lacks("kernel.threads-max", threads);
    for (const std::string& group : OwnCgroups(host_)) {
      const std::int64_t most = host_.NumberIn(group + "/pids.max", kNoNumber);
      std::int64_t now = host_.NumberIn(group + "/pids.current", kNoNumber);
      if (now > 0 && context_.options.host == nullptr)
        now -= static_cast<std::int64_t>(OwnThreads()) - 1;
      if (most > 0 && now >= 0) lacks(group + "/pids.max", std::max<std::int64_t>(most - now, 0));
    }
  }

 private:
  void Born(Pid number) {
    most_ = std::max(most_, ++living_);
    if (pid_max_ > 0 && number >= pid_max_) {
      return findings_.Wrong("pid " + std::to_string(number) + ": this system's pids are below " +
                                 std::to_string(pid_max_),
                             "sysctl kernel.pid_max");
    }
    const auto occupant = occupants_.find(number);
    if (occupant == occupants_.end()) return;
    if (occupant->second.pid == getpid() && context_.options.host == nullptr) {
      return findings_.Wrong("EEXIST: pid " + std::to_string(number) + " is that of this process",
                             "run it again");
    }
    findings_.Wrong(TakenText(number, occupant->second), kPidnsHelps);
  }

  std::int64_t pid_max_;  ///< kNoNumber: nobody knows
  std::unordered_map<Pid, Occupant> occupants_;
  std::string foreign_proc_;
  std::int64_t living_ = 0, most_ = 0;
};

}  // namespace

std::string NumberIsTaken(pid_t number) {
  const auto occupants = ReadOccupants(ReadProcesses(), {number});
  const auto occupant = occupants.find(number);
  return occupant == occupants.end() ? "" : TakenText(number, occupant->second);
}

/// proc(5), NSpid: those of this process, from the pid namespace of this /proc inwards.
static std::vector<Pid> OwnNumbers() {
  std::ifstream status("/proc/self/status");
  std::vector<Pid> numbers;
  for (std::string line; std::getline(status, line);) {
    std::istringstream words(line);
    std::string label;
    if (!(words >> label) || label != "NSpid:") continue;
    for (Pid number = 0; words >> number;) numbers.push_back(number);
  }
  return numbers;
}

bool IsOwnProc() { return OwnNumbers() == std::vector<Pid>{getpid()}; }

/// pid_namespaces(7): that of the next child is another one behind unshare(2), and nothing until it
/// has an init.
std::string ForeignProc() {
  const std::vector<Pid> numbers = OwnNumbers();
  if (numbers != std::vector<Pid>{getpid()}) {
    return "/proc is not that of this pid namespace: process " + std::to_string(getpid()) +
           ", which this is, is not there" +
           (numbers.empty() ? "" : ", but " + std::to_string(numbers[0]));
  }
  struct stat own, next;
  if (stat("/proc/self/ns/pid", &own) == 0 &&
      (stat("/proc/self/ns/pid_for_children", &next) != 0 || next.st_ino != own.st_ino)) {
    return "children of this process are born in another pid namespace than its own";
  }
  return "";
}

std::unique_ptr<Question> AskForNumbers(Context& context) {
  return std::make_unique<NumberQuestion>(context);
}

void AskForAllNumbers(Host& host) {
  (void)ForeignProcOf(host);
  (void)Processes(host);
  (void)HasPidMaxOfEach(host);
  (void)host.File(kPidMax);
  (void)host.File(kThreadsMax);
  for (const std::string& group : OwnCgroups(host)) {
    (void)host.File(group + "/pids.max");
    (void)host.File(group + "/pids.current");
  }
}

}  // namespace crgen::preflight
