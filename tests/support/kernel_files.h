// SPDX-License-Identifier: Apache-2.0
// OPEN_FILE for real.
#pragma once

#include <arpa/inet.h>
#include <linux/netlink.h>
#include <linux/sched.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/fanotify.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
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
  SharedWord memfd_created[kMax];                ///< by inode id
  std::atomic<std::uint64_t> pipe_inode[kMax];   ///< by pipe id; 0: not created
  std::atomic<std::uint64_t> shmem_inode[kMax];  ///< by shmem id; 0: not created
  SharedWord terminal[kMax];                     ///< by tty id: see OpenTerminal()
  SharedWord late;                               ///< late state has been set

  void Clear() {
    for (SharedWord& it : memfd_created) it.store(0);
    for (auto& it : shmem_inode) it.store(0);
    late.store(0);
    for (auto& it : pipe_inode) it.store(0);
    for (SharedWord& it : terminal) it.store(0);
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

inline std::vector<std::string> LinesOf(int proc, const std::string& path) {
  std::vector<std::string> lines;
  const int fd = openat(proc, path.c_str(), O_RDONLY | O_CLOEXEC);
  FILE* file = fd < 0 ? nullptr : fdopen(fd, "r");
  if (file == nullptr) return lines;
  for (char line[512]; std::fgets(line, sizeof line, file) != nullptr;) lines.emplace_back(line);
  std::fclose(file);
  return lines;
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

inline std::uint64_t InodeOf(int fd) {
  struct stat status = {};
  fstat(fd, &status);
  return status.st_ino;
}

/// Opens the pipe with that inode anew, through any process that has an end.
inline int ReopenPipe(std::uint64_t inode, int flags, int proc) {
  const std::string wanted = "pipe:[" + std::to_string(inode) + "]";
  for (const std::string& pid : NamesIn(proc, ".")) {
    if (pid.find_first_not_of("0123456789") != pid.npos) continue;
    for (const std::string& name : NamesIn(proc, pid + "/fd")) {
      const std::string path = pid + "/fd/" + name;
      if (LinkText(proc, path) == wanted) return Aside(openat(proc, path.c_str(), flags));
    }
  }
  errno = ENOENT;
  return -1;
}

/// F_SETFL takes some flags and ignores all others, which are an error in a program.
inline bool SetFlags(int fd, const File& file) {
  fcntl(fd, F_SETFL, static_cast<int>(file.flags.bits));
  const auto got = static_cast<std::uint64_t>(fcntl(fd, F_GETFL));
  if ((got & ~kLargeFile) == (file.flags.bits & ~kLargeFile)) return true;
  errno = EINVAL;
  return false;
}

/// F_SETPIPE_SZ rounds up, which is an error in a program, as is what the pipe has no room for.
inline bool FillPipe(int fd, const Pipe& pipe) {
  fcntl(fd, F_SETFL, O_NONBLOCK);
  const auto bytes = static_cast<long>(pipe.capacity.value_or(0));
  if (pipe.capacity) {
    const int size = fcntl(fd, F_SETPIPE_SZ, bytes);
    if (size < 0) return false;
    if (size != bytes) {
      errno = EINVAL;
      return false;
    }
  }
  if (!pipe.data) return true;
  const std::string data(pipe.data->bytes, 'x');
  const ssize_t put = data.empty() ? -1 : write(fd, data.data(), data.size());
  if (put != static_cast<ssize_t>(data.size())) errno = data.empty() ? EINVAL : EAGAIN;
  return put == static_cast<ssize_t>(data.size());
}

/// The descriptions of a pipe: those that pipe(2) makes, those that are opened.
inline int OpenPipe(const OpenFile& open, int proc, SharedObjects* objects, int* peer) {
  const Pipe& pipe = std::get<Pipe>(open.file->body);
  std::atomic<std::uint64_t>& known = objects->pipe_inode[pipe.pipe_id.value];
  const auto flags = static_cast<int>(open.file->flags.bits);
  // F_SETFL sets these, and open(2) does not take them.
  const int opening = flags & ~(O_ASYNC | O_DIRECT);
  // What one call makes are two ends of one pipe, whatever a program calls them.
  const auto* other = open.peer == nullptr ? nullptr : As<Pipe>(*open.peer->file);
  if (other != nullptr && (other->pipe_id != pipe.pipe_id || IsReopenedEnd(open.file->flags) ||
                           IsReopenedEnd(open.peer->file->flags))) {
    errno = EINVAL;
    return -1;
  }
  if (known.load() != 0) {
    const int fd = ReopenPipe(known.load(), opening, proc);
    if (fd < 0) return -1;
    // No system call makes a pipe, or its ends, a second time.
    const bool again =
        pipe.capacity || pipe.data || open.peer != nullptr || !IsReopenedEnd(open.file->flags);
    if (!again && SetFlags(fd, *open.file)) return fd;
    const int error = again ? EEXIST : errno;
    close(fd);
    errno = error;
    return -1;
  }
  int ends[2];
  if (pipe2(ends, 0) != 0) return -1;
  for (int& end : ends) end = Aside(end);
  const auto give_up = [&] {
    const int error = errno;
    close(ends[0]);
    close(ends[1]);
    errno = error;
    return -1;
  };
  if (!FillPipe(ends[1], pipe)) return give_up();
  const int own = (flags & O_ACCMODE) == O_RDONLY ? 0 : 1;
  int fd = ends[own];
  const std::uint64_t inode = InodeOf(fd);
  if (IsReopenedEnd(open.file->flags)) {
    fd = ReopenPipe(inode, opening, proc);
    if (fd < 0 || !SetFlags(fd, *open.file)) return give_up();
    close(ends[own]);
  } else if (!SetFlags(fd, *open.file)) {
    return give_up();
  }
  if (open.peer == nullptr) {
    close(ends[1 - own]);
  } else {
    *peer = ends[1 - own];
    if (!SetFlags(*peer, *open.peer->file)) return give_up();
  }
  known.store(inode);
  return fd;
}

/// Whether anybody of the namespace has the file at that path open.
inline bool IsOpen(const std::string& path, int proc) {
  for (const std::string& pid : NamesIn(proc, ".")) {
    if (pid.find_first_not_of("0123456789") != pid.npos) continue;
    for (const std::string& fd : NamesIn(proc, pid + "/fd")) {
      if (LinkText(proc, pid + "/fd/" + fd) == path) return true;
    }
  }
  return false;
}

/// The test makes FIFOs as they are opened, and opens them read-write for a moment, so that no
/// opening blocks.
inline int OpenFifo(const File& file, const Fifo& fifo, int proc) {
  const std::string& path = fifo.path.bytes;
  const auto flags = static_cast<int>(file.flags.bits);
  if ((flags & O_PATH) != 0) {
    errno = EINVAL;
    return -1;
  }
  mkfifo(path.c_str(), 0600);
  const bool again = IsOpen(path, proc);
  const int both = Aside(open(path.c_str(), O_RDWR));
  int fd = Aside(open(path.c_str(), flags & ~(O_ASYNC | O_DIRECT)));
  int error = errno;
  if (fd >= 0) {
    const bool content = fifo.capacity || fifo.data;
    error = again && content                                             ? EEXIST
            : content && !FillPipe(both, {{}, fifo.capacity, fifo.data}) ? errno
            : !SetFlags(fd, file)                                        ? errno
                                                                         : 0;
    if (error != 0) fd = (close(fd), -1);
  }
  close(both);
  errno = error;
  return fd;
}

/// Nobody enters others here: one that is named by an id is not there.
inline int OpenNamespace(const File& file, const NamespaceFile& body, int proc) {
  for (const FlagName& row : NamespaceTypeKind::Names()) {
    if (row.value != body.type.value || body.id) continue;
    const std::string path = "self/ns/" + std::string(row.name);
    return openat(proc, path.c_str(), static_cast<int>(file.flags.bits));
  }
  errno = ENOENT;
  return -1;
}

/// pidfd_open(2), also of who is gone.
inline int OpenPidfd(const Pidfd& pidfd) {
  if (pidfd.target.has_value() == pidfd.dead.has_value()) {
    errno = EINVAL;
    return -1;
  }
  const int flags = pidfd.thread ? O_EXCL : 0;
  if (pidfd.target) return static_cast<int>(syscall(SYS_pidfd_open, pidfd.target->value, flags));
  const long child = Clone3(0, {});
  if (child == 0) {
    for (;;) pause();
  }
  const auto fd = static_cast<int>(syscall(SYS_pidfd_open, child, flags));
  const int error = errno;
  kill(static_cast<pid_t>(child), SIGKILL);
  waitpid(static_cast<pid_t>(child), nullptr, __WALL);
  errno = error;
  return fd;
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

/// Nobody can tell a socket that listens from what it is without asking it; a connection comes
/// about in repair mode (tcp(7)), so nobody has to answer.
inline int OpenInetSocket(const InetSocket& body) {
  const auto family = static_cast<int>(body.family.value);
  const int fd = socket(family, static_cast<int>(body.socket_type.value),
                        static_cast<int>(body.protocol.value));
  const auto set = [&](int level, int name, int value) {
    return setsockopt(fd, level, name, &value, sizeof value) == 0;
  };
  const auto with = [&](const InetAddress& address, auto call) {
    sockaddr_in four = {};
    sockaddr_in6 six = {};
    four.sin_family = AF_INET;
    six.sin6_family = AF_INET6;
    four.sin_port = six.sin6_port = htons(static_cast<std::uint16_t>(address.port));
    inet_pton(AF_INET, address.address.c_str(), &four.sin_addr);
    inet_pton(AF_INET6, address.address.c_str(), &six.sin6_addr);
    return family == AF_INET ? call(fd, reinterpret_cast<sockaddr*>(&four), sizeof four) == 0
                             : call(fd, reinterpret_cast<sockaddr*>(&six), sizeof six) == 0;
  };
  const bool made = fd >= 0 && (family == AF_INET || set(IPPROTO_IPV6, IPV6_V6ONLY, body.v6only)) &&
                    set(SOL_SOCKET, SO_REUSEADDR, body.options->so_reuseaddr.value_or(false)) &&
                    set(SOL_SOCKET, SO_REUSEPORT, body.options->so_reuseport.value_or(false)) &&
                    (!body.stream || set(IPPROTO_TCP, TCP_REPAIR, 1)) && with(*body.source, bind) &&
                    (!body.backlog || listen(fd, static_cast<int>(*body.backlog)) == 0) &&
                    (!body.destination || with(*body.destination, connect));
  if (made || fd < 0) return fd;
  const int error = errno;
  close(fd);
  errno = error;
  return -1;
}

inline int OpenNetlinkSocket(const NetlinkSocket& body) {
  const int fd = socket(AF_NETLINK, SOCK_RAW, static_cast<int>(body.protocol.value));
  if (fd < 0) return fd;
  const auto with = [&](std::uint32_t port, std::uint32_t group, auto call) {
    sockaddr_nl address = {};
    address.nl_family = AF_NETLINK;
    address.nl_pid = port;
    address.nl_groups = group == 0 ? 0 : 1u << (group - 1);
    return call(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  };
  bool made = !body.port_id || with(*body.port_id, 0, bind);
  for (const std::uint32_t group : body.groups) {
    constexpr int kNetlinkLevel = 270;  // SOL_NETLINK
    made = made && setsockopt(fd, kNetlinkLevel, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) == 0;
  }
  const auto& to = body.destination;
  made = made && (!to || with(to->port_id, to->group, connect));
  if (made) return fd;
  const int error = errno;
  close(fd);
  errno = error;
  return -1;
}

/// What the command opens, aside; -1: errno. `*peer` is the other end, if there is one.
inline int OpenAside(const OpenFile& open, int proc, SharedObjects* objects, int* peer) {
  int fd = -1;
  std::optional<std::uint64_t> pos;
  if (const auto* regular = As<RegularFile>(*open.file)) {
    fd = Aside(::open(regular->path.bytes.c_str(), static_cast<int>(open.file->flags.bits)));
    pos = regular->pos;
  } else if (const auto* memfd = As<Memfd>(*open.file)) {
    fd = OpenMemfd(*open.file, *memfd, proc, objects);
    pos = memfd->pos;
  } else if (const auto* event = As<Eventfd>(*open.file)) {
    fd = Aside(OpenEventfd(*event));
    if (fd >= 0) fcntl(fd, F_SETFL, static_cast<int>(open.file->flags.bits));
  } else if (const auto* signals = As<Signalfd>(*open.file)) {
    fd = Aside(OpenSignalfd(*signals));
    if (fd >= 0) fcntl(fd, F_SETFL, static_cast<int>(open.file->flags.bits));
  } else if (const auto* timer = As<Timerfd>(*open.file)) {
    fd = Aside(timerfd_create(static_cast<int>(timer->clock.value), 0));
    if (fd >= 0) fcntl(fd, F_SETFL, static_cast<int>(open.file->flags.bits));
  } else if (std::holds_alternative<Eventpoll>(open.file->body)) {
    fd = Aside(epoll_create1(0));
    if (fd >= 0) fcntl(fd, F_SETFL, static_cast<int>(open.file->flags.bits));
  } else if (std::holds_alternative<Inotify>(open.file->body)) {
    fd = Aside(inotify_init1(0));
    if (fd < 0 || SetFlags(fd, *open.file)) return fd;
    close(fd);
    errno = EINVAL;
    return -1;
  } else if (const auto* fan = As<Fanotify>(*open.file)) {
    fd = Aside(fanotify_init(static_cast<unsigned>(fan->init_flags.bits),
                             static_cast<unsigned>(fan->event_flags.bits)));
    if (fd >= 0) fcntl(fd, F_SETFL, static_cast<int>(open.file->flags.bits));
  } else if (const auto* pidfd = As<Pidfd>(*open.file)) {
    fd = Aside(OpenPidfd(*pidfd));
    if (fd >= 0) fcntl(fd, F_SETFL, static_cast<int>(open.file->flags.bits));
  } else if (const auto* fifo = As<Fifo>(*open.file)) {
    fd = OpenFifo(*open.file, *fifo, proc);
  } else if (const auto* of = As<NamespaceFile>(*open.file)) {
    fd = Aside(OpenNamespace(*open.file, *of, proc));
  } else if (std::holds_alternative<Pipe>(open.file->body)) {
    return OpenPipe(open, proc, objects, peer);
  } else if (const auto* inet = As<InetSocket>(*open.file)) {
    fd = Aside(OpenInetSocket(*inet));
  } else if (const auto* netlink = As<NetlinkSocket>(*open.file)) {
    fd = Aside(OpenNetlinkSocket(*netlink));
  } else if (open.peer == nullptr) {
    errno = ENOSYS;
  } else {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) return -1;
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
  if (open.from) {
    const auto process = static_cast<int>(syscall(SYS_pidfd_open, open.from->pid, 0));
    if (process < 0) return errno;
    const auto taken = static_cast<int>(syscall(SYS_pidfd_getfd, process, open.from->fd, 0));
    const int error = errno;
    close(process);
    return taken < 0 ? error : PutAt(Aside(taken), open.fd, open.cloexec);
  }
  int peer = -1;
  const int fd = OpenAside(open, proc, objects, &peer);
  if (fd < 0) return errno;
  const int error = PutAt(fd, open.fd, open.cloexec);
  return error != 0 || peer < 0 ? error : PutAt(peer, open.peer->fd, open.peer->cloexec);
}

}  // namespace crgen::test
