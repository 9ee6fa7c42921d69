// SPDX-License-Identifier: Apache-2.0
// The comparison behind diff.h. Private to views/.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <type_traits>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "dsl/references.h"
#include "dsl/value_text.h"
#include "views/diff.h"
#include "views/relations.h"
#include "views/words.h"

namespace crgen {

/// What is compared there, and whose it is.
struct Place {
  Aspect aspect = Aspect::kDump;
  std::optional<Pid> pid = std::nullopt;
  std::string where = {};
};

/// The two sides' numbers for things of one kind: the first pair that is met tells which is which.
class Renaming {
 public:
  /// False: one of the two stands for another one already.
  bool Pair(std::uint64_t before, std::uint64_t after) {
    const auto there = after_.find(before), back = before_.find(after);
    if (there == after_.end() && back == before_.end()) {
      after_.emplace(before, after);
      before_.emplace(after, before);
      return true;
    }
    return there != after_.end() && there->second == after && back != before_.end();
  }
  /// Whether the two have been paired.
  bool ArePaired(std::uint64_t before, std::uint64_t after) const {
    const auto there = after_.find(before);
    return there != after_.end() && there->second == after;
  }
  /// What stands for `after` on the first side; nothing: it has not been paired.
  std::optional<std::uint64_t> BeforeOf(std::uint64_t after) const {
    const auto back = before_.find(after);
    return back == before_.end() ? std::nullopt : std::optional(back->second);
  }

 private:
  std::unordered_map<std::uint64_t, std::uint64_t> after_, before_;
};

/// What a restorer checks of a file, and its path.
std::string ChecksOf(const RegularFile& file);

/// What identifies an entry of a list in which order means nothing; others have none.
std::string KeyOf(const SignalAction& action);
std::string KeyOf(const Rlimit& limit);
std::string KeyOf(const PosixTimer& timer);
std::string KeyOf(const TlsDescriptor& entry);
std::string KeyOf(const CgroupPath& path);
std::string KeyOf(const CgroupProperty& property);
std::string KeyOf(const InotifyWatch& watch);
std::string KeyOf(const Mount& mount);
std::string KeyOf(const ShmSegment& segment);
std::string KeyOf(const IdRange& range);
std::string KeyOf(const MsgQueue& queue);
std::string KeyOf(const SemSet& set);

template <typename Entry>
concept Keyed = requires(const Entry& entry) {
  KeyOf(entry);
};

/// What names an object, which may be called otherwise.
template <typename Value>
struct NamesObject
    : std::bool_constant<kIsObjectId<Value> || std::is_same_v<Value, UtsNamespace> ||
                         std::is_same_v<Value, IpcNamespace> ||
                         std::is_same_v<Value, NetNamespace> || std::is_same_v<Value, Mount>> {};

/// What says where bytes are: the same place of two images may hold others.
template <typename Value>
struct IsInImage
    : std::bool_constant<std::is_same_v<Value, ImageBytes> || std::is_same_v<Value, ContentRun>> {};

/// Whether values of that type are, or have in them, what `Is` holds of.
template <template <typename> typename Is, typename Value>
constexpr bool Has() {
  if constexpr (Is<Value>::value) {
    return true;
  } else if constexpr (InnerOf<Value>::kIsOptional || InnerOf<Value>::kIsVector) {
    return Has<Is, typename InnerOf<Value>::Type>();
  } else if constexpr (Described<Value>) {
    bool any = false;
    ForEachField<Value>([&](const auto& field) {
      using Member = std::decay_t<decltype(std::declval<Value>().*field.member)>;
      any = any || Has<Is, Member>();
    });
    return any;
  } else {
    return false;
  }
}

/// Collects differences of values, field by field.
class ValueDiffer {
 public:
  ValueDiffer(const DiffSide& before, const DiffSide& after, const DiffOptions& options,
              Diagnostics& diag)
      : before_(before), after_(after), options_(options), diag_(diag) {}

