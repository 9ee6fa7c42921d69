// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <linux/stat.h>
#include <linux/un.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "model/file_kind.h"
#include "preflight/trusted_path.h"
#include "restorer/executor/files/files.h"
#include "restorer/executor/socket_owner.h"

namespace crgen::restorer {
namespace {

constexpr uint32_t kClearedByChown = S_ISUID | S_ISGID;

/// While it lives the process is where a name means what it says, and looks names up with the
/// rights of whoever else than root can change the way there: so that leads nowhere where he may
/// not go.
class Place {
 public:
  Place(const Caller& caller, const SocketName& name) : caller_(caller), name_(name) {
    if (!name.has_file) return;
    cwd_ = caller.Must("open of the directory", __NR_openat, AT_FDCWD, ".", O_PATH | O_CLOEXEC, 0);
    if (name.root != nullptr || name.from >= 0 || name.below != nullptr) EnterRoot();
    folder_ = name.hidden >= 0
                  ? caller.Must("fcntl(F_DUPFD)", __NR_fcntl, name.hidden, F_DUPFD_CLOEXEC, 0)
                  : OpenFolder(name.folder, &owner_);
    owner_.any = owner_.any && name.root == nullptr && owner_.uid != caller.setup->own.fsuid;
    if (owner_.any && !Becomes(owner_.uid, owner_.gid)) {
      // Preflight has seen that it is root outside, whom nobody in here can become.
      if (!caller.setup->user_namespace) caller.Fail("setfsuid", -EPERM, name.path);
      owner_.any = false;
      ActAs(caller.setup->own.fsuid, caller.setup->own.fsgid);
    }
    caller.Must("fchdir", __NR_fchdir, folder_);
  }

  long folder() const { return folder_; }
  uint32_t fsuid() const { return owner_.any ? owner_.uid : caller_.setup->own.fsuid; }

  /// From the folder to where a relative name begins.
  void GoToStart() const {
    if (!name_.has_file || name_.directory == nullptr) return;
    const long result = caller_.Try(__NR_chdir, name_.directory);
    if (result < 0) caller_.Fail("chdir", result, name_.directory);
  }

  void Leave() const {
    if (cwd_ < 0) return;
    caller_.Must("close", __NR_close, folder_);
    if (root_ >= 0) {
      caller_.Must("fchdir", __NR_fchdir, root_);
      caller_.Must("chroot", __NR_chroot, ".");
      caller_.Must("close", __NR_close, root_);
    }
    caller_.Must("fchdir", __NR_fchdir, cwd_);
    caller_.Must("close", __NR_close, cwd_);
    if (!owner_.any) return;
    ActAs(caller_.setup->own.fsuid, caller_.setup->own.fsgid);
    StayHidden(caller_);
  }

 private:
  void ActAs(uint32_t uid, uint32_t gid) const {
    if (!Becomes(uid, gid)) caller_.Fail("setfsuid", -EPERM, name_.path);
  }

  bool Becomes(uint32_t uid, uint32_t gid) const {
    caller_.Must("setfsgid", __NR_setfsgid, gid);
    caller_.Must("setfsuid", __NR_setfsuid, uid);
    // They do not say whether they have: an id that nobody has asks.
    return caller_.Must("setfsgid", __NR_setfsgid, -1) == (long)gid &&
           caller_.Must("setfsuid", __NR_setfsuid, -1) == (long)uid;
  }

  /// With the rights of this process, who is told whose the way is.
  long OpenFolder(const char* path, WayOwner* owner) const {
    const PathCalls calls{caller_};
    TrustedPath<PathCalls> way(calls, TrustedPath<PathCalls>::Foreign::kFollow);
    const long folder = way.Open(path, O_DIRECTORY | O_CLOEXEC);
    if (folder < 0) caller_.Fail("open of the directory", folder, path);
    if (!owner->any) *owner = way.owner();
    return folder;
  }

  void Enter(long folder) const {
    caller_.Must("fchdir", __NR_fchdir, folder);
    caller_.Must("chroot", __NR_chroot, ".");
  }

  void EnterRoot() {
    root_ = caller_.Must("open of the root", __NR_openat, AT_FDCWD, "/", O_PATH | O_CLOEXEC, 0);
    if (name_.from >= 0) Enter(name_.from);
    if (name_.below != nullptr) {
      const long below = OpenFolder(name_.below, &owner_);
      Enter(below);
      caller_.Must("close", __NR_close, below);
    }
    if (name_.root == nullptr) return;
    const long own = caller_.Must("open of the name's root", __NR_openat, caller_.setup->service_fd,
                                  name_.root, O_DIRECTORY | O_PATH | O_CLOEXEC, 0);
    Enter(own);
    caller_.Must("close", __NR_close, own);
    if (name_.link == nullptr) return MakeParents(name_.folder);
    MakeParents(name_.parent);
    char target[kNameProcSize];
    LinkTo(name_.hidden, target);
    const long made = caller_.Try(__NR_symlinkat, target, AT_FDCWD, name_.link);
    if (made < 0 && made != -EEXIST) caller_.Fail("symlinkat", made, name_.path);
  }

