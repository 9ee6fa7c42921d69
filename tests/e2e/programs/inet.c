// SPDX-License-Identifier: Apache-2.0
// Internet sockets: who listens, who is bound, who is connected; options; connections within the
// tree with data in all queues, half closed ones too. Whatever was sent arrives once and in order,
// and everybody goes on to talk.
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include "program.h"

enum {
  LISTENER = 10, LISTENER6, BOUND_UDP, CONNECTED_UDP, CLOSED, BOUND, UDP6, SHARED_A, SHARED_B,
  RAW6, ABROAD, TO_NOBODY, DUAL,
  SERVER = 24, HALF_SERVER, MAPPED_SERVER, FULL_SERVER, DUAL_SERVER, DUAL_CLIENT, DUAL_UDP,
  CLIENT = 32, HALF_CLIENT, MAPPED_CLIENT, FULL_CLIENT
};
enum { PORT = 21001, UDP_PORT, UDP_PORT2, BOUND_PORT, UDP6_PORT, SHARED_PORT, ABROAD_PORT, DUAL_PORT };
enum { TO_SERVER = 96 * 1024, TO_CLIENT = 40 * 1024, READ_EARLY = 4096, HALF = 1000 };
enum { SEED_SERVER = 1, SEED_CLIENT, SEED_HALF, SEED_FULL, SEED_LATER };

static size_t full;  ///< bytes that FULL_CLIENT has written
static char buffer[8 << 20] __attribute__((aligned(8)));

static int At(int wanted, int fd) {
  if (fd == wanted) return fd;
  CHECK(dup2(fd, wanted));
  CHECK(close(fd));
  return wanted;
}

static void Set(int fd, int level, int option, int value) {
  CHECK(setsockopt(fd, level, option, &value, sizeof value));
}
static int Get(int fd, int level, int option) {
  int value = -1;
  socklen_t size = sizeof value;
  CHECK(getsockopt(fd, level, option, &value, &size));
  return value;
}

static struct sockaddr_in In(const char* address, int port) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
  inet_pton(AF_INET, address, &to.sin_addr);
  return to;
}
static struct sockaddr_in6 In6(const char* address, int port) {
  struct sockaddr_in6 to = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
  inet_pton(AF_INET6, address, &to.sin6_addr);
  return to;
}
static void Bind(int fd, const char* address, int port) {
  struct sockaddr_in to = In(address, port);
  CHECK(bind(fd, (struct sockaddr*)&to, sizeof to));
}
static void Bind6(int fd, const char* address, int port) {
  struct sockaddr_in6 to = In6(address, port);
  CHECK(bind(fd, (struct sockaddr*)&to, sizeof to));
}
static void Connect(int fd, const char* address, int port) {
  struct sockaddr_in to = In(address, port);
  CHECK(connect(fd, (struct sockaddr*)&to, sizeof to));
}
static void Connect6(int fd, const char* address, int port) {
  struct sockaddr_in6 to = In6(address, port);
  CHECK(connect(fd, (struct sockaddr*)&to, sizeof to));
}
static int LocalPort(int fd) {
  struct sockaddr_in6 own = {0};  // both families have the port in one place
  socklen_t size = sizeof own;
  CHECK(getsockname(fd, (struct sockaddr*)&own, &size));
  return ntohs(own.sin6_port);
}

static void SendAll(int fd, size_t bytes, uint64_t seed) {
  Fill(buffer, bytes, seed);
  for (size_t sent = 0; sent < bytes;) sent += (size_t)CHECK(send(fd, buffer + sent, bytes - sent, 0));
}
static void ReadAll(int fd, size_t bytes) {
  for (size_t got = 0; got < bytes;) {
    ssize_t piece = CHECK(read(fd, buffer + got, bytes - got));
    if (piece == 0) {
      FailAt(__LINE__, "end of a stream, bytes", (long)bytes, (long)got);
      return;
    }
    got += (size_t)piece;
  }
}

static int TcpState(int fd) {
  struct tcp_info info;
  socklen_t size = sizeof info;
  CHECK(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size));
  return info.tcpi_state;
}

// ---- the child: the clients