 protected:
  void Add(const Place& place, const std::string& field, const std::string& before,
           const std::string& after, std::size_t more = 0);

  template <typename Value>
  void Compare(const Place& place, const std::string& field, const Value& before,
               const Value& after) {
    if constexpr (!Has<NamesObject, Value>()) {
      const bool decides = options_.same_images || !Has<IsInImage, Value>();
      if (decides && before == after) return;
    }
    CompareInner(place, field, before, after);
  }

  /// All members of a struct, each under its own name.
  template <typename Struct>
  void CompareFields(const Place& place, const std::string& prefix, const Struct& before,
                     const Struct& after) {
    ForEachField<Struct>([&](const auto& member) {
      Compare(place, prefix + std::string(member.name), before.*member.member,
              after.*member.member);
    });
  }

  /// Whether two numbers name one thing: in either mode, each in its own space.
  bool SameNumber(std::string_view space, std::uint64_t before, std::uint64_t after);

  // Bytes of images: equal, different, or nobody can say, which is noted.
  enum class Content { kSame, kOther, kUnknown };
  Content SameBytes(const std::string& image, std::uint64_t offset, const std::string& other_image,
                    std::uint64_t other_offset, std::uint64_t bytes);

  /// Whether what ip(8), iptables-save(8) and so on have said of a network means the same.
  bool SameNetwork(const NetImageRow& row, const ImageBytes& before, const ImageBytes& after);

  /// False: they cannot be read, which `diag` says.
  bool Read(const DiffSide& side, const std::string& image, std::uint64_t offset,
            std::vector<char>* bytes);

  bool Near(long double before, long double after, long double interval = 0) const;

  const DiffSide& before_;
  const DiffSide& after_;
  const DiffOptions& options_;
  Diagnostics& diag_;
  Differences found_;
  std::uint64_t pages_not_compared_ = 0;
  std::vector<std::uint64_t> kernels_;  ///< addresses of the areas of rseq(2) of a process
  bool bytes_not_compared_ = false;

 private:
  template <typename Value>
  void CompareInner(const Place& place, const std::string& field, const Value& before,
                    const Value& after) {
    if constexpr (Described<Value>) {
      CompareFields(place, field + ".", before, after);
    } else {
      Add(place, field, ValueText(before), ValueText(after));
    }
  }
  template <typename Tag>
  void CompareInner(const Place& place, const std::string& field, ObjectId<Tag> before,
                    ObjectId<Tag> after) {
    if (!SameNumber(SpaceOf(before), before.value, after.value))
      Add(place, field, ValueText(before), ValueText(after));
  }
  template <typename Value>
  void CompareInner(const Place& place, const std::string& field,
                    const std::optional<Value>& before, const std::optional<Value>& after) {
    CompareOptional(place, field, before, after);
  }
  template <typename Value>
  void CompareInner(const Place& place, const std::string& field, const Rare<Value>& before,
                    const Rare<Value>& after) {
    CompareOptional(place, field, before, after);
  }
  template <typename Value>
  void CompareInner(const Place& place, const std::string& field, const Seldom<Value>& before,
                    const Seldom<Value>& after) {
    CompareInner(place, field, *before, *after);
  }
  template <typename Optional>
  void CompareOptional(const Place& place, const std::string& field, const Optional& before,
                       const Optional& after) {
    if (!before && !after) return;
    if (before && after) return Compare(place, field, *before, *after);
    Add(place, field, ValueText(before), ValueText(after));
  }
  template <typename Entry>
  void CompareInner(const Place& place, const std::string& field, const std::vector<Entry>& before,
                    const std::vector<Entry>& after) {
    if constexpr (Keyed<Entry>) {
      CompareByKey(place, field, before, after);
    } else if constexpr (Described<Entry>) {
      for (std::size_t i = 0; i < std::max(before.size(), after.size()); ++i) {
        const std::string name = field + "[" + std::to_string(i) + "]";
        if (i < before.size() && i < after.size()) {
          Compare(place, name, before[i], after[i]);
        } else if (i < before.size()) {
          Add(place, name, ValueText(before[i]), "none");
        } else {
          Add(place, name, "none", ValueText(after[i]));
        }
      }
    } else {
      CompareWords(place, field, before, after);
    }
  }

