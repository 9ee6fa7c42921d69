// Compares the plan of a tree with that of the same tree after a restore.
#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

namespace crgen::test {

inline nlohmann::json ReadPlan(const std::filesystem::path& path) {
  std::ifstream in(path);
  return nlohmann::json::parse(in);
}

/// Takes out of a plan what is another in every dump of one and the same tree:
/// - where page contents lie, because page images are written anew;
/// - numbers of files, memfd inodes and shared memory, which CRIU gives in the order in which it
///   meets them, and the order of a process's descriptor commands, which follows from them: those
///   between two other commands are sorted, then the first number to appear becomes 1, and so on;
/// - registers, and the time that timers have left: the program was running between the dumps.
class PlanNormalizer {
 public:
  nlohmann::json operator()(nlohmann::json plan) {
    for (nlohmann::json& command : plan) EraseTransient(command);
    SortDescriptorCommands(plan);
    for (nlohmann::json& command : plan) Renumber(command);
    return plan;
  }

 private:
  using Numbers = std::map<std::int64_t, std::size_t>;

  static void EraseTransient(nlohmann::json& command) {
    command.erase("source");
    if (!command.contains("attributes")) return;
    nlohmann::json& attributes = command["attributes"];
    attributes.erase("registers");
    attributes.erase("fpu");
    for (const char* kind : {"timers", "posix_timers"}) {
      if (!attributes.contains(kind)) continue;
      for (nlohmann::json& timer : attributes[kind]) {
        for (const char* field : {"value_sec", "value_usec", "value_nsec", "overrun"}) {
          timer.erase(field);
        }
      }
    }
  }

  static bool IsDescriptorCommand(const nlohmann::json& command) {
    const std::string name = command["command"];
    return name == "OPEN_FILE" || name == "DUP_FD" || name == "CLOSE_FD";
  }

  static std::string TextWithoutNumbers(nlohmann::json command) {
    if (command.contains("file")) {
      command["file"].erase("id");
      command["file"].erase("inode_id");
    }
    return command.dump();
  }

  static void SortDescriptorCommands(nlohmann::json& plan) {
    for (auto begin = plan.begin(); begin != plan.end();) {
      auto end = begin;
      while (end != plan.end() && IsDescriptorCommand(*end) && (*end)["pid"] == (*begin)["pid"]) ++end;
      std::sort(begin, end, [](const nlohmann::json& a, const nlohmann::json& b) {
        return TextWithoutNumbers(a) < TextWithoutNumbers(b);
      });
      begin = end == begin ? begin + 1 : end;
    }
  }

  static void Renumber(nlohmann::json& object, const char* field, Numbers& numbers) {
    if (!object.contains(field)) return;
    const auto [at, is_new] = numbers.try_emplace(object[field], numbers.size() + 1);
    object[field] = at->second;
  }

  void Renumber(nlohmann::json& command) {
    if (command.contains("file")) {
      Renumber(command["file"], "id", files_);
      Renumber(command["file"], "inode_id", inodes_);
    }
    if (command.contains("shmem")) Renumber(command["shmem"], "id", shared_);
  }

  Numbers files_, inodes_, shared_;
};

/// The first commands in which the plans differ, or "".
inline std::string PlanDifference(const std::filesystem::path& first,
                                  const std::filesystem::path& second) {
  const nlohmann::json a = PlanNormalizer()(ReadPlan(first));
  const nlohmann::json b = PlanNormalizer()(ReadPlan(second));
  for (std::size_t i = 0; i < std::max(a.size(), b.size()); i++) {
    const std::string left = i < a.size() ? a[i].dump() : "no command";
    const std::string right = i < b.size() ? b[i].dump() : "no command";
    if (left == right) continue;
    return "command " + std::to_string(i) + "\n  first:  " + left + "\n  second: " + right;
  }
  return "";
}

}  // namespace crgen::test
