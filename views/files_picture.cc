// SPDX-License-Identifier: Apache-2.0
#include "views/files_picture.h"

#include <algorithm>
#include <map>
#include <vector>

#include "views/relations.h"
#include "views/svg.h"
#include "views/words.h"

namespace crgen {
namespace {

constexpr std::size_t kMostFiles = 40, kMostHolders = 14, kMostNumbers = 4;

/// One line of the picture: a file, by its place at the right, and its numbers.
struct Held {
  std::size_t file = 0;
  std::vector<Fd> numbers;
  friend auto operator<=>(const Held&, const Held&) = default;
};

/// Processes that hold the same of what is shown.
struct Holder {
  std::vector<ProcessIndex> processes;
  std::vector<Held> held;
};

class FilesDrawing {
 public:
  explicit FilesDrawing(const LookedAt& dump)
      : snapshot_(dump.snapshot), relations_(dump.snapshot, dump.unplanned) {
    ChooseFiles();
    FindHolders();
  }

  std::string Draw() {
    const std::string title = Count(shared_, "description", "descriptions") +
                              " shared by several of " +
                              Count(snapshot_.processes.size(), "process", "processes");
    svg_.Text({kGap, 24}, title, 90);
    for (std::size_t i = 0; i < files_.size(); ++i) DrawFile(i);
    const std::size_t columns = std::min(holders_.size(), kMostHolders);
    for (std::size_t i = 0; i < columns; ++i) DrawHolder(holders_[i], i);
    int y = kTop + kHead + static_cast<int>(files_.size()) * kRow + 14;
    const auto say = [&](std::size_t number, std::string_view one, std::string_view many) {
      if (number == 0) return;
      svg_.Text({kGap, y}, Count(number, one, many), 60, true);
      y += 18;
    };
    say(shared_ - files_.size(), "more description", "more descriptions");
    std::size_t more = 0;
    for (std::size_t i = columns; i < holders_.size(); ++i) more += holders_[i].processes.size();
    say(more, "more process that holds others of them", "more processes that hold others of them");
    const int width = kGap + kFileWidth + static_cast<int>(columns) * kColumn + kGap;
    return svg_.File(std::max(width, 600), y + kGap, title);
  }

 private:
  static constexpr int kGap = 16, kTop = 44, kHead = 62, kRow = 40, kHeight = 34, kFileWidth = 400,
                       kColumn = 84;

  /// Those that most tables hold, in the order of the dump.
  void ChooseFiles() {
    std::vector<std::pair<std::size_t, FileIndex>> wanted;
    for (std::size_t i = 0; i < snapshot_.files.size(); ++i) {
      const std::vector<Relations::Holder>& holders = relations_.HoldersOf(FileIndex(i));
      std::size_t processes = 0;
      TableIndex last;
      for (const Relations::Holder& holder : holders) {
        if (holder.table != last) processes += relations_.ProcessesOf(holder.table).size();
        last = holder.table;
      }
      if (processes > 1) wanted.emplace_back(processes, FileIndex(i));
    }
    shared_ = wanted.size();
    std::ranges::stable_sort(wanted,
                             [](const auto& a, const auto& b) { return a.first > b.first; });
    if (wanted.size() > kMostFiles) wanted.resize(kMostFiles);
    for (const auto& [processes, file] : wanted) files_.push_back(file);
    std::ranges::sort(files_, {}, &FileIndex::value);
  }

  void FindHolders() {
    std::vector<std::vector<Held>> of_table(snapshot_.tables.size());
    for (std::size_t i = 0; i < files_.size(); ++i) {
      for (const Relations::Holder& holder : relations_.HoldersOf(files_[i])) {
        std::vector<Held>& held = of_table[holder.table];
        if (held.empty() || held.back().file != i) held.push_back({i, {}});
        if (held.back().numbers.size() <= kMostNumbers) held.back().numbers.push_back(holder.fd);
      }
    }
    std::map<std::vector<Held>, std::size_t> known;
    for (std::size_t i = 0; i < snapshot_.processes.size(); ++i) {
      const TableIndex table = snapshot_.processes[i].table;
      if (table < 0 || of_table[table].empty()) continue;
      const auto [at, added] = known.emplace(of_table[table], holders_.size());
      if (added) holders_.push_back({{}, of_table[table]});
      holders_[at->second].processes.push_back(ProcessIndex(i));
    }
  }

  void DrawFile(std::size_t row) {
    const File& file = *snapshot_.files[files_[row]];
    const Point at = {kGap, kTop + kHead + static_cast<int>(row) * kRow};
    svg_.Box(at, kFileWidth - 8, kHeight, Svg::Style::kPlain);
    svg_.Text({at.x + 8, at.y + 14}, FileText(file), 56);
    svg_.Text({at.x + 8, at.y + 28}, std::string(TypeOf(file)) + " " + FlagText(file.flags), 60,
              true);
  }

  /// A column: who, and below which numbers of what.
  void DrawHolder(const Holder& holder, std::size_t column) {
    const Point at = {kGap + kFileWidth + static_cast<int>(column) * kColumn, kTop};
    const ProcessIndex first = holder.processes.front();
    svg_.Box(at, kColumn - 8, kHead - 8, Svg::Style::kPlain);
    svg_.Text({at.x + 6, at.y + 16}, std::to_string(snapshot_.tree.nodes[first].pid), 9);
    svg_.Text({at.x + 6, at.y + 31}, CommOf(snapshot_.processes[first]), 10, true);
    if (holder.processes.size() > 1)
      svg_.Text({at.x + 6, at.y + 46}, "and " + std::to_string(holder.processes.size() - 1), 12,
                true);
    for (const Held& held : holder.held) {
      const int y = kTop + kHead + static_cast<int>(held.file) * kRow;
      std::string numbers;
      for (std::size_t i = 0; i < held.numbers.size() && i < kMostNumbers; ++i)
        numbers += (i == 0 ? "" : ",") + std::to_string(held.numbers[i]);
      if (held.numbers.size() > kMostNumbers) numbers += ",…";
      svg_.Box({at.x, y}, kColumn - 8, kHeight, Svg::Style::kFolded);
      svg_.Text({at.x + 6, y + 21}, numbers, 11);
    }
  }

  const Snapshot& snapshot_;
  Relations relations_;
  std::vector<FileIndex> files_;  // that are shown
  std::size_t shared_ = 0;
  std::vector<Holder> holders_;
  Svg svg_;
};

}  // namespace

std::string FilesSvg(const LookedAt& dump) { return FilesDrawing(dump).Draw(); }

}  // namespace crgen
