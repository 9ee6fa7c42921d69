// SPDX-License-Identifier: Apache-2.0
#include "restorer/created_memfds.h"

#include <fcntl.h>

#include <map>
#include <set>
#include <utility>

namespace crgen::restorer {
namespace {

constexpr std::uint64_t kSettable = O_APPEND | O_NONBLOCK | O_ASYNC | O_NOATIME;  // F_SETFL

/// An opening whose number has neither been copied nor inherited so far.
struct Opening {
  std::size_t command;
  std::size_t forks;  ///< of its process until then
};

class Finder {
 public:
  std::unordered_set<std::size_t> Find(const Program& program) {
    for (std::size_t i = 0; i < program.size(); ++i) {
      pid_ = program[i].pid;
      if (const auto* open = std::get_if<OpenFile>(&program[i].body)) {
        Open(i, *open);
      } else if (const auto* dup = std::get_if<DupFd>(&program[i].body)) {
        open_.erase({pid_, dup->old_fd});
        Close(dup->new_fd);
      } else if (const auto* close = std::get_if<CloseFd>(&program[i].body)) {
        Close(close->fd);
      } else if (std::holds_alternative<Fork>(program[i].body)) {
        ++forks_[pid_];
      }
    }
    std::set<InodeId> stays;
    std::unordered_set<std::size_t> taken_over;
    for (const auto& [command, inode] : candidates_) {
      if (passing_.contains(command) ? IsPlain(program[command]) : stays.insert(inode).second) {
        taken_over.insert(command);
      }
    }
    return taken_over;
  }

 private:
  void Open(std::size_t command, const OpenFile& open) {
    const auto* memfd = As<Memfd>(*open.file);
    if (memfd == nullptr || (open.file->flags.bits & ~(kSettable | kLargeFile)) != O_RDWR) return;
    candidates_.emplace(command, memfd->inode_id);
    open_[{pid_, open.fd}] = {command, forks_[pid_]};
  }

  void Close(Fd fd) {
    const auto opening = open_.find({pid_, fd});
    if (opening == open_.end()) return;
    if (opening->second.forks == forks_[pid_]) passing_.insert(opening->second.command);
    open_.erase(opening);
  }

  /// Leaves a description that others have as it is.
  static bool IsPlain(const Command& command) {
    const File& file = *std::get<OpenFile>(command.body).file;
    return (file.flags.bits & kSettable) == 0 && !std::get<Memfd>(file.body).pos;
  }

  Pid pid_ = 0;
  std::map<std::pair<Pid, Fd>, Opening> open_;
  std::map<Pid, std::size_t> forks_;
  std::map<std::size_t, InodeId> candidates_;  ///< by command
  std::unordered_set<std::size_t> passing_;
};

}  // namespace

std::unordered_set<std::size_t> FindTakenOver(const Program& program) {
  return Finder().Find(program);
}

}  // namespace crgen::restorer
