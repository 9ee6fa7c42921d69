// SPDX-License-Identifier: Apache-2.0
// Ordered maps whose copies share their nodes until one of them changes: what makes a simulated
// fork(2) cost O(1) however many descriptors, regions and pages it copies.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <type_traits>
#include <unordered_set>
#include <utility>
#include <vector>

#include "model/ids.h"

namespace crgen::check {

/// A B+ tree: entries are in leaves, all equally deep. The copy of a map costs O(1); a change costs
/// O(log n), and copies only those nodes on its way that another map has too. A node is taken out
/// when nothing is left in it, and not merged before (free at empty; Johnson and Shasha 1993), so
/// the depth is the logarithm of the most entries that there were. Maps that share nodes are to be
/// used by one thread.
template <typename Key, typename Value>
class PersistentMap {
 public:
  struct Entry {
    Key key;
    Value value;
  };

  std::size_t size() const { return size_; }
  /// Nodes on the way down, for tests.
  std::size_t Depth() const {
    std::size_t depth = 0;
    for (const Node* node = root_.get(); node != nullptr; node = FirstChild(*node)) ++depth;
    return depth;
  }

  /// All pointers to entries are valid until the map changes.
  const Entry* Find(const Key& key) const {
    const Entry* entry = Floor(key);
    return entry != nullptr && !(entry->key < key) ? entry : nullptr;
  }
  /// The last entry whose key is not above `key`.
  const Entry* Floor(const Key& key) const { return Around(key).first; }
  /// The first entry whose key is not below `key`.
  const Entry* Ceiling(const Key& key) const {
    const auto [at, above] = Around(key);
    return at != nullptr && !(at->key < key) ? at : above;
  }
  /// The last entry whose key is not above `key`, and the first one whose key is.
  std::pair<const Entry*, const Entry*> Around(const Key& key) const {
    if (root_ == nullptr) return {};
    const Node* before = nullptr;
    const Node* behind = nullptr;
    const Node* node = root_.get();
    while (!node->children.empty()) {
      const std::size_t i = ChildFor(*node, key);
      if (i > 0) before = node->children[i - 1].node.get();
      if (i + 1 < node->children.size()) behind = node->children[i + 1].node.get();
      node = node->children[i].node.get();
    }
    const std::size_t above = FirstAbove(node->entries, key);
    return {above > 0 ? &node->entries[above - 1] : LastOf(before),
            above < node->entries.size() ? &node->entries[above] : FirstOf(behind)};
  }

  void Set(const Key& key, Value value) {
    if (root_ == nullptr) root_ = std::make_shared<Node>();
    Link split = Insert(root_, key, value, true);
    if (split == nullptr) return;
    auto root = std::make_shared<Node>();
    root->children.push_back({FirstOf(root_.get())->key, std::move(root_)});
    root->children.push_back({FirstOf(split.get())->key, std::move(split)});
    root_ = std::move(root);
  }
  void Erase(const Key& key) {
    if (Find(key) == nullptr) return;
    Remove(root_, key);
    --size_;
    while (root_ != nullptr && root_->children.size() <= 1) {
      if (!root_->entries.empty()) return;
      Link only = root_->children.empty() ? nullptr : root_->children.front().node;
      root_ = std::move(only);
    }
  }

  /// Calls `function(key, value)` in the order of the keys.
  template <typename Function>
  void ForEach(Function&& function) const {
    Visit(root_.get(), function);
  }
  /// The same from `first` on, which is there, as long as `function` says true. No descent for
  /// each.
  template <typename Function>
  void ForEachFrom(const Key& first, Function&& function) const {
    Walk(root_.get(), &first, function);
  }
  /// Likewise; `function(key, &value)` may change the value.
  template <typename Function>
  void ChangeFrom(const Key& first, Function&& function) {
    Change(root_, &first, function);
  }
  /// ForEach over all maps that are walked with the same `seen`, but nodes that several of them
  /// share are visited once: the cost is that of the changes that made the maps.
  template <typename Function>
  void ForEachOnce(std::unordered_set<const void*>* seen, Function&& function) const {
    VisitOnce(root_, seen, function);
  }

 private:
  struct Node;
  using Link = std::shared_ptr<Node>;
  struct Child {
    Key first;  ///< the child before has no key from here on; of the first child it says nothing
    Link node;
  };
  /// Has either entries or children, at most kMost.
  struct Node {
    std::vector<Entry> entries;
    std::vector<Child> children;
  };
  /// A change of one entry copies a node where it is shared: large values have less company.
  static constexpr std::size_t kMost = std::clamp<std::size_t>(1024 / sizeof(Entry), 8, 32);

