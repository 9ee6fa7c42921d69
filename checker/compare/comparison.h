// SPDX-License-Identifier: Apache-2.0
// The comparison of a final state with a snapshot. Internal to checker/.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "checker/check.h"
#include "checker/kernel/kernel.h"
#include "dsl/references.h"

namespace crgen::check {

/// Consecutive pages of either side in one form.
struct PlainRun {
  AddressRange range;
  std::string_view image;
  std::uint64_t offset = 0;
  bool zero_if_absent = false;  ///< untouched memory here reads as zeros
};

/// The two sides' numbers for objects of one kind: the first pair that is met tells which is which.
class Renaming {
 public:
  /// False: one of the two stands for another one already.
  bool Pair(std::uint64_t expected, std::uint64_t found) {
    const auto there = found_.try_emplace(expected, found).first;
    const auto back = expected_.try_emplace(found, expected).first;
    return there->second == found && back->second == expected;
  }
  /// What `expected` is called in the program; itself, if nothing tells.
  std::uint64_t FoundFor(std::uint64_t expected) const {
    const auto there = found_.find(expected);
    return there == found_.end() ? expected : there->second;
  }

 private:
  std::unordered_map<std::uint64_t, std::uint64_t> found_;
  std::unordered_map<std::uint64_t, std::uint64_t> expected_;
};

class Comparison {
 public:
  Comparison(const Kernel& kernel, const Snapshot& snapshot, const PageReader& read_page,
             Diagnostics& diag);
  void Run();

 private:
  // processes.cc
  void CompareUserNamespaces();
  void CompareGone();
  void CompareProcess(std::size_t index);
  void ComparePlace(const std::string& where, const TreeNode& node, const Task& task);
  void CompareState(const std::string& where, const crgen::Process& process, const Task& task);
  void CompareThreads(const std::string& where, const crgen::Process& process, const Task& task);
  void CompareTable(std::size_t index, const Task& task);
  void CompareSlots(const std::string& where, const DescriptorTable& expected, const Table& found);
  void CompareDescription(const std::string& where, FileIndex file, const Description& found);
  void CompareFile(const std::string& where, const File& expected, const File& found);
  Renaming& RenamingOf(ObjectKind kind);
  void CompareObjects(const std::string& where, const File& expected, const File& found);
  // What is behind a description, for each type that has an object.
  void CompareContent(const std::string& where, const File& expected, const Description& found);
  void CompareObject(const std::string& where, const Pipe& expected, const Description& found);
  void CompareObject(const std::string& where, const Fifo& expected, const Description& found);
  void CompareObject(const std::string& where, const BpfMap& expected, const Description& found);
  void CompareObject(const std::string& where, const RegularFile& expected,
                     const Description& found);
  void CompareObject(const std::string&, const Memfd&, const Description&) {}  // CompareMemfds()
  void ComparePipe(const std::string& where, const PipeContent* expected, const Description& found);
  // terminals.cc
  void CompareObject(const std::string& where, const Tty& expected, const Description& found);
  void CompareSessions();
  void CompareLate(const std::string& where, FileIndex file, const Description& found);
  // epoll.cc
  /// What the sets watch, when all descriptions are paired.
  void CompareEpollSets();
  void CompareEpollSet(const std::string& where, const LateEntry& expected,
                       const Description& found);

  void ReportExtraProcesses();

  // unlinked.cc
  void CompareUnlinked(const std::string& where, const Rare<Unlinked>& expected,
                       const Rare<Unlinked>& found);
  /// Each gives `*found` the snapshot's name of a file without one, if both mean the same.
  void Rename(const std::optional<UnlinkedId>& expected, std::optional<UnlinkedId>* found);
  void Rename(const InotifyWatches& expected, InotifyWatches* found);
  void Rename(const FanotifyMarks& expected, FanotifyMarks* found);
  /// Of a process; `expected` may be null.
  void CompareAttributesOf(const std::string& where, const Attributes* expected,
                           const Attributes& found);

  // locks.cc
  void CompareLocks();

  // cgroups.cc
  void CompareCgroups();

  void Differ(const std::string& where, const std::string& field, const std::string& expected,
              const std::string& found);

  // sockets.cc
  void CompareSockets();
  void CompareQueue(const SocketQueue& expected, const SocketObject& found,
                    const std::string& where);
  void ComparePeers();

  // memory.cc
  void CompareMemory(const std::string& where, const AddressSpace& expected, const Space& found);
  void CompareGuards(const std::string& where, const AddressSpace& expected, const Space& found);
  void ComparePages(const std::string& where, const std::vector<PlainRun>& expected,
                    const std::vector<PlainRun>& found);
  void CompareBytes(const std::string& where, const PlainRun& expected, const PlainRun& found);
  void CheckAbsent(const std::string& where, const PlainRun& expected);
  bool Read(std::string_view image, std::uint64_t offset, std::vector<char>* bytes);
  std::vector<PlainRun> Plain(const std::vector<PageRun>& runs, bool zero_if_absent) const;
  std::vector<PlainRun> Plain(const PageMap& pages) const;
  std::vector<PlainRun> PrivatePages(const AddressSpace& space) const;
  void CompareMemfds();
  void CompareShmems();

  const Kernel& kernel_;
  const Snapshot& snapshot_;
  const PageReader& read_page_;
  Diagnostics& diag_;
  // The two sides' names for one thing: tables and descriptions.
  std::unordered_map<TableIndex, const Table*> table_of_;
  std::unordered_map<const Table*, TableIndex> known_tables_;
  std::unordered_map<FileIndex, const Description*> description_of_;
  std::unordered_map<const Description*, FileIndex> known_descriptions_;
  struct EpollPair {
    std::string where;
    const LateEntry* expected;
    const Description* found;
  };
  std::vector<EpollPair> epoll_sets_;
  Renaming files_;
  Renaming shmems_;
  Renaming memfds_;
  Renaming pipes_;
  Renaming fifos_;
  Renaming sockets_;
  Renaming unlinked_names_, unlinked_files_;
  std::unordered_set<std::uint64_t> compared_unlinked_;
  Renaming dead_;
  Renaming terminals_;
  Renaming bpf_maps_;
  std::unordered_set<std::uint64_t> compared_terminals_;
};

}  // namespace crgen::check
