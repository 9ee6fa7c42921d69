// SPDX-License-Identifier: Apache-2.0
// One program and one snapshot that agree, for tests that make them differ.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "tests/support/check_support.h"

namespace crgen::test {

using Strings = std::vector<std::string>;

inline constexpr std::uint64_t kMib = 1 << 20;

/// Page images in memory: byte k of page n of image "pages-1.img" is n; "zero.img" is all zeros;
/// "same.img" equals "pages-1.img".
inline Result ReadImage(const std::string& image, std::uint64_t offset, std::span<char> out,
                        Diagnostics&) {
  if (image != "pages-1.img" && image != "same.img" && image != "zero.img") return Result::kError;
  for (std::uint64_t i = 0; i < out.size(); ++i) {
    out[i] = image == "zero.img" ? 0 : static_cast<char>((offset + i) / kPageSize + 1);
  }
  return Result::kOk;
}

inline std::shared_ptr<const File> SnapshotMemfd(std::uint64_t id, std::uint64_t inode) {
  return OldMemfd(id, inode);
}

inline Region RegionOf(std::uint64_t start, std::uint64_t end, RegionKind kind,
                       std::uint64_t prot = kRw, std::uint64_t flags = kAnon) {
  Region region;
  region.range = {start, end};
  region.kind = kind;
  region.prot = {prot};
  region.flags = {flags};
  return region;
}

/// 1 - { 2 - 3, 4 (zombie), 5 (stopped) }; 2 has a thread 6 and shares its table with 3.
class CheckCompareTest : public ::testing::Test {
 protected:
  CheckCompareTest() {
    MakeTree();
    MakeFiles();
    MakeMemory();
  }

  void MakeTree() {
    snapshot_.tree.nodes = {{1, 1, 1, {}, false, false, {}},
                            {2, 2, 1, ProcessIndex(0), false, true, {6}},
                            {3, 2, 1, ProcessIndex(1), false, false, {}},
                            {4, 1, 1, ProcessIndex(0), true, false, {}},
                            {5, 5, 5, ProcessIndex(0), false, false, {}}};
    snapshot_.processes.resize(5);
    snapshot_.processes[3].state = ProcessState::kZombie;
    snapshot_.processes[3].exit_status.code = 7;
    snapshot_.processes[4].state = ProcessState::kStopped;
    snapshot_.processes[4].stop_signal = {SIGTSTP};
    auto attributes = std::make_shared<Attributes>();
    attributes->comm = Text{"thread"};
    snapshot_.processes[1].threads = {{6, attributes}};
    for (int i = 0; i < 5; ++i) {
      auto own = std::make_shared<Attributes>();
      own->comm = Text{"process"};
      own->fs = FsAttributes{{"/"}, {"/"}, 022};
      if (i != 3) snapshot_.processes[i].attributes = own;
    }
  }

  void MakeFiles() {
    snapshot_.files = {RegFile(1, O_RDONLY, "/lib"), RegFile(2, O_RDWR, "/data"), OtherOf(3),
                       SnapshotMemfd(4, 7)};
    snapshot_.tables = {
        {{{0, false, FileIndex(1)}, {3, false, FileIndex(3)}}},
        {{{0, false, FileIndex(1)}, {5, true, FileIndex(1)}, {6, false, FileIndex(2)}}},
        {{}}};
    const int tables[] = {0, 1, 1, -1, 2};
    for (int i = 0; i < 5; ++i) snapshot_.processes[i].table = TableIndex(tables[i]);
  }

  void MakeMemory() {
    snapshot_.page_images = {"pages-1.img"};
    MemfdObject memfd;
    memfd.inode_id.value = 7;
    memfd.name = {"memory"};
    memfd.size = 2 * kMib;
    memfd.pages = {{0x1000, 2, 0, 0x100000}};
    snapshot_.memfds = {memfd};
    snapshot_.shmems = {{{9}, 0x4000, {{0, 1, 0, 0x200000}}}};

    AddressSpace& root = snapshot_.processes[0].memory;
    Region lib = RegionOf(0x10000, 0x14000, RegionKind::kPrivateFile, PROT_READ, MAP_PRIVATE);
    lib.file = FileIndex(0);
    lib.offset = 0x2000;
    Region shared = RegionOf(0x30000, 0x34000, RegionKind::kSharedMemfd, kRw, MAP_SHARED);
    shared.object = ObjectIndex(0);
    shared.open_flags = {O_RDWR};
    root.regions = {lib, RegionOf(0x20000, 0x28000, RegionKind::kPrivateAnonymous), shared,
                    RegionOf(0x50000, 0x52000, RegionKind::kVdso, PROT_READ | PROT_EXEC)};
    root.guards = {{0x26000, 0x27000}};
    // The page of the vdso is the kernel's.
    root.pages = {{0x11000, 1, 0, 0}, {0x20000, 3, 0, 0x1000}, {0x50000, 1, 0, 0x300000}};

    AddressSpace& child = snapshot_.processes[1].memory;
    Region view = RegionOf(0x40000, 0x42000, RegionKind::kSharedAnonymous, kRw, MAP_SHARED);
    view.object = ObjectIndex(0);
    view.offset = 0x1000;
    child.regions = {RegionOf(0x20000, 0x28000, RegionKind::kPrivateAnonymous), view};
    child.regions[0].madvise = {MadviseBit(MADV_DONTDUMP)};
    child.pages = {{0x20000, 1, 0, 0x1000}, {0x21000, 1, 0, 0x9000}};
  }

