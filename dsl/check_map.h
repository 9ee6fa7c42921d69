// Ordered maps whose copies share their nodes: what makes a simulated fork(2) cost O(1) however
// many descriptors, regions and pages it copies.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "model/ids.h"

namespace crgen::check {

/// A weight-balanced tree of immutable nodes (Adams 1993; parameters 3 and 2 as in Haskell's
/// Data.Map, proven by Hirai and Yamamoto 2011). Every change costs O(log n) new nodes, the copy of
/// a map O(1). Balanced by construction, so that no choice of keys makes it deep: the recursions
/// below are at most about 2.4 log2(n) deep.
template <typename Key, typename Value>
class PersistentMap {
 public:
  struct Node {
    Key key;
    Value value;
    std::size_t size;
    std::shared_ptr<const Node> left;
    std::shared_ptr<const Node> right;
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

  void Set(const Key& key, Value value) { root_ = Insert(root_, key, value); }
  void Erase(const Key& key) {
    if (Find(key) != nullptr) root_ = Remove(root_, key);
  }

  /// Calls `function(key, value)` in the order of the keys.
  template <typename Function>
  void ForEach(Function&& function) const {
    Visit(root_.get(), function);
  }

 private:
  using Link = std::shared_ptr<const Node>;

  static std::size_t Size(const Link& link) { return link == nullptr ? 0 : link->size; }

  static std::size_t Depth(const Node* node) {
    return node == nullptr ? 0 : 1 + std::max(Depth(node->left.get()), Depth(node->right.get()));
  }

  static Link Make(const Key& key, const Value& value, Link left, Link right) {
    std::size_t size = Size(left) + Size(right) + 1;
    return std::make_shared<const Node>(Node{key, value, size, std::move(left), std::move(right)});
  }

  static Link Balance(const Key& key, const Value& value, const Link& left, const Link& right) {
    if (Size(left) + Size(right) > 1) {
      if (Size(right) > 3 * Size(left)) return RaiseRight(key, value, left, *right);
      if (Size(left) > 3 * Size(right)) return RaiseLeft(key, value, *left, right);
    }
    return Make(key, value, left, right);
  }
  static Link RaiseRight(const Key& key, const Value& value, const Link& left, const Node& right) {
    if (Size(right.left) < 2 * Size(right.right)) {
      return Make(right.key, right.value, Make(key, value, left, right.left), right.right);
    }
    const Node& middle = *right.left;
    return Make(middle.key, middle.value, Make(key, value, left, middle.left),
                Make(right.key, right.value, middle.right, right.right));
  }
  static Link RaiseLeft(const Key& key, const Value& value, const Node& left, const Link& right) {
    if (Size(left.right) < 2 * Size(left.left)) {
      return Make(left.key, left.value, left.left, Make(key, value, left.right, right));
    }
    const Node& middle = *left.right;
    return Make(middle.key, middle.value, Make(left.key, left.value, left.left, middle.left),
                Make(key, value, middle.right, right));
  }

  static Link Insert(const Link& link, const Key& key, const Value& value) {
    if (link == nullptr) return Make(key, value, nullptr, nullptr);
    if (key < link->key) {
      return Balance(link->key, link->value, Insert(link->left, key, value), link->right);
    }
    if (link->key < key) {
      return Balance(link->key, link->value, link->left, Insert(link->right, key, value));
    }
    return Make(key, value, link->left, link->right);
  }

  static Link Remove(const Link& link, const Key& key) {
    if (key < link->key) {
      return Balance(link->key, link->value, Remove(link->left, key), link->right);
    }
    if (link->key < key) {
      return Balance(link->key, link->value, link->left, Remove(link->right, key));
    }
    if (link->left == nullptr) return link->right;
    if (link->right == nullptr) return link->left;
    const Node* next = link->right.get();
    while (next->left != nullptr) next = next->left.get();
    return Balance(next->key, next->value, link->left, Remove(link->right, next->key));
  }

  template <typename Function>
  static void Visit(const Node* node, Function& function) {
    if (node == nullptr) return;
    Visit(node->left.get(), function);
    function(node->key, node->value);
    Visit(node->right.get(), function);
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
    const auto* node = map_.Floor(range.start);
    if (node == nullptr || node->value.end <= range.start) node = map_.Ceiling(range.start);
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
