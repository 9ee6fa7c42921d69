// SPDX-License-Identifier: Apache-2.0
// The folders know each other only as their main headers say: "This folder may include: …".
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <string>

namespace crgen {
namespace {

namespace fs = std::filesystem;

/// The header of each folder that says what the folder is.
const std::map<std::string, std::string> kHeaders = {
    {"model", "snapshot.h"},   {"images", "dump.h"},        {"dsl", "commands.h"},
    {"checker", "check.h"},    {"generator", "generate.h"}, {"preflight", "preflight.h"},
    {"restorer", "restore.h"}, {"crgen", "cli.h"},          {"terminal", "log.h"},
    {"views", "view.h"},       {"policy", "authority.h"}};

std::set<std::string> Allowed(const std::string& folder) {
  constexpr std::string_view kRule = "// This folder may include: ";
  std::ifstream header(fs::path(CRGEN_SOURCE) / folder / kHeaders.at(folder));
  std::set<std::string> allowed = {folder};
  for (std::string line; std::getline(header, line);) {
    if (!line.starts_with(kRule)) continue;
    for (std::string more; !line.ends_with(".") && std::getline(header, more);) line += more;
    const std::regex word("[a-z]+");
    for (std::sregex_iterator it(line.begin() + kRule.size(), line.end(), word), end; it != end;
         ++it) {
      if (kHeaders.contains(it->str())) allowed.insert(it->str());
    }
    return allowed;
  }
  ADD_FAILURE() << folder << "/" << kHeaders.at(folder) << " does not say what it may include";
  return allowed;
}

std::map<std::string, std::set<std::string>> Included() {
  std::map<std::string, std::set<std::string>> included;
  const std::regex include("#include \"([a-z]+)/.*");
  for (const auto& [folder, header] : kHeaders) {
    for (const auto& entry : fs::recursive_directory_iterator(fs::path(CRGEN_SOURCE) / folder)) {
      const std::string ending = entry.path().extension();
      if (ending != ".cc" && ending != ".h") continue;
      std::ifstream file(entry.path());
      for (std::string line; std::getline(file, line);) {
        std::smatch match;
        if (std::regex_match(line, match, include)) included[folder].insert(match[1]);
      }
    }
  }
  return included;
}

TEST(Layers, FoldersIncludeWhatTheySay) {
  for (const auto& [folder, others] : Included()) {
    const std::set<std::string> allowed = Allowed(folder);
    for (const std::string& other : others) {
      EXPECT_TRUE(allowed.contains(other)) << folder << " includes " << other;
    }
  }
}

TEST(Layers, HaveNoCycle) {
  std::map<std::string, std::set<std::string>> left;
  for (const auto& [folder, header] : kHeaders) {
    left[folder] = Allowed(folder);
    left[folder].erase(folder);
  }
  while (!left.empty()) {
    const auto lowest = std::find_if(left.begin(), left.end(),
                                     [](const auto& folder) { return folder.second.empty(); });
    ASSERT_NE(lowest, left.end()) << "the folders that are left know each other in a circle";
    const std::string name = lowest->first;
    left.erase(lowest);
    for (auto& [folder, others] : left) others.erase(name);
  }
}

}  // namespace
}  // namespace crgen