  static constexpr uint32_t kNameProcSize = sizeof kNameProc + kSelfFdSize;
  /// What the kernel follows to what a descriptor has, whatever its path is.
  static void LinkTo(long fd, char (&target)[kNameProcSize]) {
    uint32_t end = 0;
    target[end++] = '/';
    for (const char* c = kNameProc; *c != 0; ++c) target[end++] = *c;
    constexpr char kFolder[] = "/self/fd/";
    for (const char* c = kFolder; *c != 0; ++c) target[end++] = *c;
    long power = 1;
    while (fd / power >= 10) power *= 10;
    for (; power > 0; power /= 10) target[end++] = (char)('0' + fd / power % 10);
    target[end] = 0;
  }

  /// mkdir(2) of all directories of an absolute path.
  void MakeParents(const char* path) const {
    char part[4096];
    for (uint32_t i = 0; i < sizeof part; ++i) {
      const char c = path[i];
      if (i > 0 && (c == '/' || c == 0)) {
        part[i] = 0;
        const long r = caller_.Try(__NR_mkdir, part, 0700);
        if (r < 0 && r != -EEXIST) caller_.Fail("mkdir", r, path);
      }
      if (c == 0) return;
      part[i] = c;
    }
    caller_.Fail("mkdir", -ENAMETOOLONG, path);
  }

