// SPDX-License-Identifier: Apache-2.0
#include "views/tree_picture.h"

#include <algorithm>
#include <unordered_map>

#include "views/svg.h"
#include "views/words.h"

namespace crgen {
namespace {

// So many are told apart in one picture.
constexpr std::size_t kMostShown = 120, kMostChildren = 10;

/// A process that is shown, or what stands for those that are not.
struct Node {
  const DrawnBirth* birth = nullptr;  ///< of who is folded: their creator's
  std::size_t number = 0;             ///< of the birth, from 1
  std::size_t folded = 0;             ///< how many it stands for; 0: it is a process
};

struct Group {
  Pid pgid = 0;
  std::vector<std::size_t> nodes;  ///< in Picture::nodes
};

struct Session {
  Pid sid = 0;
  std::vector<Group> groups;
};

/// What is drawn, whatever draws it.
struct Picture {
  std::vector<Node> nodes;  ///< in the order of births
  std::vector<Session> sessions;
  std::unordered_map<Pid, std::size_t> node_of;  ///< of processes
};

/// Chooses the upper part of the tree of births, nearest to the root first.
class Chooser {
 public:
  explicit Chooser(const std::vector<DrawnBirth>& births) : births_(births) {
    for (std::size_t i = 0; i < births.size(); ++i) index_[births[i].pid] = i;
    children_.resize(births.size());
    below_.resize(births.size(), 1);
    for (std::size_t i = births.size(); i-- > 0;) {
      const auto creator = index_.find(births[i].creator);
      if (creator == index_.end() || creator->second >= i) continue;
      children_[creator->second].push_back(i);
      below_[creator->second] += below_[i];
    }
  }

  Picture Choose() {
    std::vector<std::size_t> queue;
    std::vector<std::size_t> folded(births_.size());
    for (std::size_t i = 0; i < births_.size(); ++i) {
      if (!index_.contains(births_[i].creator)) queue.push_back(i);
    }
    std::vector<bool> shown(births_.size());
    for (std::size_t at = 0; at < queue.size(); ++at) {
      const std::size_t one = queue[at];
      shown[one] = true;
      std::vector<std::size_t>& children = children_[one];
      // Those with many below them say more.
      std::ranges::stable_sort(children, [&](std::size_t a, std::size_t b) {
        return below_[a] != below_[b] ? below_[a] > below_[b] : a < b;
      });
      const std::size_t room = kMostShown - std::min(kMostShown, queue.size());
      std::size_t taken = std::min({children.size(), kMostChildren, room});
      queue.insert(queue.end(), children.begin(), children.begin() + static_cast<long>(taken));
      for (; taken < children.size(); ++taken) folded[one] += below_[children[taken]];
    }
    Picture picture;
    for (std::size_t i = 0; i < births_.size(); ++i) {
      if (!shown[i]) continue;
      picture.node_of[births_[i].pid] = picture.nodes.size();
      picture.nodes.push_back({&births_[i], i + 1, 0});
      if (folded[i] != 0) picture.nodes.push_back({&births_[i], 0, folded[i]});
    }
    Assign(&picture);
    return picture;
  }

 private:
  static void Assign(Picture* picture) {
    std::unordered_map<Pid, std::size_t> sessions;
    std::unordered_map<std::uint64_t, std::size_t> groups;
    for (std::size_t i = 0; i < picture->nodes.size(); ++i) {
      const DrawnBirth& birth = *picture->nodes[i].birth;
      const auto [session, new_session] = sessions.emplace(birth.sid, picture->sessions.size());
      if (new_session) picture->sessions.push_back({birth.sid, {}});
      std::vector<Group>& of = picture->sessions[session->second].groups;
      const std::uint64_t key = std::uint64_t{static_cast<std::uint32_t>(birth.sid)} << 32 |
                                static_cast<std::uint32_t>(birth.pgid);
      const auto [group, new_group] = groups.emplace(key, of.size());
      if (new_group) of.push_back({birth.pgid, {}});
      of[group->second].nodes.push_back(i);
    }
  }

