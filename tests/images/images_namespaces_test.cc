// SPDX-License-Identifier: Apache-2.0
// Namespaces of the tree's own, as the model has them.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/sched.h>

#include "images/proto/unix_socket.pb.h"
#include "tests/support/dump_judge.h"
#include "tests/support/namespace_images.h"
#include "tests/support/packet_images.h"

namespace crgen {
namespace {

using namespace test;  // NOLINT: the vocabulary of these tests

constexpr std::uint32_t kProc = 1, kTmpfs = 5, kOverlay = 17;

const Attributes& RootOf(const Snapshot& snapshot) { return *snapshot.processes[0].attributes; }

TEST(Namespaces, ThatADumpHasNot) {
  const Snapshot snapshot = LoadGood(Dump());
  EXPECT_FALSE(RootOf(snapshot).uts || RootOf(snapshot).ipc || RootOf(snapshot).net);
  EXPECT_TRUE(RootOf(snapshot).mounts.empty());
}

TEST(Namespaces, OfTheRoot) {
  Dump dump;
  for (const char* kind : {"uts", "ipc", "net"}) AddOwnNamespace(dump, kind, 13);
  dump.uts[13].set_nodename("host");
  dump.uts[13].set_domainname("domain");
  for (const std::uint32_t limit : {1, 2, 3, 4}) dump.ipcs[13].add_sem_ctls(limit);
  dump.ipcs[13].set_shm_ctlmax(~std::uint64_t{0});
  dump.ipcs[13].set_shm_rmid_forced(1);
  dump.ipcs[13].set_mq_msg_default(7);
  dump.ipcs[13].set_msg_next_id(~0U);
  dump.ipcs[13].set_sem_next_id(5);
  dump.nets[13].set_ext_key("extRootNetNS");
  const Snapshot snapshot = LoadGood(dump);
  const Attributes& root = RootOf(snapshot);
  EXPECT_EQ(root.uts, (UtsNamespace{13, {"host"}, {"domain"}}));
  IpcSysctls sysctls;
  sysctls.sem_msl = 1, sysctls.sem_mns = 2, sysctls.sem_opm = 3, sysctls.sem_mni = 4;
  sysctls.shmmax.value = ~std::uint64_t{0};
  sysctls.shm_rmid_forced = true;
  sysctls.msg_default = 7;
  sysctls.sem_next_id = 5;
  IpcNamespace ipc;
  ipc.id = 13;
  ipc.sysctls = sysctls;
  EXPECT_EQ(root.ipc, ipc);
  NetNamespace net;
  net.id = 13;
  net.external = Text{"extRootNetNS"};
  EXPECT_EQ(root.net, net);
}

TEST(Namespaces, OfTheCaller) {
  Dump dump;
  AddOwnNamespace(dump, "uts", 13);
  dump.uts[13].set_nodename("host");
  Snapshot snapshot;
  Diagnostics diag;
  LoadOptions options;
  options.caller_namespaces = true;
  EXPECT_EQ(LoadDump(*OpenMemory(dump.Build()), &snapshot, diag, options), Result::kOk);
  EXPECT_EQ(GradedLines(diag),
            std::vector<std::string>{
                "unsupported ids-10.img[0].uts_ns_id: a UTS namespace of the tree's own"});
  EXPECT_FALSE(RootOf(snapshot).uts);
}

std::vector<std::uint64_t> IdsOf(const std::vector<Mount>& mounts) {
  std::vector<std::uint64_t> ids;
  for (const Mount& mount : mounts) ids.push_back(mount.id);
  return ids;
}

TEST(Mounts, InAnOrderInWhichTheyCanBeMade) {
  Dump dump;
  AddOwnNamespace(dump, "mnt", 13);
  // Hidden by 36; a bind mount of what 35 may cover first; both of a parent that comes last.
  AddMount(dump, 13, {36, 30, kProc, 9, "/", "/a"});
  AddMount(dump, 13, {34, 30, kProc, 8, "/", "/a/b"});
  AddMount(dump, 13, {35, 31, kProc, 10, "/", "/proc/sys"});
  AddMount(dump, 13, {33, 30, kProc, 7, "/sys", "/z"});
  AddMount(dump, 13, {31, 30, kProc, 7, "/", "/proc"});
  AddMount(dump, 13, {37, 30, kProc, 6, "/", "/a-b"});
  AddMount(dump, 13, {30, 9, kOverlay, 5, "/", "/"});
  const std::vector<Mount> mounts = RootOf(LoadGood(dump)).mounts;
  EXPECT_EQ(IdsOf(mounts), (std::vector<std::uint64_t>{30, 37, 34, 36, 31, 35, 33}));
}

TEST(Mounts, AsTheyAreSaid) {
  Dump dump;
  AddOwnNamespace(dump, "mnt", 13);
  pb::mnt_entry& root = AddMount(dump, 13, {30, 9, kOverlay, 5, "/", "/"});
  root.set_options("lowerdir=/host");
  root.set_source("overlay");
  root.set_flags(0x200001);
  pb::mnt_entry& tmpfs = AddMount(dump, 13, {31, 30, kTmpfs, 6, "/", "/tmp"});
  tmpfs.set_options("size=4k,mode=755");
  tmpfs.set_source("tmpfs");
  tmpfs.set_flags(0x2);
  tmpfs.set_sb_flags(0x1);
  AddMount(dump, 13, {32, 30, kTmpfs, 6, "/dir", "/dir"});
  AddMount(dump, 13, {33, 30, 0, 7, "/host/data", "/data"}).set_ext_key("data");
  dump.edits = {Put("tmpfs-dev-6.tar.gz.img", "archive")};
  const std::vector<Mount> mounts = RootOf(LoadGood(dump)).mounts;
  const Mount expected[] = {
      {30, {}, {"/"}, {"/"}, 5, "", {}, {}, {0x200001}, {}, {}, {}, false, {}, {}, {}},
      {33,
       30,
       {"/data"},
       {"/host/data"},
       {},
       "",
       {},
       {},
       {},
       {},
       {},
       {},
       false,
       Text{"data"},
       {},
       {}},
      {31,
       30,
       {"/tmp"},
       {"/"},
       6,
       "tmpfs",
       Text{"tmpfs"},
       Text{"size=4k,mode=755"},
       {0x2},
       {0x1},
       {},
       {},
       false,
       {},
       ImageBytes{"tmpfs-dev-6.tar.gz.img", 0, 7},
       {}},
      {32, 30, {"/dir"}, {"/dir"}, 6, "", {}, {}, {}, {}, {}, {}, false, {}, {}, {}}};
  ASSERT_EQ(IdsOf(mounts), (std::vector<std::uint64_t>{30, 33, 31, 32}));
  for (std::size_t i = 0; i < mounts.size(); ++i) EXPECT_EQ(mounts[i], expected[i]) << i;
}

TEST(Mounts, OfWhatIsUnlinked) {
  Dump dump;
  AddOwnNamespace(dump, "mnt", 13);
  AddMount(dump, 13, {30, 9, kOverlay, 5, "/", "/"});
  AddMount(dump, 13, {31, 30, kOverlay, 5, "/gone", "/dir"}).set_deleted(true);
  AddMount(dump, 13, {32, 30, kProc, 7, "/", "/proc"});
  Loaded loaded = Load(dump);
  EXPECT_FALSE(loaded.diag.HasErrors());
  EXPECT_EQ(loaded.diag.Count(Severity::kWarning), 1u);
  EXPECT_EQ(FirstFinding(loaded.diag, Severity::kWarning),
            "mountpoints-13.img[1].deleted: /dir is a mount of what is unlinked, of which no image "
            "has more: it will be new and empty, and root's");
  const std::vector<Mount>& mounts = RootOf(loaded.snapshot).mounts;
  ASSERT_EQ(IdsOf(mounts), (std::vector<std::uint64_t>{30, 31, 32}));
  EXPECT_TRUE(mounts[1].deleted);
  EXPECT_TRUE(mounts[1].IsBind());

  AddMount(dump, 13, {33, 30, kProc, 7, "/sys", "/sys"}).set_deleted(true);
  loaded = Load(dump);
  EXPECT_EQ(FirstFinding(loaded.diag, Severity::kUnsupported),
            "mountpoints-13.img[3].deleted: a mount of /sys of a proc, where nothing that is "
            "mounted goes");
}

/// The root's own 13, and 14 of process 11, which is a copy with a tmpfs of its own.
Dump TwoMountNamespaces() {
  Dump dump;
  dump.AddProcess(11, 10);
  AddOwnNamespace(dump, "mnt", 13);
  dump.ids[11].set_mnt_ns_id(14);
  AddMount(dump, 14, {41, 40, kTmpfs, 6, "/", "/tmp"});
  AddMount(dump, 14, {40, 8, kOverlay, 5, "/", "/"});
  AddMount(dump, 14, {42, 40, kProc, 7, "/sys", "/sys"});
  AddMount(dump, 13, {30, 9, kOverlay, 5, "/", "/"});
  AddMount(dump, 13, {31, 30, kProc, 7, "/", "/proc"});
  dump.edits = {Put("tmpfs-dev-6.tar.gz.img", "archive")};
  return dump;
}

TEST(MountNamespaces, OfAProcess) {
  const Snapshot snapshot = LoadGood(TwoMountNamespaces());
  const std::vector<Mount>& mounts = RootOf(snapshot).mounts;
  EXPECT_EQ(IdsOf(mounts), (std::vector<std::uint64_t>{30, 31, 40, 42, 41}));
  for (const Mount& mount : mounts) {
    const bool more = mount.id >= 40;
    EXPECT_EQ(mount.namespace_id, more ? std::optional<std::uint64_t>(14) : std::nullopt);
  }
  EXPECT_TRUE(mounts[2].IsBind());
  EXPECT_EQ(mounts[2].superblock, 5u);
  EXPECT_FALSE(mounts[2].parent);
  EXPECT_EQ(mounts[4].fstype, "tmpfs");
  EXPECT_FALSE(RootOf(snapshot).setns);
  ASSERT_TRUE(snapshot.processes[1].attributes->setns);
  EXPECT_EQ(snapshot.processes[1].attributes->setns->mnt, 14u);
}

/// What descriptors of them are called; of several, that of the root is called nothing.
TEST(MountNamespaces, OfDescriptors) {
  Dump dump = TwoMountNamespaces();
  const std::uint32_t namespaces[] = {13, 14, 15};
  for (std::uint32_t i = 0; i < 2; ++i) {
    AddNamespaceFile(dump, 7 + i, namespaces[i], CLONE_NEWNS);
    dump.AddDescriptor(10, static_cast<Fd>(3 + i), 7 + i, pb::FD_NS);
  }
  const Snapshot snapshot = LoadGood(dump);
  std::vector<std::optional<std::uint64_t>> ids;
  for (const auto& file : snapshot.files) {
    if (const auto* it = As<NamespaceFile>(*file)) ids.push_back(it->id);
  }
  EXPECT_EQ(ids, (std::vector<std::optional<std::uint64_t>>{std::nullopt, 14}));

  AddNamespaceFile(dump, 9, namespaces[2], CLONE_NEWNS);
  dump.AddDescriptor(10, 5, 9, pb::FD_NS);
  EXPECT_EQ(FirstFinding(Load(dump).diag, Severity::kUnsupported),
            "files.img[5]: descriptor of a namespace (mnt) that the root is not in, file 9 (fd 5 "
            "of pid 10)");
}

TEST(MountNamespaces, OfFiles) {
  Dump dump = TwoMountNamespaces();
  dump.AddFile(7, "/tmp/file").mutable_reg()->set_mnt_id(41);
  dump.AddFile(8, "/proc/file").mutable_reg()->set_mnt_id(31);
  dump.AddDescriptor(11, 3, 7);
  dump.AddDescriptor(11, 4, 8);
  const Snapshot snapshot = LoadGood(dump);
  std::map<std::string, std::uint64_t> mounts;
  for (const auto& file : snapshot.files) {
    const auto* regular = As<RegularFile>(*file);
    if (regular != nullptr && regular->mount) mounts[regular->path.bytes] = *regular->mount;
  }
  EXPECT_EQ(mounts, (std::map<std::string, std::uint64_t>{{"/proc/file", 31}, {"/tmp/file", 41}}));
}

/// A mark on a mount that is known by its number alone, and a watch in the other namespace.
TEST(MountNamespaces, OfWhatIsWatched) {
  const auto dump_of = [](std::uint32_t mount) {
    Dump dump = TwoMountNamespaces();
    pb::file_entry& file = dump.AddFile(7, "");
    file.Clear();
    file.set_type(pb::FD_FANOTIFY);
    file.set_id(7);
    pb::fanotify_file_entry& group = *file.mutable_ffy();
    group.set_id(7);
    group.set_flags(O_RDWR);
    pb::fown_entry& owner = *group.mutable_fown();
    for (const int field : {1, 2, 3, 4, 5}) {
      owner.GetReflection()->SetUInt32(&owner, owner.GetDescriptor()->FindFieldByNumber(field), 0);
    }
    group.set_faflags(0);
    group.set_evflags(0);
    pb::fanotify_mark_entry& mark = *group.add_mark();
    mark.set_id(7);
    mark.set_type(2);
    mark.set_mflags(0);
    mark.set_mask(0x20);
    mark.set_ignored_mask(0);
    mark.set_s_dev(0);
    mark.mutable_me()->set_mnt_id(mount);
    dump.AddDescriptor(11, 3, 7, pb::FD_FANOTIFY);
    return dump;
  };
  const auto mark_of = [](const Snapshot& snapshot) {
    for (const LateEntry& late : snapshot.late) {
      if (const auto* set = std::get_if<FanotifyMarks>(&late.state)) return set->marks.front();
    }
    return FanotifyMark();
  };
  FanotifyMark mark = mark_of(Load(dump_of(41)).snapshot);
  EXPECT_EQ(mark.path, Text{"/tmp"});
  EXPECT_EQ(mark.mount, Rare<std::uint64_t>(41));
  mark = mark_of(Load(dump_of(31)).snapshot);
  EXPECT_EQ(mark.path, Text{"/proc"});
  EXPECT_FALSE(mark.mount);
  const Loaded loaded = Load(dump_of(99));
  EXPECT_EQ(FirstFinding(loaded.diag, Severity::kUnsupported),
            "files.img[3].ffy.mark[0].me.mnt_id: mount 99, which is none of the tree's");
}

/// A datagram socket that process `pid` has as descriptor 5 and more.
void AddSocket(Dump& dump, Pid pid, std::uint32_t id, const std::string& name, int mount) {
  pb::unix_sk_entry& socket = *dump.AddOther(id, pb::FD_UNIXSK).mutable_usk();
  socket.set_id(id);
  socket.set_ino(10 * id);
  socket.set_type(2);
  socket.set_state(7);
  socket.set_flags(2);
  socket.mutable_opts()->set_so_sndbuf(212992);
  socket.mutable_opts()->set_so_rcvbuf(212992);
  socket.set_name(name + '\0');
  if (name.front() != '/') socket.set_name_dir("/tmp");
  socket.set_mnt_id(mount);
  dump.AddDescriptor(pid, static_cast<Fd>(id), id, pb::FD_UNIXSK);
}
/// "root mount" of each, by name; "-": not said.
std::map<std::string, std::string> PlacesOf(const Snapshot& snapshot) {
  std::map<std::string, std::string> places;
  for (const auto& file : snapshot.files) {
    const auto* socket = As<UnixSocket>(*file);
    if (socket == nullptr) continue;
    places[socket->name->bytes] = (socket->name_root ? socket->name_root->bytes : "-") + " " +
                                  (socket->mount ? std::to_string(*socket->mount) : "-");
  }
  return places;
}
using Places = std::map<std::string, std::string>;

TEST(SocketNames, InSeveralMountNamespaces) {
  Dump dump = TwoMountNamespaces();
  AddSocket(dump, 10, 7, "/tmp/of the root", 30);
  AddSocket(dump, 11, 8, "/tmp/its own", 41);
  AddSocket(dump, 11, 9, "inherited", 30);
  EXPECT_EQ(
      PlacesOf(LoadGood(dump)),
      (Places{{"/tmp/of the root", "- 30"}, {"/tmp/its own", "- 41"}, {"inherited", "- 30"}}));
}

/// One mount namespace, in which all is said where the path does not say it.
Dump OneMountNamespace() {
  Dump dump;
  AddOwnNamespace(dump, "mnt", 13);
  AddMount(dump, 13, {30, 9, kOverlay, 5, "/", "/"});
  AddMount(dump, 13, {31, 30, kTmpfs, 6, "/", "/jail"});
  AddMount(dump, 13, {32, 30, kTmpfs, 7, "/", "/tmp"});
  AddMount(dump, 13, {33, 32, kTmpfs, 8, "/", "/tmp"});
  for (const char* device : {"6", "7", "8"}) {
    dump.edits.push_back(Put("tmpfs-dev-" + std::string(device) + ".tar.gz.img", "archive"));
  }
  return dump;
}

TEST(SocketNames, ThatMountsHide) {
  Dump dump = OneMountNamespace();
  AddSocket(dump, 10, 7, "/tmp/in sight", 33);
  AddSocket(dump, 10, 8, "/tmp/below", 32);
  AddSocket(dump, 10, 9, "at the bottom", 30);
  AddSocket(dump, 10, 11, "/run/by a link", 33);
  EXPECT_EQ(PlacesOf(LoadGood(dump)), (Places{{"/tmp/in sight", "- -"},
                                              {"/tmp/below", "- 32"},
                                              {"at the bottom", "- 30"},
                                              {"/run/by a link", "- -"}}));
}

TEST(SocketNames, BelowAnotherRoot) {
  Dump dump = OneMountNamespace();
  dump.AddFile(6, "/jail/folder").mutable_reg()->set_mnt_id(31);
  dump.fs[10].set_root_id(6);
  AddSocket(dump, 10, 7, "/bound below it", 31);
  AddSocket(dump, 10, 8, "/bound before", 30);
  EXPECT_EQ(PlacesOf(LoadGood(dump)),
            (Places{{"/bound below it", "/jail/folder -"}, {"/bound before", "- -"}}));
}

TEST(SocketNames, InNoMountOfTheTree) {
  Dump dump = OneMountNamespace();
  AddSocket(dump, 10, 7, "/tmp/name", 77);
  Snapshot snapshot;
  Diagnostics diag;
  EXPECT_EQ(LoadDump(*OpenMemory(dump.Build()), &snapshot, diag), Result::kOk);
  EXPECT_EQ(GradedLines(diag),
            std::vector<std::string>{"unsupported files.img[3].usk.mnt_id: \"/tmp/name\" is in "
                                     "mount 77, which the tree does not have"});
}

}  // namespace
}  // namespace crgen
