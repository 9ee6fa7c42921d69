// SPDX-License-Identifier: Apache-2.0
// File locks and leases in the checker: every rule kept and broken.
#include <gtest/gtest.h>
#include <sys/socket.h>

#include "tests/support/check_support.h"

namespace crgen {
namespace {

using namespace test;  // NOLINT: the vocabulary of these tests

Command LockOf(Pid pid, Fd fd, std::vector<FileLock> locks) {
  Attributes attributes;
  attributes.descriptors.push_back({fd, LockSetting{std::move(locks)}});
  return AttrOf(pid, attributes);
}
Command LeaseOf(Pid pid, Fd fd, std::uint32_t type, std::optional<std::uint32_t> breaking = {}) {
  FileLock lease;
  lease.kind = {kLease};
  lease.type = {type};
  if (breaking) lease.breaking = LockType{*breaking};
  Attributes attributes;
  attributes.descriptors.push_back({fd, LeaseSetting{{lease}}});
  return AttrOf(pid, attributes);
}
FileLock Lock(std::uint32_t kind, std::uint32_t type, std::uint64_t start = 0,
              std::uint64_t length = 0) {
  return {LockKind{kind}, LockType{type}, start, length, {}};
}
Command Posix(Pid pid, Fd fd, std::uint32_t type, std::uint64_t start, std::uint64_t length) {
  return LockOf(pid, fd, {Lock(kPosixLock, type, start, length)});
}
Command Ofd(Pid pid, Fd fd, std::uint32_t type, std::uint64_t start, std::uint64_t length) {
  return LockOf(pid, fd, {Lock(kOfdLock, type, start, length)});
}
Command Flock(Pid pid, Fd fd, std::uint32_t type) { return LockOf(pid, fd, {Lock(kFlock, type)}); }

/// 10 has /file at 3 and 4, opened twice, and 5 is a copy of 3; 11 has inherited all.
const Program kTwo = {ForkOf(0, 10), OpenOf(10, 3, RegFile(1)), OpenOf(10, 4, RegFile(2)),
                      DupOf(10, 3, 5), ForkOf(10, 11)};

TEST(CheckLocks, WhatIsRefusedWhoeverElseHasLocks) {
  const Program root = {ForkOf(0, 10), OpenOf(10, 3, RegFile(1, O_RDONLY)),
                        OpenOf(10, 4, RegFile(2, O_WRONLY)), OpenOf(10, 5, RegFile(3, O_PATH)),
                        OpenOf(10, 6, OtherOf(4, "EVENTPOLL"))};
  const auto at = [](const char* what) {
    return std::string("commands[5] SET_ATTR pid 10: ") + what;
  };
  RunCases({
      {"read and write locks",
       root + Program{Posix(10, 3, F_RDLCK, 0, 5), Posix(10, 4, F_WRLCK, 0, 0)}, ""},
      {"a read lock through what writes", root + Program{Posix(10, 4, F_RDLCK, 0, 5)},
       at("EBADF: F_RDLCK takes a description that can read")},
      {"a write lock through what reads", root + Program{Ofd(10, 3, F_WRLCK, 0, 5)},
       at("EBADF: F_WRLCK takes a description that can write")},
      {"flock does not ask", root + Program{Flock(10, 3, F_WRLCK)}, ""},
      {"O_PATH", root + Program{Flock(10, 5, F_RDLCK)},
       at("EBADF: the description is opened with O_PATH")},
      {"what is no file", root + Program{Flock(10, 6, F_RDLCK)},
       at("EINVAL: a EVENTPOLL is no file that is locked")},
      {"no descriptor", root + Program{Flock(10, 9, F_RDLCK)}, at("EBADF: fd 9 is not open")},
      {"no locks", root + Program{LockOf(10, 3, {})}, at("EINVAL: there are no locks")},
      {"to unlock", root + Program{Posix(10, 3, F_UNLCK, 0, 0)},
       at("EINVAL: a lock is F_RDLCK or F_WRLCK")},
      {"a lease among locks",
       root + Program{LockOf(10, 3, {Lock(kFlock, F_RDLCK), Lock(kLease, F_RDLCK)})},
       at("EINVAL: a lease stands alone in its `locks`")},
      {"a kind that is none", root + Program{LockOf(10, 3, {Lock(3, F_RDLCK)})},
       at("EINVAL: there is no lock of kind 0x3")},
      {"a part by flock", root + Program{LockOf(10, 3, {Lock(kFlock, F_RDLCK, 0, 5)})},
       at("EINVAL: flock(2) locks the whole file")},
      {"up to the last byte", root + Program{Posix(10, 3, F_RDLCK, 1, ~0ul >> 1)}, ""},
      {"beyond it", root + Program{Posix(10, 3, F_RDLCK, 2, ~0ul >> 1)},
       at("EOVERFLOW: a lock of 9223372036854775807 bytes from 2 ends behind all files")},
      {"far beyond it", root + Program{Posix(10, 3, F_RDLCK, 1ul << 63, 0)},
       at("EINVAL: a lock begins and is long below 2^63")},
  });
}

TEST(CheckLocks, WhoseTheyAre) {
  const auto taken = [](const char* command, const char* what) {
    return std::string(command) + ": EAGAIN: " + what +
           " is locked by somebody else of the program";
  };
  RunCases({
      {"a table has its own ranges anew",
       kTwo + Program{Posix(10, 3, F_WRLCK, 0, 10), Posix(10, 4, F_RDLCK, 5, 10)}, ""},
      {"another table", kTwo + Program{Posix(10, 3, F_WRLCK, 0, 10), Posix(11, 3, F_RDLCK, 9, 1)},
       taken("commands[6] SET_ATTR pid 11", "byte 9")},
      {"beside it", kTwo + Program{Posix(10, 3, F_WRLCK, 0, 10), Posix(11, 3, F_WRLCK, 10, 0)}, ""},
      {"shared by both", kTwo + Program{Posix(10, 3, F_RDLCK, 0, 10), Posix(11, 3, F_RDLCK, 5, 0)},
       ""},
      {"a write lock where others read",
       kTwo + Program{Posix(10, 3, F_RDLCK, 0, 10), Posix(11, 3, F_WRLCK, 5, 0)},
       taken("commands[6] SET_ATTR pid 11", "byte 5")},
      {"a description is one owner",
       kTwo + Program{Ofd(10, 3, F_WRLCK, 0, 10), Ofd(11, 3, F_WRLCK, 5, 10)}, ""},
      {"two descriptions are two",
       kTwo + Program{Ofd(10, 3, F_WRLCK, 0, 10), Ofd(10, 4, F_RDLCK, 5, 10)},
       taken("commands[6] SET_ATTR pid 10", "byte 5")},
      {"OFD and POSIX see each other",
       kTwo + Program{Posix(10, 3, F_WRLCK, 0, 10), Ofd(10, 3, F_RDLCK, 5, 10)},
       taken("commands[6] SET_ATTR pid 10", "byte 5")},
      {"flock sees neither", kTwo + Program{Posix(10, 3, F_WRLCK, 0, 0), Flock(11, 4, F_WRLCK)},
       ""},
      {"flock of two descriptions", kTwo + Program{Flock(10, 3, F_WRLCK), Flock(11, 4, F_RDLCK)},
       taken("commands[6] SET_ATTR pid 11", "the file")},
      {"shared flock", kTwo + Program{Flock(10, 3, F_RDLCK), Flock(11, 4, F_RDLCK)}, ""},
      {"who ends frees",
       kTwo + Program{Posix(11, 3, F_WRLCK, 0, 0), ExitOf(11), Posix(10, 3, F_WRLCK, 0, 0)}, ""},
      {"a description that somebody has stays locked",
       kTwo + Program{Flock(11, 3, F_WRLCK), ExitOf(11), Flock(10, 4, F_WRLCK)},
       taken("commands[7] SET_ATTR pid 10", "the file")},
  });
}

/// Inodes of other types than files of file systems.
TEST(CheckLocks, WhatHasNoPath) {
  const auto file = [](std::uint64_t id, auto body) {
    return std::make_shared<const File>(File{{id}, {O_RDWR}, std::move(body)});
  };
  const auto terminal = [&](std::uint64_t id, TtyDriver driver, std::uint32_t index) {
    Tty tty;
    tty.tty_id = {index};
    tty.driver = driver;
    tty.index = index;
    return OpenOf(10, static_cast<Fd>(id), file(id, tty));
  };
  UnixSocket socket;
  socket.socket_type = SocketType{SOCK_STREAM};
  socket.state = kUnconnected;
  socket.socket_id = {1};
  UnixSocket other = socket;
  other.socket_id = {2};
  const Program pipe = {ForkOf(0, 10),
                        OpenPair(10, 3, PipeEnd(1, O_RDONLY), 4, PipeEnd(2, O_WRONLY)),
                        ForkOf(10, 11)};
  const Program root = {ForkOf(0, 10)};
  const auto taken = [](const char* command, const char* what) {
    return std::string(command) + " SET_ATTR pid 10: EAGAIN: " + what +
           " is locked by somebody else of the program";
  };
  RunCases({
      {"both ends of a pipe are one file",
       pipe + Program{Flock(10, 3, F_WRLCK), Flock(10, 4, F_RDLCK)},
       taken("commands[4]", "the file")},
      {"ranges of a pipe", pipe + Program{Posix(10, 3, F_RDLCK, 0, 5), Posix(11, 4, F_WRLCK, 5, 5)},
       ""},
      {"a pipe that is closed at one end",
       pipe + Program{Posix(10, 3, F_RDLCK, 0, 5), CloseOf(10, 4)},
       "commands[4] CLOSE_FD pid 10: closes a descriptor of file 2: the POSIX locks on it that the "
       "table had are gone"},
      {"a lease of a pipe", pipe + Program{LeaseOf(10, 3, F_RDLCK)},
       "commands[3] SET_ATTR pid 10: EINVAL: only a regular file is leased"},
      {"a FIFO",
       root + Program{OpenOf(10, 3, file(1, Fifo{{9}, {"/f"}, {}, {}})),
                      OpenOf(10, 4, file(2, Fifo{{9}, {"/f"}, {}, {}})), Flock(10, 3, F_WRLCK),
                      Flock(10, 4, F_WRLCK)},
       taken("commands[4]", "the file")},
      {"sockets have files of their own",
       root + Program{OpenOf(10, 3, file(1, socket)), OpenOf(10, 4, file(2, other)),
                      Flock(10, 3, F_WRLCK), Flock(10, 4, F_WRLCK)},
       ""},
      {"masters are one file",
       root + Program{terminal(3, kPtyMaster, 1), terminal(4, kPtyMaster, 2), Flock(10, 3, F_WRLCK),
                      Flock(10, 4, F_WRLCK)},
       taken("commands[4]", "the file")},
      {"slaves are files of their own, and other ones than masters",
       root + Program{terminal(3, kPtyMaster, 1), terminal(4, kPtySlave, 1),
                      terminal(5, kPtySlave, 2), Flock(10, 3, F_WRLCK), Flock(10, 4, F_WRLCK),
                      Flock(10, 5, F_WRLCK)},
       ""},
  });
}

TEST(CheckLocks, PosixLocksEndWithAnyDescriptorOfTheFile) {
  const char* gone = ": the POSIX locks on it that the table had are gone";
  const Program locked = kTwo + Program{Posix(10, 3, F_WRLCK, 0, 0)};
  RunCases({
      {"another opening is closed", locked + Program{CloseOf(10, 4), Posix(11, 3, F_WRLCK, 0, 0)},
       std::string("commands[6] CLOSE_FD pid 10: closes a descriptor of file 2") + gone},
      {"a copy is replaced",
       kTwo + Program{Posix(10, 4, F_RDLCK, 0, 0), DupOf(10, 4, 5), Posix(11, 3, F_WRLCK, 0, 0)},
       std::string("commands[6] DUP_FD pid 10: closes a descriptor of file 1") + gone},
      {"by another table", locked + Program{CloseOf(11, 4)}, ""},
      {"other locks stay", kTwo + Program{Ofd(10, 3, F_WRLCK, 0, 0), CloseOf(10, 4)}, ""},
  });
}

TEST(CheckLocks, Leases) {
  const auto opened = [](std::uint64_t flags) {
    return Program{ForkOf(0, 10), OpenOf(10, 3, RegFile(1, flags))};
  };
  const auto refused = [](int command, const char* what) {
    return "commands[" + std::to_string(command) + "] SET_ATTR pid 10: " + what;
  };
  const std::string elsewhere = "EAGAIN: a write lease, and the file is open elsewhere";
  RunCases({
      {"a read lease", opened(O_RDONLY) + Program{LeaseOf(10, 3, F_RDLCK)}, ""},
      {"where somebody writes", opened(O_RDWR) + Program{LeaseOf(10, 3, F_RDLCK)},
       refused(2, "EAGAIN: a read lease, and the file is open for writing")},
      {"a write lease", opened(O_RDWR) + Program{LeaseOf(10, 3, F_WRLCK)}, ""},
      {"a write lease of what reads", opened(O_RDONLY) + Program{LeaseOf(10, 3, F_WRLCK)}, ""},
      {"of what is open twice",
       opened(O_RDWR) + Program{OpenOf(10, 4, RegFile(2, O_RDONLY)), LeaseOf(10, 3, F_WRLCK)},
       refused(3, elsewhere.c_str())},
      {"of what is open by its path alone",
       opened(O_RDWR) + Program{OpenOf(10, 4, RegFile(2, O_PATH)), LeaseOf(10, 3, F_WRLCK)}, ""},
      {"of what was closed again",
       opened(O_RDWR) +
           Program{OpenOf(10, 4, RegFile(2, O_RDONLY)), CloseOf(10, 4), LeaseOf(10, 3, F_WRLCK)},
       ""},
      {"of what is mapped elsewhere",
       opened(O_RDWR) + Program{OpenOf(10, 4, RegFile(2, O_RDONLY)),
                                MapFd(10, 0x10000, 0x11000, 4, MAP_PRIVATE, PROT_READ),
                                CloseOf(10, 4), LeaseOf(10, 3, F_WRLCK)},
       refused(5, elsewhere.c_str())},
      {"two read leases",
       opened(O_RDONLY) + Program{OpenOf(10, 4, RegFile(2, O_RDONLY)), LeaseOf(10, 3, F_RDLCK),
                                  LeaseOf(10, 4, F_RDLCK)},
       ""},
      {"twice", opened(O_RDONLY) + Program{LeaseOf(10, 3, F_RDLCK), LeaseOf(10, 3, F_RDLCK)},
       refused(3, "EEXIST: this state of file 1 is set already")},
      {"being broken", opened(O_RDWR) + Program{LeaseOf(10, 3, F_WRLCK, F_UNLCK)}, ""},
      {"broken to more than it is", opened(O_RDONLY) + Program{LeaseOf(10, 3, F_RDLCK, F_RDLCK)},
       refused(2, "EINVAL: F_RDLCK is not broken to F_RDLCK")},
      {"one broken, the other not",
       opened(O_RDONLY) + Program{OpenOf(10, 4, RegFile(2, O_RDONLY)), LeaseOf(10, 3, F_RDLCK),
                                  LeaseOf(10, 4, F_RDLCK, F_UNLCK)},
       refused(4, "EINVAL: the leases of a file are broken together")},
      {"locks after it", opened(O_RDWR) + Program{LeaseOf(10, 3, F_WRLCK), Flock(10, 3, F_RDLCK)},
       refused(3,
               "EINVAL: the state of fd 3 is of a kind that comes before what is set "
               "(commands[2])")},
  });
}

Command ExecutableOf(Pid pid, std::string path) {
  Attributes attributes;
  attributes.mm.emplace().end_code.value = 1;
  attributes.mm->exe = {std::move(path)};
  return AttrOf(pid, attributes);
}

TEST(CheckLocks, AnExecutableIsOpenedForTheMoment) {
  const Program open = {ForkOf(0, 10), OpenOf(10, 3, RegFile(1))};
  RunCases({
      {"another file", open + Program{Posix(10, 3, F_WRLCK, 0, 0), ExecutableOf(10, "/program")},
       ""},
      {"a locked one", open + Program{Posix(10, 3, F_WRLCK, 0, 0), ExecutableOf(10, "/file")},
       "commands[3] SET_ATTR pid 10: makes /file the executable, which closes a descriptor of it: "
       "the POSIX locks on it that the table had are gone"},
      {"a leased one", open + Program{LeaseOf(10, 3, F_WRLCK), ExecutableOf(10, "/file")},
       "commands[3] SET_ATTR pid 10: EAGAIN: /file is leased: to make it the executable, it is "
       "opened"},
  });
}

}  // namespace
}  // namespace crgen
