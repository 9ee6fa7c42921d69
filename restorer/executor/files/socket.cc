#include <fcntl.h>
#include <linux/stat.h>
#include <sys/socket.h>

#include "restorer/executor/files/files.h"

namespace crgen::restorer {
namespace {

constexpr long kNoEntry = -2, kExists = -17;     // ENOENT, EEXIST
constexpr long kInUse = -98, kRefused = -111;    // EADDRINUSE, ECONNREFUSED
constexpr long kOtherType = -91, kNotMine = -1;  // EPROTOTYPE, EPERM
constexpr int kPathOnly = 0x200000;              // O_PATH
constexpr int kNoFollow = 0x100;                 // AT_SYMLINK_NOFOLLOW
constexpr uint32_t kType = 0170000, kSocket = 0140000;

/// While it lives the process is where a name means what it says.
class Place {
 public:
  Place(const Caller& caller, const SocketName& name) : caller_(caller), name_(name) {
    if (name.root != nullptr) {
      root_ = caller.Must("open of the root", __NR_openat, AT_FDCWD, "/", kPathOnly | O_CLOEXEC, 0);
    }
    if (name.root == nullptr && name.directory == nullptr) return;
    cwd_ =
        caller.Must("open of the directory", __NR_openat, AT_FDCWD, ".", kPathOnly | O_CLOEXEC, 0);
    if (name.root != nullptr) EnterRoot();
    if (name.directory == nullptr) return;
    if (const long r = caller.Try(__NR_chdir, name.directory); r < 0) {
      caller.Fail("chdir", r, name.directory);
    }
  }
  void Leave() const {
    if (root_ >= 0) {
      caller_.Must("fchdir", __NR_fchdir, root_);
      caller_.Must("chroot", __NR_chroot, ".");
      caller_.Must("close", __NR_close, root_);
    }
    if (cwd_ < 0) return;
    caller_.Must("fchdir", __NR_fchdir, cwd_);
    caller_.Must("close", __NR_close, cwd_);
  }

 private:
  void EnterRoot() const {
    const long own = caller_.Must("open of the name's root", __NR_openat, caller_.setup->service_fd,
                                  name_.root, O_DIRECTORY | kPathOnly | O_CLOEXEC, 0);
    caller_.Must("fchdir", __NR_fchdir, own);
    caller_.Must("chroot", __NR_chroot, ".");
    caller_.Must("close", __NR_close, own);
    if (name_.directory != nullptr) MakeParents(name_.directory, true);
    if (name_.directory == nullptr) MakeParents(name_.path, false);
  }

  /// mkdir(2) of all directories of an absolute path, with or without the last part.
  void MakeParents(const char* path, bool last) const {
    char part[4096];
    for (uint32_t i = 0; i < sizeof part; ++i) {
      const char c = path[i];
      if (i > 0 && (c == '/' || (c == 0 && last))) {
        part[i] = 0;
        const long r = caller_.Try(__NR_mkdir, part, 0700);
        if (r < 0 && r != kExists) caller_.Fail("mkdir", r, path);
      }
      if (c == 0) return;
      part[i] = c;
    }
    caller_.Fail("mkdir", -36 /* ENAMETOOLONG */, path);
  }

