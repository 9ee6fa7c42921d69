// SPDX-License-Identifier: Apache-2.0
// The rules of SET_ATTR for namespaces that the root enters.
#include <functional>

#include "tests/support/check_support.h"

namespace crgen::test {
namespace {

const Program kRoot = {ForkOf(0, 10), SidOf(10)};

Attributes WithUts(const std::string& node = "host") {
  Attributes attributes;
  attributes.uts = UtsNamespace{4, {node}, {"domain"}};
  return attributes;
}
Attributes WithIpc(std::uint32_t limit = 5) {
  Attributes attributes;
  attributes.ipc.emplace().id = 5;
  attributes.ipc->sysctls.msgmni = limit;
  return attributes;
}
Attributes WithNet(std::optional<Text> key = std::nullopt) {
  Attributes attributes;
  attributes.net.emplace().id = 6;
  attributes.net->external = std::move(key);
  return attributes;
}

Mount MountAt(std::uint64_t id, std::uint64_t parent, const std::string& place) {
  Mount mount;
  mount.id = id;
  mount.parent = parent;
  mount.mountpoint = {place};
  mount.root = {"/"};
  return mount;
}
Mount RootMount() {
  Mount mount = MountAt(1, 0, "/");
  mount.parent.reset();
  mount.superblock = 100;
  return mount;
}
Mount NewMount(std::uint64_t id, std::uint64_t parent, const std::string& place,
               const std::string& type = "proc") {
  Mount mount = MountAt(id, parent, place);
  mount.fstype = type;
  mount.superblock = 100 + id;
  return mount;
}
Mount BindMount(std::uint64_t id, std::uint64_t parent, const std::string& place,
                std::uint64_t superblock, const std::string& root) {
  Mount mount = MountAt(id, parent, place);
  mount.superblock = superblock;
  mount.root = {root};
  return mount;
}
Attributes WithMounts(std::vector<Mount> mounts) {
  Attributes attributes;
  attributes.mounts = {RootMount()};
  attributes.mounts.insert(attributes.mounts.end(), mounts.begin(), mounts.end());
  return attributes;
}

TEST(CheckNamespaces, AreOfTheRootAndComeFirst) {
  const std::pair<std::string, Attributes> kKinds[] = {
      {"uts", WithUts()}, {"ipc", WithIpc()}, {"net", WithNet()}, {"mounts", WithMounts({})}};
  for (const auto& [name, attributes] : kKinds) {
    SCOPED_TRACE(name);
    const Command set = AttrOf(10, attributes);
    const std::string at = " SET_ATTR pid 10: EINVAL: " + name + ": ";
    const std::string again = "commands[3]" + at + "it is set already";
    const std::string forked = "commands[3]" + at + "the root has forked";
    const std::string threads = "commands[3]" + at + "the root has other threads";
    const std::string files = "commands[3]" + at + "the root has opened files";
    const std::string child =
        "commands[3] SET_ATTR pid 11: EINVAL: " + name + ": only the root has it";
    const std::string thread = "commands[3] SET_ATTR pid 10: EINVAL: " + name +
                               " belongs to the process, not to thread 11";
    RunCases({
        {"of the root", kRoot + Program{set}, ""},
        {"before anything else", {ForkOf(0, 10), set, SidOf(10)}, ""},
        {"twice", kRoot + Program{set, set}, again},
        {"after a fork", kRoot + Program{ForkOf(10, 11), set}, forked},
        {"beside threads", kRoot + Program{ThreadOf(10, 11), set}, threads},
        {"with files", kRoot + Program{OpenOf(10, 0, RegFile(1)), set}, files},
        {"with a file of before", kRoot + Program{OpenOf(10, 0, RegFile(1)), CloseOf(10, 0), set},
         "commands[4]" + at + "the root has opened files"},
        {"behind memory", kRoot + Program{MapOf(10, 0x1000, 0x2000), set}, ""},
        {"of a child", kRoot + Program{ForkOf(10, 11), AttrOf(11, attributes)}, child},
        {"of a thread", kRoot + Program{ThreadOf(10, 11), AttrOf(10, attributes, 11)}, thread},
    });
  }
}

TEST(CheckNamespaces, Values) {
  const std::string at = "commands[2] SET_ATTR pid 10: EINVAL: ";
  RunCases({
      {"the longest name", kRoot + Program{AttrOf(10, WithUts(std::string(64, 'x')))}, ""},
      {"a longer one", kRoot + Program{AttrOf(10, WithUts(std::string(65, 'x')))},
       at + "uts: a name has at most 64 bytes, and no NUL"},
      {"a NUL", kRoot + Program{AttrOf(10, WithUts(std::string("a\0b", 3)))},
       at + "uts: a name has at most 64 bytes, and no NUL"},
      {"a limit that is no int", kRoot + Program{AttrOf(10, WithIpc(0x80000000))},
       at + "ipc: a limit of 2147483648 is above 2147483647"},
      {"a key", kRoot + Program{AttrOf(10, WithNet(Text{"key"}))}, ""},
      {"no key", kRoot + Program{AttrOf(10, WithNet(Text{""}))},
       at + "net: a key is not empty, and has no NUL"},
  });
}

TEST(CheckNamespaces, DirectoriesOfBefore) {
  Attributes directories;
  directories.fs = FsAttributes{{"/"}, {"/"}, {}};
  const Command mounts = AttrOf(10, WithMounts({}));
  RunCases({{"before the mounts", kRoot + Program{AttrOf(10, directories), mounts},
             "commands[3] SET_ATTR pid 10: EINVAL: mounts: the root has directories, or its "
             "executable"},
            {"behind them", kRoot + Program{mounts, AttrOf(10, directories)}, ""}});
}

Mount Changed(Mount mount, const std::function<void(Mount&)>& change) {
  change(mount);
  return mount;
}

/// Mounts behind the root of the namespace, and why they cannot be; "": they can.
struct MountCase {
  const char* rule;
  std::vector<Mount> mounts;
  std::string refusal;
};

void RunMountCases(const std::vector<MountCase>& cases) {
  for (const MountCase& it : cases) {
    SCOPED_TRACE(it.rule);
    std::vector<std::string> expected;
    if (!it.refusal.empty()) expected.push_back("commands[2] SET_ATTR pid 10: " + it.refusal);
    EXPECT_EQ(Violations(kRoot + Program{AttrOf(10, WithMounts(it.mounts))}), expected);
  }
}

TEST(CheckNamespaces, PlacesOfMounts) {
  RunMountCases({
      {"one in another",
       {NewMount(2, 1, "/dev", "tmpfs"), NewMount(3, 2, "/dev/pts", "devpts")},
       ""},
      {"over another", {NewMount(2, 1, "/a"), NewMount(3, 2, "/a", "sysfs")}, ""},
      {"an id twice",
       {NewMount(2, 1, "/a"), NewMount(2, 1, "/b", "sysfs")},
       "EEXIST: mount 2 has an id that is 0, or another one's"},
      {"a parent that comes later",
       {NewMount(3, 2, "/a/b"), NewMount(2, 1, "/a", "sysfs")},
       "ENOENT: mount 3 has parent 2, which is not mounted by now"},
      {"two roots",
       {RootMount(), Changed(RootMount(), [](Mount& m) { m.id = 2; })},
       "EEXIST: mount 1 has an id that is 0, or another one's"},
      {"another without a parent",
       {Changed(RootMount(), [](Mount& m) { m.id = 2; })},
       "EINVAL: mount 2 has no parent: that is the first one, at /"},
      {"no plain path",
       {NewMount(2, 1, "/a/../b")},
       "EINVAL: mount 2 has no plain absolute path as its mountpoint"},
      {"beside its parent",
       {NewMount(2, 1, "/a"), NewMount(3, 2, "/ab", "sysfs")},
       "EINVAL: mount 3 is not below its parent at /a"},
      {"where its parent is hidden",
       {NewMount(2, 1, "/a"), NewMount(3, 1, "/a/b", "sysfs")},
       "ENOENT: mount 3 would be at /a/b of its parent, where /a is mounted over it"},
      {"the same place of one parent",
       {NewMount(2, 1, "/a"), NewMount(3, 1, "/a", "sysfs")},
       "ENOENT: mount 3 would be at /a of its parent, where /a is mounted over it"},
  });
}

TEST(CheckNamespaces, GroupsOfMounts) {
  const auto grouped = [](Mount mount, std::uint64_t shared, std::uint64_t master) {
    if (shared != 0) mount.shared = shared;
    if (master != 0) mount.master = master;
    return mount;
  };
  const Mount all = NewMount(2, 1, "/all", "tmpfs");
  const auto part = [](std::uint64_t id, const std::string& place) {
    return BindMount(id, 1, place, 102, "/part");
  };
  RunMountCases({
      {"a group", {grouped(all, 1, 0), grouped(part(3, "/a"), 1, 0)}, ""},
      {"a slave", {grouped(all, 1, 0), grouped(part(3, "/a"), 0, 1)}, ""},
      {"of the caller's",
       {Changed(grouped(MountAt(2, 1, "/a"), 0, 1), [](Mount& m) { m.external = Text{"a"}; })},
       ""},
      {"shared with the caller's",
       {Changed(grouped(MountAt(2, 1, "/a"), 1, 0),
                [](Mount& m) {
                  m.external = Text{"a"};
                  m.shared_with_caller = true;
                })},
       ""},
      {"shared with the caller's, and not from there",
       {Changed(grouped(all, 1, 0), [](Mount& m) { m.shared_with_caller = true; })},
       "EINVAL: mount 2 is shared_with_caller: it is external, and has shared"},
      {"group 0",
       {Changed(all, [](Mount& m) { m.shared = 0; })},
       "EINVAL: mount 2 is in group 0, which is none"},
      {"of nobody's",
       {grouped(all, 0, 1)},
       "EINVAL: mount 2 gets the events of a mount that is not in the namespace"},
      {"two parts without a whole",
       {all, grouped(part(3, "/a"), 1, 0), grouped(BindMount(4, 1, "/b", 102, "/other"), 1, 0)},
       "EINVAL: mount 4 is in a group of which no mount has all that the others have"},
      {"of two file systems",
       {grouped(all, 1, 0), grouped(NewMount(3, 1, "/b", "tmpfs"), 1, 0)},
       "EINVAL: mount 3 is in a group with mount 2, which is of another file system"},
      {"a group with two masters",
       {grouped(all, 1, 0), grouped(part(3, "/a"), 1, 2)},
       "EINVAL: mount 3 is in a group whose members have different masters"},
  });
}

TEST(CheckNamespaces, SourcesOfMounts) {
  const auto external = [](const std::function<void(Mount&)>& change) {
    Mount mount = MountAt(2, 1, "/data");
    mount.external = Text{"data"};
    change(mount);
    return std::vector<Mount>{mount};
  };
  const auto joined = [](std::vector<Mount> mounts, const Mount& last) {
    mounts.push_back(last);
    return mounts;
  };
  const auto two_parts_and = [](const char* root) {
    std::vector<Mount> mounts = {BindMount(2, 1, "/a", 7, "/p"), BindMount(3, 1, "/b", 7, "/q")};
    for (Mount& mount : mounts) mount.external = mount.mountpoint;
    mounts.push_back(BindMount(4, 1, "/c", 7, root));
    return mounts;
  };
  RunMountCases({
      {"from outside", external([](Mount&) {}), ""},
      {"a part of the first of two", two_parts_and("/p/x"), ""},
      {"a part of the second", two_parts_and("/q/x"), ""},
      {"all of the second", two_parts_and("/q"), ""},
      {"a part of neither", two_parts_and("/qx"),
       "ENOENT: mount 4 has a root that is not below that of mount 2"},
      {"of what is from outside",
       joined(external([](Mount& m) { m.superblock = 7; }), BindMount(3, 1, "/a", 7, "/x")), ""},
      {"without a key", external([](Mount& m) { m.external = Text{""}; }),
       "EINVAL: mount 2 is external: it has a parent and a key, and no fstype"},
      {"from outside, and new", external([](Mount& m) { m.fstype = "proc"; }),
       "EINVAL: mount 2 is external: it has a parent and a key, and no fstype"},
      {"from nowhere", {MountAt(2, 1, "/a")}, "EINVAL: mount 2 has no superblock"},
      {"of a file system that is not there",
       {BindMount(2, 1, "/a", 7, "/")},
       "EINVAL: mount 2 is of a file system that no mount before it has, and makes none"},
      {"another type",
       {NewMount(2, 1, "/a", "ext4")},
       "ENODEV: mount 2 has fstype ext4, expected proc, sysfs, tmpfs, devpts, mqueue, cgroup or "
       "cgroup2"},
      {"a part of a new one",
       {Changed(NewMount(2, 1, "/a"), [](Mount& m) { m.root = {"/sys"}; })},
       "EINVAL: mount 2 makes a file system: its root is /"},
      {"twice",
       {NewMount(2, 1, "/a"), Changed(NewMount(3, 1, "/b"), [](Mount& m) { m.superblock = 102; })},
       "EBUSY: mount 3 makes a file system that is there already"},
      {"content of a tmpfs",
       {Changed(NewMount(2, 1, "/a", "tmpfs"),
                [](Mount& m) {
                  m.content = ImageBytes{"tmpfs-dev-1.tar.gz.img", 0, 9};
                })},
       ""},
      {"content of another",
       {Changed(NewMount(2, 1, "/a"),
                [](Mount& m) {
                  m.content = ImageBytes{"x.img", 0, 9};
                })},
       "EINVAL: mount 2 has content, and is no tmpfs"},
      {"content from outside the dump",
       {Changed(NewMount(2, 1, "/a", "tmpfs"),
                [](Mount& m) {
                  m.content = ImageBytes{"../x.img", 0, 9};
                })},
       "EINVAL: image \"../x.img\" is not a path inside the dump"},
      {"options of none",
       {Changed(BindMount(2, 1, "/a", 100, "/b"), [](Mount& m) { m.options = Text{"size=1k"}; })},
       "EINVAL: mount 2 makes no file system: source, options, sb_flags and content go with "
       "fstype"},
  });
}

TEST(CheckNamespaces, BindMounts) {
  RunMountCases({
      {"of the root's file system", {BindMount(2, 1, "/a", 100, "/b/c")}, ""},
      {"of a new one", {NewMount(2, 1, "/proc"), BindMount(3, 2, "/proc/sys", 102, "/sys")}, ""},
      {"of what is above",
       {Changed(BindMount(2, 1, "/a", 100, "/a"), [](Mount& m) { m.root = {"/a/../b"}; })},
       "ENOENT: mount 2 has a root that is not below that of mount 1"},
      {"of what is unlinked",
       {Changed(BindMount(2, 1, "/a", 100, "/b"), [](Mount& m) { m.deleted = true; })},
       ""},
      {"of all of a file system that is unlinked",
       {Changed(BindMount(2, 1, "/a", 100, "/"), [](Mount& m) { m.deleted = true; })},
       "EBUSY: mount 2 is deleted, and all of its file system"},
      {"a new file system that is unlinked",
       {Changed(NewMount(2, 1, "/a"), [](Mount& m) { m.deleted = true; })},
       "EINVAL: mount 2 is deleted, and no bind mount"},
      {"of what is hidden by now",
       {NewMount(2, 1, "/proc"), BindMount(3, 2, "/proc/sys", 102, "/sys"),
        BindMount(4, 3, "/proc/sys/net", 102, "/sys/net")},
       ""},
  });
}

/// Bind mounts give one file several paths.
TEST(CheckNamespaces, PathsOfOneFile) {
  const auto lease = [](const std::string& other) {
    const Program openings = {OpenOf(10, 3, RegFile(1, O_RDONLY, "/a/file")),
                              OpenOf(10, 4, RegFile(2, O_RDWR, other))};
    LeaseSetting setting;
    setting.locks.push_back({});
    setting.locks.front().kind.value = kLease;
    setting.locks.front().type.value = F_RDLCK;
    const Attributes mounts =
        WithMounts({NewMount(2, 1, "/a", "tmpfs"), BindMount(3, 1, "/b", 102, "/"),
                    BindMount(4, 1, "/c", 102, "/dir"), NewMount(5, 1, "/d", "tmpfs")});
    return kRoot + Program{AttrOf(10, mounts)} + openings + Program{LateOf(10, 3, setting)};
  };
  const std::string refusal =
      "commands[5] SET_ATTR pid 10: EAGAIN: a read lease, and the file is open for writing";
  RunCases({{"the same path", lease("/a/file"), refusal},
            {"through another mount", lease("/b/file"), refusal},
            {"another folder of it", lease("/c/file"), ""},
            {"another file system", lease("/d/file"), ""}});
}

TEST(CheckNamespaces, FlagsOfMounts) {
  const auto with = [](std::uint64_t flags, std::uint64_t sb_flags) {
    return std::vector<Mount>{Changed(NewMount(2, 1, "/a"), [&](Mount& m) {
      m.flags.bits = flags;
      m.sb_flags.bits = sb_flags;
    })};
  };
  RunMountCases({
      {"usual ones", with(0x20000f, 0x1), ""},
      {"shared", with(0x100000, 0),
       "EINVAL: mount 2 has flags that no mount, or no file system, can be given: MS_SHARED"},
      {"of a mount on a file system", with(0, 0x2),
       "EINVAL: mount 2 has flags that no mount, or no file system, can be given: MS_NOSUID"},
      {"two kinds of access time", with(0x200400, 0),
       "EINVAL: mount 2 has several of MS_NOATIME, MS_RELATIME and MS_STRICTATIME"},
  });
}

}  // namespace
}  // namespace crgen::test
