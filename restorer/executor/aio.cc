// SPDX-License-Identifier: Apache-2.0
// AIO rings. The kernel counts the ring's tail for itself, so it cannot be written: requests that
// do nothing are completed until it is where it was. Then events and head are written.
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/memfd.h>
#include <linux/mman.h>

#include "restorer/executor/system.h"

namespace crgen::restorer {
namespace {

constexpr uint32_t kAtOnce = 32;

struct RingHeader {
  uint32_t id, slots, head, tail;
  uint32_t more[4];
};

struct Ring : Caller {
  uint64_t context;
  iocb request;
  io_event events[kAtOnce];

  RingHeader* header() const { return (RingHeader*)context; }

  /// Collects up to `count` events, which are there.
  void Collect(uint32_t count) {
    Must("io_getevents", __NR_io_getevents, context, 0, count, events, 0);
  }

  /// Completes `count` requests; all that were completed before them are collected.
  void Complete(uint32_t count, bool collect) {
    iocb* requests[kAtOnce];
    for (iocb*& one : requests) one = &request;
    while (count > 0) {
      const uint32_t at_once = count < kAtOnce ? count : kAtOnce;
      const long done = Try(__NR_io_submit, context, at_once, requests);
      if (done < 0 && done != -EAGAIN) Fail("io_submit", done);
      if (done > 0) count -= (uint32_t)done;
      if (collect || done == -EAGAIN) Collect(kAtOnce);
    }
  }
};

void LoadEvents(const Caller& caller, const RingState& state, uint64_t to, uint64_t bytes) {
  const long fd = OpenHeld(caller.setup, state.image, O_RDONLY | O_CLOEXEC);
  if (fd < 0) caller.Fail("open of the image", fd);
  for (uint64_t at = 0; at < bytes;) {
    const long got = caller.Try(__NR_pread64, fd, to + at, bytes - at, state.offset + at);
    if (got == -EINTR) continue;
    if (got <= 0) caller.Fail("pread of the image", got < 0 ? got : -EIO);
    at += (uint64_t)got;
  }
  caller.Must("close", __NR_close, fd);
}

}  // namespace

void MapAio(const Caller& caller, const MapOp& map) {
  uint64_t made = 0;
  caller.Must("io_setup", __NR_io_setup, map.number, &made);
  const uint64_t slots = (map.size - sizeof(RingHeader)) / sizeof(io_event);
  // It depends on the number of processors, too.
  if (((const RingHeader*)made)->slots != slots) caller.Fail("io_setup: another size", -EINVAL);
  caller.Must("mremap", __NR_mremap, made, map.size, map.size, MREMAP_MAYMOVE | MREMAP_FIXED,
              map.start);
  const RingState& state = *map.ring;
  if (state.head == 0 && state.tail == 0) return;

  const long empty = caller.Must("memfd_create", __NR_memfd_create, "", MFD_CLOEXEC);
  Ring ring{caller, map.start, {}, {}};
  ring.request.aio_lio_opcode = IOCB_CMD_PREAD;
  ring.request.aio_fildes = (uint32_t)empty;
  ring.Complete(state.head, true);
  const uint32_t waiting = (uint32_t)((state.tail + slots - state.head) % slots);
  ring.Complete(waiting, false);
  caller.Must("close", __NR_close, empty);
  if (ring.header()->tail != state.tail) caller.Fail("io_submit: another tail", -EINVAL);
  if (state.image != nullptr) {
    LoadEvents(caller, state, map.start + sizeof(RingHeader), slots * sizeof(io_event));
  }
  __atomic_store_n(&ring.header()->head, state.head, __ATOMIC_SEQ_CST);
}

}  // namespace crgen::restorer