  const Caller& caller_;
  const SocketName& name_;
  WayOwner owner_;
  long root_ = -1, cwd_ = -1, folder_ = -1;
};

/// A socket file that nobody has makes room; anything else is in the way. Where the folder is.
void MakeRoom(const Caller& caller, const SocketName& name, long folder) {
  struct statx facts = {};
  const long found =
      caller.Try(__NR_statx, folder, name.base, AT_SYMLINK_NOFOLLOW, STATX_TYPE, &facts);
  if (found == -ENOENT) return;
  if (found < 0) caller.Fail("statx", found, name.path);
  if ((facts.stx_mode & S_IFMT) != S_IFSOCK) {
    caller.Fail("bind", -EEXIST, name.path, FileKindName(facts.stx_mode));
  }
  sockaddr_un address = {AF_UNIX, {}};
  for (uint32_t i = 0; i < sizeof address.sun_path && name.base[i] != 0; ++i) {
    address.sun_path[i] = name.base[i];
  }
  const long probe = caller.Must("socket", __NR_socket, AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const long answer = caller.Try(__NR_connect, probe, &address, sizeof address);
  if (answer == 0 || answer == -EPROTOTYPE || answer == -EPERM) {
    caller.Fail("bind (a socket that somebody has is there)", -EADDRINUSE, name.path);
  }
  if (answer != -ECONNREFUSED) caller.Fail("connect", answer, name.path);
  caller.Must("close", __NR_close, probe);
  if (const long r = caller.Try(__NR_unlinkat, folder, name.base, 0); r < 0) {
    caller.Fail("unlink", r, name.path);
  }
}

void SetMode(const Caller& caller, long file, const SocketName& name) {
  char link[kSelfFdSize];
  SelfFd(file, link);
  const long r = caller.Try(__NR_fchmodat, caller.setup->service_fd, link, name.mode & 07777);
  if (r < 0) caller.Fail("chmod", r, name.path);
}

/// The file that bind(2) has made, whatever has its name by now. No name is looked up.
void SetFile(const Caller& caller, long fd, const SocketName& name, const struct statx& there) {
  const long file = caller.Try(__NR_ioctl, fd, SIOCUNIXFILE, 0);
  if (file < 0) caller.Fail("ioctl(SIOCUNIXFILE)", file, name.path);
  struct statx facts = {};
  caller.Must("statx", __NR_statx, file, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &facts);
  if (name.made != nullptr) {
    *name.made = {MadeFile::kBinding, name.made->uid, facts.stx_dev_major, facts.stx_dev_minor,
                  facts.stx_ino};
    __atomic_store_n((uint32_t*)&name.made->state, MadeFile::kMade, __ATOMIC_SEQ_CST);
  }
  if (facts.stx_ino != there.stx_ino || facts.stx_dev_major != there.stx_dev_major ||
      facts.stx_dev_minor != there.stx_dev_minor) {
    caller.Fail("bind (the way to the name, or the file, was replaced meanwhile)", -ESTALE,
                name.path);
  }
  if (name.has_permissions) {
    SetMode(caller, file, name);
    if (const long r = caller.Try(__NR_fchownat, file, "", name.uid, name.gid, AT_EMPTY_PATH);
        r < 0) {
      caller.Fail("chown", r, name.path);
    }
    if ((name.mode & kClearedByChown) != 0) SetMode(caller, file, name);
  }
  caller.Must("close", __NR_close, file);
}

void Bind(const Caller& caller, long fd, const SocketName* name) {
  if (name == nullptr) return;
  const Place place(caller, *name);
  const bool is_own = name->root != nullptr && name->hidden < 0;  // where nobody else is
  if (name->has_file && !is_own) MakeRoom(caller, *name, place.folder());
  place.GoToStart();
  if (name->made != nullptr) *name->made = {MadeFile::kBinding, place.fsuid(), 0, 0, 0};
  if (const long r = caller.Try(__NR_bind, fd, name->address, name->length); r < 0) {
    caller.Fail("bind", r, name->path);
  }
  struct statx there = {};
  if (name->has_file) {  // if somebody has moved it, it is not there
    const long found = caller.Try(__NR_statx, place.folder(), name->base, AT_SYMLINK_NOFOLLOW,
                                  STATX_BASIC_STATS, &there);
    if (found < 0 && found != -ENOENT) caller.Fail("statx", found, name->path);
  }
  place.Leave();
  if (name->has_file) SetFile(caller, fd, *name, there);
}

void SetFlag(const Caller& caller, long fd, int option, int32_t value) {
  caller.Must("setsockopt", __NR_setsockopt, fd, SOL_SOCKET, option, &value, sizeof value);
}

/// Before anybody connects: what waits has them by then. `on` is 0 for one that has been accepted,
/// whose own ones come later.
void SetHandedOn(const Caller& caller, long fd, const HandedOn& which, int32_t on) {
  if (which.passcred) SetFlag(caller, fd, SO_PASSCRED, on);
  if (which.passsec) SetFlag(caller, fd, SO_PASSSEC, on);
}

/// The process at the other end: who has called connect(2), or listen(2).
int32_t PeerOf(const Caller& caller, long fd) {
  int32_t peer[3] = {};
  uint32_t size = sizeof peer;
  caller.Must("getsockopt(SO_PEERCRED)", __NR_getsockopt, fd, SOL_SOCKET, SO_PEERCRED, peer, &size);
  return peer[0];
}

/// The connection of this process; those who came earlier, and are strangers, are sent away.
long Accept(const Caller& caller, const SocketOp& socket) {
  for (;;) {
    pollfd ready = {socket.accept_from, POLLIN, 0};
    const long any = caller.Must("poll", __NR_poll, &ready, 1, 0);
    if (any == 0) caller.Fail("accept4 (the connection has not come there)", -EAGAIN);
    const long accepted =
        caller.Must("accept4", __NR_accept4, socket.accept_from, 0, 0, SOCK_CLOEXEC);
    if (PeerOf(caller, accepted) == caller.process->pid) return accepted;
    caller.Must("close", __NR_close, accepted);
  }
}

/// One who came before the listener's own connections is sent away: they have no room beside him.
bool SendAway(const Caller& caller, const SocketOp& socket) {
  const long stranger =
      caller.Try(__NR_accept4, socket.accept_from, 0, 0, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (stranger < 0) return false;
  if (PeerOf(caller, stranger) == caller.process->pid) return false;
  caller.Must("close", __NR_close, stranger);
  return true;
}

void Connect(const Caller& caller, long fd, const SocketOp& socket) {
  constexpr int kMostAttempts = 1 << 16;
  const SocketName& target = *socket.target;
  const Place place(caller, target);
  place.GoToStart();
  const ActingAs acting(caller, socket.owner, place.fsuid());
  long result = 0;
  for (int i = 0; i < kMostAttempts; ++i) {
    result = caller.Try(__NR_connect, fd, target.address, target.length);
    if (result != -EAGAIN || socket.accept_from < 0 || !SendAway(caller, socket)) break;
  }
  if (result < 0) caller.Fail("connect", result, target.path);
  acting.Leave();
  place.Leave();
  if (socket.target_pid != 0 && PeerOf(caller, fd) != socket.target_pid) {
    caller.Fail("connect (somebody else listens there)", -ESTALE, target.path);
  }
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
  const ActingAs acting(caller, socket.owner, caller.setup->own.fsuid);
  caller.Must("socketpair", __NR_socketpair, AF_UNIX, socket.type | SOCK_CLOEXEC, 0, ends);
  acting.Leave();
  for (const int32_t end : ends) GiveTo(caller, end, socket.owner);
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
  GiveTo(caller, fd, socket.owner);
  Bind(caller, fd, socket.end.name);
  if (socket.shutdown_before != 0) {
    caller.Must("shutdown", __NR_shutdown, fd, socket.shutdown_before - 1);
  }
  if (socket.target != nullptr) Connect(caller, fd, socket);
  if (socket.backlog >= 0) {
    SetHandedOn(caller, fd, socket.handed_on, 1);
    const ActingAs acting(caller, socket.owner, caller.setup->own.fsuid);
    caller.Must("listen", __NR_listen, fd, socket.backlog);
    acting.Leave();
  }
  if (!pair) return PutAt(caller, fd, socket.end);
  const long accepted = Accept(caller, socket);
  SetHandedOn(caller, accepted, socket.handed_on, 0);
  GiveTo(caller, accepted, socket.owner);
  PutBoth(caller, fd, accepted, socket);
}

}  // namespace crgen::restorer
