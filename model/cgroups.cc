// SPDX-License-Identifier: Apache-2.0
#include "model/cgroups.h"

#include <algorithm>

namespace crgen {
namespace {

constexpr std::size_t kLongestPath = 4000;  // PATH_MAX, and room for the name of a file
constexpr std::size_t kLongestName = 255;   // NAME_MAX
constexpr std::size_t kLongestControllers = 1024;

bool IsName(std::string_view name) {
  return !name.empty() && name.size() <= kLongestName && name != "." && name != ".." &&
         std::ranges::none_of(name, [](char c) { return c == '/' || c == '\0' || c == '\n'; });
}

}  // namespace

bool IsCgroupPath(std::string_view path) {
  if (path.empty() || path.front() != '/' || path.size() > kLongestPath) return false;
  if (path == "/") return true;
  for (std::size_t at = 0; at != path.npos;) {
    const std::size_t end = path.find('/', at + 1);
    if (!IsName(path.substr(at + 1, end == path.npos ? end : end - at - 1))) return false;
    at = end;
  }
  return true;
}

bool IsCgroupFile(std::string_view name) { return IsName(name); }

bool IsControllers(std::string_view controllers) {
  if (controllers.empty()) return true;
  if (controllers.size() > kLongestControllers) return false;
  for (const std::string& name : ControllerNames(controllers)) {
    if (name.empty() || name == "name=") return false;
    const auto is_plain = [](char c) { return c > ' ' && c != '/' && c != ':' && c != '\x7f'; };
    if (!std::ranges::all_of(name, is_plain)) return false;
  }
  return true;
}

std::vector<std::string> ControllerNames(std::string_view controllers) {
  std::vector<std::string> names;
  for (;;) {
    const std::size_t comma = controllers.find(',');
    names.emplace_back(controllers.substr(0, comma));
    if (comma == controllers.npos) return names;
    controllers.remove_prefix(comma + 1);
  }
}

bool IsAtOrBelow(std::string_view path, std::string_view root) {
  return root == "/" ||
         (path.starts_with(root) && (path.size() == root.size() || path[root.size()] == '/'));
}

std::string CgroupText(std::string_view controllers, std::string_view path) {
  return (controllers.empty() ? "unified" : std::string(controllers)) + ":" + std::string(path);
}

}  // namespace crgen
