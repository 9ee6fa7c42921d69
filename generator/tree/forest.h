// SPDX-License-Identifier: Apache-2.0
// A forest whose processes move: who is above whom, and the nearest marked one above.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace crgen {

/// A link-cut tree (Sleator and Tarjan): the ways up are kept in pieces, each a splay tree in the
/// order of depth. NodeIndex: how its users name their processes. Every call costs O(log n),
/// amortized, however deep the forest is.
template <typename NodeIndex>
class Forest {
 public:
  static constexpr NodeIndex kNone{};

  std::int32_t Size() const { return static_cast<std::int32_t>(nodes_.size()); }
  void Reserve(std::size_t size) { nodes_.reserve(size); }

  /// Adds process number Size() below `above`, or as a root.
  void Add(NodeIndex above);

  /// Takes `i`, with all that is below it, from where it is and hangs it below `above`, which must
  /// not be below `i`. kNone: makes it a root.
  void Hang(NodeIndex i, NodeIndex above);

  void Mark(NodeIndex i, bool marked);

  /// Whether `low` is `high` or below it.
  bool Below(NodeIndex low, NodeIndex high);

  NodeIndex Root(NodeIndex i);

  /// The first marked process on the way up from `i`, itself included, or kNone.
  NodeIndex NearestMarked(NodeIndex i);

  /// The lowest process that both `a` and `b` are or are below, or kNone.
  NodeIndex Meet(NodeIndex a, NodeIndex b);

  /// The last process before `high` on the way up from `low`. REQUIRES: `low` is below `high`.
  NodeIndex LastBefore(NodeIndex low, NodeIndex high);

 private:
  enum Side : std::size_t { kUpper, kLower };

  struct Node {
    NodeIndex parent = kNone;  ///< in the splay tree; of its top: above the piece of the way
    std::array<NodeIndex, 2> child{kNone, kNone};
    bool marked = false;
    bool has_marked = false;  ///< in its splay tree, from here on
  };

  NodeIndex Expose(NodeIndex i);
  void Splay(NodeIndex i);
  void Rotate(NodeIndex i);
  void Count(NodeIndex i);
  bool IsTop(NodeIndex i) const;
  bool HasMarked(NodeIndex i) const { return i != kNone && At(i).has_marked; }
  NodeIndex Outermost(NodeIndex i, Side side);

  Node& At(NodeIndex i) { return nodes_[static_cast<std::size_t>(i)]; }
  const Node& At(NodeIndex i) const { return nodes_[static_cast<std::size_t>(i)]; }

  std::vector<Node> nodes_;
};

}  // namespace crgen
