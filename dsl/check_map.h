// Ordered maps whose copies share their nodes until one of them changes: what makes a simulated
// fork(2) cost O(1) however many descriptors, regions and pages it copies.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <unordered_set>
#include <utility>

#include "model/ids.h"

namespace crgen::check {

/// A weight-balanced tree (Adams 1993; parameters 3 and 2 as in Haskell's Data.Map, proven by Hirai
/// and Yamamoto 2011). The copy of a map costs O(1); a change costs O(log n), and copies only those
/// nodes on its way that another map has too. Balanced by construction, so that no choice of keys
/// makes it deep: the recursions below are at most about 2.4 log2(n) deep. Maps that share nodes
/// are to be used by one thread.
template <typename Key, typename Value>
class PersistentMap {
 public:
  struct Node {
    Key key;
    Value value;
    std::size_t size;
    std::shared_ptr<Node> left;
    std::shared_ptr<Node> right;
  };

  std::size_t size() const { return Size(root_); }
  /// Nodes on the longest way down, for tests.
  std::size_t Depth() const { return Depth(root_.get()); }

  /// All pointers to nodes are valid until the map changes.
  const Node* Find(const Key& key) const {
    const Node* node = Floor(key);
    return node != nullptr && !(node->key < key) ? node : nullptr;
  }
  /// The last node whose key is not above `key`.
  const Node* Floor(const Key& key) const {
    const Node* best = nullptr;
    for (const Node* node = root_.get(); node != nullptr;) {
      if (key < node->key) {
        node = node->left.get();
      } else {
        best = node;
        node = node->right.get();
      }
    }
    return best;
  }
  /// The last node whose key is not above `key`, and the first one whose key is.
  std::pair<const Node*, const Node*> Around(const Key& key) const {
    std::pair<const Node*, const Node*> best;
    for (const Node* node = root_.get(); node != nullptr;) {
      if (key < node->key) {
        best.second = node;
        node = node->left.get();
      } else {
        best.first = node;
        node = node->right.get();
      }
    }
    return best;
  }
  /// The first node whose key is not below `key`.
  const Node* Ceiling(const Key& key) const {
    const Node* best = nullptr;
    for (const Node* node = root_.get(); node != nullptr;) {
      if (node->key < key) {
        node = node->right.get();
      } else {
        best = node;
        node = node->left.get();
      }
    }
    return best;
  }

  void Set(const Key& key, Value value) { Insert(root_, key, value); }
  void Erase(const Key& key) {
    if (Find(key) != nullptr) Remove(root_, key);
  }

  /// Calls `function(key, value)` in the order of the keys.
  template <typename Function>
  void ForEach(Function&& function) const {
    Visit(root_.get(), function);
  }
  /// ForEach over all maps that are walked with the same `seen`, but nodes that several of them
  /// share are visited once: the cost is that of the changes that made the maps.
  template <typename Function>
  void ForEachOnce(std::unordered_set<const void*>* seen, Function&& function) const {
    VisitOnce(root_, seen, function);
  }

 private:
  using Link = std::shared_ptr<Node>;

  static std::size_t Size(const Link& link) { return link == nullptr ? 0 : link->size; }

  static std::size_t Depth(const Node* node) {
    return node == nullptr ? 0 : 1 + std::max(Depth(node->left.get()), Depth(node->right.get()));
  }

  /// The node behind `link`, which no other map has.
  static Node& Own(Link& link) {
    if (link.use_count() != 1) link = std::make_shared<Node>(*link);
    return *link;
  }

  static void SumUp(Node& node) { node.size = Size(node.left) + Size(node.right) + 1; }

  static void RotateLeft(Link& link) {
    Link right = std::move(link->right);
    Own(right);
    link->right = std::move(right->left);
    SumUp(*link);
    right->left = std::move(link);
    link = std::move(right);
  }
  static void RotateRight(Link& link) {
    Link left = std::move(link->left);
    Own(left);
    link->left = std::move(left->right);
    SumUp(*link);
    left->right = std::move(link);
    link = std::move(left);
  }

  /// After a change below the node behind `link`, which is owned.
  static void Balance(Link& link) {
    Node& node = *link;
    const std::size_t left = Size(node.left), right = Size(node.right);
    if (left + right > 1 && right > 3 * left) {
      Node& heavy = Own(node.right);
      if (Size(heavy.left) >= 2 * Size(heavy.right)) RotateRight(node.right);
      RotateLeft(link);
    } else if (left + right > 1 && left > 3 * right) {
      Node& heavy = Own(node.left);
      if (Size(heavy.right) >= 2 * Size(heavy.left)) RotateLeft(node.left);
      RotateRight(link);
    }
    SumUp(*link);
  }

  static void Insert(Link& link, const Key& key, Value& value) {
    if (link == nullptr) {
      link = std::make_shared<Node>(Node{key, std::move(value), 1, nullptr, nullptr});
      return;
    }
    Node& node = Own(link);
    if (key < node.key) {
      Insert(node.left, key, value);
    } else if (node.key < key) {
      Insert(node.right, key, value);
    } else {
      node.value = std::move(value);
      return;
    }
    Balance(link);
  }