  const std::vector<DrawnBirth>& births_;
  std::unordered_map<Pid, std::size_t> index_;
  std::vector<std::vector<std::size_t>> children_;
  std::vector<std::size_t> below_;  // processes, itself included
};

std::string SessionText(Pid sid) {
  return sid == 0 ? "session of outside" : "session " + std::to_string(sid);
}
std::string GroupText(Pid pgid) {
  return pgid == 0 ? "group of outside" : "group " + std::to_string(pgid);
}

std::string FoldedText(const Node& node) {
  return Count(node.folded, "more", "more") + " below " + std::to_string(node.birth->pid);
}

/// "born 3, zombie"
std::string MarksOf(const Node& node) {
  const DrawnBirth& birth = *node.birth;
  std::string text = "born " + std::to_string(node.number);
  if (birth.invented) text += ", invented";
  if (birth.zombie) text += ", zombie";
  if (birth.subreaper) text += ", reaper";
  if (birth.threads != 0) text += ", " + std::to_string(birth.threads + 1) + " threads";
  return text;
}

std::string TitleOf(const std::vector<DrawnBirth>& births) {
  std::size_t invented = 0;
  for (const DrawnBirth& birth : births) invented += birth.invented ? 1 : 0;
  return Count(births.size() - invented, "process", "processes") + ", " + std::to_string(invented) +
         " invented";
}

/// Calls `function(node, parent)` for each process that is adopted, if both are shown.
template <typename Function>
void ForEachAdoption(const Picture& picture, Function&& function) {
  for (std::size_t i = 0; i < picture.nodes.size(); ++i) {
    const DrawnBirth& birth = *picture.nodes[i].birth;
    if (picture.nodes[i].folded != 0 || birth.adopter == 0) continue;
    const auto parent = picture.node_of.find(birth.adopter);
    if (parent != picture.node_of.end()) function(i, parent->second);
  }
}

/// A row for each process, below who has forked it; around rows that follow each other and are of
/// one session a frame, in it one around those of one group.
class TreeDrawing {
 public:
  explicit TreeDrawing(const Picture& picture) : picture_(picture), at_(picture.nodes.size()) {
    FindRows();
  }

  std::string Draw(std::string_view title) {
    svg_.Text({kGap, 24}, title, 80);
    Place();
    for (std::size_t i = 0; i < rows_.size(); ++i) DrawNode(rows_[i].node);
    Frames(&DrawnBirth::sid, right_, Svg::Style::kFrame, 10, SessionText);
    Frames(&DrawnBirth::pgid, right_ - kLabel, Svg::Style::kInner, 5, GroupText);
    for (std::size_t i = 0; i < picture_.nodes.size(); ++i) {
      const auto from = picture_.node_of.find(AboveOf(picture_.nodes[i]));
      if (from == picture_.node_of.end()) continue;
      const Point above = at_[from->second];
      svg_.Elbow({above.x + 8, above.y + kHeight}, {at_[i].x, at_[i].y + kHeight / 2});
    }
    ForEachAdoption(picture_, [&](std::size_t child, std::size_t parent) {
      svg_.Around({at_[child].x + kWidth, at_[child].y + kHeight / 2},
                  {at_[parent].x + kWidth, at_[parent].y + kHeight / 2});
    });
    return svg_.File(right_ + kGap, end_ + kGap, title);
  }

 private:
  static constexpr int kWidth = 230, kHeight = 26, kRow = 34, kGap = 14, kIndent = 26,
                       kDeepest = 14, kLabel = 130;

  struct Row {
    std::size_t node;
    int depth;
  };

  static Pid AboveOf(const Node& node) {
    return node.folded != 0 ? node.birth->pid : node.birth->creator;
  }

  /// Depth first, in the order of births.
  void FindRows() {
    std::vector<std::vector<std::size_t>> below(picture_.nodes.size());
    std::vector<Row> open;
    for (std::size_t i = picture_.nodes.size(); i-- > 0;) {
      const auto above = picture_.node_of.find(AboveOf(picture_.nodes[i]));
      if (above == picture_.node_of.end()) {
        open.push_back({i, 0});
      } else {
        below[above->second].push_back(i);
      }
    }
    while (!open.empty()) {
      const Row row = open.back();
      open.pop_back();
      rows_.push_back(row);
      for (const std::size_t node : below[row.node]) open.push_back({node, row.depth + 1});
    }
  }

  const DrawnBirth& BirthOf(std::size_t row) const {
    return *picture_.nodes[rows_[row].node].birth;
  }

  void Place() {
    int y = 44;
    for (std::size_t i = 0; i < rows_.size(); ++i) {
      const bool new_session = i == 0 || BirthOf(i).sid != BirthOf(i - 1).sid;
      if (new_session || BirthOf(i).pgid != BirthOf(i - 1).pgid) y += new_session ? 24 : 12;
      at_[rows_[i].node] = {kGap + 20 + std::min(rows_[i].depth, kDeepest) * kIndent, y};
      right_ = std::max(right_, at_[rows_[i].node].x + kWidth + 60 + 2 * kLabel);
      y += kRow;
    }
    end_ = y + 10;
  }

