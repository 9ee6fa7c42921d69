// SPDX-License-Identifier: Apache-2.0
// Everything that the loader refuses or warns of: the cases of errors/*.txt.
#include <gtest/gtest.h>

#include "tests/support/dump_edit.h"

namespace crgen {
namespace {

using namespace test;  // NOLINT: the vocabulary of these tests

const std::filesystem::path kFolder = CRGEN_SOURCE "/tests/images/errors";

std::vector<std::string> Subjects() {
  std::vector<std::string> subjects;
  for (const auto& entry : std::filesystem::directory_iterator(kFolder)) {
    if (entry.path().extension() == ".txt") subjects.push_back(entry.path().stem());
  }
  std::sort(subjects.begin(), subjects.end());
  return subjects;
}

class ImageErrors : public ::testing::TestWithParam<std::string> {};

TEST_P(ImageErrors, AreSaidWithTheirPlace) {
  RunCases(ReadDumpCases(kFolder / (GetParam() + ".txt")));
}

INSTANTIATE_TEST_SUITE_P(Subject, ImageErrors, ::testing::ValuesIn(Subjects()),
                         [](const auto& subject) { return subject.param; });

TEST(DumpEdits, NothingIsWrongWithTheDumpThatTheyStartFrom) {
  RunCases({{"as it is", [](Dump&) {}, {}},
            {"with all that can be added",
             [](Dump& d) {
               d.AddProcess(11, 10);
               d.AddThread(10, 12);
               d.AddZombie(13, 11);
               d.seccomp.emplace();
             },
             {}}});
}

TEST(DumpEdits, SayWhyTheyCannotBeMade) {
  Dump dump;
  EXPECT_EQ(ApplyEdit("core-10.img[0].tc.task_state = 4", &dump), "");
  EXPECT_EQ(dump.cores[10].tc().task_state(), 4u);
  for (const std::string edit :
       {"", "core-10.img[0].tc.task_state", "core-10.img[0].tc.no_such_field = 1",
        "core-10.img[0].tc.task_state = x", "core-10.img[0].tc.task_state = 1 2",
        "core-10.img[1].tc.task_state = 1", "core-10.img[0].tc = 1", "files.img[9].id = 1",
        "pstree.img[0].threads = 1", "pstree.img[0].threads[2] = 1", "no.img[0].id = 1",
        "files.img[0].reg.name = \"x", "files.img[0].reg.name = \"\\x0\"", "files.img[0] absent",
        "area 10 0x1000 1 no_such_status", "other 4 NO_SUCH_TYPE", "process 10",
        "thread 10 12 13"}) {
    EXPECT_NE(ApplyEdit(edit, &dump), "") << edit;
  }
}

}  // namespace
}  // namespace crgen
