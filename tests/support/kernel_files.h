// OPEN_FILE for real.
#pragma once

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

#include <algorithm>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "dsl/commands.h"
#include "tests/support/pid_namespace.h"

namespace crgen::test {

/// What all processes of a program know of the objects that they have created.
struct SharedObjects {
  static constexpr std::size_t kMax = 16;
  Word memfd_created[kMax];                      ///< by inode id
  std::atomic<std::uint64_t> shmem_inode[kMax];  ///< by shmem id; 0: not created
  Word ignores_sigchld;                          ///< somebody does, or did

  void Clear() {
    for (Word& it : memfd_created) it.store(0);
    for (auto& it : shmem_inode) it.store(0);
    ignores_sigchld.store(0);
  }
};

/// Programs use descriptors below this number, the test those above.
inline constexpr Fd kFirstOwnFd = 64;

/// `fd` at a number that no program uses; -1 stays.
inline int Aside(int fd) {
  if (fd < 0) return fd;
  const int aside = fcntl(fd, F_DUPFD_CLOEXEC, kFirstOwnFd);
  const int error = errno;
  close(fd);
  errno = error;
  return aside;
}

/// The names in a folder of /proc; none if it cannot be read.
inline std::vector<std::string> NamesIn(int proc, const std::string& path) {
  std::vector<std::string> names;
  const int fd = openat(proc, path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR* folder = fd < 0 ? nullptr : fdopendir(Aside(fd));
  if (folder == nullptr) return names;
  while (const dirent* entry = readdir(folder)) {
    if (entry->d_name[0] != '.') names.emplace_back(entry->d_name);
  }
  closedir(folder);
  return names;
}

inline std::string LinkText(int proc, const std::string& path) {
  char text[256];
  const ssize_t size = readlinkat(proc, path.c_str(), text, sizeof text);
  return size < 0 ? "" : std::string(text, static_cast<std::size_t>(size));
}

inline std::string MemfdName(std::uint64_t inode_id) { return "m" + std::to_string(inode_id); }
inline std::string MemfdLink(std::uint64_t inode_id) {
  return "/memfd:" + MemfdName(inode_id) + " (deleted)";
}

/// Opens a memfd that any process of the namespace has open or mapped.
inline int ReopenMemfd(const File& file, const Memfd& memfd, int proc) {
  const std::string wanted = MemfdLink(memfd.inode_id.value);
  for (const std::string& pid : NamesIn(proc, ".")) {
    if (pid.find_first_not_of("0123456789") != pid.npos) continue;
    for (const char* folder : {"/fd", "/map_files"}) {
      for (const std::string& name : NamesIn(proc, pid + folder)) {
        const std::string path = pid + folder + "/" + name;
        if (LinkText(proc, path) != wanted) continue;
        return Aside(openat(proc, path.c_str(), static_cast<int>(file.flags.bits)));
      }
    }
  }
  errno = ENOENT;
  return -1;
}

inline bool AddSeals(int fd, const Memfd& file) {
  if (!file.seals || file.seals->bits == 0) return true;
  return fcntl(fd, F_ADD_SEALS, static_cast<int>(file.seals->bits)) == 0;
}

inline int CreateMemfd(const File& file, const Memfd& memfd, int proc, SharedObjects* objects) {
  const int fd = Aside(memfd_create(MemfdName(memfd.inode_id.value).c_str(), MFD_ALLOW_SEALING));
  if (fd < 0 || ftruncate(fd, static_cast<off_t>(*memfd.size)) < 0 || !AddSeals(fd, memfd))
    return -1;
  objects->memfd_created[memfd.inode_id.value].store(1);
  if (file.flags.bits == O_RDWR) return fd;
  const int reopened = ReopenMemfd(file, memfd, proc);
  close(fd);
  return reopened;
}

inline int OpenMemfd(const File& file, const Memfd& memfd, int proc, SharedObjects* objects) {
  if (objects->memfd_created[memfd.inode_id.value].load() == 0) {
    if (memfd.name && memfd.size) return CreateMemfd(file, memfd, proc, objects);
    errno = ENOENT;
    return -1;
  }
  const int fd = ReopenMemfd(file, memfd, proc);
  if (fd < 0 || AddSeals(fd, memfd)) return fd;
  const int error = errno;
  close(fd);
  errno = error;
  return -1;
}

inline int OpenOther(const OtherFile& file) {
  if (file.type == "INOTIFY") return inotify_init1(0);
  errno = ENOSYS;
  return -1;
}

/// eventfd2(2) takes 32 bits of the counter, write(2) the rest.
inline int OpenEventfd(const Eventfd& body) {
  const std::uint64_t first = std::min<std::uint64_t>(body.counter, 0xffffffff);
  const std::uint64_t rest = body.counter - first;
  if (body.counter == ~std::uint64_t{0}) {
    errno = EINVAL;  // of the write(2) of that value
    return -1;
  }
  const int fd = eventfd(static_cast<unsigned>(first), body.semaphore.value_or(false) ? 1 : 0);
  if (fd >= 0 && rest != 0 && write(fd, &rest, sizeof rest) != sizeof rest) return -1;
  return fd;
}
inline int OpenSignalfd(const Signalfd& body) {
  return static_cast<int>(syscall(__NR_signalfd4, -1, &body.mask.value, 8, 0));
}

/// What the command opens, aside; -1: errno. `*peer` is the other end, if there is one.
inline int OpenAside(const OpenFile& open, int proc, SharedObjects* objects, int* peer) {
  int fd = -1;
  std::optional<std::uint64_t> pos;
  if (const auto* regular = std::get_if<RegularFile>(&open.file->body)) {
    fd = Aside(::open(regular->path.bytes.c_str(), static_cast<int>(open.file->flags.bits)));
    pos = regular->pos;
  } else if (const auto* memfd = std::get_if<Memfd>(&open.file->body)) {
    fd = OpenMemfd(*open.file, *memfd, proc, objects);
    pos = memfd->pos;
  } else if (const auto* event = std::get_if<Eventfd>(&open.file->body)) {
    fd = Aside(OpenEventfd(*event));
    if (fd >= 0) fcntl(fd, F_SETFL, static_cast<int>(open.file->flags.bits));
  } else if (const auto* signals = std::get_if<Signalfd>(&open.file->body)) {
    fd = Aside(OpenSignalfd(*signals));
    if (fd >= 0) fcntl(fd, F_SETFL, static_cast<int>(open.file->flags.bits));
  } else if (const auto* timer = std::get_if<Timerfd>(&open.file->body)) {
    fd = Aside(timerfd_create(static_cast<int>(timer->clock.value), 0));
    if (fd >= 0) fcntl(fd, F_SETFL, static_cast<int>(open.file->flags.bits));
  } else if (std::holds_alternative<Eventpoll>(open.file->body)) {
    fd = Aside(epoll_create1(0));
    if (fd >= 0) fcntl(fd, F_SETFL, static_cast<int>(open.file->flags.bits));
  } else if (open.peer == nullptr) {
    fd = Aside(OpenOther(std::get<OtherFile>(open.file->body)));
  } else {
    int ends[2];
    const bool is_pipe = std::get<OtherFile>(open.file->body).type == "PIPE";
    const int made = is_pipe ? pipe2(ends, 0) : socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
    if (made < 0) return -1;
    fd = Aside(ends[0]);
    *peer = Aside(ends[1]);
  }
  if (fd >= 0 && pos) lseek(fd, static_cast<off_t>(*pos), SEEK_SET);
  return fd;
}

inline int CheckFreeNumber(Fd fd) {
  rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  if (fd < 0 || static_cast<rlim_t>(fd) >= limit.rlim_cur) return EBADF;
  return fcntl(fd, F_GETFD) >= 0 ? EEXIST : 0;
}

inline int PutAt(int aside, Fd fd, bool cloexec) {
  const int put = dup3(aside, fd, cloexec ? O_CLOEXEC : 0);
  const int error = put < 0 ? errno : 0;
  close(aside);
  return error;
}

inline int OpenForReal(const OpenFile& open, int proc, SharedObjects* objects) {
  if (const int error = CheckFreeNumber(open.fd); error != 0) return error;
  if (open.peer != nullptr) {
    if (open.peer->fd == open.fd) return EEXIST;
    if (const int error = CheckFreeNumber(open.peer->fd); error != 0) return error;
  }
  int peer = -1;
  const int fd = OpenAside(open, proc, objects, &peer);
  if (fd < 0) return errno;
  const int error = PutAt(fd, open.fd, open.cloexec);
  return error != 0 || peer < 0 ? error : PutAt(peer, open.peer->fd, open.peer->cloexec);
}

}  // namespace crgen::test
