// SPDX-License-Identifier: Apache-2.0
// Entries that are no messages, lack what is required, or are too many or too few.
#include <gtest/gtest.h>

#include "tests/support/image_builder.h"

namespace crgen {
namespace {

using namespace test;  // NOLINT: the vocabulary of these tests

TEST(ImageEntries, ThatCannotBeRead) {
  RunCases({
      {"not a message",
       [](Dump& d) { d.edits = {Put("pstree.img", MagicsOf("PSTREE") + Entry("\x08"))}; },
       {"error pstree.img[0]: is not a valid pstree_entry"}},
      {"an entry without bytes lacks what is required",
       [](Dump& d) { d.edits = {Append("pstree.img", Entry(""))}; },
       {"error pstree.img[1]: pstree_entry lacks required pid, ppid, pgid, sid"}},
      {"a required field of a message inside",
       [](Dump& d) {
         pb::mm_entry mm;
         FillRequired(&mm);
         mm.add_vmas()->set_start(1);
         d.edits = {Put("mm-10.img", MagicsOf("MM") + Entry(mm.SerializePartialAsString()))};
       },
       {"error mm-10.img[0]: mm_entry lacks required vmas[0].end, vmas[0].pgoff, vmas[0].shmid, "
        "vmas[0].prot, vmas[0].flags, vmas[0].status, vmas[0].fd"}},
      {"no entry where there is one",
       [](Dump& d) { d.edits = {Put("fs-10.img", MagicsOf("FS"))}; },
       {"error fs-10.img: has no entry"}},
      {"two entries where there is one",
       [](Dump& d) { d.edits = {Append("fs-10.img", Entry(""))}; },
       {"error fs-10.img[0]: more follows, expected one entry"}},
      {"no entry in pstree",
       [](Dump& d) { d.edits = {Put("pstree.img", MagicsOf("PSTREE"))}; },
       {"error pstree.img: has no entry, expected the root"}},
      {"no head in a pagemap",
       [](Dump& d) { d.edits = {Put("pagemap-10.img", MagicsOf("PAGEMAP"))}; },
       {"error pagemap-10.img: has no entry, expected pagemap_head"}},
  });
}

TEST(ImageEntries, AfterAnEntryThatCannotBeReadTheOthersAreRead) {
  RunCases({
      {"files",
       [](Dump& d) {
         d.edits = {[](Files& files) {
           files["files.img"].insert(8, Entry("\x08"));
           files["files.img"] += Entry("\x08");
         }};
       },
       {"error files.img[0]: is not a valid file_entry",
        "error files.img[4]: is not a valid file_entry"}},
      {"descriptors",
       [](Dump& d) { d.edits = {Append("fdinfo-10.img", Entry("\x08") + Entry(""))}; },
       {"error fdinfo-10.img[1]: is not a valid fdinfo_entry",
        "error fdinfo-10.img[2]: fdinfo_entry lacks required id, flags, type, fd"}},
      {"all problems of a dump in one run",
       [](Dump& d) {
         d.AddProcess(11, 10);
         d.edits = {Drop("fs-10.img"), Drop("mm-11.img"), CutTo("fdinfo-11.img", 7)};
       },
       {"error fs-10.img: is missing", "error fdinfo-11.img @0x4: magic wants 4 bytes, 3 are left",
        "error mm-11.img: is missing"}},
  });
}

}  // namespace
}  // namespace crgen
