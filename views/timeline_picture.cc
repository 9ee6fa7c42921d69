// SPDX-License-Identifier: Apache-2.0
// A restore over time, as a picture.
#include <algorithm>
#include <set>

#include "views/svg.h"
#include "views/timeline.h"
#include "views/words.h"

namespace crgen {
namespace {

constexpr std::size_t kMostRows = 60;
constexpr int kGap = 14, kRow = 22, kBar = 14, kLeft = 110, kWidth = 1000, kTop = 44;
constexpr int kNarrow = 5, kJoined = 12;  ///< one bar: each narrower, up to so much together
constexpr int kLetter = 6;
constexpr std::size_t kMostLines = 8;  ///< said of one bar

/// Those of the chain, then those that end last; in their order.
std::vector<std::size_t> RowsOf(const Timeline& timeline, const std::vector<ChainLink>& chain) {
  std::set<std::size_t> rows;
  for (const ChainLink& link : chain) {
    if (rows.size() < kMostRows) rows.insert(link.process);
  }
  std::vector<std::size_t> others;
  for (std::size_t i = 0; i < timeline.processes.size(); ++i) {
    if (!timeline.processes[i].steps.empty()) others.push_back(i);
  }
  const auto end = [&](std::size_t process) {
    return timeline.steps[timeline.processes[process].steps.back()].done;
  };
  std::ranges::stable_sort(others, [&](std::size_t a, std::size_t b) { return end(a) > end(b); });
  for (const std::size_t process : others) {
    if (rows.size() < kMostRows) rows.insert(process);
  }
  return {rows.begin(), rows.end()};
}

class GanttDrawing {
 public:
  explicit GanttDrawing(const Timeline& timeline) : timeline_(timeline) {
    for (const TimedProcess& process : timeline.processes) {
      for (const std::uint32_t number : process.steps)
        end_ = std::max(end_, timeline.steps[number].done);
    }
  }

  std::string Draw() {
    const std::vector<ChainLink> chain = LongestChain(timeline_);
    rows_ = RowsOf(timeline_, chain);
    for (const ChainLink& link : chain) {
      if (link.waits_with) of_chain_.insert(*link.waits_with);
    }
    const std::string title = "Restore of " +
                              Count(timeline_.processes.size() - 1, "process", "processes") +
                              " over time";
    svg_.Text({kGap, 22}, title, 90);
    int y = kTop;
    for (const std::size_t process : rows_) {
      DrawProcess(process, y);
      y += kRow;
    }
    if (rows_.size() < timeline_.processes.size()) {
      svg_.Text({kGap, y + 12}, Count(timeline_.processes.size() - rows_.size(), "more", "more"),
                30, true);
      y += kRow;
    }
    DrawChain(chain);
    y += kRow;
    for (const std::string& line : ChainText(timeline_)) {
      svg_.Text({kGap, y}, line, 150, true);
      y += 18;
    }
    return svg_.File(kLeft + kWidth + 2 * kGap, y + kGap, title);
  }

 private:
  int XOf(std::uint64_t time) const {
    return kLeft + static_cast<int>(static_cast<double>(time) * kWidth /
                                    static_cast<double>(std::max<std::uint64_t>(end_, 1)));
  }

  /// Steps of one kind that are next to each other.
  struct Bar {
    int from = 0, to = 0;
    std::vector<std::uint32_t> steps = {};
  };

  /// A bar for each command and each wait, but one for neighbours that are too narrow.
  void DrawProcess(std::size_t index, int y) {
    const TimedProcess& process = timeline_.processes[index];
    svg_.Text({kGap, y + 12}, NameOf(index), 14);
    Bar work, wait;
    for (const std::uint32_t number : process.steps) {
      const TimedStep& step = timeline_.steps[number];
      const int begun = XOf(step.begun);
      const int reached = Waited(timeline_, step) ? XOf(step.reached) : begun;
      if (begun > reached && Joins(reached, begun, &wait)) {
        wait.steps.push_back(number);
      } else if (begun > reached) {
        FlushWait(&wait, y);
        wait = {reached, begun, {number}};
      }
      const int done = std::max(begun + 1, XOf(step.done));
      if (Joins(begun, done, &work)) {
        work.steps.push_back(number);
      } else {
        FlushWork(&work, y);
        work = {begun, done, {number}};
      }
    }
    FlushWait(&wait, y);
    FlushWork(&work, y);
  }