  /// Lists of numbers and names: short ones whole, of long ones the first entry that differs.
  template <typename Entry>
  void CompareWords(const Place& place, const std::string& field, const std::vector<Entry>& before,
                    const std::vector<Entry>& after) {
    constexpr std::size_t kShort = 8;
    if (before.size() != after.size() || before.size() <= kShort)
      return Add(place, field, ListText(before), ListText(after));
    std::size_t first = before.size(), others = 0;
    for (std::size_t i = before.size(); i-- > 0;) {
      if (before[i] == after[i]) continue;
      first = i;
      ++others;
    }
    Add(place, field + "[" + std::to_string(first) + "]", ValueText(before[first]),
        ValueText(after[first]), others - 1);
  }

  template <typename Entry>
  static std::string ListText(const std::vector<Entry>& entries) {
    constexpr std::size_t kShown = 16;  // more are cut anyway
    if (entries.empty()) return "none";
    std::string text = entries.size() > kShown ? ValueText(entries) + ":" : "";
    for (std::size_t i = 0; i < std::min(entries.size(), kShown); ++i)
      text += (text.empty() ? "" : " ") + ValueText(entries[i]);
    return text + (entries.size() > kShown ? " …" : "");
  }

  template <typename Entry>
  void CompareByKey(const Place& place, const std::string& field, const std::vector<Entry>& before,
                    const std::vector<Entry>& after) {
    std::unordered_map<std::string, std::pair<std::size_t, const Entry*>> known;
    const auto key_of = [](const Entry& entry, std::unordered_map<std::string, int>* seen) {
      // What is there several times is told apart by its order.
      const std::string key = KeyOf(entry);
      const int time = (*seen)[key]++;
      return time == 0 ? key : key + " #" + std::to_string(time + 1);
    };
    std::unordered_map<std::string, int> seen_after, seen_before;
    for (const Entry& entry : after) known.try_emplace(key_of(entry, &seen_after), 0, &entry);
    for (const Entry& entry : before) {
      const std::string key = key_of(entry, &seen_before), name = field + "[" + key + "]";
      const auto other = known.find(key);
      if (other == known.end()) {
        Add(place, name, ValueText(entry), "none");
        continue;
      }
      other->second.first = 1;
      Compare(place, name, entry, *other->second.second);
    }
    std::unordered_map<std::string, int> again;
    for (const Entry& entry : after) {
      const std::string key = key_of(entry, &again);
      if (known.at(key).first == 0) Add(place, field + "[" + key + "]", "none", ValueText(entry));
    }
  }