static void CheckChild(void) {
  EXPECT("client", TCP_ESTABLISHED, TcpState(CLIENT));
  EXPECT("half client", TCP_FIN_WAIT2, TcpState(HALF_CLIENT));
  EXPECT("nodelay", 1, Get(CLIENT, IPPROTO_TCP, TCP_NODELAY));
  EXPECT("flags", O_RDWR | O_NONBLOCK, fcntl(FULL_CLIENT, F_GETFL));
  EXPECT("keepalive", 1, Get(MAPPED_CLIENT, SOL_SOCKET, SO_KEEPALIVE));
  EXPECT("reuseaddr of a connection", 1, Get(MAPPED_CLIENT, SOL_SOCKET, SO_REUSEADDR));
}

static void LastOfChild(void) {
  ReadAll(CLIENT, TO_CLIENT);
  EXPECT_FILLED("what the server sent", buffer, TO_CLIENT, SEED_CLIENT);
  SendAll(CLIENT, HALF, SEED_LATER);
  ReadAll(HALF_CLIENT, HALF);
  EXPECT_FILLED("to who reads only", buffer, HALF, SEED_LATER);
  EXPECT("end of what it sent", 0, read(HALF_CLIENT, buffer, 1));
  ReadAll(MAPPED_CLIENT, 8);
  Step("client_read");
  int fresh = CHECK(socket(AF_INET, SOCK_STREAM, 0));
  Connect(fresh, "127.0.0.1", PORT);
  SendAll(fresh, HALF, SEED_LATER);
  int fresh6 = CHECK(socket(AF_INET6, SOCK_STREAM, 0));
  struct sockaddr_in6 to = In6("::1", PORT);
  CHECK(connect(fresh6, (struct sockaddr*)&to, sizeof to));
  SendAll(fresh6, HALF, SEED_LATER);
  AwaitStep("server_accepted");
}

static void Child(void) {
  At(CLIENT, CHECK(socket(AF_INET, SOCK_STREAM, 0)));
  Connect(CLIENT, "127.0.0.1", PORT);
  Set(CLIENT, IPPROTO_TCP, TCP_NODELAY, 1);
  SendAll(CLIENT, TO_SERVER, SEED_SERVER);

  At(HALF_CLIENT, CHECK(socket(AF_INET, SOCK_STREAM, 0)));
  Connect(HALF_CLIENT, "127.0.0.1", PORT);
  SendAll(HALF_CLIENT, HALF, SEED_HALF);
  CHECK(shutdown(HALF_CLIENT, SHUT_WR));

  At(MAPPED_CLIENT, CHECK(socket(AF_INET6, SOCK_STREAM, 0)));
  Set(MAPPED_CLIENT, SOL_SOCKET, SO_REUSEADDR, 1);
  Set(MAPPED_CLIENT, SOL_SOCKET, SO_KEEPALIVE, 1);
  struct sockaddr_in6 to = In6("::ffff:127.0.0.1", PORT);
  CHECK(connect(MAPPED_CLIENT, (struct sockaddr*)&to, sizeof to));

  At(FULL_CLIENT, CHECK(socket(AF_INET, SOCK_STREAM, 0)));
  Connect(FULL_CLIENT, "127.0.0.1", PORT);
  CHECK(fcntl(FULL_CLIENT, F_SETFL, O_NONBLOCK));
  Fill(buffer, sizeof buffer, SEED_FULL);
  for (ssize_t n; (n = send(FULL_CLIENT, buffer + full, sizeof buffer - full, 0)) > 0;) {
    full += (size_t)n;
    if (full == sizeof buffer) FailAt(__LINE__, "it never fills", 0, 1);
  }
  AwaitStep("server_ready");
  while (TcpState(HALF_CLIENT) != TCP_FIN_WAIT2) Nap();
  char text[32];
  snprintf(text, sizeof text, "%zu", full);
  Announce("full", "bytes", text);
  Live(CheckChild, LastOfChild);
}

// ---- the root: the servers, and all that is not connected