  const Caller& caller_;
  const SocketName& name_;
  long root_ = -1, cwd_ = -1;
};

/// A socket file that nobody has makes room; anything else is in the way.
void MakeRoom(const Caller& caller, const SocketName& name) {
  struct statx facts = {};
  const long found = caller.Try(__NR_statx, AT_FDCWD, name.path, kNoFollow, STATX_TYPE, &facts);
  if (found == kNoEntry) return;
  if (found < 0) caller.Fail("statx", found, name.path);
  if ((facts.stx_mode & kType) != kSocket) {
    caller.Fail("bind (another file has the name)", kExists, name.path);
  }
  const long probe = caller.Must("socket", __NR_socket, AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const long answer = caller.Try(__NR_connect, probe, name.address, name.length);
  if (answer == 0 || answer == kOtherType || answer == kNotMine) {
    caller.Fail("bind (another socket has the name)", kInUse, name.path);
  }
  if (answer != kRefused) caller.Fail("connect", answer, name.path);
  caller.Must("close", __NR_close, probe);
  if (const long r = caller.Try(__NR_unlink, name.path); r < 0) {
    caller.Fail("unlink", r, name.path);
  }
}

void Bind(const Caller& caller, long fd, const SocketName* name) {
  if (name == nullptr) return;
  const Place place(caller, *name);
  if (name->has_file && name->root == nullptr) MakeRoom(caller, *name);
  if (const long r = caller.Try(__NR_bind, fd, name->address, name->length); r < 0) {
    caller.Fail("bind", r, name->path);
  }
  if (name->has_permissions) {
    if (const long r = caller.Try(__NR_chmod, name->path, name->mode & 07777); r < 0) {
      caller.Fail("chmod", r, name->path);
    }
    if (const long r = caller.Try(__NR_lchown, name->path, name->uid, name->gid); r < 0) {
      caller.Fail("lchown", r, name->path);
    }
  }
  place.Leave();
}

void Connect(const Caller& caller, long fd, const SocketName& target) {
  const Place place(caller, target);
  if (const long r = caller.Try(__NR_connect, fd, target.address, target.length); r < 0) {
    caller.Fail("connect", r, target.path);
  }
  place.Leave();
}

/// Leaves the pair, which keeps the messages that are sent to it.
void Disconnect(const Caller& caller, long fd, long peer) {
  const sockaddr nobody = {};  // AF_UNSPEC
  caller.Must("connect(AF_UNSPEC)", __NR_connect, fd, &nobody, sizeof nobody);
  int32_t error = 0;
  uint32_t size = sizeof error;
  caller.Must("getsockopt(SO_ERROR)", __NR_getsockopt, peer, SOL_SOCKET, SO_ERROR, &error, &size);
}

void PutAt(const Caller& caller, long from, const SocketEnd& end) {
  OpenOp open = {};
  open.fd = end.fd;
  open.flags = end.flags;
  open.cloexec = end.cloexec;
  if (from == end.fd && !end.cloexec) {
    caller.Must("fcntl(F_SETFD)", __NR_fcntl, from, F_SETFD, 0);
  }
  restorer::Place(caller, from, open);
}

void PutBoth(const Caller& caller, long one, long other, const SocketOp& socket) {
  if (other == socket.end.fd && one != other) {
    const long moved = caller.Must("fcntl(F_DUPFD)", __NR_fcntl, other, F_DUPFD_CLOEXEC, 0);
    caller.Must("close", __NR_close, other);
    other = moved;
  }
  PutAt(caller, one, socket.end);
  PutAt(caller, other, socket.peer);
}

void OpenPair(const Caller& caller, const SocketOp& socket) {
  int32_t ends[2] = {};
  caller.Must("socketpair", __NR_socketpair, AF_UNIX, socket.type | SOCK_CLOEXEC, 0, ends);
  Bind(caller, ends[0], socket.end.name);
  Bind(caller, ends[1], socket.peer.name);
  if (socket.peer_unconnected) Disconnect(caller, ends[1], ends[0]);
  PutBoth(caller, ends[0], ends[1], socket);
}

}  // namespace

void OpenSocket(const Caller& caller, const SocketOp& socket) {
  const bool pair = socket.peer.fd >= 0;
  if (pair && socket.target == nullptr) return OpenPair(caller, socket);
  // It fails where it would wait.
  const long fd =
      caller.Must("socket", __NR_socket, AF_UNIX, socket.type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  Bind(caller, fd, socket.end.name);
  if (socket.shutdown_before != 0) {
    caller.Must("shutdown", __NR_shutdown, fd, socket.shutdown_before - 1);
  }
  if (socket.target != nullptr) Connect(caller, fd, *socket.target);
  if (socket.backlog >= 0) caller.Must("listen", __NR_listen, fd, socket.backlog);
  if (!pair) return PutAt(caller, fd, socket.end);
  const long accepted =
      caller.Must("accept4", __NR_accept4, socket.accept_from, 0, 0, SOCK_CLOEXEC);
  PutBoth(caller, fd, accepted, socket);
}

}  // namespace crgen::restorer