  static Attributes Own() {
    Attributes own;
    own.comm = Text{"process"};
    own.fs = FsAttributes{{"/"}, {"/"}, 022};
    return own;
  }

  /// A part of the right program by its name, so that tests can change it.
  struct Step {
    std::string name;
    Program commands;
  };
  std::vector<Step> Steps() const {
    return {
        {"tree", {ForkOf(0, 1), SidOf(1)}},
        {"files",
         {OpenOf(1, 0, RegFile(2, O_RDWR, "/data")), OpenOf(1, 3, NewMemfd(4, 7, 2 * kMib)),
          OpenOf(1, 9, RegFile(1000, O_RDONLY, "/lib"))}},
        {"lib",
         {MapFd(1, 0x10000, 0x14000, 9, MAP_PRIVATE, kRw, 0x2000), LoadOf(1, 0x11000, 1, 0),
          ProtectOf(1, 0x10000, 0x14000, PROT_READ), CloseOf(1, 9)}},
        {"heap", {MapOf(1, 0x20000, 0x24000), MapOf(1, 0x24000, 0x28000)}},
        {"heap pages", {LoadOf(1, 0x20000, 2, 0x1000)}},
        {"more heap pages", {LoadOf(1, 0x22000, 1, 0x3000)}},
        {"memfd", {MapFd(1, 0x30000, 0x34000, 3, MAP_SHARED), LoadOf(1, 0x31000, 2, 0x100000)}},
        {"forks", {ForkOf(1, 2), ForkOf(1, 4), ForkOf(1, 5)}},
        {"guard", {AdviseOf(1, 0x26000, 0x27000, kGuardInstall)}},
        {"vdso", {MapSpecial(1, 0x50000, 0x52000, SpecialRegion::kVdso)}},
        {"child's memory",
         {UnmapOf(2, 0x10000, 0x14000), UnmapOf(2, 0x30000, 0x34000),
          AdviseOf(2, 0x22000, 0x23000, MadviseBit(MADV_DONTNEED)), LoadOf(2, 0x21000, 1, 0x9000),
          AdviseOf(2, 0x20000, 0x28000, MadviseBit(MADV_DONTDUMP))}},
        {"shmem",
         {MapShmem(2, 0x40000, 0x43000, 9, 0x4000), LoadOf(2, 0x40000, 1, 0x200000),
          MapShmem(2, 0x44000, 0x46000, 9, std::nullopt, 0x1000), UnmapOf(2, 0x40000, 0x43000),
          MoveOf(2, 0x44000, 0x46000, 0x40000)}},
        {"child's group", {PgidOf(2, 2)}},
        {"subreaper", {SubreaperOf(2, true)}},
        {"child's files", {CloseOf(2, 3), DupOf(2, 0, 5, true), OpenOf(2, 6, OtherOf(3))}},
        {"grandchild", {ForkOf(2, 3, CLONE_FILES), UnmapOf(3, 0x20000, 0x100000)}},
        {"thread", {ThreadOf(2, 6), CommOf(2, "thread", 6)}},
        {"zombie", {ExitOf(4, 7)}},
        {"5", {SidOf(5), CloseOf(5, 0), CloseOf(5, 3), UnmapOf(5, 0, 0x1000000)}},
        {"attributes", {AttrOf(1, Own()), AttrOf(2, Own()), AttrOf(3, Own()), AttrOf(5, Own())}},
        {"stop", {StopOf(5, SIGTSTP)}},
        {"resume", {ResumeOf(1), ResumeOf(2), ResumeOf(3)}},
    };
  }

  /// The right program with `name` replaced.
  Program With(const std::string& name, const Program& commands) const {
    Program program;
    bool found = name.empty();
    for (const Step& step : Steps()) {
      found = found || step.name == name;
      program = program + (step.name == name ? commands : step.commands);
    }
    EXPECT_TRUE(found) << name;
    return program;
  }

  /// The differences of `program`, which must break no rule.
  std::vector<std::string> Differences(const Program& program) const {
    SimulatedState state;
    Diagnostics rules;
    EXPECT_TRUE(Succeeded(CheckProgram(program, &state, rules)));
    EXPECT_EQ(Lines(rules), std::vector<std::string>{});
    Diagnostics diag;
    const Result result = CompareWithSnapshot(state, snapshot_, ReadImage, diag);
    EXPECT_EQ(Failed(result), diag.HasErrors());
    return Lines(diag);
  }
  std::vector<std::string> Differences(const std::string& name, const Program& commands) const {
    return Differences(With(name, commands));
  }

  Snapshot snapshot_;
};

}  // namespace crgen::test
