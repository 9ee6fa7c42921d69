// SPDX-License-Identifier: Apache-2.0
// Several mount namespaces of one tree: their mounts, who enters them, what is opened in them.
#include <linux/sched.h>
#include <sys/socket.h>

#include "tests/support/check_support.h"

namespace crgen::test {
namespace {

Mount MountIn(std::uint64_t id, std::optional<std::uint64_t> in,
              std::optional<std::uint64_t> parent, const std::string& place) {
  Mount mount;
  mount.id = id;
  mount.namespace_id = in;
  mount.parent = parent;
  mount.mountpoint = {place};
  mount.root = {"/"};
  mount.superblock = 100;
  return mount;
}

Attributes WithMounts(std::vector<Mount> more) {
  Attributes attributes;
  attributes.mounts = {MountIn(1, {}, {}, "/")};
  attributes.mounts.insert(attributes.mounts.end(), more.begin(), more.end());
  return attributes;
}
/// The root's own with a mount at /a, and namespace 7 with one at /b.
Attributes TwoNamespaces() {
  return WithMounts(
      {MountIn(2, {}, 1, "/a"), MountIn(3, 7, std::nullopt, "/"), MountIn(4, 7, 3, "/b")});
}
Attributes Entering(std::optional<std::uint64_t> mnt) {
  Attributes attributes;
  attributes.setns = EnteredNamespaces{mnt, {}};
  return attributes;
}
std::shared_ptr<const File> FileIn(std::uint64_t id, std::uint64_t mount, const std::string& path) {
  RegularFile body;
  body.path = {path};
  body.mount = mount;
  return std::make_shared<const File>(File{{id}, {O_RDONLY}, body});
}

const Program kRoot = {ForkOf(0, 10), SidOf(10)};
const Program kTwo = kRoot + Program{AttrOf(10, TwoNamespaces())};

TEST(CheckMountNamespaces, Mounts) {
  const auto with = [](std::vector<Mount> more) {
    return kRoot + Program{AttrOf(10, WithMounts(std::move(more)))};
  };
  const std::string at = "commands[2] SET_ATTR pid 10: EINVAL: ";
  Mount fresh = MountIn(3, 7, std::nullopt, "/");
  fresh.fstype = "tmpfs";
  fresh.superblock = 200;
  Mount given = MountIn(3, 7, std::nullopt, "/");
  given.superblock.reset();
  given.external = Text{"key"};
  Attributes first = TwoNamespaces();
  first.mounts.erase(first.mounts.begin(), first.mounts.begin() + 2);
  RunCases({
      {"a copy", kTwo, ""},
      {"a root that is new", with({fresh}), ""},
      {"a root from outside", with({given}), ""},
      {"one between those of another",
       with({MountIn(3, 7, std::nullopt, "/"), MountIn(2, {}, 1, "/a"), MountIn(4, 7, 3, "/b")}),
       ""},
      {"on one of another namespace",
       with({MountIn(3, 7, std::nullopt, "/"), MountIn(4, 7, 1, "/b")}),
       at + "mount 4 is in another namespace than its parent"},
      {"two roots", with({MountIn(3, 7, std::nullopt, "/"), MountIn(4, 7, std::nullopt, "/")}),
       at + "mount 4 has no parent: that is the first one, at /"},
      {"none of the root's", kRoot + Program{AttrOf(10, first)},
       at + "mount 3 is the first one, and not in the namespace that the root enters"},
  });
}

TEST(CheckMountNamespaces, Entering) {
  Attributes directories;
  directories.fs = FsAttributes{{"/b"}, {"/"}, {}};
  Attributes creds;
  creds.inherit_creds = false;
  creds.creds.emplace();
  const Program forked = kTwo + Program{ForkOf(10, 11)};
  const Program entered = forked + Program{AttrOf(11, Entering(7))};
  const std::string at = "commands[4] SET_ATTR pid 11: ";
  RunCases({
      {"a child", entered + Program{AttrOf(11, directories)}, ""},
      {"and back", entered + Program{AttrOf(11, Entering({}))}, ""},
      {"the root", kTwo + Program{AttrOf(10, Entering(7))}, ""},
      {"one that nobody has made", forked + Program{AttrOf(11, Entering(8))},
       at + "EINVAL: setns: no mount has namespace 8"},
      {"none is made", kRoot + Program{ForkOf(10, 11), AttrOf(11, Entering({}))},
       "commands[3] SET_ATTR pid 11: EINVAL: setns: the root has no mounts of its own"},
      {"with directories", forked + Program{AttrOf(11, directories), AttrOf(11, Entering(7))},
       "commands[5] SET_ATTR pid 11: EINVAL: setns: it has directories, or its executable, by now"},
      {"with threads", forked + Program{ThreadOf(11, 12), AttrOf(11, Entering(7))},
       "commands[5] SET_ATTR pid 11: EINVAL: setns: the process has other threads"},
      {"with somebody's directories",
       kTwo + Program{ForkOf(10, 11, CLONE_FS), AttrOf(11, Entering(7))},
       at + "EINVAL: setns: it shares its directories with another process"},
      {"without rights", forked + Program{AttrOf(11, creds), AttrOf(11, Entering(7))},
       "commands[5] SET_ATTR pid 11: EPERM: setns: creds or seccomp of the process are set"},
  });
}

TEST(CheckMountNamespaces, Files) {
  const Program entered = kTwo + Program{ForkOf(10, 11), AttrOf(11, Entering(7))};
  const std::string at = "commands[3] OPEN_FILE pid 10: ";
  const auto opens = [](std::shared_ptr<const File> file) {
    return kTwo + Program{OpenOf(10, 3, std::move(file))};
  };
  Attributes memory;
  memory.mm.emplace();
  memory.mm->start_code = {0x1000};
  memory.mm->end_code = {0x2000};
  memory.mm->exe = {"/b/x"};
  memory.mm->exe_mount = 2;
  RunCases({
      {"in its own", opens(FileIn(1, 2, "/a/x")), ""},
      {"in another", opens(FileIn(1, 4, "/b/x")), ""},
      {"in none", opens(FileIn(1, 9, "/b/x")),
       at + "EINVAL: mount 9 is none of the root's `mounts`"},
      {"not there in that namespace", opens(FileIn(1, 4, "/a/x")),
       at + "ENOENT: /a/x leads to mount 3, not 4"},
      {"an executable that is not there", kTwo + Program{AttrOf(10, memory)},
       "commands[3] SET_ATTR pid 10: ENOENT: /b/x leads to mount 1, not 2"},
      {"who opens it is in another", entered + Program{OpenOf(11, 3, FileIn(1, 2, "/a/x"))}, ""},
      {"no mounts at all", kRoot + Program{OpenOf(10, 3, FileIn(1, 2, "/a/x"))},
       "commands[2] OPEN_FILE pid 10: EINVAL: mount 2 is none of the root's `mounts`"},
  });
}

TEST(CheckMountNamespaces, Descriptors) {
  const auto of = [](std::optional<std::uint64_t> id) {
    return std::make_shared<const File>(File{{1}, {O_RDONLY}, NamespaceFile{{CLONE_NEWNS}, id}});
  };
  const Program entered = kTwo + Program{ForkOf(10, 11), AttrOf(11, Entering(7))};
  RunCases({
      {"the root's", kTwo + Program{OpenOf(10, 3, of({}))}, ""},
      {"the root's, by who is in another", entered + Program{OpenOf(11, 3, of({}))}, ""},
      {"another one", kTwo + Program{OpenOf(10, 3, of(7))}, ""},
      {"its own", entered + Program{OpenOf(11, 3, of(7))}, ""},
      {"none", kTwo + Program{OpenOf(10, 3, of(8))},
       "commands[3] OPEN_FILE pid 10: ENOENT: no mount has namespace 8"},
      {"of nobody", kRoot + Program{OpenOf(10, 3, of(7))},
       "commands[2] OPEN_FILE pid 10: ENOENT: no mount has namespace 7"},
  });
}

std::shared_ptr<const File> SocketIn(std::uint64_t id, std::optional<std::uint64_t> mount,
                                     const std::string& name, const std::string& root = "") {
  UnixSocket body;
  body.socket_id = {id};
  body.socket_type = {SOCK_DGRAM};
  body.state = kUnconnected;
  body.name = Text{name};
  body.mount = mount;
  if (!root.empty()) body.name_root = Text{root};
  return std::make_shared<const File>(File{{id}, {O_RDWR}, body});
}

TEST(CheckMountNamespaces, NamesOfSockets) {
  const std::string at = "commands[3] OPEN_FILE pid 10: ", next = "commands[4] OPEN_FILE pid 10: ";
  const auto opens = [](std::shared_ptr<const File> one, std::shared_ptr<const File> other) {
    return kTwo + Program{OpenOf(10, 3, std::move(one)), OpenOf(10, 4, std::move(other))};
  };
  const auto taken = [&](const std::string& name, int id) {
    return next + "EADDRINUSE: the name \"" + name + "\" is that of socket " + std::to_string(id);
  };
  auto unlinked = std::get<UnixSocket>(SocketIn(1, 2, "/a/x")->body);
  unlinked.unlinked_name = true;
  RunCases({
      {"in two mounts", opens(SocketIn(1, 2, "/a/x"), SocketIn(2, 1, "/a/x")), ""},
      {"in two namespaces", opens(SocketIn(1, 1, "/x"), SocketIn(2, 3, "/x")), ""},
      {"below another root", opens(SocketIn(1, 2, "/x", "/a"), SocketIn(2, 1, "/x")), ""},
      {"twice", opens(SocketIn(1, 2, "/a/x"), SocketIn(2, 2, "/a/x")), taken("/a/x", 1)},
      {"twice, of which one is not said", opens(SocketIn(1, 2, "/a/x"), SocketIn(2, {}, "/a/x")),
       taken("/a/x", 1)},
      {"twice, once below a root", opens(SocketIn(1, 2, "/a/x"), SocketIn(2, 2, "/x", "/a")),
       taken("/x", 1)},
      {"in none", kTwo + Program{OpenOf(10, 3, SocketIn(1, 9, "/x"))},
       at + "EINVAL: mount 9 is none of the root's `mounts`"},
      {"an abstract one", kTwo + Program{OpenOf(10, 3, SocketIn(1, 2, std::string("\0x", 2)))},
       at + "EINVAL: an abstract name has no file and no directory"},
      {"a root that is all", kTwo + Program{OpenOf(10, 3, SocketIn(1, 2, "/x", "/"))},
       at + "EINVAL: name_root is an absolute path, not \"/\", of an absolute name"},
      {"of a relative name", kTwo + Program{OpenOf(10, 3, SocketIn(1, 2, "x", "/a"))},
       at + "EINVAL: name_root is an absolute path, not \"/\", of an absolute name"},
      {"one that is gone",
       kTwo + Program{OpenOf(10, 3, std::make_shared<const File>(File{{1}, {O_RDWR}, unlinked}))},
       at + "EINVAL: what no path leads to is below no root and in no mount"},
  });
}

/// One file may be in several namespaces, and one path may be two files.
TEST(CheckMountNamespaces, OneFile) {
  const auto lease = [](std::shared_ptr<const File> other) {
    Attributes mounts = TwoNamespaces();
    mounts.mounts[3].root = {"/other"};
    LeaseSetting setting;
    setting.locks.push_back({});
    setting.locks.front().kind.value = kLease;
    setting.locks.front().type.value = F_RDLCK;
    const auto written = std::make_shared<File>(*other);
    written->flags.bits = O_RDWR;
    return kRoot + Program{AttrOf(10, mounts),
                           ForkOf(10, 11),
                           AttrOf(11, Entering(7)),
                           OpenOf(11, 4, written),
                           OpenOf(10, 3, FileIn(1, 1, "/b/x")),
                           LateOf(10, 3, setting)};
  };
  const std::string refusal =
      "commands[7] SET_ATTR pid 10: EAGAIN: a read lease, and the file is open for writing";
  RunCases({{"by the other's path", lease(FileIn(2, 4, "/b/x")), ""},
            {"the same without a word of the mount", lease(RegFile(2, O_RDWR, "/b/x")), ""},
            {"the file system's own", lease(FileIn(2, 3, "/x")), ""},
            {"and of that the same file", lease(FileIn(2, 2, "/a/b/x")), refusal}});
}

}  // namespace
}  // namespace crgen::test
