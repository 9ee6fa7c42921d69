// SPDX-License-Identifier: Apache-2.0
#include "generator/tree/forest.h"

#include <utility>

namespace crgen {

void Forest::Add(std::int32_t above) { nodes_.push_back({.parent = above}); }

void Forest::Hang(std::int32_t i, std::int32_t above) {
  Expose(i);
  std::int32_t upper = std::exchange(At(i).child[kUpper], kNone);
  if (upper != kNone) At(upper).parent = kNone;
  Count(i);
  At(i).parent = above;
}

void Forest::Mark(std::int32_t i, bool marked) {
  Splay(i);
  At(i).marked = marked;
  Count(i);
}

bool Forest::Below(std::int32_t low, std::int32_t high) {
  Expose(low);
  Splay(high);
  return low == high || !IsTop(low);
}

std::int32_t Forest::Root(std::int32_t i) {
  Expose(i);
  return Outermost(i, kUpper);
}

std::int32_t Forest::NearestMarked(std::int32_t i) {
  Expose(i);
  if (!At(i).has_marked) return kNone;
  while (HasMarked(At(i).child[kLower]) || !At(i).marked) {
    i = At(i).child[HasMarked(At(i).child[kLower]) ? kLower : kUpper];
  }
  Splay(i);
  return i;
}

std::int32_t Forest::Meet(std::int32_t a, std::int32_t b) {
  Expose(a);
  std::int32_t meeting = Expose(b);
  return a == b || !IsTop(a) || At(a).parent != kNone ? meeting : kNone;
}

std::int32_t Forest::LastBefore(std::int32_t low, std::int32_t high) {
  Expose(low);
  Splay(high);
  return Outermost(At(high).child[kLower], kUpper);
}

/// Makes the way from the root to `i` one piece, and `i` the top of its splay tree. Returns where
/// it came upon the piece that the root was in.
std::int32_t Forest::Expose(std::int32_t i) {
  std::int32_t lower = kNone;
  for (std::int32_t piece = i; piece != kNone; piece = At(piece).parent) {
    Splay(piece);
    At(piece).child[kLower] = lower;
    Count(piece);
    lower = piece;
  }
  Splay(i);
  return lower;
}

void Forest::Splay(std::int32_t i) {
  while (!IsTop(i)) {
    std::int32_t parent = At(i).parent;
    if (!IsTop(parent)) {
      std::int32_t above = At(parent).parent;
      bool straight = (At(above).child[kLower] == parent) == (At(parent).child[kLower] == i);
      Rotate(straight ? parent : i);
    }
    Rotate(i);
  }
}

/// Swaps `i` with its parent in the splay tree.
void Forest::Rotate(std::int32_t i) {
  std::int32_t parent = At(i).parent;
  Side side = At(parent).child[kLower] == i ? kLower : kUpper;
  Side other = side == kLower ? kUpper : kLower;
  std::int32_t between = At(i).child[other];
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

void Forest::Count(std::int32_t i) {
  Node& node = At(i);
  node.has_marked = node.marked || HasMarked(node.child[kUpper]) || HasMarked(node.child[kLower]);
}

bool Forest::IsTop(std::int32_t i) const {
  std::int32_t parent = At(i).parent;
  return parent == kNone || (At(parent).child[kUpper] != i && At(parent).child[kLower] != i);
}

/// The way down must be paid for by a splay, or it is not O(log n).
std::int32_t Forest::Outermost(std::int32_t i, Side side) {
  while (At(i).child[side] != kNone) i = At(i).child[side];
  Splay(i);
  return i;
}

}  // namespace crgen
