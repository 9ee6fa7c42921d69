// SPDX-License-Identifier: Apache-2.0
// Compares the plan of a tree with that of the same tree after a restore.
#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace crgen::test {

inline nlohmann::json ReadPlan(const std::filesystem::path& path) {
  std::ifstream in(path);
  return nlohmann::json::parse(in);
}

/// Takes out of a plan what is another in every dump of one and the same tree:
/// - where page contents lie, because page images are written anew;
/// - numbers of files, memfd inodes, pipes and shared memory, which CRIU gives in the order in
/// which it
///   meets them, and the order of a process's descriptor commands, which follows from them: those
///   between two other commands are sorted, then the first number to appear becomes 1, and so on;
/// - registers, the clocks, the time that timers have left, and whether a signal of theirs is
/// pending: the
///   program was running between the dumps;
/// - the pages of rseq areas, to which the kernel writes on which processor a thread runs: whether
///   one differs from that of the process's creator, and so is loaded, is chance. LOAD_PAGES
///   commands are compared page by page for that.
class PlanNormalizer {
 public:
  nlohmann::json operator()(nlohmann::json plan) {
    FindRseqPages(plan);
    nlohmann::json normalized = nlohmann::json::array();
    for (nlohmann::json& command : plan) {
      EraseTransient(command);
      if (command["command"] == "LOAD_PAGES") {
        AddPages(command, &normalized);
      } else {
        normalized.push_back(std::move(command));
      }
    }
    SortDescriptorCommands(normalized);
    for (nlohmann::json& command : normalized) Renumber(command);
    return normalized;
  }

 private:
  using Numbers = std::map<std::int64_t, std::size_t>;

  static constexpr std::uint64_t kPage = 4096;

  static std::uint64_t Address(const nlohmann::json& text) {
    return std::stoull(text.get<std::string>(), nullptr, 16);
  }

  void FindRseqPages(const nlohmann::json& plan) {
    for (const nlohmann::json& command : plan) {
      if (!command.contains("attributes") || !command["attributes"].contains("rseq")) continue;
      const std::uint64_t area = Address(command["attributes"]["rseq"]["pointer"]);
      rseq_pages_.emplace(command["pid"], area / kPage);
    }
  }

  void AddPages(const nlohmann::json& load, nlohmann::json* normalized) const {
    const std::uint64_t first = Address(load["start"]) / kPage;
    for (std::uint64_t page = first; page < first + load["pages"].get<std::uint64_t>(); page++) {
      if (rseq_pages_.contains({load["pid"], page})) continue;
      normalized->push_back({{"command", "LOAD_PAGES"}, {"pid", load["pid"]}, {"page", page}});
    }
  }

  /// Of timerfds: time left and expirations. Entries are in the order of CRIU's numbers of files.
  static void EraseTimes(nlohmann::json& late) {
    for (nlohmann::json& entry : late) {
      if (entry.contains("value")) entry["value"] = nullptr;
      entry.erase("ticks");
      // In the order of the kernel's addresses.
      if (entry.contains("epoll")) std::sort(entry["epoll"].begin(), entry["epoll"].end());
      if (entry.contains("input")) entry["input"].erase("offset");
      if (!entry.contains("queue")) continue;
      for (nlohmann::json& message : entry["queue"]) message.erase("source");
    }
    std::sort(late.begin(), late.end());
  }

  /// Whether a timer has expired by now.
  static void EraseUnreadTimers(nlohmann::json& about) {
    if (!about.contains("not_restorable")) return;
    nlohmann::json& all = about["not_restorable"];
    std::erase_if(all.get_ref<nlohmann::json::array_t&>(), [](const nlohmann::json& entry) {
      return entry["what"].get<std::string>().find(" of type TIMERFD ") != std::string::npos;
    });
    if (all.empty()) about.erase("not_restorable");
  }

  /// Of connections: how far they have come, and the buffers, which the kernel tunes.
  static void EraseProgress(nlohmann::json& file) {
    if (!file.contains("stream")) return;
    for (const char* field : {"in_seq", "out_seq", "in", "out", "unsent", "timestamp", "window"}) {
      file["stream"].erase(field);
    }
    file["options"].erase("so_sndbuf");
    file["options"].erase("so_rcvbuf");
  }

  /// Where the content of segments and messages lies.
  static void EraseSources(nlohmann::json& ipc) {
    for (nlohmann::json& segment : ipc["shm"]) {
      for (nlohmann::json& run : segment["content"]) run.erase("source");
    }
    for (nlohmann::json& queue : ipc["msg"]) {
      for (nlohmann::json& message : queue["messages"]) {
        message["text"].erase("image");
        message["text"].erase("offset");
      }
    }
  }

