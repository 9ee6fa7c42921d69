// SPDX-License-Identifier: Apache-2.0
// What a tree of processes would be and have after a restore, as far as rights go: out of a dump or
// a program, in one form.
// This folder may include: checker, dsl, model, preflight, views.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "checker/check.h"
#include "model/diagnostics.h"
#include "model/rare.h"
#include "model/snapshot.h"
#include "model/unplanned.h"
#include "model/values.h"
#include "policy/members.h"

namespace crgen {

/// One thing that somebody has. Texts are bytes from outside.
struct Claim {
  Kind kind;
  std::vector<std::string> parts;  ///< kGlobs: one; kEntries: one for each part; kNever: two
  std::string_view word;           ///< kEntries with words; of the table
  std::uint64_t number = 0;        ///< kNumbers, kMost
  std::string where;               ///< the first place that has it
  std::size_t more = 0;            ///< how many others have
};

/// What a file was when it was dumped.
struct FileWas {
  std::optional<std::uint32_t> mode;
  std::optional<std::uint64_t> size;
  Rare<Bytes> build_id;
};

/// All claims, each once.
class Authority {
 public:
  /// `where()` is asked for a place if it is the first.
  template <typename Where>
  void Add(Kind kind, std::vector<std::string> parts, std::string_view word, Where&& where) {
    if (Claim* claim = Find({kind, std::move(parts), word, 0, {}, 0})) claim->where = where();
  }
  template <typename Where>
  void Add(Kind kind, std::string text, Where&& where) {
    Add(kind, {std::move(text)}, {}, where);
  }
  template <typename Where>
  void AddNumber(Kind kind, std::uint64_t number, Where&& where) {
    if (Claim* claim = Find({kind, {}, {}, number, {}, 0})) claim->where = where();
  }
  /// Keeps the largest.
  void AddMost(Kind kind, std::uint64_t number, std::string where);
  void AddUnknown(std::string where, std::string what) {
    Add(Kind::kUnknown, {std::move(where), std::move(what)}, {}, [] { return std::string(); });
  }
  /// A file that the tree uses, by its path.
  void AddFile(const std::string& path, const FileWas& was);

  /// `*touched`, unless null, gets the claims that are added or counted from now on: for whoever
  /// has the same once more, and says so by Again(). Before Sort().
  void Record(std::vector<std::size_t>* touched) { touched_ = touched; }
  void Again(const std::vector<std::size_t>& touched) {
    for (const std::size_t claim : touched) ++claims_[claim].more;
  }

  /// Puts claims in the order of kinds and values.
  void Sort();
  const std::vector<Claim>& claims() const { return claims_; }
  /// What is there, on the host of the restore, or its caller's: all but what a restore makes.
  const std::map<std::string, FileWas>& files() const { return files_; }
  /// The mounts of a namespace of its own, beginning with its root; empty: paths are the caller's.
  const std::vector<Mount>& mounts() const { return mounts_; }
  void SetMounts(const std::vector<Mount>& mounts) { mounts_ = mounts; }

 private:
  /// The new claim; nullptr: it was there, and is counted.
  Claim* Find(Claim claim);

  std::vector<Claim> claims_;
  std::unordered_map<std::string, std::size_t> index_;
  std::vector<std::size_t>* touched_ = nullptr;
  std::map<std::string, FileWas> files_;
  std::vector<Mount> mounts_;
};

/// Of a dump as far as it can be read. `findings` are those of reading it: whatever is an error or
/// unsupported is unknown. `invented`: how many processes its program has that are not in it. Cost:
/// linear.
Authority AuthorityOf(const Snapshot& snapshot, const Unplanned& unplanned,
                      const Diagnostics& findings, std::size_t invented);

/// Of a program that CheckProgram has found right, and left in `state`. What is opened counts also
/// if it is closed again; of memory, ids and attributes what they end in. Cost: linear in both.
Authority AuthorityOf(const Program& program, const SimulatedState& state);

}  // namespace crgen