  /// REQUIRES: `key` is there.
  static void Remove(Link& link, const Key& key) {
    Node& node = Own(link);
    if (key < node.key) {
      Remove(node.left, key);
    } else if (node.key < key) {
      Remove(node.right, key);
    } else if (node.left == nullptr || node.right == nullptr) {
      Link rest = std::move(node.left == nullptr ? node.right : node.left);
      link = std::move(rest);
      return;
    } else {
      const Node* next = node.right.get();
      while (next->left != nullptr) next = next->left.get();
      node.key = next->key;
      node.value = next->value;
      Remove(node.right, node.key);
    }
    Balance(link);
  }

  template <typename Function>
  static void Visit(const Node* node, Function& function) {
    if (node == nullptr) return;
    Visit(node->left.get(), function);
    function(node->key, node->value);
    Visit(node->right.get(), function);
  }
  template <typename Function>
  static void VisitOnce(const Link& link, std::unordered_set<const void*>* seen,
                        Function& function) {
    if (link == nullptr) return;
    if (link.use_count() > 1 && !seen->insert(link.get()).second) return;
    VisitOnce(link->left, seen, function);
    function(link->key, link->value);
    VisitOnce(link->right, seen, function);
  }

  Link root_;
};

/// Disjoint ranges, each with a value. A value says in Advance(n) what is left of it when its first
/// n bytes are cut off.
template <typename Value>
class RangeMap {
 public:
  struct Entry {
    std::uint64_t end;
    Value value;
  };
  struct Found {
    AddressRange range;
    const Value* value;
  };

  /// The first range that has an address in common with `range`.
  std::optional<Found> FirstOverlap(AddressRange range) const {
    auto [node, next] = map_.Around(range.start);
    if (node == nullptr || node->value.end <= range.start) node = next;
    if (node == nullptr || node->key >= range.end) return std::nullopt;
    return Found{{node->key, node->value.end}, &node->value.value};
  }

  /// The first address of `range` that no range has.
  std::optional<std::uint64_t> FirstHole(AddressRange range) const {
    for (std::uint64_t at = range.start; at < range.end;) {
      const auto* node = map_.Floor(at);
      if (node == nullptr || node->value.end <= at) return at;
      at = node->value.end;
    }
    return std::nullopt;
  }

  /// REQUIRES: nothing overlaps `range`.
  void Insert(AddressRange range, Value value) {
    map_.Set(range.start, Entry{range.end, std::move(value)});
  }

  /// Takes `range` out; calls `taken(range, value)` for every piece.
  template <typename Function>
  void Take(AddressRange range, Function&& taken) {
    if (!FirstOverlap(range)) return;
    CutAt(range.start);
    CutAt(range.end);
    for (const auto* node = map_.Ceiling(range.start); node != nullptr && node->key < range.end;
         node = map_.Ceiling(range.start)) {
      AddressRange piece{node->key, node->value.end};
      Value value = node->value.value;
      map_.Erase(piece.start);
      taken(piece, value);
    }
  }
  void Erase(AddressRange range) {
    Take(range, [](AddressRange, const Value&) {});
  }

  /// Calls `change(&value)` for every piece of `range`.
  template <typename Function>
  void Update(AddressRange range, Function&& change) {
    CutAt(range.start);
    CutAt(range.end);
    for (const auto* node = map_.Ceiling(range.start); node != nullptr && node->key < range.end;) {
      std::uint64_t start = node->key;
      Entry entry = node->value;
      change(AddressRange{start, entry.end}, &entry.value);
      std::uint64_t next = entry.end;
      map_.Set(start, std::move(entry));
      node = map_.Ceiling(next);
    }
  }

  /// Calls `function(range, value)` for every range that overlaps `within`, uncut.
  template <typename Function>
  void ForEachIn(AddressRange within, Function&& function) const {
    const auto* node = map_.Floor(within.start);
    if (node == nullptr || node->value.end <= within.start) node = map_.Ceiling(within.start);
    while (node != nullptr && node->key < within.end) {
      function(AddressRange{node->key, node->value.end}, node->value.value);
      node = map_.Ceiling(node->value.end);
    }
  }

  template <typename Function>
  void ForEach(Function&& function) const {
    map_.ForEach([&](std::uint64_t start, const Entry& entry) {
      function(AddressRange{start, entry.end}, entry.value);
    });
  }
  template <typename Function>
  void ForEachOnce(std::unordered_set<const void*>* seen, Function&& function) const {
    map_.ForEachOnce(seen, [&](std::uint64_t start, const Entry& entry) {
      function(AddressRange{start, entry.end}, entry.value);
    });
  }

 private:
  void CutAt(std::uint64_t address) {
    const auto* node = map_.Floor(address);
    if (node == nullptr || node->key == address || node->value.end <= address) return;
    std::uint64_t start = node->key;
    Entry head = node->value;
    Entry tail = head;
    head.end = address;
    tail.value.Advance(address - start);
    map_.Set(start, std::move(head));
    map_.Set(address, std::move(tail));
  }

  PersistentMap<std::uint64_t, Entry> map_;
};

}  // namespace crgen::check
