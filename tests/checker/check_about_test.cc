// SPDX-License-Identifier: Apache-2.0
// What a program says of its dump, of the processor and of the vdso: every rule kept and broken.
#include <gtest/gtest.h>

#include "tests/support/check_support.h"

namespace crgen {
namespace {

using namespace test;  // NOLINT: the vocabulary of these tests

constexpr std::uint64_t kWritable = PROT_READ | PROT_WRITE;

/// A root of which `about` is said, and what it does.
Program Says(const About& about, const Program& then = {}) {
  Fork fork{10, {}};
  fork.about = std::make_shared<About>(about);
  return Program{{0, fork}} + then;
}

About OfImages(std::vector<ImageFile> images) {
  About about;
  about.version.text = LanguageVersion::kCurrent;
  about.dump = DumpIdentity{"run-1", std::move(images)};
  return about;
}
About OfVdso(const Vdso& vdso) {
  About about = OfImages({});
  about.vdso = vdso;
  return about;
}
ImageFile FileOf(const std::string& name, std::uint64_t size, const std::string& digest = "") {
  ImageFile file;
  file.name = name;
  file.size = size;
  if (!digest.empty()) file.digest = Digest{digest};
  return file;
}

/// Two pages out of "a.img", from `offset`.
Program Loads(std::uint64_t offset) {
  LoadPages load;
  load.start.value = 0x1000;
  load.pages = 2;
  load.source = {"a.img", offset};
  return {MapOf(10, 0x1000, 0x3000, kWritable), {10, load}};
}

const std::string kFork = "commands[0] FORK pid 0: EINVAL: about.";

TEST(CheckAbout, Images) {
  const std::string digits(64, 'a');
  const std::string load = "commands[2] LOAD_PAGES pid 10: EINVAL: ";
  RunCases({
      {"enough", Says(OfImages({FileOf("a.img", 12288)}), Loads(4096)), ""},
      {"with a digest", Says(OfImages({FileOf("a.img", 8192, "sha256:" + digits)}), Loads(0)), ""},
      {"none is said", Says(OfImages({}), Loads(0)), ""},
      {"one of which nothing is read",
       Says(OfImages({FileOf("a.img", 8192), FileOf("b.img", 0)}), Loads(0)), ""},
      {"beyond its end", Says(OfImages({FileOf("a.img", 12287)}), Loads(4096)),
       load + "byte 4096 and 8192 from there: a.img has 12287 bytes by about.dump"},
      {"far beyond its end", Says(OfImages({FileOf("a.img", 8192)}), Loads(16384)),
       load + "byte 16384 and 8192 from there: a.img has 8192 bytes by about.dump"},
      {"once for an image",
       Says(OfImages({FileOf("a.img", 4096)}), Loads(0) + Program{Loads(4096).back()}),
       load + "byte 0 and 8192 from there: a.img has 4096 bytes by about.dump"},
      {"another image", Says(OfImages({FileOf("b.img", 8192)}), Loads(0)),
       load + "a.img is not among about.dump.images"},
      {"outside", Says(OfImages({FileOf("../a.img", 1)})),
       kFork + "dump.images: \"../a.img\" is not a path inside the dump"},
      {"absolute", Says(OfImages({FileOf("/a.img", 1)})),
       kFork + "dump.images: \"/a.img\" is not a path inside the dump"},
      {"of a parent set", Says(OfImages({FileOf("parent/a.img", 1)})), ""},
      {"twice", Says(OfImages({FileOf("a.img", 1), FileOf("a.img", 1)})),
       kFork + "dump.images: \"a.img\" stands twice"},
      {"as large as no file", Says(OfImages({FileOf("a.img", std::uint64_t{1} << 63)})),
       kFork + "dump.images: \"a.img\" of 9223372036854775808 bytes: no file is that large"},
      {"another length of sha256",
       Says(OfImages({FileOf("a.img", 1, "sha256:" + digits.substr(1))})),
       kFork + "dump.images: \"a.img\" has 63 digits of sha256, which gives 64"},
      {"another algorithm is the restorer's matter",
       Says(OfImages({FileOf("a.img", 1, "sha1:" + digits.substr(24))})), ""},
  });
}

/// Not only pages.
TEST(CheckAbout, SourcesOfAllKinds) {
  Pipe pipe;
  pipe.pipe_id.value = 7;
  pipe.data = ImageBytes{"q.img", 8, 5};
  const Command open = OpenOf(10, 3, std::make_shared<const File>(File{{1}, {O_RDONLY}, pipe}));
  const std::string where = "commands[1] OPEN_FILE pid 10: EINVAL: ";
  RunCases({
      {"enough", Says(OfImages({FileOf("q.img", 13)}), {open}), ""},
      {"a byte too few", Says(OfImages({FileOf("q.img", 12)}), {open}),
       where + "byte 8 and 5 from there: q.img has 12 bytes by about.dump"},
  });
}

TEST(CheckAbout, Cpu) {
  const auto with = [](std::vector<std::string> features) {
    About about = OfImages({});
    about.cpu = CpuNeeds{Hex{7}, std::move(features)};
    return Says(about);
  };
  const std::string error = kFork +
                            "cpu.features: expected at most 1024 names of letters, digits "
                            "and _";
  RunCases({
      {"names", with({"sse4_2", "3dnow"}), ""},
      {"no name", with({""}), error},
      {"something else", with({"sse\n"}), error},
      {"too many", with(std::vector<std::string>(1025, "sse")), error},
  });
}

TEST(CheckAbout, Vdso) {
  const Vdso good = {8192, "00ff", {{"f", {0x10}}, {"g", {0x1fff}}}};
  const auto with = [&](auto change) {
    Vdso vdso = good;
    change(vdso);
    return Says(OfVdso(vdso));
  };
  const std::string size = ", expected pages of 4096, and at most 1048576";
  const std::string places = ": expected names, each once, at places inside the vdso";
  RunCases({
      {"good", Says(OfVdso(good)), ""},
      {"no page", with([](Vdso& v) {
         v.size = 0;
         v.symbols.clear();
       }),
       kFork + "vdso.size: 0" + size},
      {"half a page", with([](Vdso& v) { v.size = 8193; }), kFork + "vdso.size: 8193" + size},
      {"too large", with([](Vdso& v) { v.size = 1052672; }), kFork + "vdso.size: 1052672" + size},
      {"no digits", with([](Vdso& v) { v.build_id = "00FF"; }),
       kFork + "vdso.build_id: expected lower-case hexadecimal digits of at most 64 bytes"},
      {"behind the end", with([](Vdso& v) { v.symbols[1].offset.value = 8192; }),
       kFork + "vdso.symbols: \"g\" at 0x2000" + places},
      {"twice", with([](Vdso& v) { v.symbols[1].name = "f"; }),
       kFork + "vdso.symbols: \"f\" at 0x1fff" + places},
      {"no name", with([](Vdso& v) { v.symbols[0].name = "a b"; }),
       kFork + "vdso.symbols: \"a b\" at 0x10" + places},
      {"as it is mapped",
       Says(OfVdso(good), {MapSpecial(10, 0x1000, 0x3000, SpecialRegion::kVdso)}), ""},
      {"mapped of another size",
       Says(OfVdso(good), {MapSpecial(10, 0x1000, 0x2000, SpecialRegion::kVdso)}),
       "commands[1] MAP_REGION pid 10: EINVAL: a vdso of 4096 bytes; by about.vdso it has 8192"},
  });
}

}  // namespace
}  // namespace crgen
