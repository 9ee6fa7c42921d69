// SPDX-License-Identifier: Apache-2.0
// A server whose client is outside of the tree: what both have sent and not read is there after the
// restore, and they go on to talk.
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "program.h"

enum { LISTENER = 10, CONNECTION, PORT = 21100 };
enum { FROM_PEER = 60000, TO_PEER = 3000, LATER = 1000, REPLY = 5000 };
enum { SEED_FROM = 1, SEED_TO, SEED_LATER, SEED_REPLY };

static char buffer[FROM_PEER] __attribute__((aligned(8)));

static void ReadAll(size_t bytes) {
  for (size_t got = 0; got < bytes;) {
    ssize_t piece = CHECK(read(CONNECTION, buffer + got, bytes - got));
    if (piece == 0) {
      FailAt(__LINE__, "end of the stream, bytes", (long)bytes, (long)got);
      return;
    }
    got += (size_t)piece;
  }
}
static void SendAll(size_t bytes, uint64_t seed) {
  Fill(buffer, bytes, seed);
  EXPECT("sent", bytes, CHECK(send(CONNECTION, buffer, bytes, 0)));
}

static void Check(void) {
  struct tcp_info info;
  socklen_t size = sizeof info;
  CHECK(getsockopt(CONNECTION, IPPROTO_TCP, TCP_INFO, &info, &size));
  EXPECT("state", TCP_ESTABLISHED, info.tcpi_state);
}

static void Last(void) {
  ReadAll(FROM_PEER);
  EXPECT_FILLED("what the peer sent", buffer, FROM_PEER, SEED_FROM);
  ReadAll(LATER);
  EXPECT_FILLED("what it goes on to send", buffer, LATER, SEED_LATER);
  SendAll(REPLY, SEED_REPLY);
}

int main(void) {
  Begin();
  CHECK(dup2(CHECK(socket(AF_INET, SOCK_STREAM, 0)), LISTENER));
  close(3);
  int on = 1;
  CHECK(setsockopt(LISTENER, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on));
  struct sockaddr_in own = {.sin_family = AF_INET, .sin_port = htons(PORT)};
  own.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  CHECK(bind(LISTENER, (struct sockaddr*)&own, sizeof own));
  CHECK(listen(LISTENER, 1));
  int accepted = CHECK(accept(LISTENER, NULL, NULL));
  CHECK(dup2(accepted, CONNECTION));
  close(accepted);
  SendAll(TO_PEER, SEED_TO);
  Live(Check, Last);
}
