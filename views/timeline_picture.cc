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
    const std::vector<std::size_t> rows = RowsOf(timeline_, chain);
    const std::string title = "Restore of " +
                              Count(timeline_.processes.size() - 1, "process", "processes") +
                              " over time";
    svg_.Text({kGap, 22}, title, 90);
    int y = kTop;
    for (const std::size_t process : rows) {
      DrawProcess(process, y);
      y += kRow;
    }
    if (rows.size() < timeline_.processes.size()) {
      svg_.Text({kGap, y + 12}, Count(timeline_.processes.size() - rows.size(), "more", "more"), 30,
                true);
      y += kRow;
    }
    DrawChain(chain, rows);
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

  /// Work and waits; such as are next to each other, and too short to be seen, are one bar.
  void DrawProcess(std::size_t index, int y) {
    const TimedProcess& process = timeline_.processes[index];
    svg_.Text({kGap, y + 12}, process.pid == 0 ? "restorer" : std::to_string(process.pid), 14);
    Bar work, wait;
    for (const std::uint32_t number : process.steps) {
      const TimedStep& step = timeline_.steps[number];
      if (XOf(step.begun) > XOf(step.reached))
        Add({XOf(step.reached), XOf(step.begun)}, &wait, y, Svg::Style::kDashed);
      Add({XOf(step.begun), std::max(XOf(step.begun) + 1, XOf(step.done))}, &work, y,
          Svg::Style::kFilled);
    }
    Flush(&wait, y, Svg::Style::kDashed);
    Flush(&work, y, Svg::Style::kFilled);
  }

  struct Bar {
    int from = 0, to = 0;
  };
  void Add(const Bar& bar, Bar* last, int y, Svg::Style style) {
    if (last->to >= bar.from && last->to != 0) {
      last->to = std::max(last->to, bar.to);
      return;
    }
    Flush(last, y, style);
    *last = bar;
  }
  void Flush(Bar* bar, int y, Svg::Style style) {
    if (bar->to > bar->from) svg_.Box({bar->from, y}, bar->to - bar->from, kBar, style);
    *bar = {};
  }

  /// From what was awaited to who has waited.
  void DrawChain(const std::vector<ChainLink>& chain, const std::vector<std::size_t>& rows) {
    const auto row_of = [&](std::size_t process) -> int {
      const auto at = std::ranges::lower_bound(rows, process);
      return at == rows.end() || *at != process ? -1 : static_cast<int>(at - rows.begin());
    };
    for (const ChainLink& link : chain) {
      if (!link.waits_with) continue;
      const TimedStep& awaited = timeline_.steps[link.until];
      const int from = row_of(awaited.process), to = row_of(link.process);
      if (from < 0 || to < 0) continue;
      svg_.Line({XOf(awaited.done), kTop + from * kRow + kBar}, {XOf(link.to), kTop + to * kRow},
                true);
    }
  }

  const Timeline& timeline_;
  std::uint64_t end_ = 0;
  Svg svg_;
};

}  // namespace

std::string GanttSvg(const Timeline& timeline) { return GanttDrawing(timeline).Draw(); }

}  // namespace crgen
