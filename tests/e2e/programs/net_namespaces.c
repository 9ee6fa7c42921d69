// SPDX-License-Identifier: Apache-2.0
// Five network namespaces. The root is in the first; it has a socket and a descriptor of the
// second, in which a child is that has entered it, with a child that was born there and one that
// went back; a descriptor of the third, a socket of the fourth, and what is attached to a device of
// the fifth. Several have the same ports and the same abstract name, and a device whose other end
// is in another one. In each there is a process, or CRIU finds it not.
#include <arpa/inet.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "program.h"

enum {
  SECOND = 20,
  OF_SECOND,
  THIRD,
  OF_FOURTH,
  TUN,
  FIRST,
  OWN,
  LISTENER,
  CLIENT,
  SERVER,
  NAME,
  ENDS
};

static const char kState[] =
    "for i in $(seq 200); do ip address | grep -qE 'tentative|NO-CARRIER' || break; sleep 0.05; "
    "done;"
    "{ ip -d address | sed -E 's/[a-z_]+_timer +[0-9.]+//g; s/ stable-privacy//; s/ state "
    "[A-Z]+//';"
    " { ip route show table all; ip -6 route show table all; } | sort; ip rule;"
    " iptables-nft-save | grep ^-A; nft list ruleset | grep CRIU; cd /proc/sys/net;"
    " grep -r . ipv4/conf unix/max_dgram_qlen ipv4/ping_group_range; } 2>&1";

static char before[1 << 16], before_third[1 << 16], before_fourth[1 << 16], before_fifth[1 << 16];
static char root_pid[16];

static void Listing(char* text, size_t size) {
  FILE* output = popen(kState, "r");
  if (output == NULL) return FailAt(__LINE__, "popen; errno", 0, errno);
  text[fread(text, 1, size - 1, output)] = 0;
  pclose(output);
}
static void ExpectListing(const char* what, const char* expected) {
  static char now[sizeof before];
  Listing(now, sizeof now);
  EXPECT_TEXT(what, expected, now);
}

static void Run(const char* command) {
  if (system(command) == 0) return;
  FailAt(__LINE__, command, 0, 1);
  Report();
  _exit(1);
}

/// With this number of its own; -1 is the one that is closed.
static void At(int wanted, int fd) {
  CHECK(dup2(CHECK(fd), wanted));
  CHECK(close(fd));
}

static struct sockaddr_in Address(const char* text, int port) {
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
  inet_pton(AF_INET, text, &at.sin_addr);
  return at;
}
static int Datagrams(const char* text, int port) {
  const struct sockaddr_in at = Address(text, port);
  const int fd = CHECK(socket(AF_INET, SOCK_DGRAM, 0));
  CHECK(bind(fd, (const struct sockaddr*)&at, sizeof at));
  return fd;
}
static int Name(void) {
  const struct sockaddr_un at = {AF_UNIX, "\0same"};
  const int fd = CHECK(socket(AF_UNIX, SOCK_DGRAM, 0));
  CHECK(bind(fd, (const struct sockaddr*)&at, offsetof(struct sockaddr_un, sun_path) + 5));
  return fd;
}

/// A connection of its own, at a port that the others have too.
static void Connect(void) {
  const struct sockaddr_in at = Address("127.0.0.1", 5000);
  At(LISTENER, socket(AF_INET, SOCK_STREAM, 0));
  CHECK(bind(LISTENER, (const struct sockaddr*)&at, sizeof at));
  CHECK(listen(LISTENER, 5));
  At(CLIENT, socket(AF_INET, SOCK_STREAM, 0));
  CHECK(connect(CLIENT, (const struct sockaddr*)&at, sizeof at));
  At(SERVER, accept(LISTENER, NULL, NULL));
  CHECK(send(CLIENT, "on its way", 10, 0));
}
static void ExpectConnection(void) {
  char text[20] = "";
  EXPECT("what was on its way", 10, recv(SERVER, text, 10, MSG_WAITALL));
  EXPECT_TEXT("it", "on its way", text);
  EXPECT("an answer", 3, send(SERVER, "yes", 3, 0));
  EXPECT("comes", 3, recv(CLIENT, text, 3, MSG_WAITALL));
}

