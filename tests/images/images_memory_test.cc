// SPDX-License-Identifier: Apache-2.0
// Areas, mapped files and shared memory as real dumps have them: what is read.
#include <gtest/gtest.h>

#include "tests/support/image_builder.h"

namespace crgen {
namespace {

using namespace test;  // NOLINT: the vocabulary of these tests

TEST(ImageMemory, TheFileOfAMappingNeedNotBeOpen) {
  Dump dump;
  dump.AddFile(4, "/lib/a").mutable_reg()->set_flags(2);
  dump.AddArea(10, 0x20000, 1, kRegular | kFilePrivate).set_shmid(4);
  dump.AddArea(10, 0x21000, 1, kRegular | kFilePrivate).set_shmid(3);
  const Snapshot snapshot = LoadGood(dump);
  const AddressSpace& memory = snapshot.processes[0].memory;
  ASSERT_EQ(memory.regions.size(), 3u);
  EXPECT_EQ(snapshot.files[memory.regions[1].file]->id.value, 4u);
  EXPECT_EQ(snapshot.files[memory.regions[2].file]->id.value, 3u) << "open as fd 0 too";
  EXPECT_EQ(snapshot.tables[0].slots, (std::vector<Descriptor>{{0, false, FileIndex(2)}}));
  EXPECT_EQ(snapshot.files[memory.exe]->id.value, 1u);
}

TEST(ImageMemory, HowAMappedFileIsOpened) {
  struct Case {
    std::uint32_t status, prot;
    std::optional<std::uint32_t> fdflags;
    std::uint64_t expected;
  };
  for (const Case& test : std::vector<Case>{{kFilePrivate, kReadWrite, std::nullopt, 0},
                                            {kFileShared, kReadWrite, std::nullopt, 2},
                                            {kFileShared, kRead, std::nullopt, 0},
                                            {kFilePrivate, kReadWrite, 0, 0},
                                            {kFilePrivate, kRead, 2, 2},
                                            {kFileShared, kRead, 2, 2},
                                            {kFileShared, kRead, 0, 0},
                                            {kFileShared, kReadWrite, 0x8002, 2}}) {
    Dump dump;
    pb::vma_entry& area = dump.AddArea(10, 0x20000, 1, kRegular | test.status);
    area.set_shmid(3);
    area.set_prot(test.prot);
    if (test.fdflags) area.set_fdflags(*test.fdflags);
    const Snapshot snapshot = LoadGood(dump);
    EXPECT_EQ(snapshot.processes[0].memory.regions[1].open_flags.bits, test.expected)
        << test.status << " " << test.prot << " " << test.fdflags.value_or(99);
  }
}

TEST(ImageMemory, OffsetsAreInBytes) {
  Dump dump;
  pb::vma_entry& file = dump.AddArea(10, 0x20000, 1, kRegular | kFilePrivate);
  file.set_shmid(3);
  file.set_pgoff(0x3000);
  pb::vma_entry& shared = dump.AddArea(10, 0x30000, 2, kRegular | kAnonShared);
  shared.set_shmid(7);
  shared.set_pgoff(0x1000);
  const Snapshot snapshot = LoadGood(dump);
  EXPECT_EQ(snapshot.processes[0].memory.regions[1].offset, 0x3000u);
  EXPECT_EQ(snapshot.processes[0].memory.regions[2].offset, 0x1000u);
  EXPECT_EQ(snapshot.shmems.at(0).size, 0x3000u);
}

TEST(ImageMemory, GuardRangesStandBehindAllOthers) {
  Dump dump;
  dump.AddArea(10, 0x20000, 2, kRegular | kAnonPrivate);
  dump.AddArea(10, 0x22000, 2, kRegular | kAnonPrivate).set_prot(kRead);
  dump.AddArea(10, 0x11000, 1, kGuard);
  dump.pagemaps["pagemap-10.img"].runs = {PagesAt(0x10000, 1)};
  dump.AddArea(10, 0x20000, 1, kGuard);
  dump.AddArea(10, 0x21000, 2, kGuard);  // in two areas
  const Snapshot snapshot = LoadGood(dump);
  const AddressSpace& memory = snapshot.processes[0].memory;
  EXPECT_EQ(memory.regions.size(), 3u);
  EXPECT_EQ(memory.guards, (std::vector<AddressRange>{
                               {0x11000, 0x12000}, {0x20000, 0x21000}, {0x21000, 0x23000}}));
}

TEST(ImageMemory, TheKernelsOwnAreas) {
  Dump dump;
  dump.AddArea(10, 0x20000, 4, kRegular | kAnonPrivate | kVvar).set_prot(kRead);
  dump.AddArea(10, 0x24000, 2, kRegular | kAnonPrivate | kVdso).set_prot(5);
  dump.AddArea(10, 0xffffffffff600000, 1, kAnonPrivate | kVsyscall).set_prot(4);
  dump.AddProcess(11, 10);
  dump.AddArea(11, 0x30000, 4, kRegular | kAnonPrivate | kVvar).set_madv(0x10000);
  const Snapshot snapshot = LoadGood(dump);
  const std::vector<Region>& regions = snapshot.processes[0].memory.regions;
  ASSERT_EQ(regions.size(), 4u);
  EXPECT_EQ(regions[1].kind, RegionKind::kVvar);
  EXPECT_EQ(regions[1].madvise.bits, 0x10000u) << "DONTDUMP, which the kernel gives it";
  EXPECT_EQ(regions[2].kind, RegionKind::kVdso);
  EXPECT_EQ(regions[2].madvise.bits, 0u);
  EXPECT_EQ(regions[3].kind, RegionKind::kVsyscall);
  EXPECT_EQ(snapshot.processes[1].memory.regions[1].madvise.bits, 0x10000u);
}

/// A memfd object of `pages` pages by this name, mapped shared by process 10.
Dump WithObject(const std::string& name, std::uint64_t pages = 2) {
  Dump dump;
  dump.AddMemfd(4, 77, 5, name, pages);
  pb::vma_entry& area = dump.AddArea(10, 0x20000, 2, kRegular | kFileShared | kMemfd);
  area.set_shmid(4);
  area.set_fdflags(2);
  dump.pagemaps["pagemap-shmem-5.img"] = {6, {PagesAt(0x1000, 1)}};
  return dump;
}

TEST(ImageMemory, SharedAnonymousMemoryStandsThereAsAMemfd) {
  const Snapshot snapshot = LoadGood(WithObject("/dev/zero"));
  EXPECT_TRUE(snapshot.memfds.empty());
  ASSERT_EQ(snapshot.shmems.size(), 1u);
  EXPECT_EQ(snapshot.shmems[0].id, ShmemId{5});
  EXPECT_EQ(snapshot.shmems[0].size, 0x2000u);
  EXPECT_EQ(RunsOf(snapshot.shmems[0].pages), (std::vector<Numbers>{{0x1000, 1, 0}}));
  const Region& region = snapshot.processes[0].memory.regions[1];
  EXPECT_EQ(region.kind, RegionKind::kSharedAnonymous);
  EXPECT_EQ(region.object, 0);
  EXPECT_EQ(region.flags.bits, kMapShared | kMapAnonymous);
}

TEST(ImageMemory, ButItIsAMemfdIf) {
  auto expect_memfd = [](const Dump& dump, const std::string& why) {
    const Snapshot snapshot = LoadGood(dump);
    EXPECT_TRUE(snapshot.shmems.empty()) << why;
    ASSERT_EQ(snapshot.memfds.size(), 1u) << why;
    EXPECT_EQ(snapshot.memfds[0].inode_id, InodeId{77}) << why;
    EXPECT_EQ(RunsOf(snapshot.memfds[0].pages), (std::vector<Numbers>{{0x1000, 1, 0}})) << why;
    EXPECT_EQ(snapshot.processes[0].memory.regions[1].kind, RegionKind::kSharedMemfd) << why;
    EXPECT_EQ(snapshot.processes[0].memory.regions[1].object, 0) << why;
  };
  expect_memfd(WithObject("buffer"), "it has a name");
  Dump open = WithObject("/dev/zero");
  open.AddDescriptor(10, 9, 4, pb::FD_MEMFD);
  expect_memfd(open, "it is open");
  Dump mapped = WithObject("/dev/zero");
  mapped.AddArea(10, 0x30000, 1, kRegular | kFilePrivate | kMemfd).set_shmid(4);
  expect_memfd(mapped, "it is mapped privately too");
}

TEST(ImageMemory, AnonymousAndNamedObjectsTogether) {
  Dump dump = WithObject("/dev/zero");
  dump.AddMemfd(5, 78, 8, "buffer", 1);
  dump.AddArea(10, 0x30000, 1, kRegular | kFilePrivate | kMemfd).set_shmid(5);
  dump.AddArea(10, 0x40000, 3, kRegular | kAnonShared).set_shmid(9);
  dump.AddProcess(11, 10);
  dump.AddArea(11, 0x40000, 4, kRegular | kAnonShared).set_shmid(9);
  dump.pagemaps["pagemap-shmem-9.img"] = {19, {PagesAt(0, 4)}};
  const Snapshot snapshot = LoadGood(dump);
  ASSERT_EQ(snapshot.shmems.size(), 2u);
  EXPECT_EQ(snapshot.shmems[0].id, ShmemId{9});
  EXPECT_EQ(snapshot.shmems[0].size, 0x4000u) << "as far as the longest view";
  EXPECT_EQ(RunsOf(snapshot.shmems[0].pages), (std::vector<Numbers>{{0, 4, 0}}));
  EXPECT_EQ(snapshot.shmems[1].id, ShmemId{5});
  ASSERT_EQ(snapshot.memfds.size(), 1u);
  EXPECT_EQ(snapshot.memfds[0].name.bytes, "buffer");
  const std::vector<Region>& regions = snapshot.processes[0].memory.regions;
  EXPECT_EQ(regions[1].object, 1);
  EXPECT_EQ(regions[2].kind, RegionKind::kPrivateMemfd);
  EXPECT_EQ(regions[2].object, 0);
  EXPECT_EQ(regions[3].kind, RegionKind::kSharedAnonymous);
  EXPECT_EQ(regions[3].object, 0);
  EXPECT_EQ(snapshot.processes[1].memory.regions[1].object, 0);
}

TEST(ImageMemory, AMemfdOfSize0HasNoPages) {
  Dump dump;
  dump.AddMemfd(4, 77, 5, "a", 0);
  dump.AddMemfd(5, 78, 5, "b", 0);
  dump.AddDescriptor(10, 4, 4, pb::FD_MEMFD);
  dump.AddDescriptor(10, 5, 5, pb::FD_MEMFD);
  EXPECT_EQ(LoadGood(dump).memfds.size(), 2u);
}

/// A dump with an AIO ring of two pages: 255 slots.
Dump WithRing(std::uint32_t head, std::uint32_t tail) {
  Dump dump;
  dump.AddArea(10, 0x20000, 2, kAioRing).set_flags(kMapShared);
  pb::aio_ring_entry& ring = *dump.mms[10].add_aios();
  ring.set_id(0x20000);
  ring.set_nr_req(31);
  dump.pagemaps["pagemap-10.img"].runs = {PagesAt(0x10000, 2), PagesAt(0x20000, 2)};
  dump.edits.push_back([=](Files& files) {
    const std::uint32_t header[] = {0, 255, head, tail};
    files["pages-10.img"].replace(2 * kPage, sizeof header, reinterpret_cast<const char*>(header),
                                  sizeof header);
  });
  return dump;
}

TEST(ImageMemory, AnAioRingHasItsRequestsAndWhereItsEventsAre) {
  const Snapshot snapshot = LoadGood(WithRing(250, 3));
  const Region& ring = snapshot.processes[0].memory.regions[1];
  EXPECT_EQ(ring.kind, RegionKind::kAioRing);
  EXPECT_EQ(ring.nr_req, 31u);
  EXPECT_EQ(ring.aio, (AioRing{250, 3, 0, 2 * kPage + 32}));
  EXPECT_EQ(snapshot.processes[0].memory.pages.size(), 1u);
}

TEST(ImageMemory, AnEmptyAioRingHasNoEvents) {
  const Snapshot snapshot = LoadGood(WithRing(7, 7));
  EXPECT_EQ(snapshot.processes[0].memory.regions[1].aio, (AioRing{7, 7, 0, 0}));
}

}  // namespace
}  // namespace crgen