  // What is not compared by its members alone.
  void CompareInner(const Place& place, const std::string& field, const ImageBytes& before,
                    const ImageBytes& after);
  void CompareInner(const Place& place, const std::string& field, const ContentRun& before,
                    const ContentRun& after);
  void CompareInner(const Place& place, const std::string& field, const Bytes& before,
                    const Bytes& after);
  void CompareInner(const Place& place, const std::string& field, const IntervalTimer& before,
                    const IntervalTimer& after);
  void CompareInner(const Place& place, const std::string& field, const PosixTimer& before,
                    const PosixTimer& after);
  void CompareInner(const Place& place, const std::string& field, const ClockReading& before,
                    const ClockReading& after);
  void CompareInner(const Place& place, const std::string& field, const TcpStream& before,
                    const TcpStream& after);
  void CompareInner(const Place& place, const std::string& field, const UtsNamespace& before,
                    const UtsNamespace& after) {
    CompareNamespace(place, field, before, after);
  }
  void CompareInner(const Place& place, const std::string& field, const IpcNamespace& before,
                    const IpcNamespace& after) {
    CompareNamespace(place, field, before, after);
  }
  void CompareInner(const Place& place, const std::string& field, const NetNamespace& before,
                    const NetNamespace& after);
  void CompareInner(const Place& place, const std::string& field, const Mount& before,
                    const Mount& after);
  void CompareInner(const Place& place, const std::string& field, const EnteredNamespaces& before,
                    const EnteredNamespaces& after) {
    EnteredNamespaces same = after;
    const bool both = before.mnt && after.mnt;
    if (both && SameNumber("mount namespace", *before.mnt, *after.mnt)) same.mnt = before.mnt;
    if (before.net && after.net && SameNumber("namespace", *before.net, *after.net)) {
      same.net = before.net;
    }
    CompareFields(place, field + ".", before, same);
  }
  /// The ids of mounts, and of network namespaces.
  void CompareInner(const Place& place, const std::string& field, const Rare<std::uint64_t>& before,
                    const Rare<std::uint64_t>& after) {
    const char* space = field.ends_with("net") ? "namespace" : "mount";
    if (before && after && SameNumber(space, *before, *after)) return;
    CompareOptional(place, field, before, after);
  }
  template <typename Namespace>
  void CompareNamespace(const Place& place, const std::string& field, const Namespace& before,
                        Namespace after) {
    if (SameNumber("namespace", before.id, after.id)) after.id = before.id;
    CompareFields(place, field + ".", before, after);
  }

  static std::string_view SpaceOf(FileId) { return "file"; }
  static std::string_view SpaceOf(InodeId) { return "memfd"; }
  static std::string_view SpaceOf(PipeId) { return "pipe"; }
  static std::string_view SpaceOf(FifoId) { return "fifo"; }
  static std::string_view SpaceOf(BpfMapId) { return "map"; }
  static std::string_view SpaceOf(TtyId) { return "terminal"; }
  static std::string_view SpaceOf(DeadId) { return "dead"; }
  static std::string_view SpaceOf(UnlinkedId) { return "unlinked name"; }
  static std::string_view SpaceOf(ShmemId) { return "shmem"; }
  static std::string_view SpaceOf(SocketId) { return "socket"; }
  static std::string_view SpaceOf(SocketReference) { return "socket"; }

  std::map<std::string, Renaming, std::less<>> renamings_;
};

/// Two snapshots.
class SnapshotDiffer : public ValueDiffer {
 public:
  SnapshotDiffer(const DiffSide& before, const DiffSide& after, const DiffOptions& options,
                 Diagnostics& diag);
  Differences Run();

 private:
  const Snapshot& a() const { return before_.dump.snapshot; }
  const Snapshot& b() const { return after_.dump.snapshot; }

  // diff.cc
  void CompareProcess(ProcessIndex before, ProcessIndex after);
  void ComparePlace(const Place& place, const TreeNode& before, const TreeNode& after);
  bool CompareState(const Place& place, const Process& before, const Process& after);
  void CompareThreads(Pid pid, const Process& before, const Process& after);
  void CompareAttributes(const Place& place, const std::shared_ptr<const Attributes>& before,
                         const std::shared_ptr<const Attributes>& after);
  void CompareTree();
  void CompareCgroups();
  void SortByProcess();
  void Note();