static void CheckRoot(void) {
  EXPECT("listener", TCP_LISTEN, TcpState(LISTENER));
  EXPECT("listener's port", PORT, LocalPort(LISTENER));
  EXPECT("its flags", O_RDWR | O_NONBLOCK, fcntl(LISTENER, F_GETFL));
  EXPECT("reuseaddr", 0, Get(LISTENER, SOL_SOCKET, SO_REUSEADDR));
  EXPECT("reuseport", 0, Get(LISTENER, SOL_SOCKET, SO_REUSEPORT));
  EXPECT("reuseaddr of v6", 1, Get(LISTENER6, SOL_SOCKET, SO_REUSEADDR));
  EXPECT("v6only", 1, Get(LISTENER6, IPPROTO_IPV6, IPV6_V6ONLY));
  for (int fd = DUAL_SERVER; fd <= DUAL_UDP && !RestoredByCriu(); fd++) {
    EXPECT("v6only of who was not bound", 0, Get(fd, IPPROTO_IPV6, IPV6_V6ONLY));
  }
  EXPECT("keepidle", 77, Get(LISTENER, IPPROTO_TCP, TCP_KEEPIDLE));
  EXPECT("broadcast", 1, Get(BOUND_UDP, SOL_SOCKET, SO_BROADCAST));
  EXPECT("udp port", UDP_PORT, LocalPort(BOUND_UDP));
  EXPECT("udp6 port", UDP6_PORT, LocalPort(UDP6));
  EXPECT("closed port", 0, LocalPort(CLOSED));
  EXPECT("bound port", BOUND_PORT, LocalPort(BOUND));
  EXPECT("send buffer", 64 * 1024, Get(CLOSED, SOL_SOCKET, SO_SNDBUF));
  EXPECT("ttl", 9, Get(CLOSED, IPPROTO_IP, IP_TTL));
  EXPECT("tos", 8, Get(CLOSED, IPPROTO_IP, IP_TOS));
  EXPECT("cork", 1, Get(CLOSED, IPPROTO_TCP, TCP_CORK));
  EXPECT("keepcnt", 3, Get(CLOSED, IPPROTO_TCP, TCP_KEEPCNT));
  EXPECT("low water", 7, Get(CLOSED, SOL_SOCKET, SO_RCVLOWAT));
  EXPECT("priority", 5, Get(CLOSED, SOL_SOCKET, SO_PRIORITY));
  EXPECT("mark", 0x1234, Get(CLOSED, SOL_SOCKET, SO_MARK));
  EXPECT("reuseaddr of the first", 0, Get(SHARED_A, SOL_SOCKET, SO_REUSEADDR));
  EXPECT("reuseaddr of the second", 1, Get(SHARED_B, SOL_SOCKET, SO_REUSEADDR));
  EXPECT("bound to no address of the host", ABROAD_PORT, LocalPort(ABROAD));
  EXPECT("freebind", 0, Get(ABROAD, IPPROTO_IPV6, IPV6_FREEBIND));
  struct sockaddr_in peer = {0};
  socklen_t peer_size = sizeof peer;
  EXPECT("a peer without a port is none", -1,
         getpeername(TO_NOBODY, (struct sockaddr*)&peer, &peer_size));
  EXPECT("as getpeername(2) says it", ENOTCONN, errno);
  EXPECT("protocol", IPPROTO_RAW, Get(RAW6, SOL_SOCKET, SO_PROTOCOL));
  EXPECT("server", TCP_ESTABLISHED, TcpState(SERVER));
  EXPECT("half server", TCP_CLOSE_WAIT, TcpState(HALF_SERVER));
  struct linger linger = {0};
  socklen_t size = sizeof linger;
  CHECK(getsockopt(CLOSED, SOL_SOCKET, SO_LINGER, &linger, &size));
  EXPECT("linger", 11, linger.l_linger);
  struct timeval time = {0};
  size = sizeof time;
  CHECK(getsockopt(CLOSED, SOL_SOCKET, SO_RCVTIMEO, &time, &size));
  EXPECT("timeout", 12, time.tv_sec);
}

static void AcceptOne(int listener) {
  struct pollfd wait = {listener, POLLIN, 0};
  CHECK(poll(&wait, 1, -1));
  int fresh = CHECK(accept(listener, NULL, NULL));
  ReadAll(fresh, HALF);
  EXPECT_FILLED("who comes later", buffer, HALF, SEED_LATER);
  close(fresh);
}

