// SPDX-License-Identifier: Apache-2.0
// A forest whose processes move: who is above whom, and the nearest marked one above.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace crgen {

/// A link-cut tree (Sleator and Tarjan): the ways up are kept in pieces, each a splay tree in the
/// order of depth. Every call costs O(log n), amortized, however deep the forest is.
class Forest {
 public:
  static constexpr std::int32_t kNone = -1;

  std::int32_t Size() const { return static_cast<std::int32_t>(nodes_.size()); }
  void Reserve(std::size_t size) { nodes_.reserve(size); }

  /// Adds process number Size() below `above`, or as a root.
  void Add(std::int32_t above);

  /// Takes `i`, with all that is below it, from where it is and hangs it below `above`, which must
  /// not be below `i`. kNone: makes it a root.
  void Hang(std::int32_t i, std::int32_t above);

  void Mark(std::int32_t i, bool marked);

  /// Whether `low` is `high` or below it.
  bool Below(std::int32_t low, std::int32_t high);

  std::int32_t Root(std::int32_t i);

  /// The first marked process on the way up from `i`, itself included, or kNone.
  std::int32_t NearestMarked(std::int32_t i);

  /// The lowest process that both `a` and `b` are or are below, or kNone.
  std::int32_t Meet(std::int32_t a, std::int32_t b);

  /// The last process before `high` on the way up from `low`. REQUIRES: `low` is below `high`.
  std::int32_t LastBefore(std::int32_t low, std::int32_t high);

 private:
  enum Side : std::size_t { kUpper, kLower };

  struct Node {
    std::int32_t parent = kNone;  ///< in the splay tree; of its top: above the piece of the way
    std::array<std::int32_t, 2> child{kNone, kNone};
    bool marked = false;
    bool has_marked = false;  ///< in its splay tree, from here on
  };

  std::int32_t Expose(std::int32_t i);
  void Splay(std::int32_t i);
  void Rotate(std::int32_t i);
  void Count(std::int32_t i);
  bool IsTop(std::int32_t i) const;
  bool HasMarked(std::int32_t i) const { return i != kNone && At(i).has_marked; }
  std::int32_t Outermost(std::int32_t i, Side side);

  Node& At(std::int32_t i) { return nodes_[static_cast<std::size_t>(i)]; }
  const Node& At(std::int32_t i) const { return nodes_[static_cast<std::size_t>(i)]; }

  std::vector<Node> nodes_;
};

}  // namespace crgen
