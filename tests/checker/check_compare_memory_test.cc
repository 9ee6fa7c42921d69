// SPDX-License-Identifier: Apache-2.0
// The comparison of regions, guards, pages and shared objects with a snapshot.
#include <gtest/gtest.h>

#include "tests/support/check_compare_support.h"

namespace crgen {
namespace {

using namespace test;  // NOLINT: the vocabulary of these tests

class CheckCompareMemoryTest : public CheckCompareTest {};

TEST_F(CheckCompareMemoryTest, Regions) {
  const Program vdso = {MapSpecial(1, 0x50000, 0x52000, SpecialRegion::kVdso)};
  EXPECT_EQ(Differences("vdso", {}),
            Strings{"process 1 region 0x50000-0x52000: expected vdso, not mapped like this"});
  EXPECT_EQ(Differences("vdso", vdso + Program{MapOf(1, 0x60000, 0x61000)}),
            Strings{"process 1 region 0x60000-0x61000: private anonymous, not expected like this"});
  EXPECT_EQ(Differences("vdso", vdso + Program{ProtectOf(1, 0x10000, 0x14000, 0)}),
            Strings{"process 1 region 0x10000-0x14000: prot: expected PROT_READ, found none"});
  EXPECT_EQ(
      Differences("vdso", vdso + Program{AdviseOf(1, 0x30000, 0x34000, MadviseBit(MADV_DONTDUMP))}),
      Strings{"process 1 region 0x30000-0x34000: madvise: expected none, found "
              "MADV_DONTDUMP"});
  EXPECT_EQ(Differences("vdso", vdso + Program{UnmapOf(1, 0x13000, 0x14000)}),
            Strings{"process 1 region 0x10000-0x14000: end: expected 0x14000, found 0x13000"});
  EXPECT_EQ(Differences("vdso", {MapOf(1, 0x50000, 0x52000, PROT_READ | PROT_EXEC)}),
            Strings{"process 1 region 0x50000-0x52000: backing: expected vdso, found private "
                    "anonymous"});
  EXPECT_EQ(Differences("memfd", {MapFd(1, 0x30000, 0x34000, 3, MAP_SHARED, kRw, 0x1000),
                                  LoadOf(1, 0x30000, 2, 0x100000)}),
            Strings{"process 1 region 0x30000-0x34000: offset: expected 0x0, found 0x1000"});
  EXPECT_EQ(Differences("memfd", {MapFd(1, 0x30000, 0x34000, 3, MAP_SHARED | MAP_NORESERVE),
                                  LoadOf(1, 0x31000, 2, 0x100000)}),
            Strings{"process 1 region 0x30000-0x34000: flags: expected MAP_SHARED, found "
                    "MAP_SHARED|MAP_NORESERVE"});
}

TEST_F(CheckCompareMemoryTest, RegionsAreJoined) {
  EXPECT_EQ(Differences("heap", {MapOf(1, 0x20000, 0x28000)}), Strings{});
  EXPECT_EQ(Differences("memfd", {MapFd(1, 0x30000, 0x32000, 3, MAP_SHARED),
                                  MapFd(1, 0x32000, 0x34000, 3, MAP_SHARED, kRw, 0x2000),
                                  LoadOf(1, 0x31000, 2, 0x100000)}),
            Strings{});
}

TEST_F(CheckCompareMemoryTest, MappedFiles) {
  auto mapping = [](std::uint64_t flags, std::string path) {
    return Program{CloseOf(1, 9),
                   OpenOf(1, 8, RegFile(1001, flags, std::move(path))),
                   MapFd(1, 0x10000, 0x14000, 8, MAP_PRIVATE, kRw, 0x2000),
                   LoadOf(1, 0x11000, 1, 0),
                   ProtectOf(1, 0x10000, 0x14000, PROT_READ),
                   CloseOf(1, 8)};
  };
  EXPECT_EQ(Differences("lib", mapping(O_RDONLY, "/lib")), Strings{});
  EXPECT_EQ(Differences("lib", mapping(O_RDWR, "/lib")),
            Strings{"process 1 region 0x10000-0x14000: access mode: expected O_RDONLY, found "
                    "O_RDWR"});
  EXPECT_EQ(Differences("lib", mapping(O_RDONLY, "/lab")),
            Strings{"process 1 region 0x10000-0x14000: path: expected \"/lib\", found \"/lab\""});
}

TEST_F(CheckCompareMemoryTest, ChecksOfMappedFiles) {
  auto mapping = [](std::uint64_t size) {
    auto file = std::make_shared<File>(*RegFile(1001, O_RDONLY, "/lib"));
    std::get<RegularFile>(file->body).size = size;
    return Program{CloseOf(1, 9),
                   OpenOf(1, 8, file),
                   MapFd(1, 0x10000, 0x14000, 8, MAP_PRIVATE, kRw, 0x2000),
                   LoadOf(1, 0x11000, 1, 0),
                   ProtectOf(1, 0x10000, 0x14000, PROT_READ),
                   CloseOf(1, 8)};
  };
  EXPECT_EQ(Differences("lib", mapping(0x5000)),
            Strings{"process 1 region 0x10000-0x14000: file.size: set, not expected"});
  // Another entry for the path says so.
  auto grown = std::make_shared<File>(*snapshot_.files[0]);
  grown->id.value = 77;
  std::get<RegularFile>(grown->body).size = 0x5000;
  snapshot_.files.push_back(grown);
  EXPECT_EQ(Differences("lib", mapping(0x5000)), Strings{});
}

TEST_F(CheckCompareMemoryTest, Guards) {
  EXPECT_EQ(Differences("guard", {}),
            Strings{"process 1 guard 0x26000-0x27000: expected, not installed like this"});
  EXPECT_EQ(Differences("guard", {AdviseOf(1, 0x25000, 0x27000, kGuardInstall)}),
            (Strings{"process 1 guard 0x26000-0x27000: expected, not installed like this",
                     "process 1 guard 0x25000-0x27000: installed, not expected like this"}));
}

TEST_F(CheckCompareMemoryTest, Pages) {
  const std::string at = "process 1 pages 0x22000-0x23000: ";
  EXPECT_EQ(Differences("more heap pages", {}).front(), at + "expected, not present");
  EXPECT_EQ(Differences("more heap pages", {LoadOf(1, 0x22000, 1, 0x4000)}),
            Strings{at + "content: expected pages-1.img at 12288, found pages-1.img at 16384"});
  EXPECT_EQ(Differences("more heap pages", {LoadOf(1, 0x22000, 1, 0x3000, "same.img")}), Strings{});
  EXPECT_EQ(Differences("more heap pages", {LoadOf(1, 0x22000, 1, 0x3000, "lost.img")}),
            Strings{at + "content: expected pages-1.img at 12288, found lost.img at 12288"});
  EXPECT_EQ(Differences("more heap pages", {LoadOf(1, 0x22000, 2, 0x3000)}),
            (Strings{"process 1 pages 0x23000-0x24000: present, not expected",
                     "process 2 pages 0x23000-0x24000: present, not expected"}));
}

TEST_F(CheckCompareMemoryTest, PagesOfZerosNeedNotBeLoaded) {
  snapshot_.page_images.push_back("zero.img");
  snapshot_.processes[0].memory.pages[1] = {0x20000, 2, 0, 0x1000};
  snapshot_.processes[0].memory.pages.insert(snapshot_.processes[0].memory.pages.begin() + 2,
                                             {0x22000, 1, 1, 0});
  const Program nothing = {};
  Program program = With("more heap pages", nothing);
  std::erase_if(program, [](const Command& command) {
    const auto* advice = std::get_if<ProtectRegion>(&command.body);
    return advice != nullptr && advice->madvise.Has(MadviseBit(MADV_DONTNEED));
  });
  EXPECT_EQ(Differences(program), Strings{});
  // In a file's private mapping absent means the file's bytes.
  snapshot_.processes[0].memory.pages.insert(snapshot_.processes[0].memory.pages.begin() + 1,
                                             {0x12000, 1, 1, 0});
  EXPECT_EQ(Differences(program),
            Strings{"process 1 pages 0x12000-0x13000: expected, not present"});
}

/// 64 GiB of holes, in an image of each side's own: nothing of it need be read.
TEST_F(CheckCompareMemoryTest, HolesAreNotRead) {
  constexpr std::uint64_t kPages = std::uint64_t{1} << 24, kBytes = kPages * kPageSize;
  constexpr std::uint64_t kAt = std::uint64_t{1} << 40;
  auto& memory = snapshot_.processes[0].memory;
  memory.regions.push_back(RegionOf(kAt, kAt + kBytes, RegionKind::kPrivateAnonymous));
  snapshot_.page_images.push_back("holes.img");
  memory.pages.push_back({kAt, kPages, 1, 0});
  std::size_t reads = 0;
  const PageReader holes(
      [&](const std::string&, std::uint64_t, std::span<char> out, Diagnostics&) {
        ++reads;
        std::ranges::fill(out, '\0');
        return Result::kOk;
      },
      [](const std::string&, std::uint64_t offset) { return kBytes - offset; });
  for (const bool loaded : {true, false}) {
    Program more = {MapOf(1, kAt, kAt + kBytes)};
    if (loaded) more.push_back(LoadOf(1, kAt, kPages, 0, "same.img"));
    const Program program = With("vdso", more);
    reads = 0;
    SimulatedState state;
    Diagnostics diag;
    ASSERT_TRUE(Succeeded(CheckProgram(program, &state, diag))) << Lines(diag).front();
    (void)CompareWithSnapshot(state, snapshot_, holes, diag);
    for (const std::string& line : Lines(diag)) {
      EXPECT_EQ(line.find("process 1 pages 0x10000000000"), std::string::npos) << line;
    }
    EXPECT_LT(reads, 100u);
  }
}

TEST_F(CheckCompareMemoryTest, InheritedPages) {
  const Program rest = {UnmapOf(2, 0x10000, 0x14000), UnmapOf(2, 0x30000, 0x34000),
                        AdviseOf(2, 0x20000, 0x28000, MadviseBit(MADV_DONTDUMP))};
  EXPECT_EQ(Differences("child's memory", rest + Program{LoadOf(2, 0x21000, 1, 0x9000)}),
            Strings{"process 2 pages 0x22000-0x23000: present, not expected"});
  EXPECT_EQ(
      Differences("child's memory",
                  rest + Program{AdviseOf(2, 0x22000, 0x23000, MadviseBit(MADV_DONTNEED))}),
      Strings{"process 2 pages 0x21000-0x22000: content: expected pages-1.img at 36864, found "
              "pages-1.img at 8192"});
}

TEST_F(CheckCompareMemoryTest, WhatForkLeavesOut) {
  const Program heap = {MapOf(1, 0x20000, 0x24000), MapOf(1, 0x24000, 0x28000)};
  // Locks are not inherited (mlock(2)).
  EXPECT_EQ(
      Differences("heap", heap + Program{MapOf(1, 0x60000, 0x61000, kRw, kAnon | MAP_LOCKED)}),
      (Strings{"process 1 region 0x60000-0x61000: private anonymous, not expected like this",
               "process 2 region 0x60000-0x61000: private anonymous, not expected like this"}));
  snapshot_.processes[0].memory.regions.push_back(
      RegionOf(0x60000, 0x61000, RegionKind::kPrivateAnonymous, kRw, kAnon | MAP_LOCKED));
  snapshot_.processes[1].memory.regions.push_back(
      RegionOf(0x60000, 0x61000, RegionKind::kPrivateAnonymous));
  EXPECT_EQ(
      Differences("heap", heap + Program{MapOf(1, 0x60000, 0x61000, kRw, kAnon | MAP_LOCKED)}),
      Strings{});
  // Nor are pages of MADV_WIPEONFORK regions.
  const std::uint64_t wipe = MadviseBit(MADV_WIPEONFORK);
  for (int i = 0; i < 2; ++i) {
    Region& region = snapshot_.processes[i].memory.regions.back();
    region.flags = {kAnon};
    region.madvise = {wipe};
  }
  snapshot_.processes[0].memory.pages.push_back({0x60000, 1, 0, 0});
  EXPECT_EQ(Differences("heap", heap + Program{MapOf(1, 0x60000, 0x61000, kRw, kAnon, wipe),
                                               LoadOf(1, 0x60000, 1, 0)}),
            Strings{});
}

/// Their numbers are the program's own.
TEST_F(CheckCompareMemoryTest, ObjectsAreComparedUpToRenaming) {
  EXPECT_EQ(Differences("shmem",
                        {MapShmem(2, 0x40000, 0x43000, 77, 0x4000), LoadOf(2, 0x40000, 1, 0x200000),
                         MapShmem(2, 0x44000, 0x46000, 77, std::nullopt, 0x1000),
                         UnmapOf(2, 0x40000, 0x43000), MoveOf(2, 0x44000, 0x46000, 0x40000)}),
            Strings{});
  EXPECT_EQ(Differences("files", {OpenOf(1, 0, RegFile(2, O_RDWR, "/data")),
                                  OpenOf(1, 3, NewMemfd(4, 70, 2 * kMib)),
                                  OpenOf(1, 9, RegFile(1000, O_RDONLY, "/lib"))}),
            Strings{});
  // Two objects where the dump has one: not by renaming.
  Region second = snapshot_.processes[1].memory.regions[1];
  second.range = {0x60000, 0x61000};
  snapshot_.processes[1].memory.regions.push_back(second);
  const Program shmem = {MapShmem(2, 0x40000, 0x43000, 77, 0x4000), LoadOf(2, 0x40000, 1, 0x200000),
                         MapShmem(2, 0x44000, 0x46000, 77, std::nullopt, 0x1000),
                         UnmapOf(2, 0x40000, 0x43000), MoveOf(2, 0x44000, 0x46000, 0x40000)};
  EXPECT_EQ(Differences("shmem",
                        shmem + Program{MapShmem(2, 0x60000, 0x61000, 77, std::nullopt, 0x1000)}),
            Strings{});
  EXPECT_EQ(
      Differences("shmem", shmem + Program{MapShmem(2, 0x60000, 0x61000, 78, 0x4000, 0x1000)}),
      Strings{"process 2 region 0x60000-0x61000: object: expected 9, found 78, which stands "
              "for another one"});
}

TEST_F(CheckCompareMemoryTest, SharedObjects) {
  EXPECT_EQ(Differences("memfd", {MapFd(1, 0x30000, 0x34000, 3, MAP_SHARED)}),
            Strings{"memfd 7 pages 0x1000-0x3000: expected, not present"});
  EXPECT_EQ(Differences("memfd", {MapFd(1, 0x30000, 0x34000, 3, MAP_SHARED),
                                  LoadOf(1, 0x31000, 3, 0x100000)}),
            Strings{"memfd 7 pages 0x3000-0x4000: present, not expected"});
  EXPECT_EQ(Differences("shmem", {MapShmem(2, 0x40000, 0x42000, 9, 0x5000, 0x1000)}),
            (Strings{"shmem 9: size: expected 16384, found 20480",
                     "shmem 9 pages 0x0-0x1000: expected, not present"}));
  auto files = [](std::shared_ptr<const File> memfd) {
    return Program{OpenOf(1, 0, RegFile(2, O_RDWR, "/data")), OpenOf(1, 3, std::move(memfd)),
                   OpenOf(1, 9, RegFile(1000, O_RDONLY, "/lib"))};
  };
  EXPECT_EQ(Differences("files", files(NewMemfd(4, 7, kMib))),
            Strings{"memfd 7: size: expected 2097152, found 1048576"});
  EXPECT_EQ(Differences("files", files(NewMemfd(4, 7, 2 * kMib, F_SEAL_GROW))),
            Strings{"memfd 7: seals: expected none, found F_SEAL_GROW"});
}

}  // namespace
}  // namespace crgen