  // diff_files.cc
  struct Slot {
    Fd fd = 0;
    bool cloexec = false;
    FileIndex file;  ///< none: unplanned
    const UnplannedDescriptor* unplanned = nullptr;
  };
  static std::vector<Slot> SlotsOf(const DiffSide& side, const Relations& relations,
                                   TableIndex table);
  void CompareTable(ProcessIndex one_of, ProcessIndex other_of);
  void CompareSlot(Pid pid, TableIndex before, TableIndex after, const Slot& one,
                   const Slot& other);
  bool CompareDescription(const Place& place, FileIndex before, FileIndex after);
  void CompareFile(const Place& place, const File& before, const File& after);
  void CompareContent(const Place& place, const File& before, const File& after);
  // For each type that has an object; `after` is of the same type.
  void CompareObject(const Place& place, const File& before, const Pipe& pipe, const File& after);
  void CompareObject(const Place& place, const File& before, const Fifo& fifo, const File& after);
  void CompareObject(const Place& place, const File& before, const Memfd&, const File& after);
  void CompareObject(const Place& place, const File&, const Tty& before, const File& later);
  void CompareObject(const Place& place, const File&, const RegularFile& regular,
                     const File& after);
  void ComparePipe(const Place& place, const PipeContent& before, const PipeContent& after);
  void CompareMemfd(const Place& place, const MemfdObject& before, const MemfdObject& after);
  void CompareUnlinked(const Place& place, const Rare<Unlinked>& before,
                       const Rare<Unlinked>& after);
  void CompareLate(const Place& place, FileIndex before, FileIndex after);
  void CompareLocks(const Place& place, FileIndex before, FileIndex after);
  void CompareEpoll(const Place& place, const LateEntry& before, const LateEntry& after);
  void CompareQueue(const Place& place, FileIndex before, FileIndex after);
  void ComparePeer(const Place& place, FileIndex before, FileIndex after);
  void CompareConnections();

  // diff_bpf_maps.cc
  void CompareObject(const Place& place, const File&, const BpfMap& before, const File& later);
  bool EntriesOf(const DiffSide& side, const BpfMapObject& map, std::vector<std::string>* entries);
  bool HaveSameEntries(const BpfMapObject& before, const BpfMapObject& after);

  // diff_memory.cc
  void CompareMemory(Pid pid, ProcessIndex before, ProcessIndex after);
  void CompareRegion(const Place& place, const Region& before, const Region& after);
  void CompareMapped(const Place& place, const Region& before, const Region& after);
  void CompareShared(const Place& place, const Region& before, const Region& after);
  void CompareUnplanned(Pid pid, ProcessIndex before, ProcessIndex after);
  void CompareGuards(Pid pid, const AddressSpace& before, const AddressSpace& after);
  void FindKernelWords(const Process& before, const Process& after);
  void ForgetKernelWords(std::uint64_t start, std::vector<char>* bytes) const;
  void ComparePrivatePages(Pid pid, const AddressSpace& before, const AddressSpace& after);
  struct PageSet {
    const std::vector<PageRun>& before;
    const std::vector<PageRun>& after;
  };
  struct Fill {
    bool before_is_zero, after_is_zero;  ///< what has no page there
  };
  /// Pages in [from, to) whose content differs. `*at`: the runs that were reached, which ascend.
  struct Cursor {
    std::size_t before = 0, after = 0;
  };
  void ChangedPages(const PageSet& pages, AddressRange range, Fill fill, Cursor* at,
                    std::vector<AddressRange>* changed);
  void ChangedRuns(const PageRun& before, const PageRun& after, std::vector<AddressRange>* changed);
  void NonZeroPages(const DiffSide& side, const PageRun& run, std::vector<AddressRange>* changed);
  void AddPages(const Place& place, const std::vector<AddressRange>& changed);
  void CompareObjectPages(const Place& place, const std::vector<PageRun>& before,
                          const std::vector<PageRun>& after);

  const Relations relations_a_, relations_b_;
  Renaming tables_, files_;
  struct Met {
    Place place;
    FileIndex before, after;
  };
  std::vector<Met> met_;                      ///< descriptions that stand for each other
  std::unordered_set<std::string> compared_;  ///< objects
  std::unordered_map<Pid, ProcessIndex> after_of_;
  /// What a restorer checks of each file that is mapped, by path.
  std::unordered_set<std::string> checks_a_, checks_b_;
};

}  // namespace crgen
