// SPDX-License-Identifier: Apache-2.0
// Short names for commands, and what the checker says about a program made of them.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/sched.h>
#include <sys/mman.h>

#include <csignal>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "checker/check.h"
#include "dsl/commands.h"
#include "tests/support/lines.h"

namespace crgen::test {

inline Command ForkOf(Pid pid, Pid child, std::uint64_t flags = 0) {
  return {pid, Fork{child, CloneFlags{flags}}};
}
inline Command SidOf(Pid pid) { return {pid, SetSid{}}; }
inline Command PgidOf(Pid pid, Pid pgid) { return {pid, SetPgid{pgid}}; }
inline Command ThreadOf(Pid pid, Pid tid) { return {pid, CreateThread{tid}}; }
inline Command ExitOf(Pid pid, std::uint32_t code = 0) {
  return {pid, Exit{ExitStatus{code, std::nullopt, std::nullopt}}};
}
inline Command KilledBy(Pid pid, std::uint32_t signal, bool core = false) {
  return {pid, Exit{ExitStatus{std::nullopt, Signal{signal}, core}}};
}
inline Command WaitOf(Pid pid, Pid child) { return {pid, Wait{child}}; }
inline Command ResumeOf(Pid pid) { return {pid, Resume{}}; }
inline Command StopOf(Pid pid, std::uint32_t signal = SIGSTOP) {
  return {pid, Resume{Signal{signal}}};
}

inline std::shared_ptr<const File> RegFile(std::uint64_t id, std::uint64_t flags = O_RDWR,
                                           std::string path = "/file") {
  RegularFile body;
  body.path = {std::move(path)};
  return std::make_shared<const File>(File{{id}, {flags}, body});
}
inline std::shared_ptr<const File> OtherOf(std::uint64_t id, std::string type = "PIPE") {
  return std::make_shared<const File>(File{{id}, {}, OtherFile{std::move(type)}});
}
inline std::shared_ptr<const File> NewMemfd(std::uint64_t id, std::uint64_t inode,
                                            std::uint64_t size, std::uint64_t seals = 0) {
  Memfd body;
  body.inode_id.value = inode;
  body.name = Text{"memory"};
  body.size = size;
  if (seals != 0) body.seals = Seals{seals};
  return std::make_shared<const File>(File{{id}, {O_RDWR}, body});
}
inline std::shared_ptr<const File> OldMemfd(std::uint64_t id, std::uint64_t inode,
                                            std::uint64_t seals = 0, std::uint64_t flags = O_RDWR) {
  Memfd body;
  body.inode_id.value = inode;
  if (seals != 0) body.seals = Seals{seals};
  return std::make_shared<const File>(File{{id}, {flags}, body});
}
inline std::shared_ptr<const File> PipeEnd(std::uint64_t id, std::uint64_t flags,
                                           std::uint64_t pipe = 7,
                                           std::optional<std::uint64_t> capacity = {},
                                           std::optional<std::uint64_t> bytes = {}) {
  Pipe body{{pipe}, capacity, {}};
  if (bytes) body.data = ImageBytes{"pipes-data.img", 20, *bytes};
  return std::make_shared<const File>(File{{id}, {flags}, body});
}
inline Command OpenOf(Pid pid, Fd fd, std::shared_ptr<const File> file, bool cloexec = false) {
  return {pid, OpenFile{fd, std::move(file), cloexec, nullptr}};
}
inline Command OpenPair(Pid pid, Fd fd, std::shared_ptr<const File> file, Fd peer_fd,
                        std::shared_ptr<const File> peer) {
  auto end = std::make_shared<const PeerEnd>(PeerEnd{peer_fd, std::move(peer), false});
  return {pid, OpenFile{fd, std::move(file), false, std::move(end)}};
}
inline Command DupOf(Pid pid, Fd from, Fd to, bool cloexec = false) {
  return {pid, DupFd{from, to, cloexec}};
}
inline Command CloseOf(Pid pid, Fd fd) { return {pid, CloseFd{fd}}; }

inline constexpr std::uint64_t kRw = PROT_READ | PROT_WRITE;
inline constexpr std::uint64_t kAnon = MAP_PRIVATE | MAP_ANONYMOUS;

inline MapRegion Mapping(std::uint64_t start, std::uint64_t end, std::uint64_t prot = kRw,
                         std::uint64_t flags = kAnon) {
  MapRegion map;
  map.start = {start};
  map.end = {end};
  map.prot = {prot};
  map.flags = {flags};
  return map;
}
inline Command MapOf(Pid pid, std::uint64_t start, std::uint64_t end, std::uint64_t prot = kRw,
                     std::uint64_t flags = kAnon, std::uint64_t madvise = 0) {
  MapRegion map = Mapping(start, end, prot, flags);
  map.madvise = {madvise};
  return {pid, map};
}
inline Command MapFd(Pid pid, std::uint64_t start, std::uint64_t end, Fd fd,
                     std::uint64_t flags = MAP_PRIVATE, std::uint64_t prot = kRw,
                     std::uint64_t offset = 0) {
  MapRegion map = Mapping(start, end, prot, flags);
  map.fd = fd;
  map.offset = offset;
  return {pid, map};
}
inline Command MapShmem(Pid pid, std::uint64_t start, std::uint64_t end, std::uint64_t id,
                        std::optional<std::uint64_t> size = std::nullopt,
                        std::uint64_t offset = 0) {
  MapRegion map = Mapping(start, end, kRw, MAP_SHARED | MAP_ANONYMOUS);
  map.shmem = ShmemView{id, offset, size};
  return {pid, map};
}
inline Command MapSpecial(Pid pid, std::uint64_t start, std::uint64_t end, SpecialRegion special) {
  const bool shared = special == SpecialRegion::kSysvIpc;
  MapRegion map = Mapping(start, end, PROT_READ | PROT_EXEC, shared ? MAP_SHARED : kAnon);
  map.special = special;
  if (special == SpecialRegion::kAio) map.nr_req = 8;
  if (special == SpecialRegion::kSysvIpc) map.shmid = 3;
  return {pid, map};
}
inline Command UnmapOf(Pid pid, std::uint64_t start, std::uint64_t end) {
  return {pid, UnmapRegion{{start}, {end}}};
}
inline Command MoveOf(Pid pid, std::uint64_t start, std::uint64_t end, std::uint64_t to) {
  return {pid, MoveRegion{{start}, {end}, {to}}};
}
inline Command ProtectOf(Pid pid, std::uint64_t start, std::uint64_t end, std::uint64_t prot) {
  return {pid, ProtectRegion{{start}, {end}, Prot{prot}, {}}};
}
inline Command AdviseOf(Pid pid, std::uint64_t start, std::uint64_t end, std::uint64_t bits) {
  return {pid, ProtectRegion{{start}, {end}, std::nullopt, {bits}}};
}
inline Command LoadOf(Pid pid, std::uint64_t start, std::uint64_t pages, std::uint64_t offset = 0,
                      std::string image = "pages-1.img") {
  return {pid, LoadPages{{start}, pages, {std::move(image), offset}}};
}

inline Command AttrOf(Pid pid, Attributes attributes, std::optional<Pid> tid = std::nullopt) {
  return {pid, SetAttr{tid, std::make_shared<const Attributes>(std::move(attributes))}};
}
inline std::shared_ptr<const File> EpollOf(std::uint64_t id) {
  return std::make_shared<const File>(File{{id}, {O_RDWR}, Eventpoll{}});
}
inline std::shared_ptr<const File> InotifyOf(std::uint64_t id) {
  return std::make_shared<const File>(File{{id}, {O_RDONLY}, Inotify{}});
}
inline std::shared_ptr<const File> PidfdOf(std::uint64_t id, Pid target, bool thread = false) {
  return std::make_shared<const File>(
      File{{id}, {O_RDWR}, Pidfd{PidReference{target}, {}, thread}});
}
inline Command TakeOf(Pid pid, Fd fd, std::shared_ptr<const File> file, HeldElsewhere from) {
  return {pid, OpenFile{fd, std::move(file), false, nullptr, from}};
}
/// Late state of one description.
template <typename Late>
Command LateOf(Pid pid, Fd fd, Late late) {
  Attributes attributes;
  attributes.descriptors.push_back({fd, std::move(late)});
  return AttrOf(pid, std::move(attributes));
}
inline Command FillOf(Pid pid, Fd fd, std::vector<EpollTarget> targets) {
  return LateOf(pid, fd, EpollTargets{std::move(targets)});
}
inline Command SubreaperOf(Pid pid, bool on) {
  Attributes attributes;
  attributes.child_subreaper = on;
  return AttrOf(pid, attributes);
}
inline Command SigchldOf(Pid pid, std::uint64_t handler, std::uint64_t flags = 0) {
  Attributes attributes;
  attributes.sigactions.push_back({Signal{SIGCHLD}, {handler}, {flags}, {}, {}});
  return AttrOf(pid, attributes);
}
inline Command CommOf(Pid pid, std::string comm, std::optional<Pid> tid = std::nullopt) {
  Attributes attributes;
  attributes.comm = Text{std::move(comm)};
  return AttrOf(pid, attributes, tid);
}
inline Command CredsOf(Pid pid, std::optional<Pid> tid = std::nullopt) {
  Attributes attributes;
  attributes.creds = Creds{};
  return AttrOf(pid, attributes, tid);
}

/// All violations of `program`, which may be a fragment.
inline std::vector<std::string> Violations(const Program& program) {
  SimulatedState state;
  Diagnostics diag;
  const Result result = CheckProgram(program, &state, diag);
  std::vector<std::string> lines = Lines(diag);
  if (Failed(result) != diag.HasErrors()) lines.push_back("result and diagnostics disagree");
  return lines;
}

inline Program operator+(Program first, const Program& second) {
  first.insert(first.end(), second.begin(), second.end());
  return first;
}

/// A rule: a program, and the one violation in it; "" if it keeps the rule.
struct RuleCase {
  const char* rule;
  Program program;
  std::string violation;
};

inline void RunCases(const std::vector<RuleCase>& cases) {
  for (const RuleCase& it : cases) {
    SCOPED_TRACE(it.rule);
    std::vector<std::string> expected;
    if (!it.violation.empty()) expected.push_back(it.violation);
    EXPECT_EQ(Violations(it.program), expected);
  }
}

}  // namespace crgen::test
