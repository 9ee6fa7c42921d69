// SPDX-License-Identifier: Apache-2.0
// What CRIU itself does not restore. Each rule is of CRIU 4.2, in the file that is named, with the
// words that it prints.
#include <algorithm>
#include <unordered_map>

#include "views/why.h"
#include "views/words.h"

namespace crgen {
namespace {

/// How prepare_pstree_ids() (criu/pstree.c) tells when each process was born: before its creator
/// began a session, or after. It gives up where that does not follow from where the processes are
/// now.
class Sessions {
 public:
  explicit Sessions(const TreeSnapshot& tree) : tree_(tree), born_(tree.nodes.size(), kUnknown) {
    for (std::size_t i = 0; i < tree.nodes.size(); ++i) by_pid_.emplace(tree.nodes[i].pid, i);
  }

  /// The first process that it gives up at.
  std::optional<Cause> Find() {
    for (std::size_t i = 1; i < tree_.nodes.size(); ++i) {
      if (auto cause = Look(i)) return cause;
    }
    return std::nullopt;
  }

 private:
  static constexpr Pid kUnknown = -1;
  static constexpr std::int32_t kNobody = -1;

  /// Children of the root in somebody else's session get a helper as parent: in that session, child
  /// of its leader, or of the root where there is no leader.
  bool HasHelper(std::size_t process) const {
    const TreeNode& node = tree_.nodes[process];
    return node.parent == 0 && node.sid != tree_.nodes[0].sid && node.sid != node.pid;
  }

  std::int32_t ParentOf(std::size_t process) const {
    if (process == 0) return kNobody;
    if (!HasHelper(process)) return tree_.nodes[process].parent;
    const auto leader = by_pid_.find(tree_.nodes[process].sid);
    return leader == by_pid_.end() ? 0 : static_cast<std::int32_t>(leader->second);
  }

  std::optional<Cause> Look(std::size_t process) {
    const TreeNode& node = tree_.nodes[process];
    if (node.sid == node.pid || HasHelper(process)) return std::nullopt;
    std::int32_t above = tree_.nodes[process].parent;
    if (tree_.nodes[static_cast<std::size_t>(above)].sid == node.sid) return std::nullopt;
    // A parent that is known to be born in that session has been followed up to its leader before.
    while (above != kNobody && tree_.nodes[static_cast<std::size_t>(above)].pid != node.sid) {
      Pid& born = born_[static_cast<std::size_t>(above)];
      if (born == node.sid) return std::nullopt;
      if (born != kUnknown)
        return BornTwice(node, tree_.nodes[static_cast<std::size_t>(above)], born);
      born = node.sid;
      above = ParentOf(static_cast<std::size_t>(above));
    }
    if (above == kNobody) return NoLeader(node);
    return std::nullopt;
  }

  static Cause NoLeader(const TreeNode& node) {
    return {"pstree.img",
            "process " + std::to_string(node.pid) + " is in session " + std::to_string(node.sid) +
                ", whose leader is none of its ancestors",
            "crgen plans such trees, and crrestore restores them",
            "Can't find a session leader for " + std::to_string(node.sid)};
  }
  static Cause BornTwice(const TreeNode& node, const TreeNode& parent, Pid born) {
    return {"pstree.img",
            "process " + std::to_string(parent.pid) + " has descendants in sessions " +
                std::to_string(born) + " and " + std::to_string(node.sid) +
                ", both of which it would have to be born in",
            "crgen plans such trees, and crrestore restores them",
            "Can't figure out which sid (" + std::to_string(born) + " or " +
                std::to_string(node.sid) + ")the process " + std::to_string(parent.pid) +
                " was born with"};
  }

  const TreeSnapshot& tree_;
  std::unordered_map<Pid, std::size_t> by_pid_;
  std::vector<Pid> born_;  // the session; beside the nodes
};

/// criu/sk-inet.c, open_inet_sk().
void AskForConnections(const Snapshot& snapshot, Verdict* verdict) {
  const auto count = std::ranges::count_if(snapshot.files, [](const auto& file) {
    const auto* socket = As<InetSocket>(*file);
    return socket != nullptr && socket->stream;
  });
  if (count == 0) return;
  verdict->causes.push_back(
      {"files.img", Count(static_cast<std::uint64_t>(count), "TCP connection", "TCP connections"),
       "criu restore --tcp-established, or --tcp-close", "Connected TCP socket in image"});
}

/// criu/cr-dump.c, at the dump; at the restore --shell-job lets the root join its caller's session.
void AskForSession(const TreeSnapshot& tree, Verdict* verdict) {
  const TreeNode& root = tree.nodes.front();
  if (root.sid == root.pid) return;
  verdict->causes.push_back({"pstree.img", "the root is in a session of outside",
                             "criu restore --shell-job",
                             "The root process " + std::to_string(root.pid) +
                                 " is not a session leader. Consider using --shell-job option"});
}

}  // namespace

Verdict AskCriu(const Snapshot& snapshot) {
  Verdict verdict = {"criu", Answer::kYes, {}};
  if (snapshot.tree.nodes.empty()) return {"criu", Answer::kUnknown, {}};
  AskForSession(snapshot.tree, &verdict);
  AskForConnections(snapshot, &verdict);
  if (!verdict.causes.empty()) verdict.answer = Answer::kOnlyWith;
  if (auto cause = Sessions(snapshot.tree).Find()) {
    verdict.answer = Answer::kNo;
    verdict.causes.insert(verdict.causes.begin(), std::move(*cause));
  }
  return verdict;
}

}  // namespace crgen