  /// Images, too: their names have the number, and they have counters.
  void EraseNet(nlohmann::json& net) {
    Renumber(net, "id", nets_);
    for (const char* list : {"nsids", "devices"}) {
      if (!net.contains(list)) continue;
      for (nlohmann::json& entry : net[list]) {
        Renumber(entry, "net", nets_);
        Renumber(entry, "link_net", nets_);
      }
    }
    for (nlohmann::json& member : net) {
      if (!member.is_object()) continue;
      member.erase("image");
      member.erase("bytes");
    }
  }

  /// Numbers that are the kernel's, in the order in which they appear; archives.
  void EraseNamespaces(nlohmann::json& attributes) {
    for (const char* kind : {"uts", "ipc"}) {
      if (attributes.contains(kind)) attributes[kind].erase("id");
    }
    if (attributes.contains("ipc")) EraseSources(attributes["ipc"]);
    if (attributes.contains("net")) EraseNet(attributes["net"]);
    if (attributes.contains("further_nets")) {
      for (nlohmann::json& net : attributes["further_nets"]) EraseNet(net);
    }
    if (attributes.contains("setns")) {
      Renumber(attributes["setns"], "mnt", spaces_);
      Renumber(attributes["setns"], "net", nets_);
    }
    if (attributes.contains("mm")) Renumber(attributes["mm"], "exe_mount", mounts_);
    if (!attributes.contains("mounts")) return;
    Numbers superblocks;
    for (nlohmann::json& mount : attributes["mounts"]) {
      Renumber(mount, "id", mounts_);
      Renumber(mount, "parent", mounts_);
      Renumber(mount, "namespace", spaces_);
      Renumber(mount, "superblock", superblocks);
      if (mount.contains("content")) mount["content"] = nullptr;
    }
  }

  /// Of a file of O_TMPFILE its inode's; of one whose name was taken that of the other name.
  static std::string WithoutNumber(const std::string& path) {
    static const std::regex number("/#[0-9]+$|[.]crrestore-[0-9]+$");
    return std::regex_replace(path, number, "");
  }

  void EraseTransient(nlohmann::json& command) {
    command.erase("source");
    for (nlohmann::json* file : FilesOf(command)) {
      Renumber(*file, "mount", mounts_);
      Renumber(*file, "net", nets_);
      if ((*file)["type"] == "NS") {
        if ((*file)["namespace"] == "net") Renumber(*file, "namespace_id", nets_);
        if ((*file)["namespace"] == "mnt") Renumber(*file, "namespace_id", spaces_);
      }
      if (file->contains("data")) (*file)["data"].erase("offset");
    }
    if (command.contains("file")) EraseProgress(command["file"]);
    // Restored in a pid namespace, the tree has mounts of its own.
    // Images by their names in the other dump, and what that is called.
    if (command.contains("about")) {
      for (const char* member : {"left_out", "dump"}) command["about"].erase(member);
      EraseUnreadTimers(command["about"]);
      // Which registers a process has used when it is frozen is chance.
      if (command["about"].contains("cpu")) command["about"]["cpu"].erase("xsave");
    }
    if (command.contains("events")) {
      command["events"].erase("image");
      command["events"].erase("offset");
    }
    if (command.contains("file") && command["file"].contains("unlinked")) {
      command["file"]["path"] = WithoutNumber(command["file"]["path"]);
      nlohmann::json& unlinked = command["file"]["unlinked"];
      if (unlinked.contains("times")) unlinked["times"].erase("access");
      // What is queued is written at the restore.
      if (command["file"]["type"] == "FIFO") unlinked.erase("times");
      if (unlinked.contains("content")) {
        for (nlohmann::json& part : unlinked["content"]) part.erase("source");
      }
    }
    if (!command.contains("attributes")) return;
    nlohmann::json& attributes = command["attributes"];
    attributes.erase("registers");
    attributes.erase("fpu");
    attributes.erase("time");
    EraseNamespaces(attributes);
    if (attributes.contains("descriptors")) EraseTimes(attributes["descriptors"]);
    std::set<std::string> of_timers = {"SIGALRM", "SIGVTALRM", "SIGPROF"};
    for (const char* kind : {"timers", "posix_timers"}) {
      if (!attributes.contains(kind)) continue;
      for (nlohmann::json& timer : attributes[kind]) {
        if (timer.contains("signal")) of_timers.insert(timer["signal"]);
        for (const char* field : {"value_sec", "value_usec", "value_nsec", "overrun"}) {
          timer.erase(field);
        }
      }
    }
    if (!attributes.contains("signal_queue")) return;
    nlohmann::json& queue = attributes["signal_queue"];
    std::erase_if(queue.get_ref<nlohmann::json::array_t&>(), [&](const nlohmann::json& pending) {
      return of_timers.contains(pending["signal"].get<std::string>());
    });
    if (queue.empty()) attributes.erase("signal_queue");
  }