  static const Node* FirstChild(const Node& node) {
    return node.children.empty() ? nullptr : node.children.front().node.get();
  }
  static const Entry* FirstOf(const Node* node) {
    if (node == nullptr) return nullptr;
    while (const Node* child = FirstChild(*node)) node = child;
    return &node->entries.front();
  }
  static const Entry* LastOf(const Node* node) {
    if (node == nullptr) return nullptr;
    while (!node->children.empty()) node = node->children.back().node.get();
    return &node->entries.back();
  }

  static std::size_t FirstAbove(const std::vector<Entry>& entries, const Key& key) {
    auto above = std::upper_bound(entries.begin(), entries.end(), key,
                                  [](const Key& k, const Entry& entry) { return k < entry.key; });
    return static_cast<std::size_t>(above - entries.begin());
  }
  /// Where `key` is, or would be. REQUIRES: `node` has children.
  static std::size_t ChildFor(const Node& node, const Key& key) {
    auto above = std::upper_bound(node.children.begin() + 1, node.children.end(), key,
                                  [](const Key& k, const Child& child) { return k < child.first; });
    return static_cast<std::size_t>(above - node.children.begin()) - 1;
  }

  /// The node behind `link`, which no other map has.
  static Node& Own(Link& link) {
    if (link.use_count() != 1) link = std::make_shared<Node>(*link);
    return *link;
  }

  /// Puts `item` at `at`; what is then too much goes to a node behind, which is returned. Where
  /// `last`, more is likely to come behind, and the node stays full.
  template <typename Item>
  static Link PutIn(Node& node, std::vector<Item> Node::*items, std::size_t at, Item item,
                    bool last) {
    std::vector<Item>& here = node.*items;
    if (here.size() < kMost) {
      here.insert(here.begin() + static_cast<std::ptrdiff_t>(at), std::move(item));
      return nullptr;
    }
    const std::size_t half = last && at == kMost ? kMost : kMost / 2;
    const auto middle = here.begin() + static_cast<std::ptrdiff_t>(half);
    auto behind = std::make_shared<Node>();
    std::vector<Item>& there = (*behind).*items;
    there.reserve(kMost);
    there.assign(std::make_move_iterator(middle), std::make_move_iterator(here.end()));
    here.erase(middle, here.end());
    if (at < half) {
      here.insert(here.begin() + static_cast<std::ptrdiff_t>(at), std::move(item));
    } else {
      there.insert(there.begin() + static_cast<std::ptrdiff_t>(at - half), std::move(item));
    }
    return behind;
  }

  /// The node that is new behind `link`; usually null. `last`: nothing is behind `link`.
  Link Insert(Link& link, const Key& key, Value& value, bool last) {
    Node& node = Own(link);
    if (node.children.empty()) {
      const std::size_t above = FirstAbove(node.entries, key);
      if (above > 0 && !(node.entries[above - 1].key < key)) {
        node.entries[above - 1].value = std::move(value);
        return nullptr;
      }
      ++size_;
      return PutIn(node, &Node::entries, above, Entry{key, std::move(value)}, last);
    }
    const std::size_t i = ChildFor(node, key);
    const bool is_last = last && i + 1 == node.children.size();
    Link split = Insert(node.children[i].node, key, value, is_last);
    if (split == nullptr) return nullptr;
    Child child{FirstOf(split.get())->key, std::move(split)};
    return PutIn(node, &Node::children, i + 1, std::move(child), is_last);
  }

  /// REQUIRES: `key` is there.
  static void Remove(Link& link, const Key& key) {
    Node& node = Own(link);
    if (node.children.empty()) {
      node.entries.erase(node.entries.begin() +
                         static_cast<std::ptrdiff_t>(FirstAbove(node.entries, key) - 1));
      return;
    }
    const auto child = node.children.begin() + static_cast<std::ptrdiff_t>(ChildFor(node, key));
    Remove(child->node, key);
    if (child->node->entries.empty() && child->node->children.empty()) node.children.erase(child);
  }

