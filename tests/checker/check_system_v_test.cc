// SPDX-License-Identifier: Apache-2.0
// What is in an IPC namespace, and the kernel as judge of that: random objects are made for real,
// and each must be refused as the checker says. Needs root. CRGEN_SEED=n or =random makes another
// choice.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <functional>

#include "tests/support/check_support.h"
#include "tests/support/choice.h"
#include "tests/support/seed.h"

namespace crgen::test {
namespace {

const Program kRoot = {ForkOf(0, 10), SidOf(10)};
constexpr IpcPermissions kPermissions = {0600, 1, 2, 3, 4};

ShmSegment Segment(std::uint32_t id, std::uint64_t size = 8192) {
  ShmSegment segment;
  segment.id = id;
  segment.permissions = kPermissions;
  segment.size = size;
  return segment;
}
MsgQueue Queue(std::uint32_t id) { return {id, {}, kPermissions, 100, {}}; }
SemSet Set(std::uint32_t id, std::vector<std::uint32_t> values = {1, 0}) {
  return {id, {}, kPermissions, std::move(values)};
}
Command IpcOf(const IpcNamespace& ipc) {
  Attributes attributes;
  attributes.ipc = ipc;
  return AttrOf(10, attributes);
}
IpcNamespace WithSegment(const std::function<void(ShmSegment&)>& change) {
  ShmSegment segment = Segment(3);
  segment.content = {{4096, {"pages-2.img", 0}, 4096}};
  change(segment);
  return {5, {}, {segment}, {}, {}};
}
IpcNamespace WithQueue(const std::function<void(MsgQueue&)>& change) {
  MsgQueue queue = Queue(3);
  queue.messages = {{1, {"ipcns-msg-5.img", 40, 6}}, {2, {"ipcns-msg-5.img", 60, 0}}};
  change(queue);
  return {5, {}, {}, {queue}, {}};
}
IpcNamespace WithSet(const std::function<void(SemSet&)>& change) {
  SemSet set = Set(3);
  change(set);
  return {5, {}, {}, {}, {set}};
}

struct IpcCase {
  const char* rule;
  IpcNamespace ipc;
  std::string refusal;
};
void RunIpcCases(const std::vector<IpcCase>& cases) {
  for (const IpcCase& it : cases) {
    SCOPED_TRACE(it.rule);
    std::vector<std::string> expected;
    if (!it.refusal.empty()) {
      expected.push_back("commands[2] SET_ATTR pid 10: " + it.refusal);
    }
    EXPECT_EQ(Violations(kRoot + Program{IpcOf(it.ipc)}), expected);
  }
}

TEST(CheckSystemV, Objects) {
  RunIpcCases({
      {"a segment", WithSegment([](ShmSegment&) {}), ""},
      {"a queue", WithQueue([](MsgQueue&) {}), ""},
      {"a set", WithSet([](SemSet&) {}), ""},
      {"one number in each kind", {5, {}, {Segment(3)}, {Queue(3)}, {Set(3)}}, ""},
      {"an id that is none", WithSegment([](ShmSegment& it) { it.id = 0x80000000; }),
       "EINVAL: ipc: segment 2147483648 has an id above 2147483647"},
      {"one id twice",
       {5, {}, {}, {Queue(3), Queue(3)}, {}},
       "EEXIST: ipc: queue 3 would be in the place of ipc: queue 3: ids differ modulo 32768"},
      {"two ids of one place",
       {5, {}, {}, {}, {Set(3), Set(32771)}},
       "EEXIST: ipc: set 32771 would be in the place of ipc: set 3: ids differ modulo 32768"},
      {"a long key", WithQueue([](MsgQueue& it) { it.key.value = 0x100000000; }),
       "EINVAL: ipc: queue 3 has a key of more than 32 bits"},
      {"a mode of more", WithSet([](SemSet& it) { it.permissions.mode = 01600; }),
       "EINVAL: ipc: set 3 has a mode of more than rwxrwxrwx"},
      {"nobody's", WithSet([](SemSet& it) { it.permissions.creator_gid = ~0U; }),
       "EINVAL: ipc: set 3 has an owner or creator of 4294967295"},
      {"no bytes", WithSegment([](ShmSegment& it) { it.size = 0; }),
       "EINVAL: ipc: segment 3 has 0 bytes"},
      {"too many bytes", WithSegment([](ShmSegment& it) { it.size = (1ULL << 46) + 1; }),
       "EINVAL: ipc: segment 3 has 70368744177665 bytes"},
      {"removed", WithSegment([](ShmSegment& it) { it.removed = true; }), ""},
      {"removed, with a key",
       WithSegment([](ShmSegment& it) { it.removed = true, it.key.value = 1; }),
       "EINVAL: ipc: segment 3 is removed, and has a key"},
      {"content to the end of its pages", WithSegment([](ShmSegment& it) { it.size = 4097; }), ""},
      {"content behind that", WithSegment([](ShmSegment& it) { it.size = 4096; }),
       "EFAULT: ipc: segment 3 has content at 4096 that is empty, before what is there, or behind "
       "its end"},
      {"content twice",
       WithSegment([](ShmSegment& it) { it.content.push_back(it.content.front()); }),
       "EFAULT: ipc: segment 3 has content at 4096 that is empty, before what is there, or behind "
       "its end"},
      {"content of an image outside",
       WithSegment([](ShmSegment& it) { it.content[0].source.image = "/etc/passwd"; }),
       "EINVAL: image \"/etc/passwd\" is not a path inside the dump"},
      {"a message of an image outside",
       WithQueue([](MsgQueue& it) { it.messages[0].text.image = "../x"; }),
       "EINVAL: image \"../x\" is not a path inside the dump"},
      {"a message of no type", WithQueue([](MsgQueue& it) { it.messages[1].type = 0; }),
       "EINVAL: ipc: queue 3 has a message of type 0, expected 1 to 9223372036854775807"},
      {"messages that are too large",
       WithQueue([](MsgQueue& it) { it.messages[0].text.bytes = 0x80000000; }),
       "EINVAL: ipc: queue 3 has messages of more than 2147483647 bytes"},
      {"no semaphore", WithSet([](SemSet& it) { it.values.clear(); }),
       "EINVAL: ipc: set 3 has no semaphore"},
      {"a value that is too large", WithSet([](SemSet& it) { it.values[1] = 32768; }),
       "ERANGE: ipc: set 3 has a value of 32768, expected at most 32767"},
  });
}

TEST(CheckSystemV, OneKeyTwice) {
  IpcNamespace ipc = {5, {}, {Segment(3), Segment(4)}, {}, {}};
  for (ShmSegment& segment : ipc.shm) segment.key.value = 9;
  RunIpcCases({{"", ipc, "EEXIST: ipc: segment 4 has the key of ipc: segment 3"}});
  ipc.shm[0].key.value = ipc.shm[1].key.value = 0;
  RunIpcCases({{"", ipc, ""}});
}

Command Attach(std::uint64_t start, std::uint64_t end, std::uint64_t prot = kRw,
               std::optional<std::uint64_t> offset = {}) {
  MapRegion map = Mapping(start, end, prot, MAP_SHARED | MAP_ANONYMOUS);
  map.special = SpecialRegion::kSysvIpc;
  map.shmid = 3;
  map.shm_offset = offset;
  return {10, map};
}

TEST(CheckSystemV, Attachments) {
  const Program known = kRoot + Program{IpcOf(WithSegment([](ShmSegment&) {}))};
  Command private_one = Attach(0x10000, 0x12000);
  std::get<MapRegion>(private_one.body).flags = {kAnon};
  Command other = Attach(0x10000, 0x12000);
  std::get<MapRegion>(other.body).shmid = 4;
  MapRegion anonymous = Mapping(0x10000, 0x12000);
  anonymous.shm_offset = 0;
  const std::string at = "commands[3] MAP_REGION pid 10: EINVAL: ";
  RunCases({
      {"whole", known + Program{Attach(0x10000, 0x12000)}, ""},
      {"twice", known + Program{Attach(0x10000, 0x12000), Attach(0x20000, 0x22000)}, ""},
      {"its second page", known + Program{Attach(0x10000, 0x11000, kRw, 4096)}, ""},
      {"more", known + Program{Attach(0x10000, 0x13000)},
       at + "bytes 0 to 12288 of segment 3, which has 8192"},
      {"behind the end", known + Program{Attach(0x10000, 0x12000, kRw, 4096)},
       at + "bytes 4096 to 12288 of segment 3, which has 8192"},
      {"at no page", known + Program{Attach(0x10000, 0x11000, kRw, 100)},
       at + "shm_offset 100 is no multiple of 4096 in a segment"},
      {"another one", known + Program{other},
       at + "segment 4 is none of the root's own IPC namespace"},
      {"privately", known + Program{private_one}, at + "segment 3 is attached MAP_SHARED"},
      {"no segment", known + Program{{10, anonymous}}, at + "shm_offset goes with special sysvipc"},
      {"of outside", kRoot + Program{Attach(0x10000, 0x12000)}, ""},
      {"of outside, before the namespace",
       kRoot + Program{Attach(0x10000, 0x12000), IpcOf(WithSegment([](ShmSegment&) {}))},
       "commands[3] SET_ATTR pid 10: EINVAL: ipc: the root has attached a segment"},
      {"pages are not loaded", known + Program{Attach(0x10000, 0x12000), LoadOf(10, 0x10000, 1)},
       "commands[4] LOAD_PAGES pid 10: EFAULT: region 0x10000-0x12000 is provided by the kernel"},
      {"attached to be written",
       known + Program{Attach(0x10000, 0x12000), ProtectOf(10, 0x10000, 0x11000, PROT_READ),
                       ProtectOf(10, 0x10000, 0x12000, kRw)},
       ""},
      {"attached to be read",
       known + Program{Attach(0x10000, 0x12000, PROT_READ), ProtectOf(10, 0x10000, 0x12000, kRw)},
       "commands[4] PROTECT_REGION pid 10: EACCES: region 0x10000-0x12000 is a shared view without "
       "the right to write"},
  });
}

// ---- the kernel

class Judge {
 public:
  /// The errno of the first call that fails; 0: none does. In a namespace of its own.
  static int Make(const IpcNamespace& ipc) {
    const pid_t child = fork();
    if (child == 0) {
      if (unshare(CLONE_NEWIPC) != 0) _exit(255);
      for (const char* name : {"msgmax", "msgmnb"}) Write(name, 0x7fffffff);
      int error = 0;
      for (const ShmSegment& it : ipc.shm) error = error ? error : MakeOne(it);
      for (const MsgQueue& it : ipc.msg) error = error ? error : MakeOne(it);
      for (const SemSet& it : ipc.sem) error = error ? error : MakeOne(it);
      _exit(error);
    }
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

 private:
  static int Write(const char* name, std::uint64_t value) {
    const int fd = open((std::string("/proc/sys/kernel/") + name).c_str(), O_WRONLY | O_CLOEXEC);
    const std::string text = std::to_string(value);
    const bool done = write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
    const int error = done ? 0 : errno;
    close(fd);
    return error;
  }
  template <typename Object, typename Get>
  static int Create(const char* next, const Object& object, Get&& get) {
    if (const int error = Write(next, object.id)) return error;
    const auto id = get(static_cast<key_t>(object.key.value),
                        static_cast<int>(IPC_CREAT | IPC_EXCL | object.permissions.mode));
    if (id < 0) return errno;
    return static_cast<std::uint32_t>(id) == object.id ? 0 : EEXIST;
  }
  template <typename Status>
  static void Own(const IpcPermissions& from, Status* to) {
    to->uid = from.uid;
    to->gid = from.gid;
  }
  static int MakeOne(const ShmSegment& it) {
    const int error = Create("shm_next_id", it,
                             [&](key_t key, int flags) { return shmget(key, it.size, flags); });
    if (error != 0) return error;
    shmid_ds status;
    if (shmctl(static_cast<int>(it.id), IPC_STAT, &status) != 0) return errno;
    Own(it.permissions, &status.shm_perm);
    if (shmctl(static_cast<int>(it.id), IPC_SET, &status) != 0) return errno;
    // Nothing is behind the end.
    constexpr std::size_t kRoom = 1 << 20;
    char* room =
        static_cast<char*>(mmap(nullptr, kRoom, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    munmap(room, SegmentPages(it.size));
    if (shmat(static_cast<int>(it.id), room, 0) != room) return errno;
    const int zeros = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    for (const ContentRun& run : it.content) {
      const ssize_t got = read(zeros, room + run.at, run.bytes);
      if (got < 0) return errno;
      if (static_cast<std::uint64_t>(got) != run.bytes) return EFAULT;
    }
    return 0;
  }
  static int MakeOne(const MsgQueue& it) {
    const int error =
        Create("msg_next_id", it, [&](key_t key, int flags) { return msgget(key, flags); });
    if (error != 0) return error;
    for (const IpcMessage& message : it.messages) {
      std::string buffer(sizeof(long) + message.text.bytes, 'x');
      std::memcpy(buffer.data(), &message.type, sizeof(long));
      if (msgsnd(static_cast<int>(it.id), buffer.data(), message.text.bytes, IPC_NOWAIT) != 0) {
        return errno;
      }
    }
    msqid_ds status;
    if (msgctl(static_cast<int>(it.id), IPC_STAT, &status) != 0) return errno;
    Own(it.permissions, &status.msg_perm);
    status.msg_qbytes = it.qbytes;
    return msgctl(static_cast<int>(it.id), IPC_SET, &status) != 0 ? errno : 0;
  }
  static int MakeOne(const SemSet& it) {
    const int error = Create("sem_next_id", it, [&](key_t key, int flags) {
      return semget(key, static_cast<int>(it.values.size()), flags);
    });
    if (error != 0) return error;
    std::vector<unsigned short> values(it.values.begin(), it.values.end());
    semid_ds status;
    if (semctl(static_cast<int>(it.id), 0, SETALL, values.data()) != 0) return errno;
    if (semctl(static_cast<int>(it.id), 0, IPC_STAT, &status) != 0) return errno;
    Own(it.permissions, &status.sem_perm);
    return semctl(static_cast<int>(it.id), 0, IPC_SET, &status) != 0 ? errno : 0;
  }
};

class Maker : private Choice {
 public:
  explicit Maker(unsigned seed) : Choice(seed) {}

  IpcNamespace Make() {
    IpcNamespace ipc;
    ipc.id = 5;
    for (std::uint32_t i = Below(3); i > 0; --i) {
      ShmSegment& it = ipc.shm.emplace_back(Segment(Id(), OneOf({1, 4096, 4097, 8192, Odd(0)})));
      Vary(it);
      std::uint64_t end = 0;
      for (std::uint32_t run = Below(3); run > 0; --run) {
        const std::uint64_t at = end + OneOf({0, 100, 4096}), bytes = OneOf({1, 96, 4096});
        it.content.push_back({at, {"pages-2.img", 0}, bytes});
        end = at + bytes;
      }
    }
    for (std::uint32_t i = Below(3); i > 0; --i) {
      MsgQueue& it = ipc.msg.emplace_back(Queue(Id()));
      Vary(it);
      it.qbytes = OneOf({0, 16384, 0x7fffffff});  // more takes CAP_SYS_RESOURCE
      for (std::uint32_t n = Below(4); n > 0; --n) {
        const std::uint64_t type = Below(20) == 0 ? (Below(2) == 0 ? 0 : ~std::uint64_t{0})
                                                  : (Below(2) == 0 ? 1 : kMostMessageType);
        it.messages.push_back({type, {"ipcns-msg-5.img", 40, OneOf({0, 1, 20000})}});
      }
    }
    for (std::uint32_t i = Below(3); i > 0; --i) {
      std::vector<std::uint32_t> values(Odd(0) == 0 && Below(2) == 0 ? 0 : 1 + Below(300));
      for (std::uint32_t& value : values)
        value = OneOf({0, 1, 32767, Below(400) == 0 ? 32768u : 3u});
      Vary(ipc.sem.emplace_back(Set(Id(), values)));
    }
    return ipc;
  }

 private:
  /// Seldom that value, mostly 1.
  std::uint32_t Odd(std::uint32_t value) { return Below(10) == 0 ? value : 1; }
  std::uint32_t Id() {
    return Below(15) == 0 ? OneOf({0x80000000, 32768, 0x7fffffff})
                          : Below(6) + kIpcPlaces * Below(3);
  }
  template <typename Object>
  void Vary(Object& object) {
    object.key.value = OneOf({0, 0, 1, 2, 3, 0xffffffff});
    object.permissions.mode = OneOf({0, 0600, 0777});
    if (Below(25) == 0) (Below(2) == 0 ? object.permissions.uid : object.permissions.gid) = ~0U;
  }
};

std::string ErrnoName(const std::string& violation) {
  for (const char* name : {"EINVAL", "EEXIST", "EFAULT", "ERANGE", "ENOSPC"}) {
    if (violation.find(std::string(": ") + name + ":") != std::string::npos) return name;
  }
  return violation;
}
std::string ErrnoName(int error) {
  return error == 0        ? ""
         : error == EINVAL ? "EINVAL"
         : error == EEXIST ? "EEXIST"
         : error == EFAULT ? "EFAULT"
         : error == ERANGE ? "ERANGE"
         : error == ENOSPC ? "ENOSPC"
                           : std::strerror(error);
}

TEST(CheckSystemV, TheKernelSaysTheSame) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  constexpr int kNamespaces = 1500;
  const unsigned seed = test::FirstSeed();
  std::printf("CRGEN_SEED=%u\n", seed);
  Maker maker(seed);
  int good = 0, refused = 0;
  for (int i = 0; i < kNamespaces && !HasFailure(); ++i) {
    const IpcNamespace ipc = maker.Make();
    const std::vector<std::string> violations = Violations(kRoot + Program{IpcOf(ipc)});
    const std::string said = violations.empty() ? "" : violations.front();
    EXPECT_EQ(ErrnoName(said), ErrnoName(Judge::Make(ipc))) << i << ": " << said;
    ++(said.empty() ? good : refused);
  }
  std::printf("%d were made, %d refused\n", good, refused);
  EXPECT_GT(good, kNamespaces / 10);
  EXPECT_GT(refused, kNamespaces / 10);
}

}  // namespace
}  // namespace crgen::test
