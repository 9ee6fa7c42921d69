// SPDX-License-Identifier: Apache-2.0
#include "generator/tree/forest.h"

#include <utility>

#include "generator/tree/numbers.h"

namespace crgen {

template <typename NodeIndex>
void Forest<NodeIndex>::Add(NodeIndex above) {
  nodes_.push_back({.parent = above});
}

template <typename NodeIndex>
void Forest<NodeIndex>::Hang(NodeIndex i, NodeIndex above) {
  Expose(i);
  NodeIndex upper = std::exchange(At(i).child[kUpper], kNone);
  if (upper != kNone) At(upper).parent = kNone;
  Count(i);
  At(i).parent = above;
}

template <typename NodeIndex>
void Forest<NodeIndex>::Mark(NodeIndex i, bool marked) {
  Splay(i);
  At(i).marked = marked;
  Count(i);
}

template <typename NodeIndex>
bool Forest<NodeIndex>::Below(NodeIndex low, NodeIndex high) {
  Expose(low);
  Splay(high);
  return low == high || !IsTop(low);
}

template <typename NodeIndex>
NodeIndex Forest<NodeIndex>::Root(NodeIndex i) {
  Expose(i);
  return Outermost(i, kUpper);
}

template <typename NodeIndex>
NodeIndex Forest<NodeIndex>::NearestMarked(NodeIndex i) {
  Expose(i);
  if (!At(i).has_marked) return kNone;
  while (HasMarked(At(i).child[kLower]) || !At(i).marked) {
    i = At(i).child[HasMarked(At(i).child[kLower]) ? kLower : kUpper];
  }
  Splay(i);
  return i;
}

template <typename NodeIndex>
NodeIndex Forest<NodeIndex>::Meet(NodeIndex a, NodeIndex b) {
  Expose(a);
  NodeIndex meeting = Expose(b);
  return a == b || !IsTop(a) || At(a).parent != kNone ? meeting : kNone;
}

template <typename NodeIndex>
NodeIndex Forest<NodeIndex>::LastBefore(NodeIndex low, NodeIndex high) {
  Expose(low);
  Splay(high);
  return Outermost(At(high).child[kLower], kUpper);
}

/// Makes the way from the root to `i` one piece, and `i` the top of its splay tree. Returns where
/// it came upon the piece that the root was in.
template <typename NodeIndex>
NodeIndex Forest<NodeIndex>::Expose(NodeIndex i) {
  NodeIndex lower = kNone;
  for (NodeIndex piece = i; piece != kNone; piece = At(piece).parent) {
    Splay(piece);
    At(piece).child[kLower] = lower;
    Count(piece);
    lower = piece;
  }
  Splay(i);
  return lower;
}

template <typename NodeIndex>
void Forest<NodeIndex>::Splay(NodeIndex i) {
  while (!IsTop(i)) {
    NodeIndex parent = At(i).parent;
    if (!IsTop(parent)) {
      NodeIndex above = At(parent).parent;
      bool straight = (At(above).child[kLower] == parent) == (At(parent).child[kLower] == i);
      Rotate(straight ? parent : i);
    }
    Rotate(i);
  }
}

/// Swaps `i` with its parent in the splay tree.
template <typename NodeIndex>
void Forest<NodeIndex>::Rotate(NodeIndex i) {
  NodeIndex parent = At(i).parent;
  Side side = At(parent).child[kLower] == i ? kLower : kUpper;
  Side other = side == kLower ? kUpper : kLower;
  NodeIndex between = At(i).child[other];
  if (!IsTop(parent)) {
    Node& above = At(At(parent).parent);
    above.child[above.child[kLower] == parent ? kLower : kUpper] = i;
  }
  At(i).parent = std::exchange(At(parent).parent, i);
  At(parent).child[side] = between;
  if (between != kNone) At(between).parent = parent;
  At(i).child[other] = parent;
  Count(parent);
  Count(i);
}

template <typename NodeIndex>
void Forest<NodeIndex>::Count(NodeIndex i) {
  Node& node = At(i);
  node.has_marked = node.marked || HasMarked(node.child[kUpper]) || HasMarked(node.child[kLower]);
}

template <typename NodeIndex>
bool Forest<NodeIndex>::IsTop(NodeIndex i) const {
  NodeIndex parent = At(i).parent;
  return parent == kNone || (At(parent).child[kUpper] != i && At(parent).child[kLower] != i);
}

/// The way down must be paid for by a splay, or it is not O(log n).
template <typename NodeIndex>
NodeIndex Forest<NodeIndex>::Outermost(NodeIndex i, Side side) {
  while (At(i).child[side] != kNone) i = At(i).child[side];
  Splay(i);
  return i;
}

template class Forest<BirthIndex>;
template class Forest<SimulatedIndex>;

}  // namespace crgen
