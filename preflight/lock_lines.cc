// SPDX-License-Identifier: Apache-2.0
#include "preflight/lock_lines.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <vector>

#include "preflight/open_descriptors.h"

namespace crgen::preflight {
namespace {

/// "1: POSIX  ADVISORY  WRITE 123 08:02:456 0 EOF".
struct Line {
  std::string number, kind, mode, type, pid, file, first, last;

  /// False: it is none, or "1: -> POSIX …", somebody who waits.
  bool Read(const std::string& text) {
    std::istringstream words(text);
    words >> number >> kind >> mode >> type >> pid >> file >> first >> last;
    return words && kind != "->";
  }
  std::string Text(const std::string& who) const {
    return number + " " + kind + " " + mode + " " + type + " " + who + " " + file + " " + first +
           " " + last + "\n";
  }
};

/// Locks that differ in their owners alone: of as many as there are `makers`, or of one.
struct Alike {
  Line line;
  std::vector<std::string> makers;   ///< by /proc/locks
  std::vector<std::string> holders;  ///< by fdinfo: processes
};
using Locks = std::map<std::string, Alike>;

Alike& AlikeOf(Locks& locks, Line line) {
  line.number = "0:";
  Alike& alike = locks[line.Text("0")];
  alike.line = line;
  return alike;
}

Locks MadeLocks() {
  Locks locks;
  Line line;
  std::ifstream file("/proc/locks");
  for (std::string text; std::getline(file, text);) {
    if (line.Read(text)) AlikeOf(locks, line).makers.push_back(line.pid);
  }
  return locks;
}

/// Whether somebody else can have a lock of the file: it has a name, or had one.
bool MayBeLocked(const std::string& process, const std::string& fd) {
  std::error_code error;
  const std::string name = std::filesystem::read_symlink(process + "/fd/" + fd, error).string();
  return name.starts_with('/') && !name.starts_with("/memfd:") && !name.starts_with("/dev/pts/") &&
         name != "/dev/null";
}

void AddHolders(Locks& locks) {
  ForEachDescriptor([&](const std::string& process, const std::string& fd) {
    if (!MayBeLocked(process, fd)) return;
    Line line;
    for (const std::string& text : LinesOfDescriptor(process, fd, "lock:")) {
      if (!line.Read(text)) continue;
      std::vector<std::string>& holders = AlikeOf(locks, line).holders;
      const std::string pid = process.substr(process.rfind('/') + 1);
      if (std::ranges::find(holders, pid) == holders.end()) holders.push_back(pid);
    }
  });
}

/// Makers who have them still, then others who do.
std::string TextOf(const Locks& locks) {
  std::string text;
  for (const auto& [key, alike] : locks) {
    std::vector<std::string> others = alike.holders, gone;
    for (const std::string& maker : alike.makers) {
      const auto has = std::ranges::find(others, maker);
      if (has == others.end()) {
        gone.push_back(maker);
        continue;
      }
      others.erase(has);
      text += alike.line.Text(maker);
    }
    if (alike.makers.empty()) gone.emplace_back("0");
    for (std::size_t i = 0; i < gone.size(); ++i) {
      text += alike.line.Text(i < others.size() ? others[i] : gone[i]);
    }
  }
  return text;
}

}  // namespace

std::string LinesOfLocks() {
  Locks locks = MadeLocks();
  AddHolders(locks);
  return TextOf(locks);
}

std::string LinesOfLeases() {
  Locks locks = MadeLocks();
  std::erase_if(locks, [](const auto& it) { return it.second.line.kind != "LEASE"; });
  if (locks.empty()) return "";
  AddHolders(locks);
  std::erase_if(locks, [](const auto& it) { return it.second.line.kind != "LEASE"; });
  return TextOf(locks);
}

}  // namespace crgen::preflight
