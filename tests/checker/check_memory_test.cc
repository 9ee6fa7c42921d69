// SPDX-License-Identifier: Apache-2.0
// Memory of the checker: every rule kept and broken.
#include <gtest/gtest.h>

#include "checker/kernel/kernel.h"
#include "tests/support/check_support.h"

namespace crgen {
namespace {

using namespace test;  // NOLINT: the vocabulary of these tests

const Program kRoot = {ForkOf(0, 10)};
constexpr std::uint64_t kTop = 0xffffffffffffffff;
constexpr std::uint64_t kDontDump = MadviseBit(MADV_DONTDUMP);

TEST(CheckMemory, Places) {
  const Program mapped = kRoot + Program{MapOf(10, 0x2000, 0x4000)};
  const std::string at = "commands[2] MAP_REGION pid 10: ";
  RunCases({
      {"a free place", mapped + Program{MapOf(10, 0x4000, 0x5000), MapOf(10, 0x1000, 0x2000)}, ""},
      {"over the end", mapped + Program{MapOf(10, 0x3000, 0x5000)},
       at + "EEXIST: 0x3000-0x5000 overlaps region 0x2000-0x4000"},
      {"over the start", mapped + Program{MapOf(10, 0x1000, 0x3000)},
       at + "EEXIST: 0x1000-0x3000 overlaps region 0x2000-0x4000"},
      {"inside", mapped + Program{MapOf(10, 0x2000, 0x3000)},
       at + "EEXIST: 0x2000-0x3000 overlaps region 0x2000-0x4000"},
      {"around", mapped + Program{MapOf(10, 0x1000, 0x9000)},
       at + "EEXIST: 0x1000-0x9000 overlaps region 0x2000-0x4000"},
      {"MAP_FIXED does not replace",
       mapped + Program{MapOf(10, 0x1000, 0x3000, kRw, kAnon | MAP_FIXED)},
       at + "EEXIST: 0x1000-0x3000 overlaps region 0x2000-0x4000"},
      {"not aligned", mapped + Program{MapOf(10, 0x5001, 0x6000)},
       at + "EINVAL: 0x5001-0x6000 is not a multiple of 4096"},
      {"empty", mapped + Program{MapOf(10, 0x5000, 0x5000)}, at + "EINVAL: 0x5000-0x5000 is empty"},
      {"backwards", mapped + Program{MapOf(10, 0x6000, 0x5000)},
       at + "EINVAL: 0x6000-0x5000 is empty"},
      {"the kernel's part", mapped + Program{MapOf(10, 0x5000, kTop - 4095)},
       at + "ENOMEM: 0x5000-0xfffffffffffff000 is not in the user's part of the address space"},
      {"another process's region",
       mapped + Program{ForkOf(10, 11), UnmapOf(11, 0x2000, 0x4000), MapOf(11, 0x2000, 0x4000)},
       ""},
      {"an inherited region", mapped + Program{ForkOf(10, 11), MapOf(11, 0x2000, 0x4000)},
       "commands[3] MAP_REGION pid 11: EEXIST: 0x2000-0x4000 overlaps region 0x2000-0x4000"},
  });
}

TEST(CheckMemory, FlagsAndSources) {
  MapRegion two = Mapping(0x1000, 0x2000);
  two.fd = 3;
  two.special = SpecialRegion::kVdso;
  MapRegion no_nr_req = Mapping(0x1000, 0x2000);
  no_nr_req.special = SpecialRegion::kAio;
  const std::string at = "commands[1] MAP_REGION pid 10: ";
  RunCases({
      {"neither shared nor private", kRoot + Program{MapOf(10, 0x1000, 0x2000, 0, MAP_ANONYMOUS)},
       at + "EINVAL: the flags have not exactly one of MAP_SHARED and MAP_PRIVATE"},
      {"both", kRoot + Program{MapOf(10, 0x1000, 0x2000, 0, MAP_ANONYMOUS | 3)},
       at + "EINVAL: the flags have not exactly one of MAP_SHARED and MAP_PRIVATE"},
      {"no source", kRoot + Program{MapOf(10, 0x1000, 0x2000, 0, MAP_PRIVATE)},
       at + "EBADF: neither fd, shmem or special nor MAP_ANONYMOUS"},
      {"shared without a name",
       kRoot + Program{MapOf(10, 0x1000, 0x2000, 0, MAP_SHARED | MAP_ANONYMOUS)},
       at + "EINVAL: shared anonymous memory without a shmem that names it"},
      {"two sources", kRoot + Program{{10, two}},
       at + "EINVAL: more than one of fd, shmem and special"},
      {"aio without nr_req", kRoot + Program{{10, no_nr_req}},
       at + "EINVAL: nr_req goes with special aio, shmid with special sysvipc"},
      {"aio and sysvipc",
       kRoot + Program{MapSpecial(10, 0x1000, 0x2000, SpecialRegion::kAio),
                       MapSpecial(10, 0x2000, 0x3000, SpecialRegion::kSysvIpc)},
       ""},
  });
}

TEST(CheckMemory, Files) {
  const Program open =
      kRoot + Program{OpenOf(10, 3, RegFile(1, O_RDONLY)), OpenOf(10, 4, RegFile(2, O_RDWR)),
                      OpenOf(10, 5, RegFile(3, O_WRONLY)), OpenOf(10, 6, OtherOf(4)),
                      OpenOf(10, 7, RegFile(5, O_PATH))};
  const std::string at = "commands[6] MAP_REGION pid 10: ";
  RunCases({
      {"private", open + Program{MapFd(10, 0x1000, 0x2000, 3)}, ""},
      {"shared and read", open + Program{MapFd(10, 0x1000, 0x2000, 3, MAP_SHARED, PROT_READ)}, ""},
      {"shared and written", open + Program{MapFd(10, 0x1000, 0x2000, 4, MAP_SHARED)}, ""},
      {"shared and written by a reader", open + Program{MapFd(10, 0x1000, 0x2000, 3, MAP_SHARED)},
       at + "EACCES: fd 3 is opened O_RDONLY (commands[1])"},
      {"a writer alone", open + Program{MapFd(10, 0x1000, 0x2000, 5)},
       at + "EACCES: fd 5 is opened O_WRONLY (commands[3])"},
      {"made writable later",
       open + Program{MapFd(10, 0x1000, 0x2000, 3, MAP_SHARED, PROT_READ),
                      ProtectOf(10, 0x1000, 0x2000, kRw)},
       "commands[7] PROTECT_REGION pid 10: EACCES: region 0x1000-0x2000 is a shared view without "
       "the right to write"},
      {"no such fd", open + Program{MapFd(10, 0x1000, 0x2000, 9)}, at + "EBADF: fd 9 is not open"},
      {"a pipe", open + Program{MapFd(10, 0x1000, 0x2000, 6)},
       at + "ENODEV: fd 6 is no file that can be mapped"},
      {"O_PATH", open + Program{MapFd(10, 0x1000, 0x2000, 7)},
       at + "EBADF: fd 7 is opened with O_PATH"},
      {"anonymous", open + Program{MapFd(10, 0x1000, 0x2000, 3, kAnon)},
       at + "EINVAL: fd 3 does not back anonymous memory"},
      {"an odd offset", open + Program{MapFd(10, 0x1000, 0x2000, 3, MAP_PRIVATE, kRw, 5)},
       at + "EINVAL: the offset into fd 3 is not a multiple of 4096"},
      {"an offset at the end of numbers",
       open + Program{MapFd(10, 0x1000, 0x3000, 3, MAP_PRIVATE, kRw, kTop - 4095)},
       at + "EOVERFLOW: the offset into fd 3 is 0xfffffffffffff000"},
      {"closed after it", open + Program{MapFd(10, 0x1000, 0x2000, 3), CloseOf(10, 3)}, ""},
      {"no load into a file",
       open + Program{MapFd(10, 0x1000, 0x2000, 4, MAP_SHARED), LoadOf(10, 0x1000, 1)},
       "commands[7] LOAD_PAGES pid 10: EFAULT: region 0x1000-0x2000 shows a file, whose content is "
       "not restored"},
  });
}

TEST(CheckMemory, SharedAnonymous) {
  const Program made = kRoot + Program{MapShmem(10, 0x1000, 0x3000, 5, 0x2000)};
  const std::string at = "commands[2] MAP_REGION pid 10: ";
  MapRegion priv = Mapping(0x1000, 0x2000);
  priv.shmem = ShmemView{5, 0, 0x1000};
  RunCases({
      {"another view", made + Program{MapShmem(10, 0x5000, 0x6000, 5, std::nullopt, 0x1000)}, ""},
      {"create without a size", kRoot + Program{MapShmem(10, 0x1000, 0x3000, 5)},
       "commands[1] MAP_REGION pid 10: ENOENT: shmem 5 does not exist, and to create it takes a "
       "size"},
      {"create twice", made + Program{MapShmem(10, 0x5000, 0x6000, 5, 0x1000)},
       at + "EEXIST: shmem 5 exists already: only the first view of it has a size"},
      {"private", kRoot + Program{{10, priv}},
       "commands[1] MAP_REGION pid 10: EINVAL: shmem 5 is MAP_SHARED and MAP_ANONYMOUS"},
      {"an odd offset", made + Program{MapShmem(10, 0x5000, 0x6000, 5, std::nullopt, 1)},
       at + "EINVAL: offset 1 into shmem 5"},
      {"by an heir",
       made + Program{ForkOf(10, 11), UnmapOf(10, 0x1000, 0x3000), MapShmem(11, 0x5000, 0x6000, 5)},
       ""},
      {"by one without a view",
       made + Program{ForkOf(10, 11), UnmapOf(11, 0x1000, 0x3000), MapShmem(11, 0x5000, 0x6000, 5)},
       "commands[4] MAP_REGION pid 11: ENOENT: process 11 holds no view of shmem 5"},
      {"by one with a part of a view",
       made + Program{ForkOf(10, 11), UnmapOf(11, 0x1000, 0x2000), MapShmem(11, 0x5000, 0x6000, 5)},
       ""},
      {"gone with its last view",
       made + Program{UnmapOf(10, 0x1000, 0x3000), MapShmem(10, 0x5000, 0x6000, 5)},
       "commands[3] MAP_REGION pid 10: ENOENT: shmem 5 is gone: no view of it is left"},
      {"filled", made + Program{LoadOf(10, 0x1000, 2)}, ""},
      {"filled behind its end",
       made + Program{MapShmem(10, 0x5000, 0x6000, 5, std::nullopt, 0x2000), LoadOf(10, 0x5000, 1)},
       "commands[3] LOAD_PAGES pid 10: SIGBUS: region 0x5000-0x6000 ends behind the 8192 bytes of "
       "its object"},
  });
}

TEST(CheckMemory, SpecialRegions) {
  constexpr std::uint64_t kVsyscall = 0xffffffffff600000;
  const Program vdso = kRoot + Program{MapSpecial(10, 0x1000, 0x3000, SpecialRegion::kVdso)};
  RunCases({
      {"each once",
       vdso + Program{MapSpecial(10, 0x4000, 0x5000, SpecialRegion::kVvar),
                      MapSpecial(10, kVsyscall, kVsyscall + 0x1000, SpecialRegion::kVsyscall)},
       ""},
      {"twice",
       vdso + Program{ForkOf(10, 11), MapSpecial(11, 0x5000, 0x7000, SpecialRegion::kVdso)},
       "commands[3] MAP_REGION pid 11: EEXIST: vdso is mapped already (commands[1]); it is "
       "inherited and moved"},
      {"inherited and moved", vdso + Program{ForkOf(10, 11), MoveOf(11, 0x1000, 0x3000, 0x8000)},
       ""},
      {"vsyscall elsewhere",
       kRoot + Program{MapSpecial(10, 0x1000, 0x2000, SpecialRegion::kVsyscall)},
       "commands[1] MAP_REGION pid 10: EINVAL: vsyscall, and only that, lies at "
       "0xffffffffff600000-0xffffffffff601000"},
      {"vsyscall moved",
       kRoot + Program{MapSpecial(10, kVsyscall, kVsyscall + 0x1000, SpecialRegion::kVsyscall),
                       MoveOf(10, kVsyscall, kVsyscall + 0x1000, 0x1000)},
       "commands[2] MOVE_REGION pid 10: EFAULT: vsyscall does not move"},
      {"loaded", vdso + Program{LoadOf(10, 0x1000, 1)},
       "commands[2] LOAD_PAGES pid 10: EFAULT: region 0x1000-0x3000 is provided by the kernel"},
  });
}

TEST(CheckMemory, Unmap) {
  const Program two = kRoot + Program{MapOf(10, 0x1000, 0x3000), MapOf(10, 0x5000, 0x7000)};
  RunCases({
      {"across a hole", two + Program{UnmapOf(10, 0x2000, 0x6000), MapOf(10, 0x2000, 0x6000)}, ""},
      {"out of the middle",
       kRoot + Program{MapOf(10, 0x1000, 0x9000), UnmapOf(10, 0x3000, 0x4000),
                       MapOf(10, 0x3000, 0x4000), ProtectOf(10, 0x1000, 0x9000, 0)},
       ""},
      {"nothing", two + Program{UnmapOf(10, 0x3000, 0x5000)},
       "commands[3] UNMAP_REGION pid 10: EINVAL: nothing is mapped in 0x3000-0x5000"},
      {"not aligned", two + Program{UnmapOf(10, 0x1000, 0x2001)},
       "commands[3] UNMAP_REGION pid 10: EINVAL: 0x1000-0x2001 is not a multiple of 4096"},
  });
}

TEST(CheckMemory, Move) {
  const Program two = kRoot + Program{MapOf(10, 0x1000, 0x3000), MapOf(10, 0x5000, 0x7000, 0)};
  const std::string at = "commands[3] MOVE_REGION pid 10: ";
  RunCases({
      {"a region", two + Program{MoveOf(10, 0x1000, 0x3000, 0x8000), MapOf(10, 0x1000, 0x3000)},
       ""},
      {"a part", two + Program{MoveOf(10, 0x2000, 0x3000, 0x8000), MapOf(10, 0x2000, 0x3000)}, ""},
      {"onto itself", two + Program{MoveOf(10, 0x1000, 0x3000, 0x2000)},
       at + "EINVAL: 0x1000-0x3000 and 0x2000-0x4000 overlap"},
      {"onto another", two + Program{MoveOf(10, 0x1000, 0x3000, 0x4000)},
       at + "EEXIST: 0x4000-0x6000 overlaps region 0x5000-0x7000"},
      {"a hole", two + Program{MoveOf(10, 0x2000, 0x4000, 0x8000)},
       at + "EFAULT: nothing is mapped at 0x3000"},
      {"two regions",
       two + Program{MapOf(10, 0x3000, 0x4000, PROT_READ), MoveOf(10, 0x2000, 0x4000, 0x8000)},
       "commands[4] MOVE_REGION pid 10: EFAULT: 0x1000-0x3000 and 0x3000-0x4000 are different "
       "regions"},
      {"one region that was cut",
       two + Program{ProtectOf(10, 0x1000, 0x2000, 0), ProtectOf(10, 0x1000, 0x2000, kRw),
                     MoveOf(10, 0x1000, 0x3000, 0x8000)},
       ""},
      {"out of all places", two + Program{MoveOf(10, 0x1000, 0x3000, kTop - 4095)},
       at + "EINVAL: 0xfffffffffffff000 leaves no place for the region"},
      {"not aligned", two + Program{MoveOf(10, 0x1000, 0x3000, 0x8001)},
       at + "EINVAL: 0x8001-0xa001 is not a multiple of 4096"},
      {"guards go along",
       two + Program{AdviseOf(10, 0x1000, 0x2000, kGuardInstall),
                     MoveOf(10, 0x1000, 0x3000, 0x8000), LoadOf(10, 0x8000, 1)},
       "commands[5] LOAD_PAGES pid 10: EFAULT: 0x8000-0x9000 is guarded"},
  });
}

TEST(CheckMemory, Protect) {
  const Program two = kRoot + Program{MapOf(10, 0x1000, 0x3000), MapOf(10, 0x5000, 0x7000)};
  const std::string at = "commands[3] PROTECT_REGION pid 10: ";
  RunCases({
      {"a part", two + Program{ProtectOf(10, 0x2000, 0x3000, 0), LoadOf(10, 0x1000, 1)}, ""},
      {"a hole", two + Program{ProtectOf(10, 0x2000, 0x6000, 0)},
       at + "ENOMEM: nothing is mapped at 0x3000"},
      {"neither", two + Program{AdviseOf(10, 0x1000, 0x2000, 0)},
       at + "EINVAL: exactly one of prot and madvise is to be given"},
      {"both", two + Program{{10, ProtectRegion{{0x1000}, {0x2000}, Prot{0}, {kGuardInstall}}}},
       at + "EINVAL: exactly one of prot and madvise is to be given"},
      {"advice in a hole", two + Program{AdviseOf(10, 0x3000, 0x4000, MadviseBit(MADV_DONTNEED))},
       at + "ENOMEM: nothing is mapped at 0x3000"},
      {"unknown advice", two + Program{AdviseOf(10, 0x1000, 0x2000, MadviseBit(MADV_WILLNEED))},
       at + "EINVAL: advice 0x8 is none that lasts"},
      {"locked memory keeps its pages",
       kRoot + Program{MapOf(10, 0x1000, 0x3000, kRw, kAnon | MAP_LOCKED),
                       AdviseOf(10, 0x1000, 0x3000, MadviseBit(MADV_DONTNEED))},
       "commands[2] PROTECT_REGION pid 10: EINVAL: region 0x1000-0x3000 is locked"},
      {"MADV_WIPEONFORK of a file",
       kRoot + Program{OpenOf(10, 3, RegFile(1)), MapFd(10, 0x1000, 0x2000, 3),
                       AdviseOf(10, 0x1000, 0x2000, MadviseBit(MADV_WIPEONFORK))},
       "commands[3] PROTECT_REGION pid 10: EINVAL: MADV_WIPEONFORK is for private anonymous "
       "memory"},
  });
}

TEST(CheckMemory, Load) {
  const Program two = kRoot + Program{MapOf(10, 0x1000, 0x3000), MapOf(10, 0x3000, 0x5000, 1)};
  const std::string at = "commands[3] LOAD_PAGES pid 10: ";
  RunCases({
      {"writable pages", two + Program{LoadOf(10, 0x1000, 2), LoadOf(10, 0x2000, 1)}, ""},
      {"an incremental dump", two + Program{LoadOf(10, 0x1000, 1, 0, "parent/pages-1.img")}, ""},
      {"read-only pages", two + Program{LoadOf(10, 0x2000, 2)},
       at + "EFAULT: region 0x3000-0x5000 is not writable"},
      {"writable at that moment",
       two + Program{ProtectOf(10, 0x3000, 0x5000, kRw), LoadOf(10, 0x2000, 3),
                     ProtectOf(10, 0x3000, 0x5000, 1)},
       ""},
      {"a hole", two + Program{LoadOf(10, 0x5000, 1)}, at + "EFAULT: nothing is mapped at 0x5000"},
      {"none", two + Program{LoadOf(10, 0x1000, 0)}, at + "EINVAL: 0 pages"},
      {"more than there are", two + Program{LoadOf(10, 0x1000, kTop)},
       at + "EINVAL: 18446744073709551615 pages"},
      {"around the end of addresses", two + Program{LoadOf(10, 0x1000, kTop / 4096)},
       at + "EFAULT: 4503599627370495 pages do not fit behind 0x1000"},
      {"not aligned", two + Program{LoadOf(10, 0x1001, 1)},
       at + "EINVAL: 0x1001-0x2001 is not a multiple of 4096"},
      {"an absolute image", two + Program{LoadOf(10, 0x1000, 1, 0, "/pages")},
       at + "EINVAL: image \"/pages\" is not a path inside the dump"},
      {"an image outside", two + Program{LoadOf(10, 0x1000, 1, 0, "parent/../../pages")},
       at + "EINVAL: image \"parent/../../pages\" is not a path inside the dump"},
      {"dots in a name", two + Program{LoadOf(10, 0x1000, 1, 0, "a..b")}, ""},
      {"no image", two + Program{LoadOf(10, 0x1000, 1, 0, "")},
       at + "EINVAL: image \"\" is not a path inside the dump"},
      {"an offset beyond files", two + Program{LoadOf(10, 0x1000, 1, kTop)},
       at + "EOVERFLOW: offset 18446744073709551615 in pages-1.img"},
      {"guarded", two + Program{AdviseOf(10, 0x2000, 0x3000, kGuardInstall), LoadOf(10, 0x1000, 2)},
       "commands[4] LOAD_PAGES pid 10: EFAULT: 0x2000-0x3000 is guarded"},
  });
}

TEST(CheckMemory, LoadBehindTheEndOfAFile) {
  RegularFile body;
  body.path = {"/file"};
  body.size = 0x1001;
  const auto sized = std::make_shared<const File>(File{{1}, {O_RDONLY}, body});
  RunCases({
      {"a private view of a memfd",
       kRoot + Program{OpenOf(10, 3, NewMemfd(1, 7, 0x1000)), MapFd(10, 0x1000, 0x3000, 3),
                       LoadOf(10, 0x1000, 1), LoadOf(10, 0x2000, 1)},
       "commands[4] LOAD_PAGES pid 10: SIGBUS: region 0x1000-0x3000 ends behind the 4096 bytes of "
       "its object"},
      {"a file of a known size",
       kRoot + Program{OpenOf(10, 3, sized), MapFd(10, 0x1000, 0x4000, 3), LoadOf(10, 0x2000, 1),
                       LoadOf(10, 0x3000, 1)},
       "commands[4] LOAD_PAGES pid 10: SIGBUS: region 0x1000-0x4000 ends behind the 4097 bytes of "
       "its object"},
      {"a file of any size",
       kRoot +
           Program{OpenOf(10, 3, RegFile(1)), MapFd(10, 0x1000, 0x4000, 3), LoadOf(10, 0x1000, 3)},
       ""},
  });
}

TEST(CheckMemory, OfSeveralViolationsTheKernelsFirst) {
  const Program shared = kRoot + Program{OpenOf(10, 3, RegFile(1, O_RDONLY)),
                                         MapFd(10, 0x1000, 0x2000, 3, MAP_SHARED, PROT_READ),
                                         MapOf(10, 0x4000, 0x5000)};
  const std::string map = "commands[4] MAP_REGION pid 10: ";
  const std::string protect = "commands[4] PROTECT_REGION pid 10: ";
  RunCases({
      {"a closed fd, a taken place", shared + Program{MapFd(10, 0x1000, 0x2000, 9)},
       map + "EBADF: fd 9 is not open"},
      {"no source, a taken place", shared + Program{MapOf(10, 0x1000, 0x2000, kRw, MAP_PRIVATE)},
       map + "EBADF: neither fd, shmem or special nor MAP_ANONYMOUS"},
      {"a taken place, a reader", shared + Program{MapFd(10, 0x1000, 0x2000, 3, MAP_SHARED)},
       map + "EEXIST: 0x1000-0x2000 overlaps region 0x1000-0x2000"},
      {"protection refused before a hole", shared + Program{ProtectOf(10, 0x1000, 0x5000, kRw)},
       protect + "EACCES: region 0x1000-0x2000 is a shared view without the right to write"},
      {"a hole before protection refused", shared + Program{ProtectOf(10, 0x0, 0x2000, kRw)},
       protect + "ENOMEM: nothing is mapped at 0x0"},
      {"advice refused behind a hole",
       shared + Program{AdviseOf(10, 0x0, 0x2000, MadviseBit(MADV_WIPEONFORK))},
       protect + "EINVAL: MADV_WIPEONFORK is for private anonymous memory"},
  });
}

TEST(CheckMemory, TheKernelsPartOfTheAddresses) {
  constexpr std::uint64_t kOutside = ~std::uint64_t{0} << 40;
  constexpr std::uint64_t kEnd = kOutside + 0x1000;
  const Program mapped = kRoot + Program{MapOf(10, 0x1000, 0x2000)};
  const std::string what =
      "0xffffff0000000000-0xffffff0000001000 is not in the user's part of the address space";
  RunCases({
      {"mmap", mapped + Program{MapOf(10, kOutside, kEnd)},
       "commands[2] MAP_REGION pid 10: ENOMEM: " + what},
      {"munmap", mapped + Program{UnmapOf(10, kOutside, kEnd)},
       "commands[2] UNMAP_REGION pid 10: EINVAL: " + what},
      {"mremap from", mapped + Program{MoveOf(10, kOutside, kEnd, 0x8000)},
       "commands[2] MOVE_REGION pid 10: EFAULT: " + what},
      {"mremap to", mapped + Program{MoveOf(10, 0x1000, 0x2000, kOutside)},
       "commands[2] MOVE_REGION pid 10: EINVAL: " + what},
      {"mprotect", mapped + Program{ProtectOf(10, kOutside, kEnd, 0)},
       "commands[2] PROTECT_REGION pid 10: ENOMEM: " + what},
      {"madvise", mapped + Program{AdviseOf(10, kOutside, kEnd, MadviseBit(MADV_DONTNEED))},
       "commands[2] PROTECT_REGION pid 10: ENOMEM: " + what},
      {"a fill", mapped + Program{LoadOf(10, kOutside, 1)},
       "commands[2] LOAD_PAGES pid 10: EFAULT: " + what},
  });
}

TEST(CheckMemory, Droppable) {
  constexpr std::uint64_t kDroppable = 0x8 | MAP_ANONYMOUS;
  const Program mapped = kRoot + Program{MapOf(10, 0x1000, 0x4000, kRw, kDroppable)};
  const std::string at = "commands[2] PROTECT_REGION pid 10: ";
  const std::string is =
      "EINVAL: region 0x1000-0x4000 is droppable: not for a child, nor for a "
      "core dump";
  RunCases({
      {"locked", kRoot + Program{MapOf(10, 0x1000, 0x4000, kRw, kDroppable | MAP_LOCKED)},
       "commands[1] MAP_REGION pid 10: EINVAL: droppable memory is neither locked nor of huge "
       "pages"},
      {"kept on fork", mapped + Program{AdviseOf(10, 0x1000, 0x2000, MadviseBit(MADV_KEEPONFORK))},
       at + is},
      {"dumped", mapped + Program{AdviseOf(10, 0x1000, 0x2000, MadviseBit(MADV_DODUMP))}, at + is},
      {"advice that it has anyway does not cut it",
       mapped + Program{AdviseOf(10, 0x1000, 0x2000, MadviseBit(MADV_DONTDUMP)),
                        MoveOf(10, 0x1000, 0x4000, 0x8000)},
       ""},
  });
}

TEST(CheckMemory, OnlyPrivatePagesAreMergeable) {
  constexpr std::uint64_t kMergeable = MadviseBit(MADV_MERGEABLE);
  const Program program =
      kRoot + Program{MapShmem(10, 0x1000, 0x2000, 5, 0x1000), MapOf(10, 0x4000, 0x5000),
                      AdviseOf(10, 0x1000, 0x2000, kMergeable),
                      AdviseOf(10, 0x4000, 0x5000, kMergeable), ResumeOf(10)};
  SimulatedState state;
  Diagnostics diag;
  EXPECT_TRUE(Succeeded(CheckProgram(program, &state, diag)));
  const std::string text = DescribeState(state);
  EXPECT_NE(text.find("MAP_SHARED|MAP_ANONYMOUS shmem 5 at 0x0\n"), text.npos) << text;
  EXPECT_NE(text.find("anonymous MADV_MERGEABLE\n"), text.npos) << text;
}

TEST(CheckMemory, ForkLeavesOut) {
  RunCases({
      {"MADV_DONTFORK at once",
       kRoot + Program{MapOf(10, 0x1000, 0x3000, kRw, kAnon, MadviseBit(MADV_DONTFORK)),
                       ForkOf(10, 11), MapOf(11, 0x1000, 0x3000)},
       ""},
      {"MADV_DONTFORK later, for a part",
       kRoot + Program{MapOf(10, 0x1000, 0x4000),
                       AdviseOf(10, 0x2000, 0x3000, MadviseBit(MADV_DONTFORK)), ForkOf(10, 11),
                       MapOf(11, 0x2000, 0x3000), ProtectOf(10, 0x1000, 0x4000, 0)},
       ""},
      {"MADV_DOFORK",
       kRoot + Program{MapOf(10, 0x1000, 0x3000, kRw, kAnon, MadviseBit(MADV_DONTFORK)),
                       AdviseOf(10, 0x1000, 0x3000, MadviseBit(MADV_DOFORK)), ForkOf(10, 11),
                       UnmapOf(11, 0x1000, 0x3000)},
       ""},
  });
}

/// The program's regions at the end; 10 is its only process.
std::vector<AddressRange> RegionsAfter(const Program& program) {
  SimulatedState state;
  Diagnostics diag;
  EXPECT_EQ(CheckProgram(program, &state, diag), Result::kOk);
  const check::Kernel& kernel = *state.kernel();
  std::vector<AddressRange> ranges;
  kernel.tasks[kernel.FindTask(10)].space->regions.ForEach(
      [&](AddressRange range, const check::MappedRegion&) { ranges.push_back(range); });
  return ranges;
}

/// Else a program of n splits and n changes of all would take n² steps.
TEST(CheckMemory, NeighboursThatBecomeAlikeAreOne) {
  Program split = kRoot + Program{MapOf(10, 0x1000, 0x100000), MapOf(10, 0x100000, 0x200000)};
  for (std::uint64_t at = 0x2000; at < 0x200000; at += 0x2000) {
    split.push_back(ProtectOf(10, at, at + 0x1000, PROT_READ));
  }
  EXPECT_EQ(RegionsAfter(split + Program{ResumeOf(10)}).size(), 511u);
  const std::vector<AddressRange> whole = {{0x1000, 0x200000}};
  EXPECT_EQ(RegionsAfter(split + Program{ProtectOf(10, 0x1000, 0x200000, 0), ResumeOf(10)}), whole);
  const Program advised =
      kRoot + Program{MapOf(10, 0x1000, 0x3000), AdviseOf(10, 0x2000, 0x3000, kDontDump),
                      AdviseOf(10, 0x1000, 0x2000, kDontDump), ResumeOf(10)};
  EXPECT_EQ(RegionsAfter(advised), (std::vector<AddressRange>{{0x1000, 0x3000}}));
  // Two files that are alike are not one.
  const Program files = kRoot + Program{OpenOf(10, 3, RegFile(1)),
                                        OpenOf(10, 4, RegFile(2)),
                                        MapFd(10, 0x1000, 0x2000, 3),
                                        MapFd(10, 0x2000, 0x3000, 4, MAP_PRIVATE, kRw, 0x1000),
                                        ProtectOf(10, 0x1000, 0x3000, 0),
                                        ResumeOf(10)};
  EXPECT_EQ(RegionsAfter(files).size(), 2u);
}

/// As many copies of the map as it has regions, each with a change of its own.
TEST(CheckMemory, LargePrograms) {
  Program program = kRoot;
  constexpr std::uint64_t kRegions = 50000;
  for (std::uint64_t i = 0; i < kRegions; ++i) {
    const std::uint64_t start = 0x1000 + i * 0x2000;
    program.push_back(MapOf(10, start, start + 0x1000));
    program.push_back(LoadOf(10, start, 1, i * 0x1000));
  }
  for (Pid pid = 11; pid < 50000; ++pid) {
    program.push_back(ForkOf(10, pid));
    program.push_back(UnmapOf(pid, 0x1000 + (pid % 100) * 0x2000, 0x2000 + (pid % 100) * 0x2000));
    program.push_back(ResumeOf(pid));
  }
  EXPECT_EQ(Violations(program), std::vector<std::string>{});
}

}  // namespace
}  // namespace crgen
