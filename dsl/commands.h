// SPDX-License-Identifier: Apache-2.0
// THE table of the restore program: its 16 commands, their fields and their meaning. Adding or
// changing a command is an edit here, plus its meaning in whatever executes it.
// This folder may include: model.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "dsl/about.h"
#include "dsl/describe.h"
#include "dsl/image_bytes.h"
#include "model/attributes.h"
#include "model/files/file.h"
#include "model/flags.h"
#include "model/ids.h"
#include "model/rare.h"
#include "model/snapshot.h"
#include "model/values.h"

namespace crgen {

struct Fork {
  static constexpr std::string_view kName = "FORK";
  static constexpr std::string_view kMeaning =
      "clone3(2) with set_tid: `pid` creates a child with exactly this pid. But for what `flags` "
      "says it has what its parent has at that moment of session, group, namespaces, cgroups, "
      "descriptors and regions, and `comm` and `fs`; no other attribute is handed on.";
  Pid child_pid = 0;
  CloneFlags flags;
  IdMap uid_map = {}, gid_map = {};
  std::shared_ptr<const About> about = nullptr;
  std::optional<PidNamespace> pid_namespace = {};
};
template <>
struct Describe<PidNamespace> {
  static constexpr auto kFields = std::tuple{Required(
      "external", &PidNamespace::external,
      "the key by which the caller of a restore hands it over: pid_namespaces(7), setns(2)")};
};
template <>
struct Describe<IdRange> {
  static constexpr auto kFields =
      std::tuple{Required("inside", &IdRange::inside, "the first id in the new namespace"),
                 Required("outside", &IdRange::outside, "what that is to the restorer"),
                 Required("count", &IdRange::count, "how many, one after another")};
};
template <>
struct Describe<Fork> {
  static constexpr auto kFields = std::tuple{
      Required("child_pid", &Fork::child_pid, "no process uses it as pid, tid, pgid or sid")
          .Within(kPids),
      Optional("flags", &Fork::flags, "clone(2) flag names"),
      Optional("uid_map", &Fork::uid_map,
               "with CLONE_NEWUSER: written by the restorer, from outside, before the child does "
               "anything"),
      Optional("gid_map", &Fork::gid_map, "likewise"),
      Optional("pid_namespace", &Fork::pid_namespace,
               "of the root: it is born in that pid namespace, which has an init already, and all "
               "numbers are those of that namespace"),
      Optional("about", &Fork::about, "of the root: what the program says of itself")};
  static constexpr Together kTogether = {"uid_map", "gid_map"};
};

struct SetSid {
  static constexpr std::string_view kName = "SET_SID";
  static constexpr std::string_view kMeaning =
      "setsid(2): a new session and a new group, both named `pid`. No process may be in a group "
      "named `pid`.";
};
template <>
struct Describe<SetSid> {
  static constexpr auto kFields = std::tuple{};
};

struct SetPgid {
  static constexpr std::string_view kName = "SET_PGID";
  static constexpr std::string_view kMeaning =
      "setpgid(0, pgid). Not for a session leader; a group other than `pid` must exist in the same "
      "session.";
  Pid pgid = 0;
};
template <>
struct Describe<SetPgid> {
  static constexpr auto kFields =
      std::tuple{Required("pgid", &SetPgid::pgid, "`pid` itself creates the group").Within(kPids)};
};

struct CreateThread {
  static constexpr std::string_view kName = "CREATE_THREAD";
  static constexpr std::string_view kMeaning =
      "clone3(2) with CLONE_THREAD and set_tid: a thread of `pid` with exactly this tid.";
  Pid tid = 0;
};
template <>
struct Describe<CreateThread> {
  static constexpr auto kFields =
      std::tuple{Required("tid", &CreateThread::tid, "no process uses it").Within(kPids)};
};

template <>
struct Describe<ExitStatus> {
  static constexpr auto kFields = std::tuple{
      Optional("code", &ExitStatus::code, "exit status, 0 to 255"),
      Optional("signal", &ExitStatus::signal, "the signal that killed it, instead of `code`"),
      Optional("core_dumped", &ExitStatus::core_dumped, "with `signal`")};
};

struct Exit {
  static constexpr std::string_view kName = "EXIT";
  static constexpr std::string_view kMeaning =
      "The process dies. Its children go to the nearest living subreaper above, else to the "
      "reaper. "
      "It stays a zombie until a WAIT.";
  ExitStatus status;
};
template <>
struct Describe<Exit> {
  static constexpr auto kFields = std::tuple{Required("status", &Exit::status, "how it ended")};
};

struct Wait {
  static constexpr std::string_view kName = "WAIT";
  static constexpr std::string_view kMeaning = "waitpid(2): `pid` reaps its zombie child.";
  Pid child_pid = 0;
};
template <>
struct Describe<Wait> {
  static constexpr auto kFields =
      std::tuple{Required("child_pid", &Wait::child_pid, "the zombie").Within(kPids)};
};

/// The other end of a call that makes two (pipe, socketpair).
struct PeerEnd {
  Fd fd = 0;
  std::shared_ptr<const File> file;
  bool cloexec = false;
  friend bool operator==(const PeerEnd&, const PeerEnd&) = default;
};
template <>
struct Describe<PeerEnd> {
  static constexpr auto kFields =
      std::tuple{Required("fd", &PeerEnd::fd, "a free number").Within(kFds),
                 Required("file", &PeerEnd::file, "its description"),
                 Optional("cloexec", &PeerEnd::cloexec, "default false")};
};

/// What another process holds.
struct HeldElsewhere {
  Pid pid = 0;
  Fd fd = 0;
  friend bool operator==(const HeldElsewhere&, const HeldElsewhere&) = default;
};
template <>
struct Describe<HeldElsewhere> {
  static constexpr auto kFields =
      std::tuple{Required("pid", &HeldElsewhere::pid, "a process, alive").Within(kPids),
                 Required("fd", &HeldElsewhere::fd, "open there, at that moment").Within(kFds)};
};

struct OpenFile {
  static constexpr std::string_view kName = "OPEN_FILE";
  static constexpr std::string_view kMeaning =
      "Creates a new open file description and puts it at the free number `fd`; with `from`, one "
      "that is there.";
  Fd fd = 0;
  std::shared_ptr<const File> file;
  bool cloexec = false;
  std::shared_ptr<const PeerEnd> peer;
  std::optional<HeldElsewhere> from = {};
};
template <>
struct Describe<OpenFile> {
  static constexpr auto kFields = std::tuple{
      Required("fd", &OpenFile::fd, "a free number").Within(kFds),
      Required("file", &OpenFile::file, "`type`, `id` (unique in the program) and the type's own"),
      Optional("cloexec", &OpenFile::cloexec, "default false"),
      Optional("peer", &OpenFile::peer, "the second end of a pipe or socket pair"),
      Optional("from", &OpenFile::from,
               "pidfd_getfd(2): the description, with that `id`, of a process, or of a file below "
               "/proc/PID")};
};

struct DupFd {
  static constexpr std::string_view kName = "DUP_FD";
  static constexpr std::string_view kMeaning =
      "dup3(2): `new_fd` refers to the same description as `old_fd`; what was there is closed. "
      "`old_fd` = `new_fd` only sets the flag.";
  Fd old_fd = 0;
  Fd new_fd = 0;
  bool cloexec = false;
};
template <>
struct Describe<DupFd> {
  static constexpr auto kFields =
      std::tuple{Required("old_fd", &DupFd::old_fd, "an open descriptor").Within(kFds),
                 Required("new_fd", &DupFd::new_fd, "the number that it gets").Within(kFds),
                 Optional("cloexec", &DupFd::cloexec, "default false")};
};

struct CloseFd {
  static constexpr std::string_view kName = "CLOSE_FD";
  static constexpr std::string_view kMeaning = "close(2).";
  Fd fd = 0;
};
template <>
struct Describe<CloseFd> {
  static constexpr auto kFields =
      std::tuple{Required("fd", &CloseFd::fd, "an open descriptor").Within(kFds)};
};

/// What the kernel provides instead of a file.
enum class SpecialRegion : std::uint8_t { kVdso, kVvar, kVsyscall, kAio, kSysvIpc };
inline constexpr std::string_view kSpecialRegionNames[] = {"vdso", "vvar", "vsyscall", "aio",
                                                           "sysvipc"};

struct ShmemView {
  ShmemId id;
  std::uint64_t offset = 0;
  std::optional<std::uint64_t> size;
};
template <>
struct Describe<ShmemView> {
  static constexpr auto kFields = std::tuple{
      Required("id", &ShmemView::id, "the object; the first command that names it creates it"),
      Required("offset", &ShmemView::offset, "bytes into the object"),
      Optional("size", &ShmemView::size, "bytes; where the object is created")};
};

struct MapRegion {
  static constexpr std::string_view kName = "MAP_REGION";
  static constexpr std::string_view kMeaning = "mmap(2) at exactly that free place.";
  Hex start;
  Hex end;
  Prot prot;
  MapFlags flags;
  std::optional<Fd> fd;
  std::optional<std::uint64_t> offset;
  Rare<ShmemView> shmem;
  std::optional<SpecialRegion> special;
  std::optional<std::uint32_t> nr_req;
  std::optional<std::uint32_t> head;
  std::optional<std::uint32_t> tail;
  Rare<ImageBytes> events;
  std::optional<std::uint64_t> shmid;
  std::optional<std::uint64_t> shm_offset;
  Madvise madvise;
};
template <>
struct Describe<MapRegion> {
  static constexpr auto kFields = std::tuple{
      Required("start", &MapRegion::start, "a multiple of 4096"),
      Required("end", &MapRegion::end, "the first address behind it"),
      Required("prot", &MapRegion::prot, "PROT_ names; [] for none"),
      Required("flags", &MapRegion::flags, "MAP_ names; MAP_FIXED is understood and never written"),
      Optional("fd", &MapRegion::fd, "file-backed: open in `pid` at that moment").Within(kFds),
      Optional("offset", &MapRegion::offset, "with `fd`, and only there: bytes into the file"),
      Optional("shmem", &MapRegion::shmem, "shared anonymous memory"),
      Optional("special", &MapRegion::special, "what the kernel provides"),
      Optional("nr_req", &MapRegion::nr_req, "with special `aio`: io_setup(2)"),
      Optional("head", &MapRegion::head, "of an `aio` ring: the first event to be collected"),
      Optional("tail", &MapRegion::tail, "of an `aio` ring: the slot behind the last event"),
      Optional("events", &MapRegion::events,
               "of an `aio` ring, if `head` is not `tail`: all its slots, from byte 32 on"),
      Optional("shmid", &MapRegion::shmid,
               "with special `sysvipc`: shmat(2); without PROT_WRITE in `prot` for reading alone"),
      Optional("shm_offset", &MapRegion::shm_offset,
               "of a `sysvipc` region that is a part of its segment: bytes into that"),
      Optional("madvise", &MapRegion::madvise, "MADV_ names, in force at once")};
  static constexpr Together kTogether = {"fd", "offset"};
};

struct UnmapRegion {
  static constexpr std::string_view kName = "UNMAP_REGION";
  static constexpr std::string_view kMeaning = "munmap(2); may span holes, must unmap something.";
  Hex start;
  Hex end;
};
template <>
struct Describe<UnmapRegion> {
  static constexpr auto kFields =
      std::tuple{Required("start", &UnmapRegion::start, "a multiple of 4096"),
                 Required("end", &UnmapRegion::end, "the first address behind it")};
};

struct MoveRegion {
  static constexpr std::string_view kName = "MOVE_REGION";
  static constexpr std::string_view kMeaning =
      "mremap(2): a region, or a part of one, moves to the free place `to`; the two do not "
      "overlap.";
  Hex start;
  Hex end;
  Hex to;
};
template <>
struct Describe<MoveRegion> {
  static constexpr auto kFields =
      std::tuple{Required("start", &MoveRegion::start, "a multiple of 4096"),
                 Required("end", &MoveRegion::end, "the first address behind it"),
                 Required("to", &MoveRegion::to, "where it begins then")};
};

struct ProtectRegion {
  static constexpr std::string_view kName = "PROTECT_REGION";
  static constexpr std::string_view kMeaning =
      "mprotect(2) where `prot` is given, madvise(2) where `madvise` is; one of the two.";
  Hex start;
  Hex end;
  std::optional<Prot> prot;
  Madvise madvise;
};
template <>
struct Describe<ProtectRegion> {
  static constexpr auto kFields =
      std::tuple{Required("start", &ProtectRegion::start, "a multiple of 4096"),
                 Required("end", &ProtectRegion::end, "the first address behind it"),
                 Optional("prot", &ProtectRegion::prot, "PROT_ names"),
                 Optional("madvise", &ProtectRegion::madvise,
                          "e.g. MADV_DONTNEED to drop inherited pages, MADV_GUARD_INSTALL")};
};

struct LoadPages {
  static constexpr std::string_view kName = "LOAD_PAGES";
  static constexpr std::string_view kMeaning =
      "Fills pages of 4096 bytes, writable at that moment, from an image file. Through a view of a "
      "shared object it fills the object.";
  Hex start;
  std::uint64_t pages = 0;
  ImageSpan source;
};
template <>
struct Describe<LoadPages> {
  static constexpr auto kFields =
      std::tuple{Required("start", &LoadPages::start, "a multiple of 4096"),
                 Required("pages", &LoadPages::pages, "at least 1"),
                 Required("source", &LoadPages::source, "where the pages lie")};
};

struct SetAttr {
  static constexpr std::string_view kName = "SET_ATTR";
  static constexpr std::string_view kMeaning =
      "Sets attributes of the process (those of a thread are then the leader's), or of one thread "
      "where `tid` is given. With `tid`, `signal_queue` is the thread's own, else the process's.";
  std::optional<Pid> tid;
  std::shared_ptr<const Attributes> attributes;
};
template <>
struct Describe<SetAttr> {
  static constexpr auto kFields = std::tuple{
      Optional("tid", &SetAttr::tid,
               "a thread of `pid`, may be the leader; then without what belongs to the process as "
               "a whole (the contract, 5.1)")
          .Within(kPids),
      Required("attributes", &SetAttr::attributes, "one member per attribute")};
};

struct Resume {
  static constexpr std::string_view kName = "RESUME";
  static constexpr std::string_view kMeaning =
      "The process leaves the restorer: every thread goes on from its registers. The last command "
      "of every process that does not EXIT. `rlimits`, and `creds` of each thread, have been set, "
      "or "
      "are inherited by the word \"inherit\".";
  std::optional<Signal> stopped;
};
template <>
struct Describe<Resume> {
  static constexpr auto kFields =
      std::tuple{Optional("stopped", &Resume::stopped, "the signal that stops it again at once")};
};

using CommandBody =
    std::variant<Fork, SetSid, SetPgid, CreateThread, Exit, Wait, OpenFile, DupFd, CloseFd,
                 MapRegion, UnmapRegion, MoveRegion, ProtectRegion, LoadPages, SetAttr, Resume>;
static_assert(std::variant_size_v<CommandBody> == 16);

/// One command: who executes it, and what. pid 0 is the restorer.
struct Command {
  Pid pid = 0;
  CommandBody body;
};

using Program = std::vector<Command>;

/// "commands[11] SET_SID pid 10": how findings and errors name a command.
std::string CommandPlace(const Command& command, std::size_t index);

/// What `program` says of itself; null: nothing.
inline const About* AboutOf(const Program& program) {
  const auto* root = program.empty() ? nullptr : std::get_if<Fork>(&program.front().body);
  return root == nullptr ? nullptr : root->about.get();
}

}  // namespace crgen
