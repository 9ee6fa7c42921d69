// SPDX-License-Identifier: Apache-2.0
// Files without a name in the checker: every rule kept and broken.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "checker/snapshot_of.h"
#include "tests/support/check_support.h"

namespace crgen {
namespace {

using namespace test;  // NOLINT: the vocabulary of these tests

Unlinked NewFile(std::uint64_t id, std::uint64_t size = 100) {
  Unlinked file;
  file.id = {id};
  file.mode = 0100644;
  file.uid = 0;
  file.gid = 0;
  file.size = size;
  return file;
}
Unlinked Known(std::uint64_t id, std::optional<std::uint64_t> link_of = {}) {
  Unlinked file;
  file.id = {id};
  file.link_of = link_of;
  return file;
}
Unlinked With(std::vector<ContentRun> content) {
  Unlinked file = NewFile(1);
  file.content = std::move(content);
  return file;
}
/// At the number of its id.
Command Open(std::uint64_t id, Unlinked unlinked, std::string path = "/gone") {
  RegularFile body;
  body.path = {std::move(path)};
  body.unlinked = std::move(unlinked);
  return OpenOf(10, static_cast<Fd>(id),
                std::make_shared<const File>(File{{id}, {O_RDWR}, std::move(body)}));
}

const Program kRoot = {ForkOf(0, 10)};

TEST(CheckUnlinked, IsMadeByItsFirstOpening) {
  const Program made = kRoot + Program{Open(1, NewFile(1))};
  const auto at = [](int command, const char* what) {
    return "commands[" + std::to_string(command) + "] OPEN_FILE pid 10: " + what;
  };
  RunCases({
      {"made", made, ""},
      {"opened again", made + Program{Open(2, Known(1))}, ""},
      {"opened again when all have closed it", made + Program{CloseOf(10, 1), Open(2, Known(1))},
       ""},
      {"not made", kRoot + Program{Open(1, Known(1))},
       at(1,
          "ENOENT: the unlinked file 1 does not exist, and to create it takes mode, uid and gid")},
      {"made twice", made + Program{Open(2, NewFile(1))},
       at(2, "EEXIST: the unlinked file 1 exists already: only its first opening describes it")},
      {"with another path", made + Program{Open(2, Known(1), "/other")},
       at(2, "EINVAL: the unlinked file 1 was /gone")},
      {"another name of it",
       made + Program{Open(2, Known(2, 1), "/other"), Open(3, Known(2), "/other")}, ""},
      {"another name of nothing", kRoot + Program{Open(2, Known(2, 1), "/other")},
       at(1, "ENOENT: no file was created as 1")},
      {"another name, described", made + Program{[] {
                                    Unlinked file = NewFile(2);
                                    file.link_of = 1;
                                    return Open(2, file, "/other");
                                  }()},
       at(2, "EEXIST: the unlinked file 2 is another name of what exists already")},
  });
}

TEST(CheckUnlinked, IsAFileThatCanBe) {
  const auto refused = [](const char* what) {
    return std::string("commands[1] OPEN_FILE pid 10: ") + what;
  };
  const auto made = [](auto change) {
    Unlinked file = NewFile(1);
    change(file);
    return kRoot + Program{Open(1, file)};
  };
  const ImageSpan source = {"ghost-file-1.img", 50};
  RunCases({
      {"a type that is none", made([](Unlinked& it) { it.mode = 0755; }),
       refused("EINVAL: the unlinked file 1: its mode is that of no file")},
      {"without a size", made([](Unlinked& it) { it.size.reset(); }),
       refused("EINVAL: the unlinked file 1 has no size, without which none of its type is made")},
      {"too large", made([](Unlinked& it) { it.size = 1ul << 63; }),
       refused("EFBIG: a file has at most 2^63-1 bytes")},
      {"a time that is none", made([](Unlinked& it) {
         it.times = FileTimes{{1, 0}, {1, 1'000'000'000}};
       }),
       refused("EINVAL: nsec is 0 to 999999999, sec below 2^63")},
      {"content up to the end", kRoot + Program{Open(1, With({{0, source, 10}, {90, source, 10}}))},
       ""},
      {"content behind the end", kRoot + Program{Open(1, With({{91, source, 10}}))},
       refused("EINVAL: content of 10 bytes at 91: it ascends, does not overlap, and is inside the "
               "file")},
      {"content that overlaps", kRoot + Program{Open(1, With({{0, source, 10}, {9, source, 10}}))},
       refused("EINVAL: content of 10 bytes at 9: it ascends, does not overlap, and is inside the "
               "file")},
      {"content that is none", kRoot + Program{Open(1, With({{0, source, 0}}))},
       refused("EINVAL: content of 0 bytes at 0: it ascends, does not overlap, and is inside the "
               "file")},
      {"a name that is none", kRoot + Program{Open(1, NewFile(1), "/folder/")},
       refused("EINVAL: the path ends with a slash")},
  });
}

TEST(CheckUnlinked, IsOpenedAsWhatItWasMade) {
  const auto opened = [](auto change) {
    RegularFile body;
    body.path = {"/gone"};
    body.unlinked = NewFile(1);
    change(body);
    return kRoot + Program{OpenOf(10, 3, std::make_shared<const File>(File{{1}, {O_RDWR}, body}))};
  };
  const std::string at = "commands[1] OPEN_FILE pid 10: ESTALE: the unlinked file 1 is made with ";
  const std::uint32_t mode = *NewFile(1).mode;
  RunCases({
      {"its size and mode", opened([&](RegularFile& it) {
         it.size = 100;
         it.mode = mode;
       }),
       ""},
      {"another size", opened([](RegularFile& it) { it.size = 99; }),
       at + "size 100, and opened as one with 99"},
      {"another mode", opened([&](RegularFile& it) { it.mode = mode ^ 1; }),
       at + "mode " + std::to_string(mode) + ", and opened as one with " +
           std::to_string(mode ^ 1)},
      {"a second opening with another size",
       kRoot +
           Program{Open(1, NewFile(1)),
                   [] {
                     RegularFile body;
                     body.path = {"/gone"};
                     body.unlinked = Known(1);
                     body.size = 5;
                     return OpenOf(10, 4, std::make_shared<const File>(File{{2}, {O_RDWR}, body}));
                   }()},
       "commands[2] OPEN_FILE pid 10: ESTALE: the unlinked file 1 is made with size 100, and "
       "opened as one with 5"},
  });
}

/// What ids the plan gives to names is its own affair, wherever it refers to one.
TEST(CheckUnlinked, NamesAreTheSameUpToRenaming) {
  const auto program = [](std::uint64_t folder, std::uint64_t file, std::uint64_t watched) {
    RegularFile directory;
    directory.path = {"/folder"};
    directory.unlinked = NewFile(folder);
    directory.unlinked->size.reset();
    directory.unlinked->mode = S_IFDIR | 0755;
    Attributes attributes;
    attributes.fs.emplace();
    attributes.fs->cwd = {"/folder"};
    attributes.fs->cwd_unlinked = UnlinkedId{folder};
    attributes.fs->root = {"/"};
    attributes.mm.emplace();
    attributes.mm->exe = {"/gone"};
    attributes.mm->exe_unlinked = UnlinkedId{file};
    attributes.mm->end_code = {0x1000};
    InotifyWatches watches;
    watches.watches.emplace_back().wd = 1;
    watches.watches[0].unlinked = UnlinkedId{watched};
    attributes.descriptors.push_back({5, watches});
    const auto description = [](std::uint64_t id, std::uint64_t flags, auto body) {
      return std::make_shared<const File>(File{{id}, {flags}, std::move(body)});
    };
    RegularFile regular;
    regular.path = {"/gone"};
    regular.unlinked = NewFile(file);
    return kRoot + Program{OpenOf(10, 3, description(1, O_RDONLY | O_DIRECTORY, directory)),
                           OpenOf(10, 4, description(2, O_RDWR, regular)),
                           OpenOf(10, 5, description(3, O_RDONLY, Inotify{})),
                           AttrOf(10, attributes), ResumeOf(10)};
  };
  const auto compared = [](const Program& expected, const Program& found) {
    Diagnostics rules, differences;
    SimulatedState want, have;
    EXPECT_EQ(CheckProgram(expected, &want, rules), Result::kOk) << Lines(rules).front();
    EXPECT_EQ(CheckProgram(found, &have, rules), Result::kOk) << Lines(rules).front();
    (void)CompareWithSnapshot(have, SnapshotOf(want), {}, differences);
    return Lines(differences);
  };
  using Strings = std::vector<std::string>;
  EXPECT_EQ(compared(program(1, 2, 2), program(1, 2, 2)), Strings{});
  EXPECT_EQ(compared(program(1, 2, 2), program(7, 1, 1)), Strings{});
  EXPECT_NE(compared(program(1, 2, 2), program(1, 2, 1)), Strings{});
}

/// Of another type than a regular file.
Unlinked Special(std::uint64_t id, std::uint32_t mode) {
  Unlinked file = NewFile(id);
  file.mode = mode;
  file.size.reset();
  if (S_ISCHR(mode) || S_ISBLK(mode)) file.rdev = 0x103;
  if (S_ISLNK(mode)) file.target = Text{"over/there"};
  return file;
}
Command OpenWith(std::uint64_t id, Unlinked unlinked, std::uint64_t flags,
                 std::string path = "/gone") {
  RegularFile body;
  body.path = {std::move(path)};
  body.unlinked = std::move(unlinked);
  return OpenOf(10, static_cast<Fd>(id),
                std::make_shared<const File>(File{{id}, {flags}, std::move(body)}));
}
Command OpenFifo(std::uint64_t id, Unlinked unlinked, std::uint64_t flags) {
  Fifo body{{9}, {"/gone"}, {}, {}, {}};
  body.unlinked = std::move(unlinked);
  return OpenOf(10, static_cast<Fd>(id),
                std::make_shared<const File>(File{{id}, {flags}, std::move(body)}));
}

TEST(CheckUnlinked, EachTypeIsOpenedAsTheKernelOpensIt) {
  const auto one = [](Command command) { return kRoot + Program{std::move(command)}; };
  const auto refused = [](const char* what) {
    return std::string("commands[1] OPEN_FILE pid 10: ") + what;
  };
  const auto with = [](std::uint32_t mode, auto change) {
    Unlinked file = Special(1, mode);
    change(file);
    return OpenWith(1, file, O_RDONLY);
  };
  constexpr std::uint64_t kOfLinks = O_PATH | O_NOFOLLOW;
  RunCases({
      {"a directory", one(OpenWith(1, Special(1, 040755), O_RDONLY | O_DIRECTORY)), ""},
      {"a directory that is written", one(OpenWith(1, Special(1, 040755), O_RDWR)),
       refused("EISDIR: the unlinked file 1 is a directory, and opened for writing")},
      {"a directory of two names",
       one(OpenWith(1, Special(1, 040755), O_RDONLY)) +
           Program{OpenWith(2, Known(2, 1), O_RDONLY, "/other")},
       "commands[2] OPEN_FILE pid 10: EPERM: the unlinked file 2 is another name of a directory"},
      {"a file that is none", one(OpenWith(1, NewFile(1), O_RDONLY | O_DIRECTORY)),
       refused("ENOTDIR: O_DIRECTORY: the unlinked file 1 is none")},
      {"a device", one(OpenWith(1, Special(1, 020600), O_RDWR)), ""},
      {"a device without its number", one(with(020600, [](Unlinked& it) { it.rdev.reset(); })),
       refused("EINVAL: the unlinked file 1 has no rdev, without which none of its type is made")},
      {"a directory with a number", one(with(040700, [](Unlinked& it) { it.rdev = 5; })),
       refused("EINVAL: the unlinked file 1 has rdev, which no file of its type has")},
      {"a directory with content",
       one(with(040700,
                [](Unlinked& it) {
                  it.content = {{0, {"ghost-file-1.img", 5}, 1}};
                })),
       refused("EINVAL: the unlinked file 1 has content, which no file of its type has")},
      {"a link", one(OpenWith(1, Special(1, 0120777), kOfLinks)), ""},
      {"a link that is followed", one(OpenWith(1, Special(1, 0120777), O_PATH)),
       refused("ELOOP: the unlinked file 1 is a symbolic link: it is opened with O_PATH and "
               "O_NOFOLLOW")},
      {"a link to nothing", one(with(0120777, [](Unlinked& it) { it.target = Text{}; })),
       refused("EINVAL: the unlinked file 1: a target has 1 to 4095 bytes, none of them a NUL")},
      {"a socket", one(OpenWith(1, Special(1, 0140755), O_PATH)), ""},
      {"a socket that is opened", one(OpenWith(1, Special(1, 0140755), O_RDWR)),
       refused("ENXIO: the unlinked file 1 is a socket: it is opened with O_PATH")},
      {"a FIFO",
       one(OpenFifo(1, Special(1, 010600), O_RDONLY)) + Program{OpenFifo(2, Known(1), O_WRONLY)},
       ""},
      {"a FIFO with O_NOFOLLOW", one(OpenFifo(1, Special(1, 010600), O_RDONLY | O_NOFOLLOW)),
       refused("ELOOP: a FIFO without a name is opened through /proc, where O_NOFOLLOW fails")},
      {"a FIFO that says REG", one(OpenWith(1, Special(1, 010600), O_RDONLY)),
       refused("EINVAL: the unlinked file 1 is a FIFO: its type is FIFO")},
      {"a FIFO that is none", one(OpenFifo(1, NewFile(1), O_RDONLY)),
       refused("EINVAL: the unlinked file 1 is no FIFO")},
  });
}

TEST(CheckUnlinked, OneDescriptionMadeAFileWithoutAName) {
  constexpr std::uint64_t kNew = O_TMPFILE | O_RDWR;
  const Program made = kRoot + Program{OpenWith(1, NewFile(1), kNew)};
  RunCases({
      {"it did", made + Program{OpenWith(2, Known(1), O_RDONLY)}, ""},
      {"it comes later",
       kRoot + Program{OpenWith(1, NewFile(1), O_RDONLY), OpenWith(2, Known(1), kNew)}, ""},
      {"two did", made + Program{OpenWith(2, Known(1), kNew)},
       "commands[2] OPEN_FILE pid 10: EEXIST: the unlinked file 1 was made by another description: "
       "O_TMPFILE is that one's"},
      {"it only reads", kRoot + Program{OpenWith(1, NewFile(1), O_TMPFILE)},
       "commands[1] OPEN_FILE pid 10: EINVAL: O_TMPFILE makes a regular file, and opens it for "
       "writing"},
      {"a file that has a name",
       kRoot + Program{[] {
         RegularFile body;
         body.path = {"/there"};
         return OpenOf(10, 1, std::make_shared<const File>(File{{1}, {kNew}, std::move(body)}));
       }()},
       "commands[1] OPEN_FILE pid 10: EINVAL: O_TMPFILE makes a file without a name: it is "
       "`unlinked`"},
  });
}

TEST(CheckUnlinked, DirectoriesOfAProcessExist) {
  const auto in = [](std::optional<UnlinkedId> cwd, std::optional<UnlinkedId> root) {
    Attributes attributes;
    attributes.fs = FsAttributes{{"/gone"}, {root ? "/gone" : "/"}, {}, cwd, root};
    return AttrOf(10, attributes);
  };
  const Program made =
      kRoot + Program{OpenWith(1, Special(1, 040755), O_RDONLY), Open(2, NewFile(2))};
  RunCases(
      {{"they do", made + Program{CloseOf(10, 1), in(UnlinkedId{1}, UnlinkedId{1})}, ""},
       {"the cwd does not", made + Program{in(UnlinkedId{3}, {})},
        "commands[3] SET_ATTR pid 10: ENOENT: the working directory, unlinked file 3, does "
        "not exist"},
       {"the root is none", made + Program{in({}, UnlinkedId{2})},
        "commands[3] SET_ATTR pid 10: ENOTDIR: the root directory, unlinked file 2, is none"}});
}

TEST(CheckUnlinked, WhatIsWatchedExists) {
  const auto watch = [](std::vector<InotifyWatch> watches) {
    Attributes attributes;
    attributes.descriptors.push_back({3, InotifyWatches{std::move(watches)}});
    return AttrOf(10, attributes);
  };
  const auto on = [](std::int32_t wd, std::uint64_t id) {
    return InotifyWatch{wd, {2}, {}, {}, UnlinkedId{id}};
  };
  const Program made =
      kRoot +
      Program{Open(1, NewFile(1)), Open(2, Known(2, 1), "/other"),
              OpenOf(10, 3, std::make_shared<const File>(File{{3}, {O_RDONLY}, Inotify{}}))};
  InotifyWatch both = on(1, 1);
  both.path = Text{"/gone"};
  const auto refused = [](const char* what) {
    return std::string("commands[4] SET_ATTR pid 10: ") + what;
  };
  RunCases({{"it does", made + Program{watch({on(1, 1)})}, ""},
            {"it does not", made + Program{watch({on(1, 7)})},
             refused("ENOENT: the unlinked file 7, which is watched, does not exist")},
            {"a path beside it", made + Program{watch({both})},
             refused("EINVAL: an unlinked file is watched, and a path or handle beside it")},
            {"twice, by two names", made + Program{watch({on(1, 1), on(2, 2)})},
             refused("EEXIST: wd 2 is on an inode that another watch is on")}});
}

TEST(CheckUnlinked, AnExecutableExists) {
  const auto executable = [](std::uint64_t id) {
    Attributes attributes;
    attributes.mm.emplace().end_code.value = 1;
    attributes.mm->exe = {"/gone"};
    attributes.mm->exe_unlinked = UnlinkedId{id};
    return AttrOf(10, attributes);
  };
  const Program made = kRoot + Program{Open(1, NewFile(1))};
  RunCases({{"it does", made + Program{executable(1)}, ""},
            {"it does not", made + Program{executable(2)},
             "commands[2] SET_ATTR pid 10: ENOENT: the executable, unlinked file 2, does not "
             "exist"}});
}

TEST(CheckUnlinked, IsReachedByAnotherName) {
  const auto executable = [](const char* link, bool unlinked) {
    Attributes attributes;
    attributes.mm.emplace().end_code.value = 1;
    attributes.mm->exe = {"/gone"};
    attributes.mm->exe_opened_by = Text{link};
    if (unlinked) attributes.mm->exe_unlinked = UnlinkedId{1};
    return AttrOf(10, attributes);
  };
  const auto fifo = [](const char* link, std::uint64_t flags, bool unlinked = false) {
    Fifo body{{5}, {"/gone"}, {}, {}};
    body.opened_by = Text{link};
    if (unlinked) body.unlinked = NewFile(1);
    return OpenOf(10, 3, std::make_shared<const File>(File{{1}, {flags}, std::move(body)}));
  };
  const auto refused = [](const char* what) {
    return std::string("commands[1] OPEN_FILE pid 10: ") + what;
  };
  const Program made = kRoot + Program{Open(1, NewFile(1))};
  RunCases({
      {"an executable", kRoot + Program{executable("/link_remap.1", false)}, ""},
      {"an executable, by no path", kRoot + Program{executable("link_remap.1", false)},
       "commands[1] SET_ATTR pid 10: EINVAL: the path is not absolute"},
      {"an executable that has no name", made + Program{executable("/link_remap.1", true)},
       "commands[2] SET_ATTR pid 10: EINVAL: an unlinked executable is not opened by another name"},
      {"a FIFO", kRoot + Program{fifo("/link_remap.1", O_RDWR)}, ""},
      {"a FIFO, by no path", kRoot + Program{fifo("link_remap.1", O_RDWR)},
       refused("EINVAL: the path is not absolute")},
      {"a FIFO that has no name", kRoot + Program{fifo("/link_remap.1", O_RDWR, true)},
       refused("EINVAL: an unlinked file is not opened by another name")},
      {"a FIFO, without following links",
       kRoot + Program{fifo("/link_remap.1", O_RDWR | O_NOFOLLOW)},
       refused("ELOOP: a FIFO without a name is opened through /proc, where O_NOFOLLOW fails")},
  });
}

}  // namespace
}  // namespace crgen
