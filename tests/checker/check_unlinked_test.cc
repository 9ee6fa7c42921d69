// SPDX-License-Identifier: Apache-2.0
// Files without a name in the checker: every rule kept and broken.
#include <gtest/gtest.h>

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
          "ENOENT: the unlinked file 1 does not exist, and to create it takes mode, uid, gid "
          "and size")},
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
      {"a directory", made([](Unlinked& it) { it.mode = 040755; }),
       refused("EINVAL: an unlinked file is a regular one")},
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

TEST(CheckUnlinked, AnExecutableExists) {
  const auto executable = [](std::uint64_t id) {
    Attributes attributes;
    attributes.mm.emplace();
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

}  // namespace
}  // namespace crgen
