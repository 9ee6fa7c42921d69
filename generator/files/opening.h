// What the OPEN_FILEs of a program give and take: all that the descriptor plan knows of types.
#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

namespace crgen {

/// The openings of a snapshot's descriptions, which are named by their index in Snapshot::files.
/// Unless a planner says otherwise each is opened alone, and takes nothing.
class Openings {
 public:
  /// One call makes both (pipe(2), socketpair(2)): the OPEN_FILE of one has the other as `peer`. An
  /// end that no process holds gets a number for the moment, and is closed at once.
  void Pair(std::int32_t file, std::int32_t peer) {
    peers_[file] = peer;
    peers_[peer] = file;
  }
  /// `file` can be opened only when `earlier`, which some process holds, has been opened: anywhere
  /// in the tree.
  void Need(std::int32_t file, std::int32_t earlier) { needs_[file].push_back(earlier); }

  /// -1: it is opened alone.
  std::int32_t PeerOf(std::int32_t file) const {
    const auto found = peers_.find(file);
    return found == peers_.end() ? -1 : found->second;
  }
  /// One name for what one OPEN_FILE gives: the lower index.
  std::int32_t OpeningOf(std::int32_t file) const {
    const std::int32_t peer = PeerOf(file);
    return peer >= 0 && peer < file ? peer : file;
  }
  std::span<const std::int32_t> NeedsOf(std::int32_t file) const {
    const auto found = needs_.find(file);
    return found == needs_.end() ? std::span<const std::int32_t>() : found->second;
  }
  const std::unordered_map<std::int32_t, std::int32_t>& pairs() const { return peers_; }
  const std::unordered_map<std::int32_t, std::vector<std::int32_t>>& needs() const {
    return needs_;
  }

 private:
  std::unordered_map<std::int32_t, std::int32_t> peers_;
  std::unordered_map<std::int32_t, std::vector<std::int32_t>> needs_;
};

}  // namespace crgen