  /// Around rows with one `number` of one session, up to `right`, with so much room.
  void Frames(Pid DrawnBirth::*number, int right, Svg::Style style, int room,
              std::string (*text)(Pid)) {
    for (std::size_t first = 0, last; first < rows_.size(); first = last) {
      int left = at_[rows_[first].node].x;
      for (last = first; last < rows_.size() && BirthOf(last).sid == BirthOf(first).sid &&
                         BirthOf(last).*number == BirthOf(first).*number;
           ++last) {
        left = std::min(left, at_[rows_[last].node].x);
      }
      const Point at = {left - room, at_[rows_[first].node].y - room};
      const int bottom = at_[rows_[last - 1].node].y + kHeight + room;
      svg_.Box(at, right - at.x, bottom - at.y, style);
      svg_.Text({right - kLabel + 10, at_[rows_[first].node].y + 17}, text(BirthOf(first).*number),
                20, true);
    }
  }

  void DrawNode(std::size_t index) {
    const Node& node = picture_.nodes[index];
    const Point at = at_[index];
    if (node.folded != 0) {
      svg_.Box(at, kWidth, kHeight, Svg::Style::kFolded);
      svg_.Text({at.x + 8, at.y + 17}, FoldedText(node), 36, true);
      return;
    }
    svg_.Box(at, kWidth, kHeight, node.birth->invented ? Svg::Style::kDashed : Svg::Style::kPlain);
    svg_.Text({at.x + 8, at.y + 17}, std::to_string(node.birth->pid), 20);
    svg_.Text({at.x + 68, at.y + 17}, MarksOf(node), 30, true);
  }

  const Picture& picture_;
  std::vector<Row> rows_;
  std::vector<Point> at_;    // of each node
  int right_ = 0, end_ = 0;  // of all frames
  Svg svg_;
};

std::string DotName(const Node& node) {
  return (node.folded != 0 ? "below" : "p") + std::to_string(node.birth->pid);
}

}  // namespace

std::string TreeSvg(const std::vector<DrawnBirth>& births) {
  const Picture picture = Chooser(births).Choose();
  return TreeDrawing(picture).Draw(TitleOf(births));
}

std::string TreeDot(const std::vector<DrawnBirth>& births) {
  const Picture picture = Chooser(births).Choose();
  std::string text = "digraph tree {\n  label=\"" + TitleOf(births) +
                     "\"; node [shape=box, fontname=\"sans\"]; fontname=\"sans\"; compound=true;\n";
  for (const Session& session : picture.sessions) {
    const std::string sid = std::to_string(session.sid);
    text += "  subgraph cluster_s" + sid + " {\n    label=\"" + SessionText(session.sid) + "\";\n";
    for (const Group& group : session.groups) {
      text += "    subgraph cluster_s" + sid + "_g" + std::to_string(group.pgid) +
              " {\n      label=\"" + GroupText(group.pgid) + "\";\n";
      for (const std::size_t i : group.nodes) {
        const Node& node = picture.nodes[i];
        const bool dashed = node.folded == 0 && node.birth->invented;
        text += "      " + DotName(node) + " [label=\"" +
                (node.folded != 0 ? FoldedText(node)
                                  : std::to_string(node.birth->pid) + "\\n" + MarksOf(node)) +
                "\"" + (dashed ? ", style=dashed" : "") +
                (node.folded != 0 ? ", shape=plain" : "") + "];\n";
      }
      text += "    }\n";
    }
    text += "  }\n";
  }
  for (const Node& node : picture.nodes) {
    const Pid above = node.folded != 0 ? node.birth->pid : node.birth->creator;
    const auto from = picture.node_of.find(above);
    if (from != picture.node_of.end())
      text += "  " + DotName(picture.nodes[from->second]) + " -> " + DotName(node) + ";\n";
  }
  ForEachAdoption(picture, [&](std::size_t child, std::size_t parent) {
    text += "  " + DotName(picture.nodes[child]) + " -> " + DotName(picture.nodes[parent]) +
            " [style=dashed, constraint=false, label=\"adopted by\"];\n";
  });
  return text + "}\n";
}

}  // namespace crgen
