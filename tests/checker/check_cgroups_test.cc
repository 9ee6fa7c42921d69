// SPDX-License-Identifier: Apache-2.0
// cgroups(7): directories and places in programs.
#include "tests/support/check_support.h"

namespace crgen::test {
namespace {

const Program kRoot = {ForkOf(0, 10)};

CgroupDirectory DirectoryOf(const std::string& controllers, const std::string& path,
                            std::vector<CgroupProperty> properties = {}) {
  return {controllers, {path}, {}, std::move(properties)};
}

Attributes WithDirectories(std::vector<CgroupDirectory> directories) {
  Attributes attributes;
  attributes.cgroup = CgroupMembership{{}, std::move(directories)};
  return attributes;
}

Attributes InPlaces(std::vector<CgroupPath> paths, std::vector<CgroupDirectory> directories = {}) {
  Attributes attributes;
  attributes.cgroup = CgroupMembership{std::move(paths), std::move(directories)};
  return attributes;
}

const std::vector<CgroupDirectory> kTwo = {DirectoryOf("cpu", "/a"), DirectoryOf("cpu", "/a/b")};

TEST(CheckCgroups, Places) {
  const std::string at = "commands[1] SET_ATTR pid 10: ";
  const auto one = [](Attributes attributes) { return kRoot + Program{AttrOf(10, attributes)}; };
  RunCases({
      {"made by the same command", one(InPlaces({{"cpu", {"/a/b"}, {}}}, kTwo)), ""},
      {"made before",
       kRoot +
           Program{AttrOf(10, WithDirectories(kTwo)), AttrOf(10, InPlaces({{"cpu", {"/a"}, {}}}))},
       ""},
      {"never made", one(InPlaces({{"cpu", {"/c"}, {}}}, kTwo)),
       at + "ENOENT: cgroup: the program has no directory cpu:/c"},
      {"of another hierarchy", one(InPlaces({{"", {"/a"}, {}}}, kTwo)),
       at + "ENOENT: cgroup: the program has no directory unified:/a"},
      {"relative", one(InPlaces({{"cpu", {"a"}, {}}}, kTwo)),
       at + "EINVAL: cgroup: \"a\" is no path of a cgroup"},
      {"with a way up", one(InPlaces({{"cpu", {"/a/../b"}, {}}}, kTwo)),
       at + "EINVAL: cgroup: \"/a/../b\" is no path of a cgroup"},
      {"no controllers", one(InPlaces({{"a/b", {"/a"}, {}}}, kTwo)),
       at + "EINVAL: cgroup: \"a/b\" are no controllers"},
      {"two of one hierarchy", one(InPlaces({{"cpu", {"/a"}, {}}, {"cpu", {"/a/b"}, {}}}, kTwo)),
       at + "EINVAL: cgroup: two paths of \"cpu\""},
      {"with threads already",
       kRoot + Program{ThreadOf(10, 11), AttrOf(10, InPlaces({{"cpu", {"/a"}, {}}}, kTwo))},
       "commands[2] SET_ATTR pid 10: EBUSY: cgroup: the process has threads already, which would "
       "move with it"},
  });
}

TEST(CheckCgroups, Directories) {
  const std::string at = "commands[1] SET_ATTR pid 10: ";
  const auto one = [](std::vector<CgroupDirectory> directories) {
    return kRoot + Program{AttrOf(10, WithDirectories(std::move(directories)))};
  };
  CgroupDirectory odd = DirectoryOf("cpu", "/a");
  odd.perms = FilePermissions{010755, 0, 0};
  RunCases({
      {"twice", one({kTwo[0], kTwo[0]}),
       at + "EEXIST: cgroup: cpu:/a stands in the program already"},
      {"twice in two commands", one(kTwo) + Program{AttrOf(10, WithDirectories({kTwo[1]}))},
       "commands[2] SET_ATTR pid 10: EEXIST: cgroup: cpu:/a/b stands in the program already"},
      {"a mode of a folder", one({odd}), at + "EINVAL: cgroup: the mode of cpu:/a is above 07777"},
      {"the root of a hierarchy", one({DirectoryOf("cpu", "/")}), ""},
      {"properties of it", one({DirectoryOf("cpu", "/", {{"release_agent", {"/bin/sh"}, {}}})}),
       at + "EPERM: cgroup: the root of a hierarchy belongs to the system: cpu:/ has neither perms "
            "nor properties"},
      {"a property elsewhere", one({DirectoryOf("cpu", "/a", {{"../cpu.shares", {"1"}, {}}})}),
       at + "EINVAL: cgroup: \"../cpu.shares\" of cpu:/a is no name of a file"},
      {"a property twice",
       one({DirectoryOf("cpu", "/a", {{"cpu.shares", {"1"}, {}}, {"cpu.shares", {"2"}, {}}})}),
       at + "EEXIST: cgroup: cpu.shares of cpu:/a stands twice"},
      {"members", one({DirectoryOf("cpu", "/a", {{"cgroup.procs", {"1"}, {}}})}),
       at + "EINVAL: cgroup: the value of cgroup.procs of cpu:/a names members, who move by "
            "themselves"},
  });
}

TEST(CheckCgroups, Threads) {
  const std::vector<CgroupDirectory> directories = {
      DirectoryOf("cpu", "/a"), DirectoryOf("", "/d"),
      DirectoryOf("", "/t", {{"cgroup.type", {"threaded"}, {}}})};
  const Program threads =
      kRoot + Program{AttrOf(10, WithDirectories(directories)), ThreadOf(10, 11)};
  const std::string at = "commands[3] SET_ATTR pid 10: ";
  RunCases({
      {"version 1", threads + Program{AttrOf(10, InPlaces({{"cpu", {"/a"}, {}}}), 11)}, ""},
      {"threaded", threads + Program{AttrOf(10, InPlaces({{"", {"/t"}, {}}}), 11)}, ""},
      {"of whole processes", threads + Program{AttrOf(10, InPlaces({{"", {"/d"}, {}}}), 11)},
       at +
           "EOPNOTSUPP: cgroup: unified:/d takes whole processes: its cgroup.type is not threaded"},
      {"the leader", threads + Program{AttrOf(10, InPlaces({{"cpu", {"/a"}, {}}}), 10)},
       at + "EINVAL: cgroup: the leader is where the process is"},
      {"a directory", threads + Program{AttrOf(10, WithDirectories({kTwo[1]}), 11)},
       at + "EINVAL: cgroup: a thread makes no directories"},
  });
}

TEST(CheckCgroups, Namespace) {
  const Attributes inside = InPlaces({{"cpu", {"/a/b"}, Text{"/a"}}}, kTwo);
  const std::string at = "commands[2] SET_ATTR pid 10: EUSERS: cgroup: a new namespace: ";
  RunCases({
      {"of the root", kRoot + Program{AttrOf(10, inside)}, ""},
      {"when it has forked", kRoot + Program{ForkOf(10, 11), AttrOf(10, inside)},
       at + "the root has forked"},
      {"when it has files", kRoot + Program{OpenOf(10, 3, RegFile(1)), AttrOf(10, inside)},
       at + "the root has opened files"},
      {"twice",
       kRoot + Program{AttrOf(10, inside), AttrOf(10, InPlaces({{"cpu", {"/a"}, Text{"/a"}}}))},
       at + "the namespace is there already"},
      {"of a child", kRoot + Program{ForkOf(10, 11), AttrOf(11, inside)},
       "commands[2] SET_ATTR pid 11: EUSERS: cgroup: a new namespace: only the root has a prefix"},
      {"a prefix elsewhere",
       kRoot + Program{AttrOf(10, InPlaces({{"cpu", {"/a"}, Text{"/a/b"}}}, kTwo))},
       "commands[1] SET_ATTR pid 10: EINVAL: cgroup: \"/a\" is not below its prefix \"/a/b\""},
  });
}

}  // namespace
}  // namespace crgen::test
