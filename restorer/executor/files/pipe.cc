// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>

#include "restorer/executor/files/files.h"

namespace crgen::restorer {
namespace {

constexpr uint32_t kLargeFile = 0100000;  // O_LARGEFILE is 0 in the header for 64 bits
// Of a pipe, F_SETFL sets them, and open(2) does not take them.
constexpr uint32_t kOnlySet = O_ASYNC | O_DIRECT;

/// Whether open(2) gives a description such flags, and pipe(2) does not.
bool IsReopened(uint32_t flags) {
  return (flags & kLargeFile) != 0 || (flags & O_ACCMODE) == O_RDWR;
}

bool Writes(uint32_t flags) { return (flags & O_ACCMODE) != O_RDONLY; }

/// Whether somebody outside has kept a FIFO open, and with it the queue.
bool IsKept(const Caller& caller, long fifo, const OpenOp& open) {
  const PipeOp& pipe = *open.pipe;
  if (pipe.bytes == 0) return false;
  int queued = 0;
  caller.Must("ioctl(FIONREAD)", __NR_ioctl, fifo, FIONREAD, &queued);
  if (queued == 0) return false;
  if ((uint64_t)queued != pipe.bytes) {
    caller.Fail("write (the FIFO has bytes already, and not as many as the plan)", -EBUSY,
                open.path);
  }
  Signal(pipe.kept, 1);
  return true;
}

bool HasCapacity(const Caller& caller, long fifo, const PipeOp& pipe) {
  return pipe.capacity == 0 ||
         caller.Must("fcntl(F_GETPIPE_SZ)", __NR_fcntl, fifo, F_GETPIPE_SZ) == (long)pipe.capacity;
}

void SetCapacity(const Caller& caller, long to, const PipeOp& pipe) {
  if (HasCapacity(caller, to, pipe)) return;
  caller.Must("fcntl(F_SETPIPE_SZ)", __NR_fcntl, to, F_SETPIPE_SZ, pipe.capacity);
}

/// Writes what was queued; `to` does not block.
void Fill(const Caller& caller, long to, const PipeOp& pipe) {
  SetCapacity(caller, to, pipe);
  if (pipe.bytes == 0) return;
  const long image = OpenHeld(caller.setup, pipe.image, O_RDONLY | O_CLOEXEC);
  if (image < 0) caller.Fail("open of the image", image);
  char bytes[16384];  // whole pages fill whole buffers of the pipe
  for (uint64_t at = 0; at < pipe.bytes;) {
    const uint64_t left = pipe.bytes - at;
    const uint64_t wanted = left < sizeof bytes ? left : sizeof bytes;
    const long got = caller.Try(__NR_pread64, image, bytes, wanted, pipe.offset + at);
    if (got == -EINTR) continue;
    if (got != (long)wanted) caller.Fail("pread of the image", got < 0 ? got : -EIO);
    const long put = caller.Try(__NR_write, to, bytes, wanted);
    if (put != (long)wanted) caller.Fail("write into the pipe", put < 0 ? put : -EAGAIN);
    at += wanted;
  }
  caller.Must("close", __NR_close, image);
}

/// Puts `from`, which has no flags that F_SETFL could not set, where the command wants it.
void PlaceEnd(const Caller& caller, long from, int32_t fd, uint32_t flags, bool cloexec) {
  if (from != fd) {
    caller.Must("dup3", __NR_dup3, from, fd, cloexec ? O_CLOEXEC : 0);
    caller.Must("close", __NR_close, from);
  } else {
    caller.Must("fcntl(F_SETFD)", __NR_fcntl, fd, F_SETFD, cloexec ? FD_CLOEXEC : 0);
  }
  caller.Must("fcntl(F_SETFL)", __NR_fcntl, fd, F_SETFL, flags);
}

/// Out of the way of numbers that are still to be taken.
long Aside(const Caller& caller, long fd) {
  const long away =
      caller.Must("fcntl(F_DUPFD)", __NR_fcntl, fd, F_DUPFD, caller.setup->source_fd + 1);
  caller.Must("close", __NR_close, fd);
  return away;
}

/// Opens anew what `name` in the service directory leads to. It may be a FIFO of the caller's,
/// whose other side nobody has: that must not make it wait.
void Reopen(const Caller& caller, const char* name, const OpenOp& open) {
  const uint32_t flags = (open.flags & ~kOnlySet) | O_NONBLOCK | (open.cloexec ? O_CLOEXEC : 0);
  const long fd = caller.Try(__NR_openat, caller.setup->service_fd, name, flags, 0);
  if (fd < 0) caller.Fail("open of a pipe through /proc", fd);
  PlaceEnd(caller, fd, open.fd, open.flags, open.cloexec);
}

/// "../../self/fd/N" for a descriptor of this process.
void OwnName(long fd, char* name) {
  const char head[] = "../../self/fd/";
  int end = 0;
  for (; head[end] != 0; ++end) name[end] = head[end];
  long power = 1;
  while (fd / power >= 10) power *= 10;
  for (; power > 0; power /= 10) name[end++] = (char)('0' + fd / power % 10);
  name[end] = 0;
}

/// Whether somebody outside has a FIFO open, whom all that is done to it would reach. Nobody of the
/// tree has it yet.
bool IsHeld(const Caller& caller, const OpenOp& open) {
  const uint32_t look_flags = O_PATH | O_CLOEXEC | (open.flags & O_NOFOLLOW);
  const long look = OpenChecked(caller, open.directory, open.path, look_flags, *open.check);
  char name[40];
  OwnName(look, name);
  const auto open_for = [&](uint32_t access) {
    return caller.Try(__NR_openat, caller.setup->service_fd, name, access | O_NONBLOCK | O_CLOEXEC,
                      0);
  };
  const long writer = open_for(O_WRONLY);
  if (writer >= 0) caller.Must("close", __NR_close, writer);
  const long reader = open_for(O_RDONLY);
  if (reader < 0) caller.Fail("open", reader, open.path);
  int queued = 0;
  caller.Must("ioctl(FIONREAD)", __NR_ioctl, reader, FIONREAD, &queued);
  char none;  // the end, where nobody can write
  const bool held =
      writer >= 0 || queued != 0 || caller.Try(__NR_read, reader, &none, 1) == -EAGAIN;
  caller.Must("close", __NR_close, reader);
  caller.Must("close", __NR_close, look);
  return held;
}

}  // namespace

void OpenPipe(const Caller& caller, const OpenOp& open) {
  const PipeOp& pipe = *open.pipe;
  if (pipe.exists) return Reopen(caller, pipe.held_name, open);
  int made[2];
  long ends[2];
  if (pipe.held[0] >= 0) {
    for (int i = 0; i < 2; ++i) {
      ends[i] =
          caller.Must("pidfd_getfd", __NR_pidfd_getfd, caller.setup->source_fd, pipe.held[i], 0);
    }
  } else {
    caller.Must("pipe2", __NR_pipe2, made, O_NONBLOCK);
    ends[0] = made[0];
    ends[1] = made[1];
  }
  for (long& end : ends) {
    if (end == open.fd || end == pipe.peer_fd) end = Aside(caller, end);
  }
  Fill(caller, ends[1], pipe);
  const int own = Writes(open.flags) ? 1 : 0;
  if (IsReopened(open.flags)) {
    char name[40];
    OwnName(ends[own], name);
    Reopen(caller, name, open);
    caller.Must("close", __NR_close, ends[own]);
  } else {
    PlaceEnd(caller, ends[own], open.fd, open.flags, open.cloexec);
  }
  if (pipe.peer_fd >= 0) {
    PlaceEnd(caller, ends[1 - own], pipe.peer_fd, pipe.peer_flags, pipe.peer_cloexec);
  } else {
    caller.Must("close", __NR_close, ends[1 - own]);
  }
}

/// While it is open for both, nobody waits for the other side.
void OpenFifo(const Caller& caller, const OpenOp& open) {
  const FileCheck& check = *open.check;
  const PipeOp& pipe = *open.pipe;
  const uint32_t nofollow = open.flags & O_NOFOLLOW;
  const bool held = (pipe.bytes != 0 || pipe.capacity != 0) && IsHeld(caller, open);
  const uint32_t both = O_RDWR | O_NONBLOCK | O_CLOEXEC | nofollow;
  const long meanwhile = OpenChecked(caller, open.directory, open.path, both, check);
  if (held && !HasCapacity(caller, meanwhile, pipe)) {
    caller.Fail("fcntl(F_SETPIPE_SZ) (somebody outside has the FIFO open)", -EBUSY, open.path);
  }
  if (IsKept(caller, meanwhile, open)) {
    SetCapacity(caller, meanwhile, pipe);
  } else if (held && pipe.bytes != 0) {
    caller.Fail("write (somebody outside has the FIFO open, and has read it)", -EBUSY, open.path);
  } else {
    Fill(caller, meanwhile, pipe);
  }
  const uint32_t flags = (open.flags & ~kOnlySet) | O_CLOEXEC;
  const long fd = OpenChecked(caller, open.directory, open.path, flags, check);
  // The number that the command wants may be the one that is open meanwhile.
  const bool in_the_way = meanwhile == open.fd;
  if (in_the_way) caller.Must("close", __NR_close, meanwhile);
  PlaceEnd(caller, fd, open.fd, open.flags, open.cloexec);
  if (!in_the_way) caller.Must("close", __NR_close, meanwhile);
}

}  // namespace crgen::restorer
