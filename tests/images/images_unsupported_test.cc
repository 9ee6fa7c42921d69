// SPDX-License-Identifier: Apache-2.0
// Images and descriptor types that no command describes: each kind of the table of images.
#include <gtest/gtest.h>

#include "tests/support/image_builder.h"

namespace crgen {
namespace {

using namespace test;  // NOLINT: the vocabulary of these tests

TEST(UnsupportedImages, TypesOfDescriptors) {
  std::vector<DumpCase> types;
  for (std::uint32_t type = 0; type < std::size(kFileTypes); ++type) {
    if (type == pb::FD_REG || type == pb::FD_MEMFD) continue;
    const std::string name(kFileTypes[type]);
    const bool planned = type != pb::FD_UND && type != pb::FD_EXT;
    types.push_back(
        {name,
         [=](Dump& d) { d.AddOther(4, type); },
         {planned ? "error files.img[3]: type " + name + " without its message"
                  : "unsupported files.img[3]: descriptor of type " + name + ", file 4"}});
  }
  RunCases(types);
}

/// Each entry by its number, or the file as a whole.
TEST(UnsupportedImages, EachEntryByItsNumber) {
  std::vector<DumpCase> cases;
  for (const ImageKind& kind : ImageKinds()) {
    if (kind.treatment != Treatment::kUnsupported) continue;
    std::string file(kind.pattern);
    const std::size_t hole = file.find_first_of("#%");
    if (hole != std::string::npos) file.replace(hole, 1, "8");
    const std::string note(kind.note);
    DumpCase test{file, nullptr, {}};
    if (kind.payload == Payload::kWholeFile || kind.payload == Payload::kUnlisted) {
      test.change = [=](Dump& d) { d.edits = {Put(file, "anything")}; };
      test.expected = {"unsupported " + file + ": " + note};
    } else {
      const std::string name(kind.name);
      test.change = [=](Dump& d) { d.edits = {Put(file, MagicsOf(name) + Entry("") + Entry(""))}; };
      test.expected = {"unsupported " + file + "[0]: " + note,
                       "unsupported " + file + "[1]: " + note};
    }
    cases.push_back(test);
  }
  EXPECT_GT(cases.size(), 30u);
  RunCases(cases);
}

TEST(UnsupportedImages, AreReadAllTheSame) {
  RunCases({{"what is in apparmor.img",
             [](Dump& d) { d.edits = {Put("apparmor.img", MagicsOf("APPARMOR") + Entry(""))}; },
             {"unsupported apparmor.img[0]: an AppArmor namespace"}},
            {"a wrong magic in one of them",
             [](Dump& d) { d.edits = {Put("autofs-8.img", MagicsOf("PSTREE"))}; },
             {"error autofs-8.img @0x4: magic is 0x50273030, expected 0x49353943 (AUTOFS)"}},
            {"one of them cut",
             [](Dump& d) {
               d.edits = {Put("autofs-8.img", MagicsOf("AUTOFS") + Entry("abc")),
                          CutBy("autofs-8.img", 1)};
             },
             {"error autofs-8.img @0x8: entry 0 wants 3 bytes, 2 are left"}}});
}

}  // namespace
}  // namespace crgen
