// SPDX-License-Identifier: Apache-2.0
// Descriptors of the checker: every rule kept and broken.
#include <gtest/gtest.h>
#include <sys/epoll.h>
#include <sys/fanotify.h>
#include <sys/inotify.h>

#include "tests/support/check_support.h"

namespace crgen {
namespace {

using namespace test;  // NOLINT: the vocabulary of these tests

const Program kRoot = {ForkOf(0, 10)};

TEST(CheckFiles, OpenFile) {
  const Program open = kRoot + Program{OpenOf(10, 3, RegFile(1))};
  RunCases({
      {"a free number", open, ""},
      {"a taken number", open + Program{OpenOf(10, 3, RegFile(2))},
       "commands[2] OPEN_FILE pid 10: EEXIST: fd 3 refers to file 1 (commands[1])"},
      {"a number that was closed", open + Program{CloseOf(10, 3), OpenOf(10, 3, RegFile(2))}, ""},
      {"a negative number", kRoot + Program{OpenOf(10, -1, RegFile(1))},
       "commands[1] OPEN_FILE pid 10: EBADF: fd -1 is not in 0 to 1073741823"},
      {"a number too large", kRoot + Program{OpenOf(10, kFdLimit, RegFile(1))},
       "commands[1] OPEN_FILE pid 10: EBADF: fd 1073741824 is not in 0 to 1073741823"},
      {"an id twice", open + Program{CloseOf(10, 3), OpenOf(10, 4, RegFile(1))},
       "commands[3] OPEN_FILE pid 10: EEXIST: file id 1 names another opening (commands[1])"},
      {"no file", kRoot + Program{OpenOf(10, 3, nullptr)},
       "commands[1] OPEN_FILE pid 10: EINVAL: there is no file"},
      {"for ioctl(2) alone", kRoot + Program{OpenOf(10, 3, RegFile(1, O_ACCMODE))}, ""},
      {"a file that is truncated", kRoot + Program{OpenOf(10, 3, RegFile(1, O_RDWR | O_TRUNC))},
       "commands[1] OPEN_FILE pid 10: EINVAL: the flags create or truncate the file"},
      {"a relative path", kRoot + Program{OpenOf(10, 3, RegFile(1, O_RDWR, "file"))},
       "commands[1] OPEN_FILE pid 10: EINVAL: the path is not absolute"},
      {"a path with a NUL",
       kRoot + Program{OpenOf(10, 3, RegFile(1, O_RDWR, std::string("/a\0b", 4)))},
       "commands[1] OPEN_FILE pid 10: EINVAL: the path contains a NUL"},
  });
}

TEST(CheckFiles, FilesOfProcessesAreThereWithThem) {
  const auto open = [](Fd fd, const std::string& path) {
    return Program{OpenOf(10, fd, RegFile(static_cast<std::uint64_t>(fd), O_RDONLY, path))};
  };
  const Program child = {ForkOf(10, 11), ThreadOf(11, 12)};
  const Program gone = {ExitOf(11), WaitOf(10, 11)};
  RunCases({
      {"its own", kRoot + open(3, "/proc/10/status"), ""},
      {"a child's", kRoot + child + open(3, "/proc/11"), ""},
      {"a thread's", kRoot + child + open(3, "/proc/11/task/12/stat"), ""},
      {"a zombie's", kRoot + child + Program{ExitOf(11)} + open(3, "/proc/11/stat"), ""},
      {"nobody's of the tree", kRoot + open(3, "/proc/77/stat") + child, ""},
      {"no number", kRoot + open(3, "/proc/11x") + open(4, "/proc/sys") + child, ""},
      {"before it is born", kRoot + open(3, "/proc/11/stat") + child,
       "commands[2] FORK pid 10: ENOENT: a file of /proc for 11, which is there only now, was "
       "opened (commands[1])"},
      {"before the thread is", kRoot + open(3, "/proc/10/task/12/stat") + child,
       "commands[3] CREATE_THREAD pid 11: ENOENT: a file of /proc for 12, which is there only now, "
       "was opened (commands[1])"},
      {"when it is gone", kRoot + child + gone + open(3, "/proc/11/stat"),
       "commands[5] OPEN_FILE pid 10: ENOENT: nobody has the number 11 of /proc/11/stat any more"},
  });
}

TEST(CheckFiles, PairOfEnds) {
  RunCases({
      {"a pipe", kRoot + Program{OpenPair(10, 3, OtherOf(1), 4, OtherOf(2))}, ""},
      {"both at one number", kRoot + Program{OpenPair(10, 3, OtherOf(1), 3, OtherOf(2))},
       "commands[1] OPEN_FILE pid 10: EEXIST: both ends have fd 3"},
      {"both with one id", kRoot + Program{OpenPair(10, 3, OtherOf(1), 4, OtherOf(1))},
       "commands[1] OPEN_FILE pid 10: EEXIST: both ends have file id 1"},
      {"the second at a taken number, then neither is open",
       kRoot + Program{OpenOf(10, 4, RegFile(9)), OpenPair(10, 3, OtherOf(1), 4, OtherOf(2)),
                       OpenPair(10, 3, OtherOf(1), 5, OtherOf(2))},
       "commands[2] OPEN_FILE pid 10: EEXIST: fd 4 refers to file 9 (commands[1])"},
      {"a regular file has one end", kRoot + Program{OpenPair(10, 3, RegFile(1), 4, OtherOf(2))},
       "commands[1] OPEN_FILE pid 10: EINVAL: a file of this type has no second end"},
      {"a regular file is none", kRoot + Program{OpenPair(10, 3, OtherOf(1), 4, RegFile(2))},
       "commands[1] OPEN_FILE pid 10: EINVAL: a file of this type is no second end"},
  });
}

TEST(CheckFiles, DupAndClose) {
  const Program open = kRoot + Program{OpenOf(10, 3, RegFile(1))};
  RunCases({
      {"a copy", open + Program{DupOf(10, 3, 4), CloseOf(10, 3), CloseOf(10, 4)}, ""},
      {"a copy over another",
       open + Program{OpenOf(10, 4, RegFile(2)), DupOf(10, 3, 4), CloseOf(10, 4)}, ""},
      {"onto itself", open + Program{DupOf(10, 3, 3, true)}, ""},
      {"of a closed number", open + Program{DupOf(10, 4, 5)},
       "commands[2] DUP_FD pid 10: EBADF: fd 4 is not open"},
      {"to a negative number", open + Program{DupOf(10, 3, -1)},
       "commands[2] DUP_FD pid 10: EBADF: fd -1 is not in 0 to 1073741823"},
      {"to a number too large", open + Program{DupOf(10, 3, kFdLimit)},
       "commands[2] DUP_FD pid 10: EBADF: fd 1073741824 is not in 0 to 1073741823"},
      {"close what is closed", open + Program{CloseOf(10, 3), CloseOf(10, 3)},
       "commands[3] CLOSE_FD pid 10: EBADF: fd 3 is not open"},
  });
}

TEST(CheckFiles, Inheritance) {
  const Program open = kRoot + Program{OpenOf(10, 3, RegFile(1))};
  RunCases({
      {"a child has a copy of the table",
       open + Program{ForkOf(10, 11), CloseOf(10, 3), DupOf(11, 3, 4)}, ""},
      {"what is opened later is not inherited",
       open + Program{ForkOf(10, 11), OpenOf(10, 4, RegFile(2)), CloseOf(11, 4)},
       "commands[4] CLOSE_FD pid 11: EBADF: fd 4 is not open"},
      {"a shared table shows what others open",
       open + Program{ForkOf(10, 11, CLONE_FILES), OpenOf(11, 4, RegFile(2)), CloseOf(10, 4)}, ""},
      {"and what they close",
       open + Program{ForkOf(10, 11, CLONE_FILES), CloseOf(11, 3), CloseOf(10, 3)},
       "commands[4] CLOSE_FD pid 10: EBADF: fd 3 is not open"},
      {"it outlives a sharer",
       open + Program{ForkOf(10, 11, CLONE_FILES), OpenOf(11, 4, RegFile(2)), ExitOf(11),
                      CloseOf(10, 4)},
       ""},
      {"a sibling has the caller's table",
       open + Program{ForkOf(10, 11), OpenOf(11, 4, RegFile(2)), ForkOf(11, 12, CLONE_PARENT),
                      CloseOf(12, 4)},
       ""},
  });
}

TEST(CheckFiles, MemfdObjects) {
  const Program made = kRoot + Program{OpenOf(10, 3, NewMemfd(1, 7, 8192))};
  const std::string at = "commands[2] OPEN_FILE pid 10: ";
  RunCases({
      {"reopen", made + Program{OpenOf(10, 4, OldMemfd(2, 7))}, ""},
      {"create without a name", kRoot + Program{OpenOf(10, 3, OldMemfd(1, 7))},
       "commands[1] OPEN_FILE pid 10: ENOENT: memfd 7 does not exist, and to create it takes a "
       "name and a size"},
      {"create twice", made + Program{OpenOf(10, 4, NewMemfd(2, 7, 8192))},
       at + "EEXIST: memfd 7 exists already: only its first opening has name, size, huge, mode, "
            "uid or gid"},
      {"too large", kRoot + Program{OpenOf(10, 3, NewMemfd(1, 7, std::uint64_t{1} << 63))},
       "commands[1] OPEN_FILE pid 10: EFBIG: memfd 7 has 9223372036854775808 bytes"},
      {"gone with its last descriptor",
       made + Program{CloseOf(10, 3), OpenOf(10, 4, OldMemfd(2, 7))},
       "commands[3] OPEN_FILE pid 10: ENOENT: memfd 7 is gone: nothing refers to it any more"},
      {"held by a mapping",
       made + Program{MapFd(10, 0x1000, 0x2000, 3), CloseOf(10, 3), OpenOf(10, 4, OldMemfd(2, 7))},
       ""},
      {"held by a child",
       made + Program{ForkOf(10, 11), CloseOf(10, 3), OpenOf(10, 4, OldMemfd(2, 7))}, ""},
      {"not held by a zombie",
       made + Program{ForkOf(10, 11), CloseOf(10, 3), ExitOf(11), OpenOf(10, 4, OldMemfd(2, 7))},
       "commands[5] OPEN_FILE pid 10: ENOENT: memfd 7 is gone: nothing refers to it any more"},
  });
}

TEST(CheckFiles, EpollSets) {
  const Program open = kRoot + Program{OpenOf(10, 3, EpollOf(1)), OpenOf(10, 4, EpollOf(2)),
                                       OpenOf(10, 5, RegFile(3)), OpenOf(10, 6, NewMemfd(4, 7, 1)),
                                       OpenOf(10, 7, OtherOf(5))};
  const auto fill = [](Fd set, Fd target, std::uint64_t events = EPOLLIN) {
    return FillOf(10, set, {{target, {events}, {1}}});
  };
  const std::string at = "commands[6] SET_ATTR pid 10: ", then = "commands[7] SET_ATTR pid 10: ";
  std::vector<Program> chain = {kRoot};
  for (std::uint64_t id = 1; id <= 6; ++id) {
    chain[0].push_back(OpenOf(10, static_cast<Fd>(id), EpollOf(id)));
  }
  for (Fd set = 5; set >= 1; --set) chain[0].push_back(fill(set, set + 1));
  RunCases({
      {"watch", open + Program{fill(3, 7)}, ""},
      {"what is not open", open + Program{fill(3, 9)}, at + "EBADF: target fd 9 is not open"},
      {"no set", open + Program{fill(7, 3)}, at + "EINVAL: file 5 (PIPE) is no EVENTPOLL"},
      {"a regular file", open + Program{fill(3, 5)},
       at + "EPERM: target fd 5 is file 3 (REG): nothing comes from it"},
      {"a memfd", open + Program{fill(3, 6)},
       at + "EPERM: target fd 6 is file 4 (MEMFD): nothing comes from it"},
      {"itself", open + Program{fill(3, 3)}, at + "EINVAL: target fd 3 is the set itself"},
      {"itself by another number", open + Program{DupOf(10, 3, 8), fill(3, 8)},
       then + "EINVAL: target fd 8 is the set itself"},
      {"nothing", open + Program{FillOf(10, 3, {})}, at + "EINVAL: there is nothing to watch"},
      {"twice", open + Program{FillOf(10, 3, {{7, {EPOLLIN}, {1}}, {7, {EPOLLOUT}, {2}}})},
       at + "EEXIST: target fd 7 stands twice"},
      {"one file by two numbers",
       open + Program{DupOf(10, 7, 8), FillOf(10, 3, {{7, {EPOLLIN}, {1}}, {8, {EPOLLIN}, {1}}})},
       ""},
      {"filled twice", open + Program{fill(3, 7), fill(3, 7)},
       then + "EEXIST: this state of file 1 is set already"},
      {"EPOLLEXCLUSIVE", open + Program{fill(3, 7, EPOLLIN | EPOLLEXCLUSIVE | EPOLLET)}, ""},
      {"EPOLLEXCLUSIVE and more", open + Program{fill(3, 7, EPOLLPRI | EPOLLEXCLUSIVE)},
       at + "EINVAL: EPOLLEXCLUSIVE goes neither with sets nor with EPOLLPRI"},
      {"EPOLLEXCLUSIVE of a set", open + Program{fill(3, 4, EPOLLIN | EPOLLEXCLUSIVE)},
       at + "EINVAL: EPOLLEXCLUSIVE goes neither with sets nor with none"},
      {"inner sets first", open + Program{fill(4, 7), fill(3, 4)}, ""},
      {"inner sets last", open + Program{fill(3, 4), fill(4, 7)},
       then +
           "ELOOP: file 2 (EVENTPOLL) is watched by another set already: sets in sets come first"},
      {"a circle", open + Program{fill(3, 4), fill(4, 3)},
       then +
           "ELOOP: file 2 (EVENTPOLL) is watched by another set already: sets in sets come first"},
      {"five below each other", chain[0],
       "commands[11] SET_ATTR pid 10: ELOOP: more than 4 sets below each other, with target fd 2"},
      {"what was refused is forgotten",
       open + Program{LateOf(10, 3, EpollTargets{{{4, {EPOLLIN}, {1}}, {9, {EPOLLIN}, {1}}}}),
                      fill(4, 7)},
       at + "EBADF: target fd 9 is not open"},
      {"before owners", open + Program{LateOf(10, 3, OwnerSetting{}), fill(4, 7)},
       then + "EINVAL: the state of fd 4 is of a kind that comes before what is set (commands[6])"},
  });
}

TEST(CheckFiles, Watches) {
  const Program open = kRoot + Program{OpenOf(10, 3, InotifyOf(1)), OpenOf(10, 4, EpollOf(2))};
  const auto watch = [](std::int32_t wd, std::string path, std::uint64_t mask = IN_OPEN) {
    return InotifyWatch{wd, {mask}, Text{std::move(path)}, {}};
  };
  const auto add = [](Fd fd, std::vector<InotifyWatch> watches) {
    return LateOf(10, fd, InotifyWatches{std::move(watches)});
  };
  const std::string at = "commands[3] SET_ATTR pid 10: ";
  const InotifyWatch nowhere = {1, {IN_OPEN}, {}, {}};
  const InotifyWatch by_handle = {1, {IN_OPEN}, {}, InodeHandle{1, 2, 3, Bytes{"four"}}};
  RunCases({
      {"watch", open + Program{add(3, {watch(7, "/a"), watch(3, "/b"), by_handle})}, ""},
      {"no INOTIFY", open + Program{add(4, {watch(1, "/a")})},
       at + "EINVAL: file 2 is a EVENTPOLL, no INOTIFY"},
      {"nothing", open + Program{add(3, {})}, at + "EINVAL: there is nothing to watch"},
      {"number 0", open + Program{add(3, {watch(0, "/a")})},
       at + "EINVAL: wd 0: they begin with 1"},
      {"a number twice", open + Program{add(3, {watch(1, "/a"), watch(1, "/b")})},
       at + "EEXIST: wd 1 stands twice"},
      {"an inode twice", open + Program{add(3, {watch(1, "/a"), watch(2, "/a")})},
       at + "EEXIST: wd 2 is on an inode that another watch is on"},
      {"flags of the way", open + Program{add(3, {watch(1, "/a", IN_OPEN | IN_ONLYDIR)})},
       at + "EINVAL: wd 1: no watch has 0x1000000"},
      {"nowhere", open + Program{add(3, {nowhere})},
       at + "EINVAL: neither path nor handle says what is watched"},
      {"a relative path", open + Program{add(3, {watch(1, "a")})},
       at + "EINVAL: the path \"a\" is not absolute, or has a NUL"},
  });
}

TEST(CheckFiles, Marks) {
  const auto group = [](std::uint64_t id, std::uint64_t init) {
    return std::make_shared<const File>(File{{id}, {O_RDWR}, Fanotify{{init}, {O_RDONLY}}});
  };
  const Program open =
      kRoot + Program{OpenOf(10, 3, group(1, 0)), OpenOf(10, 4, group(2, FAN_CLASS_CONTENT))};
  const auto add = [](Fd fd, std::uint32_t type, std::uint64_t mask, std::uint64_t ignored) {
    FanotifyMark mark = {{type}, {mask}, {ignored}, {}, Text{"/a"}, {}};
    return LateOf(10, fd, FanotifyMarks{{mark}});
  };
  const std::string at = "commands[3] SET_ATTR pid 10: ";
  RunCases({
      {"mark", open + Program{add(3, FAN_MARK_INODE, FAN_OPEN, 0)}, ""},
      {"ignore", open + Program{add(3, FAN_MARK_MOUNT, 0, FAN_OPEN)}, ""},
      {"nothing", open + Program{add(3, FAN_MARK_INODE, 0, 0)},
       at + "EINVAL: a mark on nothing: neither mask nor ignored_mask"},
      {"another type", open + Program{add(3, 1, FAN_OPEN, 0)}, at + "EINVAL: there is no type 0x1"},
      {"permissions", open + Program{add(4, FAN_MARK_INODE, FAN_OPEN_PERM, 0)}, ""},
      {"permissions for a class that has none",
       open + Program{add(3, FAN_MARK_INODE, FAN_OPEN_PERM, 0)},
       at + "EINVAL: permission events want FAN_CLASS_CONTENT or FAN_CLASS_PRE_CONTENT"},
      {"events of names", open + Program{add(3, FAN_MARK_INODE, FAN_CREATE, 0)},
       at + "EINVAL: FAN_CREATE wants FAN_REPORT_FID among init_flags"},
      {"two classes", kRoot + Program{OpenOf(10, 3, group(1, 0xc))},
       "commands[1] OPEN_FILE pid 10: EINVAL: init_flags have two classes"},
  });
}

TEST(CheckFiles, Pidfds) {
  const Program tree =
      kRoot + Program{ForkOf(10, 11), ThreadOf(10, 12), ForkOf(10, 13), ExitOf(13)};
  const std::string at = "commands[5] OPEN_FILE pid 10: ";
  RunCases({
      {"itself", tree + Program{OpenOf(10, 3, PidfdOf(1, 10))}, ""},
      {"a child", tree + Program{OpenOf(10, 3, PidfdOf(1, 11))}, ""},
      {"a zombie", tree + Program{OpenOf(10, 3, PidfdOf(1, 13))}, ""},
      {"a thread", tree + Program{OpenOf(10, 3, PidfdOf(1, 12, true))}, ""},
      {"a leader as a thread", tree + Program{OpenOf(10, 3, PidfdOf(1, 11, true))}, ""},
      {"a thread as a process", tree + Program{OpenOf(10, 3, PidfdOf(1, 12))},
       at + "ENOENT: there is no process 12"},
      {"nobody", tree + Program{OpenOf(10, 3, PidfdOf(1, 14))},
       at + "ESRCH: there is no process 14"},
      {"who was reaped", tree + Program{WaitOf(10, 13), OpenOf(10, 3, PidfdOf(1, 13))},
       "commands[6] OPEN_FILE pid 10: ESRCH: there is no process 13"},
      {"neither",
       tree + Program{OpenOf(10, 3, std::make_shared<const File>(File{{1}, {O_RDWR}, Pidfd{}}))},
       at + "EINVAL: it has either `target` or `dead`"},
  });
}

TEST(CheckFiles, TakenFromAnotherProcess) {
  const Program tree = kRoot + Program{ForkOf(10, 11),
                                       ThreadOf(10, 12),
                                       ForkOf(10, 13),
                                       ExitOf(13),
                                       ForkOf(10, 14),
                                       OpenOf(11, 3, PidfdOf(1, 14)),
                                       OpenOf(11, 4, RegFile(2)),
                                       OpenOf(11, 5, RegFile(3, O_RDONLY, "/proc/14/comm"))};
  const auto take = [&](Fd fd, std::shared_ptr<const File> file, HeldElsewhere from) {
    return tree + Program{TakeOf(10, fd, std::move(file), from)};
  };
  const std::string at = "commands[9] OPEN_FILE pid 10: ";
  auto pair = std::make_shared<PeerEnd>(PeerEnd{8, OtherOf(9, "UNIXSK"), false});
  RunCases({
      {"a pidfd", take(3, PidfdOf(1, 14), {11, 3}), ""},
      {"by the target itself",
       tree + Program{TakeOf(14, 3, PidfdOf(1, 14), {11, 3}), CloseOf(11, 3)}, ""},
      {"from who has taken it",
       take(3, PidfdOf(1, 14), {11, 3}) + Program{TakeOf(14, 3, PidfdOf(1, 14), {10, 3})}, ""},
      {"a file in /proc", take(3, RegFile(3, O_RDONLY, "/proc/14/comm"), {11, 5}), ""},
      {"any other file", take(3, RegFile(2), {11, 4}),
       at + "EINVAL: only what is of a process can be taken `from` another, alone"},
      {"with a peer",
       tree + Program{{10, OpenFile{3, PidfdOf(1, 14), false, pair, HeldElsewhere{11, 3}}}},
       at + "EINVAL: only what is of a process can be taken `from` another, alone"},
      {"nobody's", take(3, PidfdOf(1, 14), {15, 3}), at + "ESRCH: there is no process 15"},
      {"a thread's", take(3, PidfdOf(1, 14), {12, 3}), at + "ENOENT: there is no process 12"},
      {"a zombie's", take(3, PidfdOf(1, 14), {13, 3}), at + "ESRCH: process 13 is a zombie"},
      {"what is not open", take(3, PidfdOf(1, 14), {11, 9}),
       at + "EBADF: fd 9 of process 11 is not open"},
      {"what is closed", tree + Program{CloseOf(11, 3), TakeOf(10, 3, PidfdOf(1, 14), {11, 3})},
       "commands[10] OPEN_FILE pid 10: EBADF: fd 3 of process 11 is not open"},
      {"another id", take(3, PidfdOf(9, 14), {11, 3}),
       at + "EINVAL: fd 3 of process 11 refers to file 1, or to another `file`"},
      {"another target", take(3, PidfdOf(1, 11), {11, 3}),
       at + "EINVAL: fd 3 of process 11 refers to file 1, or to another `file`"},
      {"a taken number",
       take(3, PidfdOf(1, 14), {11, 3}) + Program{TakeOf(10, 3, PidfdOf(1, 14), {11, 3})},
       "commands[10] OPEN_FILE pid 10: EEXIST: fd 3 refers to file 1 (commands[6])"},
  });
}

TEST(CheckFiles, Seals) {
  const Program made = kRoot + Program{OpenOf(10, 3, NewMemfd(1, 7, 8192))};
  const Program mapped = made + Program{MapFd(10, 0x1000, 0x3000, 3, MAP_SHARED)};
  RunCases({
      {"add a seal", made + Program{OpenOf(10, 4, OldMemfd(2, 7, F_SEAL_GROW))}, ""},
      {"add a seal by a reader",
       made + Program{OpenOf(10, 4, OldMemfd(2, 7, F_SEAL_GROW, O_RDONLY))},
       "commands[2] OPEN_FILE pid 10: EPERM: seals are added through a description that can "
       "write"},
      {"add a seal to F_SEAL_SEAL",
       made + Program{OpenOf(10, 4, OldMemfd(2, 7, F_SEAL_SEAL)),
                      OpenOf(10, 5, OldMemfd(3, 7, F_SEAL_GROW))},
       "commands[3] OPEN_FILE pid 10: EPERM: memfd 7 has F_SEAL_SEAL"},
      {"seal what is mapped writable",
       mapped + Program{OpenOf(10, 4, OldMemfd(2, 7, F_SEAL_WRITE))},
       "commands[3] OPEN_FILE pid 10: EBUSY: memfd 7 is mapped shared and writable"},
      {"seal what was mapped writable",
       mapped + Program{LoadOf(10, 0x1000, 2), UnmapOf(10, 0x1000, 0x3000),
                        OpenOf(10, 4, OldMemfd(2, 7, F_SEAL_WRITE))},
       ""},
      {"a child's view counts",
       mapped + Program{ForkOf(10, 11), UnmapOf(10, 0x1000, 0x3000),
                        OpenOf(10, 4, OldMemfd(2, 7, F_SEAL_WRITE))},
       "commands[5] OPEN_FILE pid 10: EBUSY: memfd 7 is mapped shared and writable"},
      {"map what is sealed",
       kRoot + Program{OpenOf(10, 3, NewMemfd(1, 7, 8192, F_SEAL_WRITE)),
                       MapFd(10, 0x1000, 0x3000, 3, MAP_SHARED)},
       "commands[2] MAP_REGION pid 10: EPERM: memfd 7 is sealed against writing"},
      {"read what is sealed",
       kRoot + Program{OpenOf(10, 3, NewMemfd(1, 7, 8192, F_SEAL_WRITE)),
                       MapFd(10, 0x1000, 0x3000, 3, MAP_SHARED, PROT_READ)},
       ""},
      {"make writable what is sealed",
       kRoot + Program{OpenOf(10, 3, NewMemfd(1, 7, 8192, F_SEAL_WRITE)),
                       MapFd(10, 0x1000, 0x3000, 3, MAP_SHARED, PROT_READ),
                       ProtectOf(10, 0x1000, 0x3000, kRw)},
       "commands[3] PROTECT_REGION pid 10: EACCES: region 0x1000-0x3000 is a shared view without "
       "the right to write"},
      {"a private view of what is sealed",
       kRoot + Program{OpenOf(10, 3, NewMemfd(1, 7, 8192, F_SEAL_WRITE)),
                       MapFd(10, 0x1000, 0x3000, 3, MAP_PRIVATE), LoadOf(10, 0x1000, 2)},
       ""},
      {"write through an old view after F_SEAL_FUTURE_WRITE",
       mapped + Program{OpenOf(10, 4, OldMemfd(2, 7, F_SEAL_FUTURE_WRITE)), LoadOf(10, 0x1000, 2)},
       ""},
      {"a new view after F_SEAL_FUTURE_WRITE",
       mapped + Program{OpenOf(10, 4, OldMemfd(2, 7, F_SEAL_FUTURE_WRITE)),
                        MapFd(10, 0x5000, 0x6000, 3, MAP_SHARED)},
       "commands[4] MAP_REGION pid 10: EPERM: memfd 7 is sealed against writing"},
  });
}

}  // namespace
}  // namespace crgen
