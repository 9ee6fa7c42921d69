// SPDX-License-Identifier: Apache-2.0
// From parts of the model to claims, whichever of both a tree comes from. Private to policy/.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>

#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <unordered_set>

#include "model/one_of.h"
#include "policy/authority.h"

namespace crgen::policy {

/// A region, as far as rights go.
struct MappedPart {
  Prot prot;
  RegionKind kind = RegionKind::kPrivateAnonymous;
  const File* file = nullptr;
  OpenFlags open_flags;      ///< how the file was opened to be mapped
  std::string memfd;         ///< its name
  bool loaded = false;       ///< some of its bytes are the dump's
  bool outside = false;      ///< System V shared memory that the plan does not make
  std::uint64_t object = 0;  ///< of shared memory: whoever has the same maps the same; 0: none
  bool sealed = false;       ///< a memfd that nobody can write any more
};

/// Gathers the claims of one tree.
class Claims {
 public:
  explicit Claims(Authority& authority) : out_(authority) {}

  /// All attributes that are given must outlive this.
  void Thread(Pid pid, Pid tid, const Attributes& attributes);
  /// What of `attributes` belongs to the process. `exe`: its executable, where a file says it.
  void Process(Pid pid, const Attributes& attributes, const File* exe);
  /// A description that somebody opens, or has in a message.
  template <typename Where>
  void Opened(const File& file, Where&& where) {
    if (!opened_.insert(&file).second) return;
    OpenedAt(file, where());
  }
  /// `fd` of a process whose root directory is `root`.
  void Held(Pid pid, const std::string& root, Fd fd, const File& file);
  template <typename Where>
  void Late(const LateState& state, Where&& where) {
    std::visit([&](const auto& late) { LateAt(late, where()); }, state);
  }
  void Mapped(Pid pid, const AddressRange& range, const MappedPart& region);
  /// The attributes of the root that are the whole tree's. `user`: null: the caller's.
  void Namespaces(const Attributes& root, bool new_pid, const PidNamespace* pid,
                  const UserNamespace* user);
  /// Whether the network lock of the dump is in a network namespace that is made, and ends there.
  static bool IsLockedInside(const Attributes& root) {
    return root.net && !root.net->external && !root.net->devices.empty();
  }
  void CgroupPlace(Pid tid, const CgroupPath& path);
  void CgroupMade(const CgroupDirectory& directory);
  void External(std::string_view kind, std::string key, std::string where) {
    out_.Add(Kind::kExternals, {std::string(kind), std::move(key)}, {}, [&] { return where; });
  }
  /// A file without a name is made, as its first opening describes it.
  void MadeUnlinked(const std::string& path, const Unlinked& file, const std::string& where);
  /// A file of that mode is made.
  void Made(const std::string& path, std::optional<std::uint32_t> mode, const std::string& where) {
    Setuid(path, mode ? std::optional(*mode | S_IFREG) : mode, where);
  }
  /// A BPF map is made.
  void MadeMap(const BpfMapObject& map, const std::string& where);
  void HungUp(TtyId terminal) { hung_up_.insert(terminal); }
  /// When all has been seen.
  void Finish();

 private:
  void Maps(const UserNamespace& user);
  void OpenedAt(const File& file, const std::string& where);
  void Path(const std::string& path, std::string_view word, const std::string& where,
            bool device = false);
  void Accessed(const RegularFile& file, OpenFlags flags, const std::string& where);
  void Setuid(const std::string& path, std::optional<std::uint32_t> mode, const std::string& where);
  void Credentials(const Creds& creds, const std::string& where);
  void SeccompOf(const Attributes& attributes, const std::string& where);
  void SchedulingOf(const Attributes& attributes, const std::string& where);
  void Mask(Kind kind, std::uint64_t mask, const std::string& where);
  void Socket(std::string family, std::string type, std::string protocol, std::string local,
              std::string peer, const std::string& where);
  /// `base`: of a bind mount, the one that it is a part of; null: none is known.
  void MountAt(const Mount& mount, const Mount* base);
  /// A timer of `clock`.
  void WakeAlarm(std::uint64_t clock, const std::string& where);