  static bool Joins(int from, int to, Bar* bar) {
    const bool narrow = bar->to - bar->from < kJoined && to - from < kNarrow;
    if (bar->steps.empty() || !narrow || bar->to < from) return false;
    bar->to = std::max(bar->to, to);
    return true;
  }

  /// What `line` says of each, of many the first, and how many commands the others are.
  template <typename Line>
  std::string Lines(const std::vector<std::uint32_t>& steps, Line line) const {
    std::string text;
    for (std::size_t i = 0; i < std::min(steps.size(), kMostLines); ++i)
      text += (i == 0 ? "" : "\n") + line(steps[i]);
    std::size_t more = 0;
    for (std::size_t i = kMostLines; i < steps.size(); ++i)
      more += 1 + timeline_.steps[steps[i]].with.size();
    if (more != 0) text += "\nand " + std::to_string(more) + " more";
    return text;
  }

  void FlushWork(Bar* bar, int y) {
    if (bar->steps.empty()) return;
    const std::string about = Lines(bar->steps, [this](std::uint32_t number) {
      const TimedStep& step = timeline_.steps[number];
      const std::string wait = Waited(timeline_, step)
                                   ? "; waited " + Milliseconds(step.begun - step.reached) +
                                         " for " + StepText(timeline_, *AwaitedBy(timeline_, step))
                                   : "";
      return StepText(timeline_, number) + ": " + Milliseconds(step.done - step.begun) + " from " +
             Milliseconds(step.begun) + wait;
    });
    svg_.Box({bar->from, y}, bar->to - bar->from, kBar, Svg::Style::kFilled, about);
    const std::string name = crgen::NameOf(timeline_.steps[bar->steps[0]]);
    if (bar->steps.size() == 1 && Fits(name, *bar))
      svg_.TextOnFilled({bar->from + 3, y + 11}, name);
    *bar = {};
  }

  void FlushWait(Bar* bar, int y) {
    if (bar->steps.empty()) return;
    const std::string about =
        Lines(bar->steps, [this](std::uint32_t number) { return WaitText(timeline_, number); });
    svg_.Box({bar->from, y}, bar->to - bar->from, kBar, Svg::Style::kWait, about);
    const std::uint32_t last = bar->steps.back();
    if (const auto awaited = AwaitedBy(timeline_, timeline_.steps[last])) {
      const TimedStep& step = timeline_.steps[*awaited];
      const std::string text = "for " + NameOf(step.process);
      if (Fits(text, *bar)) svg_.Text({bar->from + 3, y + 11}, text, text.size(), true);
      if (!of_chain_.contains(last)) DrawArrow(*awaited, bar->to, y, false);
    }
    *bar = {};
  }

  static bool Fits(std::string_view text, const Bar& bar) {
    return static_cast<int>(text.size()) * kLetter + 4 < bar.to - bar.from;
  }

  std::string NameOf(std::size_t process) const {
    const Pid pid = timeline_.processes[process].pid;
    return pid == 0 ? "restorer" : std::to_string(pid);
  }

  /// The place of a row; none: the process is not drawn.
  std::optional<int> RowOf(std::size_t process) const {
    const auto at = std::ranges::lower_bound(rows_, process);
    if (at == rows_.end() || *at != process) return std::nullopt;
    return kTop + static_cast<int>(at - rows_.begin()) * kRow;
  }

  /// From what was awaited to who has waited, until `x`.
  void DrawArrow(std::uint32_t awaited, int x, int y, bool of_chain) {
    const TimedStep& step = timeline_.steps[awaited];
    if (const auto from = RowOf(step.process))
      svg_.Line({XOf(step.done), *from + kBar}, {x, y}, of_chain);
  }

  void DrawChain(const std::vector<ChainLink>& chain) {
    for (const ChainLink& link : chain) {
      const auto row = RowOf(link.process);
      if (link.waits_with && row) DrawArrow(link.until, XOf(link.to), *row, true);
    }
  }

  const Timeline& timeline_;
  std::uint64_t end_ = 0;
  std::vector<std::size_t> rows_;
  std::set<std::uint32_t> of_chain_;  // steps
  Svg svg_;
};

}  // namespace

std::string GanttSvg(const Timeline& timeline) { return GanttDrawing(timeline).Draw(); }

}  // namespace crgen
