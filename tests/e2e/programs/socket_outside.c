// SPDX-License-Identifier: Apache-2.0
// Two datagram sockets whose peer is outside of the tree: one with a name, to which the peer
// answers, and one without.
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "program.h"

enum { NAMED = 10, NAMELESS };

static void Connect(int wanted, const char* own) {
  const int fd = CHECK(socket(AF_UNIX, SOCK_DGRAM, 0));
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (own != NULL) {
    strcpy(address.sun_path, own);
    CHECK(bind(fd, (struct sockaddr*)&address, sizeof address));
  }
  static const char peer[] = "\0crgen-e2e-outside";
  memset(&address, 0, sizeof address);
  address.sun_family = AF_UNIX;
  memcpy(address.sun_path, peer, sizeof peer - 1);
  const socklen_t size = offsetof(struct sockaddr_un, sun_path) + sizeof peer - 1;
  CHECK(connect(fd, (struct sockaddr*)&address, size));
  CHECK(dup2(fd, wanted));
  CHECK(close(fd));
}

static void Last(void) {
  CHECK(send(NAMELESS, "hello", 5, 0));
  CHECK(send(NAMED, "question", 8, 0));
  char text[40] = "";
  CHECK(recv(NAMED, text, sizeof text - 1, 0));
  EXPECT_TEXT("what the peer answers", "answer", text);
  struct sockaddr_un own = {};
  socklen_t size = sizeof own;
  CHECK(getsockname(NAMED, (struct sockaddr*)&own, &size));
  EXPECT_TEXT("its name", "own", own.sun_path);
}

int main(void) {
  Begin();
  Connect(NAMED, "own");
  Connect(NAMELESS, NULL);
  Live(NULL, Last);
}
