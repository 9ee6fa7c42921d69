// SPDX-License-Identifier: Apache-2.0
#include "restorer/cgroups.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fstream>

#include "restorer/cgroup_files.h"
#include "restorer/supervisor_calls.h"
#include "restorer/watch.h"

namespace crgen::restorer {
namespace {

std::vector<std::string> SortedNames(const std::string& controllers) {
  std::vector<std::string> names = ControllerNames(controllers);
  std::ranges::sort(names);
  return names;
}

/// /proc/TID/cgroup, by sorted controllers.
std::map<std::vector<std::string>, std::string> ReadPlaces(pid_t tid) {
  std::map<std::vector<std::string>, std::string> places;
  std::ifstream file("/proc/" + std::to_string(tid) + "/cgroup");
  for (std::string line; std::getline(file, line);) {
    const std::size_t begin = line.find(':');
    const std::size_t end = begin == line.npos ? begin : line.find(':', begin + 1);
    if (end == line.npos) continue;
    places[SortedNames(line.substr(begin + 1, end - begin - 1))] = line.substr(end + 1);
  }
  return places;
}

bool HasCpuset(const std::string& controllers) {
  const std::vector<std::string> names = ControllerNames(controllers);
  return std::ranges::find(names, "cpuset") != names.end();
}

/// "unified: ./a/cgroup.type: …"
std::string Prefixed(const std::string& controllers, const std::string& problem) {
  return CgroupText(controllers, " " + problem);
}

/// SET_ATTR commands with cgroups, in order.
template <typename Function>
RestoreProblem ForEachCgroup(const Program& program, Function&& function) {
  for (std::size_t i = 0; i < program.size(); ++i) {
    const auto* set = std::get_if<SetAttr>(&program[i].body);
    if (set == nullptr || !set->attributes->cgroup) continue;
    std::string problem = function(*set, *set->attributes->cgroup, static_cast<std::int64_t>(i));
    if (!problem.empty()) return {"cgroup " + problem, static_cast<std::int64_t>(i)};
  }
  return {};
}

}  // namespace

RestoreProblem Cgroups::Make() {
  if (ignored()) return {};
  return ForEachCgroup(
      program_,
      [&](const SetAttr& set, const CgroupMembership& cgroup, std::int64_t command) -> std::string {
        for (const CgroupDirectory& directory : cgroup.directories) {
          if (std::string problem = MakeDirectory(directory, command); !problem.empty()) {
            return problem;
          }
        }
        if (set.tid) return "";  // MoveThreads()
        for (const CgroupPath& path : cgroup.paths) {
          std::string problem = OpenGate(Key(path));
          if (problem.empty() && path.prefix) {
            const std::string prefix = roots_.PrefixOf(path.controllers, path.prefix->bytes);
            problem = OpenGate({path.controllers, prefix});
          }
          if (!problem.empty()) return problem;
        }
        return "";
      });
}

std::string Cgroups::MakeDirectory(const CgroupDirectory& planned, std::int64_t command) {
  const std::string path = roots_.PathOf(planned.controllers, planned.path.bytes);
  const std::string name = CgroupText(planned.controllers, path);
  if (!mounts_.Has(planned.controllers)) new_hierarchies_.insert(planned.controllers);
  Directory directory = {&planned, mounts_.Open(planned.controllers), path, false, command};
  if (directory.root < 0) return ErrorText(name);
  if (path == "/") return "";
  const bool exists = faccessat(directory.root, BelowRoot(path).c_str(), F_OK, 0) == 0;
  const bool may_make = options_.mode != CgroupMode::kNone && options_.mode != CgroupMode::kProps;
  if (!exists && !may_make) return name + " is missing";
  const bool own =
      std::ranges::find(made_, std::pair(directory.root, BelowRoot(path))) != made_.end();
  if (exists && !own && options_.mode == CgroupMode::kStrict) return name + " exists already";
  if (!exists) {
    std::string problem = MakePath(directory.root, planned.controllers, path);
    if (!problem.empty()) return Prefixed(planned.controllers, problem);
    directory.made = true;
    problem = SetFirst(directory);
    if (!problem.empty()) return Prefixed(planned.controllers, problem);
  } else if (options_.mode == CgroupMode::kSoft || options_.mode == CgroupMode::kNone || own) {
    return "";
  } else {
    Remember(directory);
  }
  directories_.push_back(std::move(directory));
  return "";
}

/// With all that is missing above it.
std::string Cgroups::MakePath(int root, const std::string& controllers, const std::string& path) {
  for (std::size_t end = 0; end != path.npos;) {
    end = path.find('/', end + 1);
    const std::string folder = BelowRoot(path.substr(0, end));
    if (mkdirat(root, folder.c_str(), 0755) != 0) {
      if (errno == EEXIST) continue;
      return ErrorText(folder + ": mkdir");
    }
    made_.emplace_back(root, folder);
    if (!HasCpuset(controllers)) continue;
    if (std::string problem = InheritCpuset(root, folder); !problem.empty()) return problem;
  }
  return "";
}

/// What must precede members, of one that was made.
std::string Cgroups::SetFirst(const Directory& directory) {
  const std::string folder = BelowRoot(directory.path);
  if (directory.planned->perms) {
    std::string problem = SetPermissions(directory.root, folder, *directory.planned->perms);
    if (!problem.empty()) return problem;
  }
  for (const CgroupProperty& property : directory.planned->properties) {
    if (!PrecedesMembers(property.name)) continue;
    std::string problem = SetProperty(directory.root, folder, property);
    if (!problem.empty()) return problem;
  }
  return "";
}

/// Of one that was there before.
void Cgroups::Remember(const Directory& directory) {
  const std::string folder = BelowRoot(directory.path);
  const auto add = [&](const std::string& file, bool has_value) {
    struct stat now = {};
    if (fstatat(directory.root, file.c_str(), &now, 0) != 0) return;
    const auto value = has_value ? ReadCgroupFile(directory.root, file) : std::nullopt;
    earlier_.push_back(
        {directory.root, file, value.value_or(""), {now.st_mode & 07777, now.st_uid, now.st_gid}});
  };
  for (const CgroupProperty& property : directory.planned->properties) {
    if (!PrecedesMembers(property.name) || property.name == "cgroup.subtree_control") {
      add(folder + "/" + property.name, !HoldsMembers(property.name));
    }
  }
  add(folder, false);
}

std::string Cgroups::OpenGate(const Place& place) {
  if (gates_.contains(place)) return "";
  const auto& [controllers, path] = place;
  const std::string name = CgroupText(controllers, path);
  const int root = mounts_.Open(controllers);
  const std::string file = BelowRoot(path) + "/cgroup.procs";
  const int fd = root < 0 ? -1 : openat(root, file.c_str(), O_WRONLY | O_CLOEXEC);
  if (fd < 0) return ErrorText(name);
  gates_[place] = {fd, name};
  return "";
}

bool Cgroups::has_namespace() const {
  bool any = false;
  (void)ForEachCgroup(program_, [&](const SetAttr&, const CgroupMembership& cgroup, std::int64_t) {
    for (const CgroupPath& path : cgroup.paths) any |= path.prefix.has_value();
    return std::string();
  });
  return any && !ignored();
}

RestoreProblem Cgroups::MoveThreads(const Script& script) const {
  if (ignored()) return {};
  std::map<Pid, pid_t> numbers;
  for (const ThreadStart& start : script.threads) numbers[start.thread->tid] = start.number;
  return ForEachCgroup(
      program_,
      [&](const SetAttr& set, const CgroupMembership& cgroup, std::int64_t) -> std::string {
        const auto number = set.tid ? numbers.find(*set.tid) : numbers.end();
        if (number == numbers.end()) return "";
        for (const CgroupPath& path : cgroup.paths) {
          const auto [controllers, place] = Key(path);
          const int root = mounts_.Open(controllers);
          const std::string file =
              BelowRoot(place) + (controllers.empty() ? "/cgroup.threads" : "/tasks");
          if (FailsOnPurpose()) return ErrorText(file);
          std::string problem = WriteFile(root, file, std::to_string(number->second));
          if (!problem.empty()) return Prefixed(controllers, problem);
        }
        return "";
      });
}

RestoreProblem Cgroups::SetAll(const Directory& directory, bool freezers) const {
  const std::string folder = BelowRoot(directory.path);
  const auto failed = [&](const std::string& problem) -> RestoreProblem {
    return {"cgroup " + Prefixed(directory.planned->controllers, problem), directory.command};
  };
  if (!freezers && !directory.made && directory.planned->perms) {
    std::string problem = SetPermissions(directory.root, folder, *directory.planned->perms);
    if (!problem.empty()) return failed(problem);
  }
  for (const CgroupProperty& property : directory.planned->properties) {
    if (IsFreezer(property.name) != freezers) continue;
    const bool changes = property.name == "cgroup.subtree_control" && !directory.made;
    if (PrecedesMembers(property.name) && !changes) continue;
    if (!freezers && FailsOnPurpose()) return failed(ErrorText(property.name));
    std::string problem = SetProperty(directory.root, folder, property);
    if (!problem.empty()) return failed(problem);
  }
  return {};
}

RestoreProblem Cgroups::SetProperties() const {
  for (const Directory& directory : directories_) {
    if (RestoreProblem problem = SetAll(directory, false)) return problem;
  }
  return {};
}

std::string Cgroups::Freeze() const {
  for (const Directory& directory : directories_) {
    if (RestoreProblem problem = SetAll(directory, true)) return problem.what;
  }
  return "";
}

std::map<Pid, std::map<std::string, std::string>> Cgroups::PlacesOfAll() const {
  std::map<Pid, std::map<std::string, std::string>> places;
  for (const Command& command : program_) {
    if (const auto* fork = std::get_if<Fork>(&command.body)) {
      places[fork->child_pid] = places[command.pid];
    } else if (const auto* create = std::get_if<CreateThread>(&command.body)) {
      places[create->tid] = places[command.pid];
    } else if (const auto* set = std::get_if<SetAttr>(&command.body)) {
      if (!set->attributes->cgroup) continue;
      auto& own = places[set->tid.value_or(command.pid)];
      for (const CgroupPath& path : set->attributes->cgroup->paths) {
        own[path.controllers] = Key(path).second;
      }
    }
  }
  return places;
}

RestoreProblem Cgroups::Check(const Script& script) const {
  if (ignored() || gates_.empty()) return {};
  const auto planned = PlacesOfAll();
  for (const ThreadStart& start : script.threads) {
    const auto expected = planned.find(start.thread->tid);
    if (expected == planned.end()) continue;
    const auto found = ReadPlaces(start.number);
    for (const auto& [controllers, path] : expected->second) {
      const auto place = found.find(SortedNames(controllers));
      if (place != found.end() && place->second == path) continue;
      return {NameOf(*start.thread) + " is not what the plan says, read back: cgroup: planned " +
                  CgroupText(controllers, path) + ", found " +
                  (place == found.end() ? "none" : place->second),
              -1};
    }
  }
  return {};
}

void Cgroups::Remove() {
  constexpr int kTries = 1000;
  constexpr useconds_t kPause = 1000;
  for (const Earlier& was : earlier_) {
    if (!was.value.empty()) {
      const std::string name = was.file.substr(was.file.rfind('/') + 1);
      const std::string folder = was.file.substr(0, was.file.rfind('/'));
      (void)SetProperty(was.root, folder, {name, {was.value}, {}});
    }
    (void)SetPermissions(was.root, was.file, was.perms);
  }
  // Who has just died is counted for a moment.
  for (auto it = made_.rbegin(); it != made_.rend(); ++it) {
    for (int i = 0; i < kTries; ++i) {
      if (unlinkat(it->first, it->second.c_str(), AT_REMOVEDIR) == 0 || errno != EBUSY) break;
      usleep(kPause);
    }
  }
  Close();
  // A hierarchy goes with its last mount, if no cgroup is in it: those removed are, for a while.
  for (const std::string& controllers : new_hierarchies_) {
    for (int i = 0; i < kTries && CgroupMounts().Has(controllers); ++i) {
      usleep(kPause);
      CgroupMounts().Open(controllers);
    }
  }
}

void Cgroups::Close() {
  for (const auto& [place, gate] : gates_) close(gate.fd);
  gates_.clear();
  mounts_.Close();
}

bool EntersCgroups(const SetAttr& set, const Services& services) {
  return set.attributes->cgroup && !set.tid && !set.attributes->cgroup->paths.empty() &&
         services.cgroups != nullptr && !services.cgroups->ignored();
}

CgroupsOp CgroupsOf(const SetAttr& set, const Services& services, Arena& arena) {
  std::vector<CgroupMove> prefixes, moves;
  const auto add = [&](const CgroupGate& gate, std::vector<CgroupMove>* to) {
    to->push_back({arena.Text(std::to_string(gate.fd)), arena.Text(gate.name)});
  };
  for (const CgroupPath& path : set.attributes->cgroup->paths) {
    if (path.prefix) add(services.cgroups->PrefixGateOf(path), &prefixes);
    add(services.cgroups->GateOf(path), &moves);
  }
  return {arena.Copy(prefixes), static_cast<uint32_t>(prefixes.size()), arena.Copy(moves),
          static_cast<uint32_t>(moves.size())};
}

}  // namespace crgen::restorer