  static bool IsDescriptorCommand(const nlohmann::json& command) {
    const std::string name = command["command"];
    return name == "OPEN_FILE" || name == "DUP_FD" || name == "CLOSE_FD";
  }

  static std::vector<nlohmann::json*> FilesOf(nlohmann::json& command) {
    std::vector<nlohmann::json*> files;
    if (command.contains("file")) files.push_back(&command["file"]);
    if (command.contains("peer")) files.push_back(&command["peer"]["file"]);
    return files;
  }

  static std::string TextWithoutNumbers(nlohmann::json command) {
    for (nlohmann::json* file : FilesOf(command)) {
      for (const char* number : {"id", "inode_id", "pipe_id", "socket_id", "connect_to", "dead"}) {
        file->erase(number);
      }
      if (!file->contains("unlinked")) continue;
      for (const char* number : {"id", "link_of"}) (*file)["unlinked"].erase(number);
    }
    return command.dump();
  }

  static void SortDescriptorCommands(nlohmann::json& plan) {
    for (auto begin = plan.begin(); begin != plan.end();) {
      auto end = begin;
      while (end != plan.end() && IsDescriptorCommand(*end) && (*end)["pid"] == (*begin)["pid"])
        ++end;
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
    for (nlohmann::json* file : FilesOf(command)) {
      Renumber(*file, "id", files_);
      Renumber(*file, "inode_id", inodes_);
      Renumber(*file, "pipe_id", (*file)["type"] == "FIFO" ? fifos_ : pipes_);
      Renumber(*file, "socket_id", sockets_);
      Renumber(*file, "connect_to", sockets_);
      Renumber(*file, "dead", dead_);
      if (!file->contains("unlinked")) continue;
      Renumber((*file)["unlinked"], "id", unlinked_);
      Renumber((*file)["unlinked"], "link_of", unlinked_);
    }
    if (command.contains("attributes") && command["attributes"].contains("mm")) {
      Renumber(command["attributes"]["mm"], "exe_unlinked", unlinked_);
    }
    if (command.contains("attributes") && command["attributes"].contains("fs")) {
      Renumber(command["attributes"]["fs"], "cwd_unlinked", unlinked_);
      Renumber(command["attributes"]["fs"], "root_unlinked", unlinked_);
    }
    if (command.contains("attributes") && command["attributes"].contains("descriptors")) {
      for (nlohmann::json& entry : command["attributes"]["descriptors"]) {
        for (const char* list : {"watches", "marks"}) {
          if (!entry.contains(list)) continue;
          for (nlohmann::json& watch : entry[list]) Renumber(watch, "unlinked", unlinked_);
        }
      }
    }
    if (command.contains("shmem")) Renumber(command["shmem"], "id", shared_);
  }

  std::set<std::pair<std::int64_t, std::uint64_t>> rseq_pages_;  ///< pid, number of the page
  Numbers files_, inodes_, pipes_, fifos_, sockets_, dead_, shared_, unlinked_;
  Numbers mounts_, spaces_;
  Numbers nets_;
};

/// What is different in the first command in which the plans differ, or "".
inline std::string PlanDifference(const std::filesystem::path& first,
                                  const std::filesystem::path& second) {
  const nlohmann::json a = PlanNormalizer()(ReadPlan(first));
  const nlohmann::json b = PlanNormalizer()(ReadPlan(second));
  const nlohmann::json end = {{"command", "no command"}};
  for (std::size_t i = 0; i < std::max(a.size(), b.size()); i++) {
    const nlohmann::json left = i < a.size() ? a[i] : end;
    const nlohmann::json right = i < b.size() ? b[i] : end;
    if (left == right) continue;
    if (left["command"] != right["command"]) return left.dump() + "\nbecomes " + right.dump();
    return left["command"].dump() + " of " + left["pid"].dump() + ":\n" +
           nlohmann::json::diff(left, right).dump();
  }
  return "";
}

}  // namespace crgen::test
