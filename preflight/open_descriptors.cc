// SPDX-License-Identifier: Apache-2.0
#include "preflight/open_descriptors.h"

#include <fstream>

#include "model/printable.h"
#include "preflight/numbered_folder.h"

namespace crgen::preflight {

void ForEachDescriptor(
    const std::function<void(const std::string& process, const std::string& fd)>& function) {
  ForEachNumberIn("/proc", [&](int pid) {
    const std::string process = "/proc/" + std::to_string(pid);
    ForEachNumberIn(process + "/fd", [&](int fd) { function(process, std::to_string(fd)); });
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