  template <typename Function>
  static void Visit(const Node* node, Function& function) {
    if (node == nullptr) return;
    for (const Entry& entry : node->entries) function(entry.key, entry.value);
    for (const Child& child : node->children) Visit(child.node.get(), function);
  }
  /// `from`: only from that key on. False: `function` has said so.
  template <typename Function>
  static bool Walk(const Node* node, const Key* from, Function& function) {
    for (std::size_t i = from == nullptr ? 0 : IndexOf(*node, *from);; from = nullptr, ++i) {
      if (i < node->entries.size()) {
        if (!function(node->entries[i].key, node->entries[i].value)) return false;
      } else if (i < node->children.size()) {
        if (!Walk(node->children[i].node.get(), from, function)) return false;
      } else {
        return true;
      }
    }
  }
  template <typename Function>
  static bool Change(Link& link, const Key* from, Function& function) {
    Node& node = Own(link);
    for (std::size_t i = from == nullptr ? 0 : IndexOf(node, *from);; from = nullptr, ++i) {
      if (i < node.entries.size()) {
        if (!function(node.entries[i].key, &node.entries[i].value)) return false;
      } else if (i < node.children.size()) {
        if (!Change(node.children[i].node, from, function)) return false;
      } else {
        return true;
      }
    }
  }
  /// REQUIRES: `key` is there, and `node` on the way to it.
  static std::size_t IndexOf(const Node& node, const Key& key) {
    return node.children.empty() ? FirstAbove(node.entries, key) - 1 : ChildFor(node, key);
  }
  template <typename Function>
  static void VisitOnce(const Link& link, std::unordered_set<const void*>* seen,
                        Function& function) {
    if (link == nullptr) return;
    if (link.use_count() > 1 && !seen->insert(link.get()).second) return;
    for (const Entry& entry : link->entries) function(entry.key, entry.value);
    for (const Child& child : link->children) VisitOnce(child.node, seen, function);
  }

  Link root_;
  std::size_t size_ = 0;
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
    std::uint64_t at = range.start;
    ForEachIn(range, [&](AddressRange piece, const Value&) {
      if (piece.start > at) return false;
      at = piece.end;
      return at < range.end;
    });
    return at < range.end ? std::optional(at) : std::nullopt;
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

  /// Calls `change(piece, &value)` for every piece of `range`.
  template <typename Function>
  void Update(AddressRange range, Function&& change) {
    CutAt(range.start);
    CutAt(range.end);
    const auto* first = map_.Ceiling(range.start);
    if (first == nullptr || first->key >= range.end) return;
    map_.ChangeFrom(std::uint64_t{first->key}, [&](std::uint64_t start, Entry* entry) {
      if (start >= range.end) return false;
      change(AddressRange{start, entry->end}, &entry->value);
      return entry->end < range.end;
    });
  }

  /// Makes one range of neighbours in `within`, or at its edges, for which
  /// `joins(value, size of its range, value behind it)`: the first value stays.
  template <typename Predicate>
  void Join(AddressRange within, Predicate&& joins) {
    const auto* node = within.start == 0 ? nullptr : map_.Floor(within.start - 1);
    if (node == nullptr || node->value.end != within.start) node = map_.Ceiling(within.start);
    while (node != nullptr && (node = FirstToJoin(node->key, within.end, joins)) != nullptr) {
      const std::uint64_t start = node->key;
      Entry joined = node->value;
      for (const auto* next = map_.Find(joined.end);
           next != nullptr && next->key <= within.end &&
           joins(joined.value, joined.end - start, next->value.value);
           next = map_.Find(joined.end)) {
        joined.end = next->value.end;
        map_.Erase(next->key);
      }
      const std::uint64_t end = joined.end;
      map_.Set(start, std::move(joined));
      node = map_.Ceiling(end);
    }
  }

  /// Calls `function(range, value)` for every range that overlaps `within`, uncut; no further where
  /// it gives false.
  template <typename Function>
  void ForEachIn(AddressRange within, Function&& function) const {
    auto [first, next] = map_.Around(within.start);
    if (first == nullptr || first->value.end <= within.start) first = next;
    if (first == nullptr || first->key >= within.end) return;
    map_.ForEachFrom(first->key, [&](std::uint64_t start, const Entry& entry) {
      if (start >= within.end) return false;
      if constexpr (std::is_void_v<decltype(function(AddressRange{}, entry.value))>) {
        function(AddressRange{start, entry.end}, entry.value);
      } else if (!function(AddressRange{start, entry.end}, entry.value)) {
        return false;
      }
      return entry.end < within.end;
    });
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
  /// The first from `first` on, which begins below `end`, that joins with what is behind it.
  template <typename Predicate>
  const auto* FirstToJoin(std::uint64_t first, std::uint64_t end, Predicate& joins) const {
    const Entry* before = nullptr;
    std::uint64_t start = first;
    bool found = false;
    map_.ForEachFrom(first, [&](std::uint64_t at, const Entry& entry) {
      found = before != nullptr && at <= end && before->end == at &&
              joins(before->value, at - start, entry.value);
      if (found || at >= end) return false;
      before = &entry;
      start = at;
      return true;
    });
    return found ? map_.Find(start) : nullptr;
  }

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