static void LastOfRoot(void) {
  ReadAll(SERVER, TO_SERVER - READ_EARLY);
  ExpectFilled(__LINE__, "what the client sent", buffer, TO_SERVER - READ_EARLY, SEED_SERVER,
               READ_EARLY / 8);
  ReadAll(SERVER, HALF);
  EXPECT_FILLED("what it goes on to send", buffer, HALF, SEED_LATER);

  ReadAll(HALF_SERVER, HALF);
  EXPECT_FILLED("what came before the end", buffer, HALF, SEED_HALF);
  EXPECT("end", 0, read(HALF_SERVER, buffer, 1));
  SendAll(HALF_SERVER, HALF, SEED_LATER);
  CHECK(close(HALF_SERVER));
  SendAll(MAPPED_SERVER, 8, SEED_LATER);

  ReadAll(FULL_SERVER, full);
  EXPECT_FILLED("what filled all queues", buffer, full, SEED_FULL);

  AwaitStep("client_read");
  CHECK(send(CONNECTED_UDP, "datagram", 8, 0));
  EXPECT("a datagram", 8, read(BOUND_UDP, buffer, sizeof buffer));
  EXPECT("is filtered", -1, send(CONNECTED_UDP, "no", 2, 0) == 2
                                ? recv(BOUND_UDP, buffer, sizeof buffer, MSG_DONTWAIT)
                                : 0);
  CHECK(send(DUAL_UDP, "of six", 6, 0));
  EXPECT("a datagram of IPv6", 6, read(UDP6, buffer, sizeof buffer));
  EXPECT("on its way", 5, recv(DUAL_SERVER, buffer, 5, MSG_WAITALL));
  CHECK(send(DUAL_SERVER, "back", 4, 0));
  EXPECT("the way back", 4, recv(DUAL_CLIENT, buffer, 4, MSG_WAITALL));
  AcceptOne(LISTENER);
  AcceptOne(LISTENER6);
  CHECK(listen(BOUND, 1));
  Step("server_accepted");
}

static int Accept(void) {
  struct pollfd wait = {LISTENER, POLLIN, 0};
  CHECK(poll(&wait, 1, -1));
  return CHECK(accept4(LISTENER, NULL, NULL, 0));
}