static void ExpectDatagram(int from, int to, const struct sockaddr_in* at) {
  char text[20] = "";
  const struct timeval limit = {.tv_sec = 10};
  EXPECT("send", 5, sendto(from, "hello", 5, 0, (const struct sockaddr*)at, sizeof *at));
  setsockopt(to, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  EXPECT("receive", 5, recv(to, text, sizeof text, 0));
  EXPECT_TEXT("what came", "hello", text);
}

static ino_t InodeOf(int fd) {
  struct stat facts;
  CHECK(fstat(fd, &facts));
  return facts.st_ino;
}
static ino_t InodeAt(const char* process) {
  struct stat facts;
  char path[64];
  snprintf(path, sizeof path, "/proc/%s/ns/net", process);
  CHECK(stat(path, &facts));
  return facts.st_ino;
}
/// Of a socket, or of a descriptor of tun(4).
static int NetOf(int fd) { return CHECK(ioctl(fd, SIOCGSKNS)); }
static ino_t InodeOfNet(int fd) {
  const int net = NetOf(fd);
  const ino_t inode = InodeOf(net);
  close(net);
  return inode;
}

/// In `net`, which stays as it is; this process goes back.
static void ExpectIn(int net, const char* what, const char* expected) {
  const int own = CHECK(open("/proc/self/ns/net", O_RDONLY));
  CHECK(setns(net, CLONE_NEWNET));
  ExpectListing(what, expected);
  CHECK(setns(own, CLONE_NEWNET));
  CHECK(close(own));
}

// ---- in the second

static void ExpectSecond(void) {
  EXPECT("its socket", InodeAt("self"), InodeOfNet(OWN));
  EXPECT("the name's", InodeAt("self"), InodeOfNet(NAME));
  EXPECT("not where the root is", 1, InodeAt("self") != InodeAt(root_pid));
}
static void LastChecksOfEntered(void) {
  ExpectSecond();
  EXPECT("a socket of the root's", InodeAt(root_pid), InodeOfNet(FIRST));
  ExpectListing("the second", before);
  ExpectConnection();
  AwaitStep("root_sent");
  char text[20] = "";
  EXPECT("from the first", 5, recv(OWN, text, sizeof text, 0));
  Step("entered_received");
}
static void LastChecksOfBorn(void) { ExpectSecond(); }
static void LastChecksOfBack(void) {
  EXPECT("where the root is", InodeAt(root_pid), InodeAt("self"));
  EXPECT("a socket of the second", 1, InodeAt("self") != InodeOfNet(OWN));
}
static void Born(void) { Live(NULL, LastChecksOfBorn); }
static void Back(void) {
  CHECK(setns(THIRD, CLONE_NEWNET));
  CHECK(close(THIRD));
  Live(NULL, LastChecksOfBack);
}
static void Entered(void) {
  At(FIRST, Datagrams("127.0.0.1", 4001));
  At(THIRD, open("/proc/self/ns/net", O_RDONLY));
  CHECK(setns(SECOND, CLONE_NEWNET));
  close_range(OF_FOURTH, TUN, 0);
  close_range(LISTENER, ENDS, 0);
  At(OWN, Datagrams("10.2.0.2", 6000));
  At(NAME, Name());
  Connect();
  Listing(before, sizeof before);
  Spawn(0, "back", Back);
  CHECK(close(THIRD));
  Spawn(0, "born", Born);
  Live(NULL, LastChecksOfEntered);
}

// ---- in the first

static void LastChecks(void) {
  const ino_t own = InodeAt("self"), second = InodeOf(SECOND);
  EXPECT("its own socket", own, InodeOfNet(OWN));
  EXPECT("a socket of the second", second, InodeOfNet(OF_SECOND));
  EXPECT("another one", 1, second != own && InodeOf(THIRD) != own && InodeOf(THIRD) != second);
  EXPECT("ends", own, InodeOfNet(ENDS));
  const struct sockaddr_in near = Address("127.0.0.1", 4000), far = Address("10.2.0.2", 6000);
  ExpectDatagram(OWN, OWN, &near);
  ExpectDatagram(OF_SECOND, OF_SECOND, &near);
  ExpectDatagram(OF_FOURTH, OF_FOURTH, &near);
  ExpectConnection();
  const int sender = CHECK(socket(AF_INET, SOCK_DGRAM, 0));
  EXPECT("to the second", 5, sendto(sender, "hello", 5, 0, (const void*)&far, sizeof far));
  CHECK(close(sender));
  Step("root_sent");
  ExpectListing("the first", before);
  ExpectIn(THIRD, "the third", before_third);
  const int fourth = NetOf(OF_FOURTH), fifth = CHECK(ioctl(TUN, TUNGETDEVNETNS));
  ExpectIn(fourth, "the fourth", before_fourth);
  ExpectIn(fifth, "the fifth", before_fifth);
  AwaitStep("entered_received");
}

/// Is where its parent is, which leaves.
static void Keeper(void) {
  close_range(3, ~0u, 0);
  Live(NULL, NULL);
}

static void NewNet(void) {
  CHECK(unshare(CLONE_NEWNET));
  Run("ip link set lo up");
}

int main(void) {
  Begin();
  NewNet();
  snprintf(root_pid, sizeof root_pid, "%d", getpid());
  const int first = CHECK(open("/proc/self/ns/net", O_RDONLY));
  const int half = 60000 / 2;
  NewNet();
  Run("echo 44 > /proc/sys/net/unix/max_dgram_qlen; ip address add 10.9.0.1/24 dev lo");
  Run("iptables-nft -A INPUT -p tcp --dport 77 -j DROP");
  At(SECOND, open("/proc/self/ns/net", O_RDONLY));
  At(OF_SECOND, Datagrams("127.0.0.1", 4000));
  CHECK(unshare(CLONE_NEWNET));
  Run("ip link add bridge0 type bridge && echo 2 > /proc/sys/net/ipv4/conf/all/rp_filter");
  At(THIRD, open("/proc/self/ns/net", O_RDONLY));
  Spawn(0, "third", Keeper);
  NewNet();
  Run("ip address add 10.4.0.1/24 dev lo; ip route add unreachable 10.6.0.0/24");
  At(OF_FOURTH, Datagrams("127.0.0.1", 4000));
  Spawn(0, "fourth", Keeper);
  NewNet();
  At(TUN, open("/dev/net/tun", O_RDWR | O_NONBLOCK));
  struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI};
  strcpy(request.ifr_name, "tun7");
  CHECK(ioctl(TUN, TUNSETIFF, &request));
  CHECK(ioctl(TUN, TUNSETSNDBUF, &half));
  Run("ip address add 10.5.0.1/24 dev tun7 && ip link set tun7 up");
  Spawn(0, "fifth", Keeper);
  CHECK(setns(first, CLONE_NEWNET));
  CHECK(close(first));

  char command[600];
  snprintf(
      command, sizeof command,
      "ip link add left type veth peer name right netns /proc/%d/fd/%d &&"
      // Addresses of IPv6 would come with the carrier, some time later.
      " echo 1 > /proc/sys/net/ipv6/conf/left/disable_ipv6 &&"
      " ip address add 10.2.0.1/24 dev left && ip link set left up &&"
      " ip link add other type veth peer name third netns /proc/%d/fd/%d &&"
      " nsenter --net=/proc/%d/fd/%d sh -c 'ip link set third master bridge0' &&"
      " nsenter --net=/proc/%d/fd/%d sh -c 'echo 1 > /proc/sys/net/ipv6/conf/right/disable_ipv6 &&"
      " ip address add 10.2.0.2/24 dev right &&"
      " ip link set right up'",
      getpid(), SECOND, getpid(), THIRD, getpid(), THIRD, getpid(), SECOND);
  Run(command);
  At(OWN, Datagrams("127.0.0.1", 4000));
  At(NAME, Name());
  int ends[2];
  CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
  CHECK(close(ends[1]));
  At(ENDS, ends[0]);
  Connect();
  close_range(3, SECOND - 1, 0);
  close_range(ENDS + 1, ~0u, 0);
  Spawn(0, "entered", Entered);
  Listing(before, sizeof before);
  const int own = CHECK(open("/proc/self/ns/net", O_RDONLY));
  const int nets[] = {THIRD, NetOf(OF_FOURTH), CHECK(ioctl(TUN, TUNGETDEVNETNS))};
  char* const texts[] = {before_third, before_fourth, before_fifth};
  for (int i = 0; i < 3; i++) {
    CHECK(setns(nets[i], CLONE_NEWNET));
    Listing(texts[i], sizeof before_third);
    if (i > 0) CHECK(close(nets[i]));
  }
  CHECK(setns(own, CLONE_NEWNET));
  CHECK(close(own));
  Live(NULL, LastChecks);
}
