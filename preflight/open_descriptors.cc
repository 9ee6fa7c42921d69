// SPDX-License-Identifier: Apache-2.0
#include "preflight/open_descriptors.h"

#include <dirent.h>

#include <fstream>

#include "model/printable.h"

namespace crgen::preflight {
namespace {

bool IsNumber(const char* name) {
  return *name >= '0' && *name <= '9' &&
         std::string(name).find_first_not_of("0123456789") == std::string::npos;
}

template <typename Function>
void ForEachNumber(const std::string& folder, Function&& function) {
  DIR* names = opendir(folder.c_str());
  while (const dirent* entry = names == nullptr ? nullptr : readdir(names)) {
    if (IsNumber(entry->d_name)) function(entry->d_name);
  }
  if (names != nullptr) closedir(names);
}

}  // namespace

void ForEachDescriptor(
    const std::function<void(const std::string& process, const std::string& fd)>& function) {
  ForEachNumber("/proc", [&](const char* pid) {
    const std::string process = std::string("/proc/") + pid;
    ForEachNumber(process + "/fd", [&](const char* fd) { function(process, fd); });
  });
}

std::string NameOfProcess(const std::string& process) {
  std::string name;
  std::getline(std::ifstream(process + "/comm"), name);
  return "process " + process.substr(process.rfind('/') + 1) + " (" + Printable(name) + ")";
}

std::vector<std::string> LinesOfDescriptor(const std::string& process, const std::string& fd,
                                           const std::string& key) {
  std::vector<std::string> lines;
  std::ifstream info(process + "/fdinfo/" + fd);
  for (std::string line; std::getline(info, line);) {
    if (!line.starts_with(key)) continue;
    const std::size_t begin = line.find_first_not_of(" \t", key.size());
    if (begin != std::string::npos) lines.push_back(line.substr(begin));
  }
  return lines;
}

}  // namespace crgen::preflight