  // What a description of each type takes.
  template <OneOf<Eventfd, Signalfd, Eventpoll, Inotify, Pidfd, Pipe> Body>
  void Opens(const File&, const Body&, const std::string&) {}
  void Opens(const File&, const RegularFile&, const std::string&);
  void Opens(const File&, const Memfd&, const std::string&);
  void Opens(const File&, const Timerfd&, const std::string&);
  void Opens(const File&, const Fanotify&, const std::string&);
  void Opens(const File&, const Fifo&, const std::string&);
  void Opens(const File&, const UnixSocket&, const std::string&);
  void Opens(const File&, const InetSocket&, const std::string&);
  void Opens(const File&, const NetlinkSocket&, const std::string&);
  void Opens(const File&, const PacketSocket&, const std::string&);
  void Opens(const File&, const Tty&, const std::string&);
  void Opens(const File&, const NamespaceFile&, const std::string&);
  void Opens(const File&, const TunFile&, const std::string&);
  void Opens(const File&, const BpfMap&, const std::string&);
  void Opens(const File&, const OtherFile&, const std::string&);

  template <OneOf<QueueSetting, TtyInput, ShutdownSetting, SocketOptionsSetting, EpollTargets,
                  TtyForeground, TtyLock, TimerfdSetting, RepairSetting>
                State>
  void LateAt(const State&, const std::string&) {}
  void LateAt(const OwnerSetting&, const std::string&);
  void LateAt(const InotifyWatches&, const std::string&);
  void LateAt(const FanotifyMarks&, const std::string&);
  void LateAt(const LockSetting&, const std::string&);
  void LateAt(const LeaseSetting&, const std::string&);
  void Watch(const std::optional<Text>& path, const std::optional<InodeHandle>& handle,
             const std::string& where);

  struct Slave {
    std::string where;
    std::uint32_t index = 0;
  };
  void AddThread(const Attributes& attributes, const std::string& where);
  void AddProcess(const Attributes& attributes, const File* exe, const std::string& where);
  void AddMapped(const MappedPart& region, const std::string& where);
  void Shared(const MappedPart& region, const std::string& where);

  Authority& out_;
  // Processes are mostly like others: what the last thread and process had, and each region.
  const Attributes* last_thread_ = nullptr;
  const Attributes* last_process_ = nullptr;
  const File* last_exe_ = nullptr;
  std::vector<std::size_t> of_thread_, of_process_;
  using RegionKey = std::tuple<const File*, std::uint64_t, std::uint64_t, RegionKind, bool>;
  std::map<RegionKey, std::vector<std::size_t>> of_regions_;
  std::unordered_set<const File*> opened_;
  std::map<std::string, std::string> namespaces_;  ///< of which there are descriptors: the first
  std::set<std::string> own_namespaces_;           ///< those of the tree's that have no id
  std::set<std::string> written_;                  ///< without dots
  std::map<std::string, std::string> executed_;    ///< by whom
  struct SharedCode {
    std::string where;  ///< the first place that may execute it
    bool written = false;
  };
  std::map<std::pair<std::string, std::uint64_t>, SharedCode> shared_;  ///< by name and object
  std::set<TtyId> masters_, hung_up_;
  std::map<TtyId, Slave> slaves_;
};

/// "sha256:" and the digest of all filters, in the order in which they were installed.
std::string SeccompName(const Seccomp& seccomp);

std::string OfThread(Pid pid, Pid tid);

inline bool IsSealed(Seals seals) {
  return (seals.bits & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) != 0;
}

/// Where `path` leads if it goes over no links: without ".", "..", and slashes too many.
std::string WithoutDots(const std::string& path);

/// Whatever has its name there is a device, or in its place: the mode is the dump's word.
bool IsDevicePath(const std::string& path);

}  // namespace crgen::policy
