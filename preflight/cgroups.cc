// SPDX-License-Identifier: Apache-2.0
#include "preflight/cgroups.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <sstream>

#include "preflight/fixed_arguments.h"
#include "preflight/question.h"

namespace crgen {
namespace {

constexpr std::string_view kName = "name=";
constexpr const char* kOwnCgroups = "/proc/self/cgroup";

std::vector<std::string> Sorted(const std::string& controllers) {
  std::vector<std::string> names = ControllerNames(controllers);
  std::ranges::sort(names);
  return names;
}

/// "/a" and "/b/c" are "/a/b/c"; "/" adds nothing.
std::string Joined(const std::string& root, const std::string& rest) {
  const std::string head = root == "/" ? "" : root;
  const std::string tail = rest == "/" ? "" : rest;
  return head.empty() && tail.empty() ? "/" : head + tail;
}

/// What of `path` is behind `head`, which is at or above it.
std::string Behind(const std::string& path, const std::string& head) {
  return head == "/" ? path : path.substr(head.size());
}

/// A hierarchy, mounted nowhere; -1: errno.
int Mounted(const std::string& controllers) {
  const FixedArguments& fixed = kFixedArguments;
  const int context = fsopen(controllers.empty() ? fixed.cgroup2 : fixed.cgroup, FSOPEN_CLOEXEC);
  if (context < 0) return -1;
  bool good = true;
  for (const std::string& name : ControllerNames(controllers)) {
    if (controllers.empty() || !good) break;
    if (name.starts_with(kName)) {
      const char* const value = name.c_str() + kName.size();
      good = fsconfig(context, FSCONFIG_SET_STRING, fixed.name, value, 0) == 0 &&
             (controllers != name || fsconfig(context, FSCONFIG_SET_FLAG, "none", nullptr, 0) == 0);
    } else {
      good = fsconfig(context, FSCONFIG_SET_FLAG, name.c_str(), nullptr, 0) == 0;
    }
  }
  good = good && fsconfig(context, FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) == 0;
  const int root = good ? fsmount(context, FSMOUNT_CLOEXEC, 0) : -1;
  const int error = errno;
  close(context);
  errno = error;
  return root;
}

constexpr std::pair<std::string_view, CgroupMode> kModes[] = {
    {"ignore", CgroupMode::kIgnore}, {"none", CgroupMode::kNone}, {"props", CgroupMode::kProps},
    {"soft", CgroupMode::kSoft},     {"full", CgroupMode::kFull}, {"strict", CgroupMode::kStrict}};

}  // namespace

std::optional<CgroupMode> CgroupModeNamed(std::string_view name) {
  for (const auto& [known, mode] : kModes) {
    if (known == name) return mode;
  }
  return std::nullopt;
}

std::vector<std::string> CgroupModeNames() {
  std::vector<std::string> names;
  for (const auto& [name, mode] : kModes) names.emplace_back(name);
  return names;
}

CgroupRoots::CgroupRoots(const Program& program, const CgroupOptions& options) {
  for (const Command& command : program) {
    const auto* set = std::get_if<SetAttr>(&command.body);
    if (set == nullptr || !set->attributes->cgroup) continue;
    for (const CgroupDirectory& directory : set->attributes->cgroup->directories) {
      Of(directory.controllers, options).directories.insert(directory.path.bytes);
    }
    for (const CgroupPath& path : set->attributes->cgroup->paths) {
      if (path.prefix) Of(path.controllers, options).prefix = path.prefix->bytes;
    }
  }
}

CgroupRoots::Hierarchy& CgroupRoots::Of(const std::string& controllers,
                                        const CgroupOptions& options) {
  const auto [place, is_new] = hierarchies_.try_emplace(controllers);
  if (!is_new) return place->second;
  std::optional<std::string>& root = place->second.root;
  for (const std::string& name : ControllerNames(controllers)) {
    const auto given = options.roots.find(name);
    if (given == options.roots.end()) continue;
    if (root && *root != given->second) {
      problem_ = controllers + " is one hierarchy, and " + *root + " and " + given->second +
                 " are two roots for it";
    }
    root = given->second;
  }
  if (!root) root = options.root;
  return place->second;
}

std::string CgroupRoots::PathOf(const std::string& controllers, const std::string& path) const {
  const auto found = hierarchies_.find(controllers);
  if (found == hierarchies_.end() || !found->second.root) return path;
  const Hierarchy& hierarchy = found->second;
  if (hierarchy.prefix && IsAtOrBelow(path, *hierarchy.prefix)) {
    return Joined(*hierarchy.root, Behind(path, *hierarchy.prefix));
  }
  std::string above = "/";
  for (std::size_t end = 0;;) {
    if (hierarchy.directories.contains(above)) {
      return Joined(*hierarchy.root, Behind(path, above));
    }
    if (end == path.npos) return path;
    end = path.find('/', end + 1);
    above = path.substr(0, end);
  }
}

std::string CgroupRoots::PrefixOf(const std::string& controllers, const std::string& prefix) const {
  const auto found = hierarchies_.find(controllers);
  return found == hierarchies_.end() ? prefix : found->second.root.value_or(prefix);
}

CgroupMounts::CgroupMounts() : CgroupMounts(Host().File(kOwnCgroups)) {}

CgroupMounts::CgroupMounts(const std::string& hierarchies) {
  std::istringstream lines(hierarchies);
  for (std::string line; std::getline(lines, line);) {
    const std::size_t begin = line.find(':');
    const std::size_t end = begin == line.npos ? begin : line.find(':', begin + 1);
    if (end != line.npos) known_.insert(Sorted(line.substr(begin + 1, end - begin - 1)));
  }
}

bool CgroupMounts::Has(const std::string& controllers) const {
  return known_.contains(Sorted(controllers));
}

int CgroupMounts::Open(const std::string& controllers) {
  if (const auto known = open_.find(controllers); known != open_.end()) return known->second;
  int root = Mounted(controllers);
  // While one of that name goes away the kernel restarts the system call, which fsconfig(2) then
  // refuses.
  constexpr int kTries = 500;
  for (int i = 0; root < 0 && errno == EBUSY && i < kTries; ++i) {
    usleep(10'000);
    root = Mounted(controllers);
  }
  if (root >= 0) open_[controllers] = root;
  return root;
}

void CgroupMounts::Close() {
  for (const auto& [controllers, root] : open_) close(root);
  open_.clear();
}

std::optional<std::string> ReadCgroupFile(int root, const std::string& file) {
  const int fd = openat(root, file.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return std::nullopt;
  std::string text;
  char buffer[4096];
  ssize_t got = 0;
  while ((got = read(fd, buffer, sizeof buffer)) > 0) {
    text.append(buffer, static_cast<std::size_t>(got));
  }
  const int error = errno;
  close(fd);
  errno = error;
  if (got < 0) return std::nullopt;
  return text;
}

namespace preflight {
namespace {

class CgroupsQuestion : public QuestionOn<CgroupsQuestion> {
 public:
  explicit CgroupsQuestion(Context& context)
      : QuestionOn(context),
        roots_(context.program, context.options.cgroups),
        mounts_(host_.File(kOwnCgroups)) {}

  template <typename Body>
  void On(const Body&) {}

  void On(const SetAttr& set) {
    if (!set.attributes->cgroup || mode() == CgroupMode::kIgnore) return;
    if (!roots_.problem().empty()) {
      return findings_.Wrong(roots_.problem(), "give one --cgroup-root for it");
    }
    std::vector<std::string> there, missing;
    for (const CgroupDirectory& directory : set.attributes->cgroup->directories) {
      const std::string path = roots_.PathOf(directory.controllers, directory.path.bytes);
      if (!mounts_.Has(directory.controllers) && CanBeMade(directory.controllers)) {
        if (path != "/") missing.push_back(CgroupText(directory.controllers, path));
        continue;
      }
      if (!CanReach(directory.controllers) || path == "/") continue;
      const std::string name = CgroupText(directory.controllers, path);
      const auto exists = host_.Number(FactKind::kCgroups, name, [&] {
        const int root = mounts_.Open(directory.controllers);
        return faccessat(root, BelowRoot(path).c_str(), F_OK, 0) == 0;
      });
      if (exists) (*exists != 0 ? there : missing).push_back(name);
    }
    if (mode() == CgroupMode::kStrict && !there.empty()) {
      findings_.Wrong(Named(there, "exists", "exist") + " already",
                      "--manage-cgroups=soft goes in, and leaves the properties as they are");
    }
    if ((mode() == CgroupMode::kNone || mode() == CgroupMode::kProps) && !missing.empty()) {
      findings_.Wrong(Named(missing, "is", "are") + " missing", "--manage-cgroups=soft makes it");
    }
    for (const CgroupPath& path : set.attributes->cgroup->paths) CheckRuns(path);
  }

 private:
  CgroupMode mode() const { return context_.options.cgroups.mode; }

  /// "the cgroup cpu:/a is", "the cgroup cpu:/a and 2 more are"
  static std::string Named(const std::vector<std::string>& all, const char* is, const char* are) {
    const std::string first = "the cgroup " + all[0] + " ";
    return all.size() == 1 ? first + is
                           : first + "and " + std::to_string(all.size() - 1) + " more " + are;
  }

  static bool CanBeMade(const std::string& controllers) {
    return controllers.starts_with(kName) && controllers.find(',') == controllers.npos;
  }

  /// False: told.
  bool CanReach(const std::string& controllers) {
    if (!mounts_.Has(controllers)) {
      findings_.Wrong(controllers.empty()
                          ? "this system has no cgroup2"
                          : "no hierarchy of cgroups here has the controllers " + controllers,
                      "see /proc/self/cgroup; --manage-cgroups=ignore does without");
      return false;
    }
    const int error = OpenError(controllers);
    if (error != 0) {
      findings_.Wrong("the hierarchy of cgroups " + CgroupText(controllers, "/") + ": " +
                      std::strerror(error));
    }
    return error == 0;
  }

  int OpenError(const std::string& controllers) {
    const auto error = host_.Number(FactKind::kCgroups, CgroupText(controllers, "/"),
                                    [&] { return mounts_.Open(controllers) >= 0 ? 0 : errno; });
    return static_cast<int>(error.value_or(0));
  }

  /// Whoever enters a frozen one stops, in the middle of the restore.
  void CheckRuns(const CgroupPath& path) {
    const std::string where = roots_.PathOf(path.controllers, path.path.bytes);
    if (!mounts_.Has(path.controllers) || where == "/" || OpenError(path.controllers) != 0) return;
    const std::string name = CgroupText(path.controllers, where);
    const auto frozen = host_.Number(FactKind::kCgroups, name + ", frozen", [&] {
      const int root = mounts_.Open(path.controllers);
      const std::string folder = BelowRoot(where) + "/";
      const auto state = ReadCgroupFile(root, folder + "freezer.state");
      const auto events = ReadCgroupFile(root, folder + "cgroup.events");
      return (state && !state->starts_with("THAWED")) ||
             (events && events->find("frozen 1") != events->npos);
    });
    if (frozen.value_or(0) != 0) {
      findings_.Wrong("the cgroup " + name + " is frozen", "thaw it first");
    }
  }

  const CgroupRoots roots_;
  CgroupMounts mounts_;
};

}  // namespace

std::unique_ptr<Question> AskForCgroups(Context& context) {
  return std::make_unique<CgroupsQuestion>(context);
}

void AskForAllCgroups(Host& host) { (void)host.File(kOwnCgroups); }

}  // namespace preflight
}  // namespace crgen
