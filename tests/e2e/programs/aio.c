// SPDX-License-Identifier: Apache-2.0
// AIO rings: events that were completed and not collected are still there, in their order, and the
// rings go on: one with events, one whose events go round its end, one that was used and is empty,
// one that never was used, one that is full.
#include <linux/aio_abi.h>

#include "program.h"

enum { REQUESTS = 20 };

static int data;
static uint64_t buffer;

struct Ring {
  aio_context_t context;
  unsigned slots;
  uint64_t collected, completed;  ///< so far: request n has the data n
};
static struct Ring some, around, empty, unused, full;

static void Make(struct Ring* ring) {
  CHECK((int)syscall(SYS_io_setup, REQUESTS, &ring->context));
  ring->slots = ((unsigned*)ring->context)[1];
}

static void Complete(struct Ring* ring, unsigned count) {
  for (; count > 0; count--) {
    struct iocb request = {.aio_data = ring->completed,
                           .aio_lio_opcode = IOCB_CMD_PREAD,
                           .aio_fildes = data,
                           .aio_buf = (uintptr_t)&buffer,
                           .aio_nbytes = ring->completed % 8};
    struct iocb* requests[] = {&request};
    EXPECT("io_submit", 1, syscall(SYS_io_submit, ring->context, 1, requests));
    ring->completed++;
  }
}

static void Collect(struct Ring* ring, unsigned count) {
  for (; count > 0; count--) {
    struct io_event event = {0};
    EXPECT("io_getevents", 1, syscall(SYS_io_getevents, ring->context, 1, 1, &event, NULL));
    EXPECT("data of an event", ring->collected, event.data);
    EXPECT("result of an event", ring->collected % 8, event.res);
    ring->collected++;
  }
}

static void CheckRest(struct Ring* ring) {
  struct io_event event;
  struct timespec none = {0};
  Collect(ring, ring->completed - ring->collected);
  EXPECT("more events", 0, syscall(SYS_io_getevents, ring->context, 0, 1, &event, &none));
  for (unsigned i = 0; i < 3 * ring->slots; i++) {
    Complete(ring, 1 + i % 3);
    Collect(ring, 1 + i % 3);
  }
  Complete(ring, REQUESTS);
  Collect(ring, REQUESTS);
}

static void LastOfRings(void) {
  struct Ring* rings[] = {&some, &around, &empty, &unused, &full};
  for (int i = 0; i < 5; i++) CheckRest(rings[i]);
}

int main(void) {
  Begin();
  data = CHECK(open("/dev/zero", O_RDONLY));
  Make(&some), Make(&around), Make(&empty), Make(&unused), Make(&full);
  Complete(&some, 5);
  Collect(&some, 2);
  for (unsigned i = 0; i < around.slots - 2; i++) Complete(&around, 1), Collect(&around, 1);
  Complete(&around, 7);
  Collect(&around, 1);
  Complete(&empty, 9);
  Collect(&empty, 9);
  Complete(&full, REQUESTS);
  Live(NULL, LastOfRings);
}
