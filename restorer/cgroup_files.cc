// SPDX-License-Identifier: Apache-2.0
#include "restorer/cgroup_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <sstream>
#include <string_view>
#include <vector>

#include "preflight/cgroups.h"
#include "restorer/problem.h"

namespace crgen::restorer {
namespace {

std::vector<std::string> LinesOf(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    if (!line.empty()) lines.push_back(line);
  }
  return lines;
}

std::vector<std::string> WordsOf(const std::string& text) {
  std::vector<std::string> words;
  std::istringstream in(text);
  for (std::string word; in >> word;) words.push_back(word);
  return words;
}

/// cgroup.subtree_control takes differences.
std::string SetSubtreeControl(int root, const std::string& file, const std::string& value) {
  const auto now = ReadCgroupFile(root, file);
  if (!now) return ErrorText(file);
  const std::vector<std::string> have = WordsOf(*now), want = WordsOf(value);
  std::string change;
  const auto add = [&](char sign, const std::vector<std::string>& all,
                       const std::vector<std::string>& but) {
    for (const std::string& word : all) {
      if (std::ranges::find(but, word) != but.end()) continue;
      change += (change.empty() ? "" : " ") + std::string(1, sign) + word;
    }
  };
  add('-', have, want);
  add('+', want, have);
  return change.empty() ? "" : WriteFile(root, file, change);
}

/// What devices.list reads is set by two other files.
std::string SetDevices(int root, const std::string& folder, const std::string& value) {
  if (std::string problem = WriteFile(root, folder + "/devices.deny", "a"); !problem.empty()) {
    return problem;
  }
  for (const std::string& line : LinesOf(value)) {
    std::string problem = WriteFile(root, folder + "/devices.allow", line);
    if (!problem.empty()) return problem;
  }
  return "";
}

/// Interfaces that this machine lacks, and those without a priority, count for nothing.
std::string SetPriorities(int root, const std::string& file, const std::string& value) {
  for (const std::string& line : LinesOf(value)) {
    if (line.ends_with(" 0")) continue;
    std::string problem = WriteFile(root, file, line);
    if (!problem.empty() && errno != ENODEV) return problem;
  }
  return "";
}

/// Values that a new cgroup has anyway, and some kernels do not take.
bool IsDefault(const CgroupProperty& property) {
  return (property.name == "memory.swappiness" && property.value.bytes == "60") ||
         (property.name == "memory.oom_control" && property.value.bytes == "0") ||
         (property.name == "cgroup.type" && property.value.bytes != "threaded");
}

}  // namespace

bool PrecedesMembers(const std::string& property) {
  constexpr std::string_view kFirst[] = {
      "cpuset.cpus",          "cpuset.mems",        "devices.list",
      "memory.swappiness",    "memory.oom_control", "memory.kmem.limit_in_bytes",
      "memory.use_hierarchy", "cgroup.type",        "cgroup.subtree_control"};
  return std::ranges::find(kFirst, property) != std::end(kFirst);
}

std::string SetPermissions(int root, const std::string& path, const FilePermissions& perms) {
  struct stat now = {};
  if (fstatat(root, path.c_str(), &now, 0) != 0) return ErrorText(path);
  if ((now.st_uid != perms.uid || now.st_gid != perms.gid) &&
      fchownat(root, path.c_str(), perms.uid, perms.gid, 0) != 0) {
    return ErrorText(path + ": chown");
  }
  if ((now.st_mode & 07777) != perms.mode && fchmodat(root, path.c_str(), perms.mode, 0) != 0) {
    return ErrorText(path + ": chmod");
  }
  return "";
}

std::string WriteFile(int root, const std::string& path, const std::string& text) {
  const int fd = openat(root, path.c_str(), O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) return ErrorText(path);
  const ssize_t written = write(fd, text.data(), text.size());
  const int error = errno;
  close(fd);
  errno = error;
  if (written == static_cast<ssize_t>(text.size())) return "";
  return ErrorText(path + ": write of \"" + text + "\"");
}

std::string SetProperty(int root, const std::string& folder, const CgroupProperty& property) {
  const std::string& name = property.name;
  const std::string& value = property.value.bytes;
  if (name == "devices.list") return SetDevices(root, folder, value);
  const std::string file = folder + "/" + name;
  if (property.perms) {
    std::string problem = SetPermissions(root, file, *property.perms);
    if (!problem.empty()) return problem;
  }
  if (HoldsMembers(name) || IsDefault(property)) return "";
  if (name == "cgroup.subtree_control") return SetSubtreeControl(root, file, value);
  if (name == "net_prio.ifpriomap") return SetPriorities(root, file, value);
  for (const std::string& line : LinesOf(value)) {
    std::string problem = WriteFile(root, file, line);
    const bool gone = errno == EOPNOTSUPP && name == "memory.kmem.limit_in_bytes";
    if (!problem.empty() && !gone) return problem;
  }
  return "";
}

std::string InheritCpuset(int root, const std::string& folder) {
  for (const std::string file : {"cpuset.cpus", "cpuset.mems"}) {
    const auto above = ReadCgroupFile(root, folder + "/../" + file);
    if (!above) return ErrorText(folder + "/../" + file);
    const std::vector<std::string> lines = LinesOf(*above);
    if (lines.empty()) continue;
    std::string problem = WriteFile(root, folder + "/" + file, lines.front());
    if (!problem.empty()) return problem;
  }
  return "";
}

}  // namespace crgen::restorer
