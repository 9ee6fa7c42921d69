#include "restorer/late_files.h"

#include <algorithm>
#include <map>

#include "dsl/references.h"

namespace crgen::restorer {
namespace {

/// Follows all descriptor tables.
class Tables {
 public:
  Tables(const Program& program, const Schedule& schedule)
      : program_(program), schedule_(schedule), files_(schedule.processes.size()) {}

  void Step(std::size_t command) {
    table_ = &files_[schedule_.processes[schedule_.executor[command]].table];
    command_ = command;
    std::visit([&](const auto& body) { Follow(body); }, program_[command].body);
  }
  const File* At(Fd fd) const { return table_->at(fd); }

 private:
  template <typename Body>
  void Follow(const Body&) {}
  void Follow(const Fork&) {
    const std::uint32_t child = schedule_.processes[schedule_.child[command_]].table;
    if (&files_[child] != table_) files_[child] = *table_;
  }
  void Follow(const OpenFile& open) {
    ForEachOpened(open, [&](Fd fd, const File& file, bool) { (*table_)[fd] = &file; });
  }
  void Follow(const DupFd& dup) { (*table_)[dup.new_fd] = table_->at(dup.old_fd); }
  void Follow(const CloseFd& close) { table_->erase(close.fd); }

  const Program& program_;
  const Schedule& schedule_;
  std::vector<std::map<Fd, const File*>> files_;
  std::map<Fd, const File*>* table_ = nullptr;
  std::size_t command_ = 0;
};

bool HasLateState(const Command& command) {
  const auto* set = std::get_if<SetAttr>(&command.body);
  return set != nullptr && !set->attributes->descriptors.empty();
}

}  // namespace

LateFiles FindLateFiles(const Program& program, const Schedule& schedule) {
  LateFiles found;
  if (std::none_of(program.begin(), program.end(), HasLateState)) return found;
  Tables tables(program, schedule);
  for (std::size_t i = 0; i < program.size(); ++i) {
    tables.Step(i);
    if (!HasLateState(program[i])) continue;
    for (const DescriptorState& late : std::get<SetAttr>(program[i].body).attributes->descriptors) {
      found[i].push_back(tables.At(late.fd));
    }
  }
  return found;
}

}  // namespace crgen::restorer