int main(void) {
  Begin();
  At(LISTENER, CHECK(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0)));
  Bind(LISTENER, "0.0.0.0", PORT);
  Set(LISTENER, IPPROTO_TCP, TCP_KEEPIDLE, 77);
  CHECK(listen(LISTENER, 5));
  At(LISTENER6, CHECK(socket(AF_INET6, SOCK_STREAM, 0)));
  Set(LISTENER6, IPPROTO_IPV6, IPV6_V6ONLY, 1);
  Set(LISTENER6, SOL_SOCKET, SO_REUSEADDR, 1);
  Bind6(LISTENER6, "::", PORT);
  CHECK(listen(LISTENER6, 5));
  At(BOUND_UDP, CHECK(socket(AF_INET, SOCK_DGRAM, 0)));
  Set(BOUND_UDP, SOL_SOCKET, SO_BROADCAST, 1);
  Bind(BOUND_UDP, "127.0.0.1", UDP_PORT);
  // Only what is longer than four bytes: the header of UDP has eight.
  struct sock_filter code[] = {{BPF_LD | BPF_W | BPF_LEN, 0, 0, 0},
                               {BPF_JMP | BPF_JGT | BPF_K, 0, 1, 8 + 4},
                               {BPF_RET | BPF_K, 0, 0, 0xffff},
                               {BPF_RET | BPF_K, 0, 0, 0}};
  struct sock_fprog filter = {sizeof code / sizeof code[0], code};
  CHECK(setsockopt(BOUND_UDP, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter));
  At(CONNECTED_UDP, CHECK(socket(AF_INET, SOCK_DGRAM, 0)));
  Bind(CONNECTED_UDP, "127.0.0.1", UDP_PORT2);
  Connect(CONNECTED_UDP, "127.0.0.1", UDP_PORT);
  At(CLOSED, CHECK(socket(AF_INET, SOCK_STREAM, 0)));
  Set(CLOSED, SOL_SOCKET, SO_SNDBUF, 32 * 1024);
  Set(CLOSED, IPPROTO_IP, IP_TTL, 9);
  Set(CLOSED, IPPROTO_IP, IP_TOS, 8);
  Set(CLOSED, IPPROTO_TCP, TCP_CORK, 1);
  Set(CLOSED, IPPROTO_TCP, TCP_KEEPCNT, 3);
  Set(CLOSED, SOL_SOCKET, SO_RCVLOWAT, 7);
  Set(CLOSED, SOL_SOCKET, SO_PRIORITY, 5);
  Set(CLOSED, SOL_SOCKET, SO_MARK, 0x1234);
  struct linger linger = {1, 11};
  CHECK(setsockopt(CLOSED, SOL_SOCKET, SO_LINGER, &linger, sizeof linger));
  struct timeval time = {12, 0};
  CHECK(setsockopt(CLOSED, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time));
  At(BOUND, CHECK(socket(AF_INET, SOCK_STREAM, 0)));
  Bind(BOUND, "127.0.0.1", BOUND_PORT);
  At(UDP6, CHECK(socket(AF_INET6, SOCK_DGRAM, 0)));
  Bind6(UDP6, "::1", UDP6_PORT);
  At(SHARED_A, CHECK(socket(AF_INET, SOCK_DGRAM, 0)));
  At(SHARED_B, CHECK(socket(AF_INET, SOCK_DGRAM, 0)));
  Set(SHARED_A, SOL_SOCKET, SO_REUSEADDR, 1);
  Set(SHARED_B, SOL_SOCKET, SO_REUSEADDR, 1);
  Bind(SHARED_A, "127.0.0.1", SHARED_PORT);
  Bind(SHARED_B, "127.0.0.1", SHARED_PORT);
  Set(SHARED_A, SOL_SOCKET, SO_REUSEADDR, 0);
  At(RAW6, CHECK(socket(AF_INET6, SOCK_RAW, IPPROTO_RAW)));
  At(ABROAD, CHECK(socket(AF_INET6, SOCK_DGRAM, 0)));
  Set(ABROAD, IPPROTO_IPV6, IPV6_FREEBIND, 1);
  Bind6(ABROAD, "2001:db8::7", ABROAD_PORT);
  Set(ABROAD, IPPROTO_IPV6, IPV6_FREEBIND, 0);
  At(TO_NOBODY, CHECK(socket(AF_INET, SOCK_DGRAM, 0)));
  Connect(TO_NOBODY, "127.0.0.1", 0);

  // Nobody of these three was bound to its address.
  At(DUAL, CHECK(socket(AF_INET6, SOCK_STREAM, 0)));
  Bind6(DUAL, "::", DUAL_PORT);
  CHECK(listen(DUAL, 5));
  At(DUAL_CLIENT, CHECK(socket(AF_INET6, SOCK_STREAM, 0)));
  Connect6(DUAL_CLIENT, "::1", DUAL_PORT);
  At(DUAL_SERVER, CHECK(accept(DUAL, NULL, NULL)));
  CHECK(send(DUAL_CLIENT, "there", 5, 0));
  At(DUAL_UDP, CHECK(socket(AF_INET6, SOCK_DGRAM, 0)));
  Connect6(DUAL_UDP, "::1", UDP6_PORT);

  const pid_t child = ForkAs(0, 0);
  if (child == 0) {
    name = "child";
    for (int fd = LISTENER; fd <= DUAL_UDP; fd++) close(fd);
    Child();
    _exit(97);
  }
  for (int fd = SERVER; fd <= FULL_SERVER; fd++) At(fd, Accept());
  ReadAll(SERVER, READ_EARLY);
  EXPECT_FILLED("read before", buffer, READ_EARLY, SEED_SERVER);
  SendAll(SERVER, TO_CLIENT, SEED_CLIENT);
  while (TcpState(HALF_SERVER) != TCP_CLOSE_WAIT) Nap();
  Step("server_ready");
  AwaitReady("child");
  char path[PATH_MAX], text[32];
  snprintf(path, sizeof path, "%s/full.bytes", home);
  ReadFile(path, text, sizeof text);
  full = (size_t)atol(text);
  Live(CheckRoot, LastOfRoot);
}
