// SPDX-License-Identifier: Apache-2.0
// What is in an IPC namespace of the tree's own, as the model has it, and what is wrong with it.
#include <fcntl.h>
#include <gtest/gtest.h>

#include "images/proto/namespaces.pb.h"
#include "tests/support/namespace_images.h"

namespace crgen {
namespace {

using namespace test;  // NOLINT: the vocabulary of these tests

constexpr std::uint32_t kNamespace = 13;
constexpr std::uint32_t kAttached = kRegular | kAnonShared | kSysvIpc;

/// Entries, each with the raw bytes behind it, of one image.
struct Objects {
  std::string kind, name, bytes;
  Objects& Add(const google::protobuf::Message& entry, const std::string& raw = "") {
    AppendEntry(BytesOf(entry), &bytes);
    bytes += raw;
    return *this;
  }
  std::function<void(Files&)> Image() const { return Put(name, MagicsOf(kind) + bytes); }
};
Objects Segments() { return {"IPCNS_SHM", NameOf("ipcns-shm-", kNamespace), ""}; }
Objects Queues() { return {"IPCNS_MSG", NameOf("ipcns-msg-", kNamespace), ""}; }
Objects Sets() { return {"IPCNS_SEM", NameOf("ipcns-sem-", kNamespace), ""}; }

template <typename Entry>
Entry WithId(std::uint32_t id, std::uint32_t mode = 0600, std::uint32_t key = 0) {
  Entry entry;
  entry.mutable_desc()->set_id(id);
  entry.mutable_desc()->set_mode(mode);
  entry.mutable_desc()->set_key(key);
  return entry;
}
pb::ipc_shm_entry Segment(std::uint32_t id, std::uint64_t size = 8192, std::uint32_t mode = 0600,
                          std::uint32_t key = 0) {
  pb::ipc_shm_entry entry = WithId<pb::ipc_shm_entry>(id, mode, key);
  entry.set_size(size);
  entry.set_in_pagemaps(true);
  return entry;
}
pb::ipc_msg_entry Queue(std::uint32_t id, std::uint32_t messages) {
  pb::ipc_msg_entry entry = WithId<pb::ipc_msg_entry>(id);
  entry.set_qnum(messages);
  return entry;
}
pb::ipc_msg MessageOf(std::uint64_t type, std::uint32_t size) {
  pb::ipc_msg entry;
  entry.set_mtype(type);
  entry.set_msize(size);
  return entry;
}
pb::ipc_sem_entry Set(std::uint32_t id, std::uint32_t values) {
  pb::ipc_sem_entry entry = WithId<pb::ipc_sem_entry>(id);
  entry.set_nsems(values);
  return entry;
}
std::string Values(std::initializer_list<std::uint16_t> values) {
  std::string raw;
  for (const std::uint16_t value : values) {
    raw.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  return raw + std::string((8 - raw.size() % 8) % 8, 0);
}

Dump WithIpc() {
  Dump dump;
  AddOwnNamespace(dump, "ipc", kNamespace);
  for (const std::uint32_t limit : {1, 2, 3, 4}) dump.ipcs[kNamespace].add_sem_ctls(limit);
  return dump;
}
Dump With(const Objects& objects) {
  Dump dump = WithIpc();
  dump.edits = {objects.Image()};
  return dump;
}
/// A segment whose pages are those of `runs`.
void AddPages(Dump& dump, std::uint32_t id, std::vector<pb::pagemap_entry> runs) {
  dump.pagemaps[NameOf("pagemap-shmem-", id)] = {100 + id, std::move(runs)};
}

const IpcNamespace& IpcOf(const Snapshot& snapshot) {
  return *snapshot.processes[0].attributes->ipc;
}
std::vector<std::string> Complaints(const Dump& dump) { return GradedLines(Load(dump).diag); }

TEST(SystemV, Segments) {
  pb::ipc_shm_entry given = Segment(98313, 4097, 0640 | 03000);
  given.mutable_desc()->set_uid(1);
  given.mutable_desc()->set_gid(2);
  given.mutable_desc()->set_cuid(3);
  given.mutable_desc()->set_cgid(4);
  Dump dump = With(Segments().Add(given).Add(Segment(0, 20480, 0600, 0xffffffff)));
  AddPages(dump, 98313, {PagesAt(0, 1), PagesAt(4096, 1)});
  AddPages(dump, 0, {PagesAt(0, 1), PagesAt(8192, 1)});
  dump.AddArea(10, 0x20000, 2, kAttached).set_shmid(98313);
  const Loaded loaded = Load(dump);
  EXPECT_EQ(loaded.result, Result::kOk);
  const IpcNamespace& ipc = IpcOf(loaded.snapshot);
  const ShmSegment expected[] = {
      {98313, {0}, {0640, 1, 2, 3, 4}, 4097, true, true, {{0, {"pages-98413.img", 0}, 8192}}},
      {0,
       {0xffffffff},
       {0600, 0, 0, 0, 0},
       20480,
       false,
       false,
       {{0, {"pages-100.img", 0}, 4096}, {8192, {"pages-100.img", 4096}, 4096}}}};
  ASSERT_EQ(ipc.shm.size(), 2u);
  EXPECT_EQ(ipc.shm[0], expected[0]);
  EXPECT_EQ(ipc.shm[1], expected[1]);
  EXPECT_EQ(GradedLines(loaded.diag),
            std::vector<std::string>{
                "warning ipcns-shm-13.img: 2 segments of shared memory: when, and by whom, each "
                "was used last is in no image"});
}

TEST(SystemV, ASegmentWithItsBytes) {
  pb::ipc_shm_entry raw = Segment(7, 5);
  raw.clear_in_pagemaps();
  const Snapshot snapshot = Load(With(Segments().Add(raw, std::string("12345\0\0\0", 8)))).snapshot;
  const std::uint64_t at = 8 + 4 + BytesOf(raw).size();
  ASSERT_EQ(IpcOf(snapshot).shm.size(), 1u);
  EXPECT_EQ(IpcOf(snapshot).shm[0].content,
            (std::vector<ContentRun>{{0, {"ipcns-shm-13.img", at}, 5}}));
}

TEST(SystemV, Queues) {
  pb::ipc_msg_entry full = Queue(3, 2);
  full.set_qbytes(4000);
  const Objects queues = Queues()
                             .Add(full)
                             .Add(MessageOf(5, 9), std::string(16, 'x'))
                             .Add(MessageOf(kMostMessageType, 0))
                             .Add(Queue(4, 0));
  const Snapshot snapshot = Load(With(queues)).snapshot;
  const std::uint64_t first = 8 + 4 + BytesOf(full).size() + 4 + BytesOf(MessageOf(5, 9)).size();
  const std::uint64_t second = first + 16 + 4 + BytesOf(MessageOf(kMostMessageType, 0)).size();
  const MsgQueue expected = {
      3,
      {},
      {0600, 0, 0, 0, 0},
      4000,
      {{5, {"ipcns-msg-13.img", first, 9}}, {kMostMessageType, {"ipcns-msg-13.img", second, 0}}}};
  ASSERT_EQ(IpcOf(snapshot).msg.size(), 2u);
  EXPECT_EQ(IpcOf(snapshot).msg[0], expected);
  EXPECT_EQ(IpcOf(snapshot).msg[1].id, 4u);
}

TEST(SystemV, Sets) {
  const Loaded loaded =
      Load(With(Sets().Add(Set(1, 5), Values({1, 0, 32767, 3, 4})).Add(Set(2, 1), Values({9}))));
  ASSERT_EQ(IpcOf(loaded.snapshot).sem.size(), 2u);
  EXPECT_EQ(IpcOf(loaded.snapshot).sem[0].values, (std::vector<std::uint32_t>{1, 0, 32767, 3, 4}));
  EXPECT_EQ(IpcOf(loaded.snapshot).sem[1].values, (std::vector<std::uint32_t>{9}));
  EXPECT_EQ(GradedLines(loaded.diag),
            std::vector<std::string>{
                "warning ipcns-sem-13.img: 2 sets of semaphores: what would be undone at the end "
                "of a process (SEM_UNDO), and when, and by whom, each was used last, is in no "
                "image"});
}

TEST(SystemV, Attachments) {
  Dump dump = With(Segments().Add(Segment(3)));
  AddPages(dump, 3, {});
  dump.AddArea(10, 0x20000, 2, kAttached).set_shmid(3);
  pb::vma_entry& part = dump.AddArea(10, 0x30000, 1, kAttached);
  part.set_shmid(3);
  part.set_pgoff(4096);
  part.set_prot(1);
  part.set_fdflags(O_RDONLY);
  const Snapshot snapshot = Load(dump).snapshot;
  const auto& regions = snapshot.processes[0].memory.regions;
  ASSERT_EQ(regions.size(), 3u);
  for (const std::size_t i : {1, 2}) {
    EXPECT_EQ(regions[i].kind, RegionKind::kSysvShm);
    EXPECT_EQ(regions[i].shmid, 3u);
  }
  EXPECT_EQ(regions[1].open_flags.bits, static_cast<std::uint64_t>(O_RDWR));
  EXPECT_EQ(regions[2].open_flags.bits, static_cast<std::uint64_t>(O_RDONLY));
  EXPECT_EQ(regions[2].offset, 4096u);
}

TEST(SystemV, WhatNothingKeeps) {
  const auto lost = [](Dump dump) {
    std::vector<std::string> lines = Complaints(dump);
    std::erase_if(lines, [](const std::string& line) { return line.ends_with("in no image"); });
    return lines;
  };
  Dump removed = With(Segments().Add(Segment(3, 8192, 01600)));
  AddPages(removed, 3, {});
  EXPECT_EQ(lost(removed),
            std::vector<std::string>{"warning ipcns-shm-13.img[0]: segment 3 is removed, and no "
                                     "process of the tree has it attached: nothing keeps it"});
  Dump attached = removed;
  attached.AddArea(10, 0x20000, 2, kAttached).set_shmid(3);
  EXPECT_EQ(lost(attached), std::vector<std::string>());
  Dump forced = With(Segments().Add(Segment(3)));
  AddPages(forced, 3, {});
  EXPECT_EQ(lost(forced), std::vector<std::string>());
  forced.ipcs[kNamespace].set_shm_rmid_forced(1);
  EXPECT_EQ(lost(forced), std::vector<std::string>{
                              "warning ipcns-shm-13.img[0]: segment 3 goes with its creator, and "
                              "no process of the tree has it attached: nothing keeps it"});
}

/// What is wrong, in the first line that is no warning.
struct WrongCase {
  const char* name;
  Objects objects;
  std::string complaint;
};

pb::ipc_shm_entry Huge(std::uint32_t id) {
  pb::ipc_shm_entry entry = Segment(id);
  entry.set_hugetlb_flag(04000);
  return entry;
}
template <typename Entry>
Entry Owned(Entry entry, std::uint32_t uid) {
  entry.mutable_desc()->set_cgid(uid);
  return entry;
}

TEST(SystemV, Errors) {
  const std::string cut = "1234567";
  const WrongCase cases[] = {
      {"an id that is none", Queues().Add(Queue(0x80000000, 0)),
       "error ipcns-msg-13.img[0].desc.id: 2147483648, expected at most 2147483647"},
      {"an id twice", Queues().Add(Queue(3, 0)).Add(Queue(3, 0)),
       "error ipcns-msg-13.img[1].desc.id: 3 stands twice"},
      {"a place twice", Queues().Add(Queue(3, 0)).Add(Queue(32771, 0)),
       "unsupported ipcns-msg-13.img[1].desc.id: 32771 beside 3: only a kernel that was booted "
       "with ipcmni_extend has both"},
      {"a key twice", Segments().Add(Segment(3, 1, 0600, 9)).Add(Segment(4, 1, 0600, 9)),
       "error ipcns-shm-13.img[1].desc.key: 0x9 stands twice"},
      {"nobody's", Queues().Add(Owned(Queue(3, 0), ~0U)),
       "error ipcns-msg-13.img[0].desc.cgid: 4294967295, expected at most 4294967294"},
      {"a segment of nothing", Segments().Add(Segment(3, 0)),
       "error ipcns-shm-13.img[0].size: 0 bytes, expected 1 to 70368744177664"},
      {"a segment beyond all memory", Segments().Add(Segment(3, (1ULL << 46) + 1)),
       "error ipcns-shm-13.img[0].size: 70368744177665 bytes, expected 1 to 70368744177664"},
      {"removed, with a key", Segments().Add(Segment(3, 1, 01600, 9)),
       "error ipcns-shm-13.img[0].desc.key: 0x9 of a segment that is removed, expected 0"},
      {"a mode of a segment", Segments().Add(Segment(3, 1, 04600)),
       "error ipcns-shm-13.img[0].desc.mode: 0x980 is no mode of an object of System V IPC"},
      {"no pages", Segments().Add(Segment(3)),
       "error pagemap-shmem-3.img: is missing: the pages of ipcns-shm-13.img[0]"},
      {"huge pages", Segments().Add(Huge(3)),
       "unsupported ipcns-shm-13.img[0].hugetlb_flag: a System V segment of huge pages"},
      {"a message less", Queues().Add(Queue(3, 2)).Add(MessageOf(1, 0)),
       "error ipcns-msg-13.img[1]: is the last entry, but queue 3 has 2 messages, of which 1 are "
       "here"},
      {"a message of no type", Queues().Add(Queue(3, 1)).Add(MessageOf(0, 0)),
       "error ipcns-msg-13.img[1].mtype: 0, expected 1 to 9223372036854775807"},
      {"a message that is cut", Queues().Add(Queue(3, 1)).Add(MessageOf(1, 1), cut),
       "error ipcns-msg-13.img[1]: wants 8 bytes behind it, 7 are left"},
      {"a queue that is too large", Queues().Add(Queue(3, 1)).Add(MessageOf(1, 0x80000000)),
       "error ipcns-msg-13.img[1].msize: queue 3 would have more than 2147483647 bytes"},
      {"no semaphore", Sets().Add(Set(3, 0)),
       "error ipcns-sem-13.img[0].nsems: 0, expected at least 1"},
      {"values that are cut", Sets().Add(Set(3, 0xffffffff), cut),
       "error ipcns-sem-13.img[0]: wants 8589934592 bytes behind it, 7 are left"},
      {"a value that is none", Sets().Add(Set(3, 2), Values({1, 32768})),
       "error ipcns-sem-13.img[0].values[1]: 32768, expected at most 32767"},
  };
  for (const WrongCase& it : cases) {
    SCOPED_TRACE(it.name);
    std::vector<std::string> lines = Complaints(With(it.objects));
    std::erase_if(lines, [](const std::string& line) { return line.starts_with("warning "); });
    ASSERT_FALSE(lines.empty());
    EXPECT_EQ(lines.front(), it.complaint);
  }
}

TEST(SystemV, AttachmentsThatCannotBe) {
  const auto complaint = [](std::uint32_t shmid,
                            const std::function<void(pb::vma_entry&)>& change) {
    Dump dump = With(Segments().Add(Segment(3)));
    AddPages(dump, 3, {});
    pb::vma_entry& area = dump.AddArea(10, 0x20000, 2, kAttached);
    area.set_shmid(shmid);
    change(area);
    std::vector<std::string> lines = Complaints(dump);
    std::erase_if(lines, [](const std::string& line) { return line.starts_with("warning "); });
    return lines;
  };
  using Lines = std::vector<std::string>;
  EXPECT_EQ(complaint(3, [](pb::vma_entry&) {}), Lines());
  EXPECT_EQ(complaint(4, [](pb::vma_entry&) {}),
            Lines{"error mm-10.img[0], the area at 0x20000: System V segment 4, which the IPC "
                  "namespace has not"});
  EXPECT_EQ(complaint(3, [](pb::vma_entry& area) { area.set_pgoff(4096); }),
            Lines{"error mm-10.img[0], the area at 0x20000: bytes 4096 to 12288 of System V "
                  "segment 3, which has 8192"});
  EXPECT_EQ(complaint(3, [](pb::vma_entry& area) { area.set_fdflags(O_RDONLY); }),
            Lines{"error mm-10.img[0].vmas[1].fdflags: a segment with access mode 0 cannot be "
                  "attached like this"});
  EXPECT_EQ(complaint(3, [](pb::vma_entry& area) { area.set_pgoff(100); }),
            Lines{"error mm-10.img[0].vmas[1].pgoff: 0x64 is no offset of a page in a file"});
}

}  // namespace
}  // namespace crgen
