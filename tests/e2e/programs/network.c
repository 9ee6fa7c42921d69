// SPDX-License-Identifier: Apache-2.0
// A network namespace of its own: devices with their settings, addresses, routes, rules, and what
// iptables(8) and nft(8) have set. A connection and a socket without one go on in it, a child is
// there too. What the system's programs say of it is the same in the end.
#include <arpa/inet.h>
#include <sys/socket.h>

#include "program.h"

enum { LISTENER = 20, CLIENT, SERVER, DATAGRAMS };

static const char* const kSetUp[] = {
    "ip link set lo up", "ip address add 10.9.0.1/24 dev lo", "ip address add fd00:9::1/64 dev lo",
    "ip link add bridge0 type bridge", "ip link add left type veth peer name right",
    "ip link set right master bridge0 mtu 1400",
    "ip link add over link left type macvlan mode bridge", "ip tuntap add dev tap5 mode tap user 7",
    "ip link set left address 02:00:00:00:00:15 multicast off",
    "ip link set left up && ip link set right up && ip link set bridge0 up",
    // CRIU takes hold of it for a moment, and with a carrier it would get an address.
    "echo 1 > /proc/sys/net/ipv6/conf/tap5/disable_ipv6",
    "ip link set tap5 up && ip link set tap5 promisc on",
    "ip address add 10.8.0.1/24 dev left label left:a",
    "ip route add 10.7.0.0/24 via 10.8.0.2 metric 7", "ip route add unreachable 10.6.0.0/24",
    "ip -6 route add fd00:77::/64 dev left metric 5",
    "ip -6 route add fd00:78::/64 dev left expires 5000",
    // Without a carrier, which the image says of its routes.
    "ip link add far type veth peer name down && ip link set far up",
    "ip address add 10.5.0.1/24 dev far && ip address add fd00:55::1/64 dev far nodad",
    "ip route add 10.4.0.0/24 nexthop via 10.5.0.2 dev far nexthop via 10.8.0.2 dev left",
    // A bridge with the MAC address of a later port, and what has lost the addresses it was given.
    "ip link add bridge1 type bridge && ip link set bridge1 up",
    "ip link add early type veth peer name port && ip link set early up && ip link set port up",
    "ip link set port master bridge1",
    "ip -6 address flush dev early && ip address flush dev lo scope host",
    "ip rule add from 10.9.0.0/24 priority 100 table main",
    "echo 1 > /proc/sys/net/ipv4/conf/left/forwarding",
    "echo 0 > /proc/sys/net/ipv4/conf/default/send_redirects",
    "echo 2 > /proc/sys/net/ipv4/conf/all/rp_filter",
    "echo 1 > /proc/sys/net/ipv6/conf/over/disable_ipv6",
    "echo 33 > /proc/sys/net/unix/max_dgram_qlen",
    "echo '5 7' > /proc/sys/net/ipv4/ping_group_range",
    "iptables-nft -A INPUT -p tcp --dport 77 -j DROP && iptables-nft -P FORWARD DROP",
    "iptables-nft -A OUTPUT -d 10.6.0.0/24 -j REJECT",
    "ip6tables-nft -A INPUT -p tcp --dport 78 -j DROP",
    "ip6tables-nft -A OUTPUT -p tcp --dport 78 -j DROP",
    "iptables-legacy -t mangle -A OUTPUT -p tcp --dport 79 -j MARK --set-mark 3",
    "ip6tables-legacy -A INPUT -p tcp --dport 80 -j DROP",
    "nft 'add table inet own; add set inet own names { type ipv4_addr; };"
    " add element inet own names { 10.1.1.1 };"
    " add chain inet own in { type filter hook input priority 5; };"
    " add rule inet own in ip saddr @names drop'"};

/// Without what only the time changes.
static const char kSettled[] =
    "for i in $(seq 200); do ip addr | grep -q tentative || break; sleep 0.05; done;"
    "for i in $(seq 800); do ip -d link show right | grep -q 'state forwarding' &&"
    " ip link show tap5 | grep -q NO-CARRIER && break; sleep 0.05; done";
static const char kState[] =
    "{ ip -d address | sed -E 's/[a-z_]+_timer +[0-9.]+//g; s/topology_change(_detected)? [01]//g';"
    " { ip route show table all; ip -6 route show table all; } | sort |"
    " sed -E 's/expires [0-9]{4}sec/expires/'; ip rule; ip -6 rule;"
    " nft list ruleset 2>/dev/null | sed -E 's/packets [0-9]+ bytes [0-9]+//; /^#/d';"
    " iptables-legacy-save | grep -v '^[#:]'; ip6tables-legacy-save | grep -v '^[#:]';"
    " cd /proc/sys/net; grep -r . ipv4/conf ipv6/conf ipv4/ping_group_range unix 2>/dev/null |"
    " sort; } 2>&1";

static char before[1 << 17];

static void Listing(char* text, size_t size) {
  EXPECT("settling", 0, system(kSettled));
  FILE* output = popen(kState, "r");
  if (output == NULL) return FailAt(__LINE__, "popen; errno", 0, errno);
  const size_t got = fread(text, 1, size - 1, output);
  text[got] = 0;
  pclose(output);
}

static void Connect(void) {
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(4000)};
  inet_pton(AF_INET, "10.8.0.1", &at.sin_addr);
  CHECK(dup2(CHECK(socket(AF_INET, SOCK_STREAM, 0)), LISTENER));
  CHECK(bind(LISTENER, (struct sockaddr*)&at, sizeof at));
  CHECK(listen(LISTENER, 5));
  CHECK(dup2(CHECK(socket(AF_INET, SOCK_STREAM, 0)), CLIENT));
  CHECK(connect(CLIENT, (struct sockaddr*)&at, sizeof at));
  CHECK(dup2(CHECK(accept(LISTENER, NULL, NULL)), SERVER));
  CHECK(send(CLIENT, "on its way", 10, 0));
  CHECK(dup2(CHECK(socket(AF_INET, SOCK_DGRAM, 0)), DATAGRAMS));
  inet_pton(AF_INET, "10.9.0.1", &at.sin_addr);
  CHECK(bind(DATAGRAMS, (struct sockaddr*)&at, sizeof at));
  CHECK(connect(DATAGRAMS, (struct sockaddr*)&at, sizeof at));
  close_range(3, LISTENER - 1, 0);
  close_range(DATAGRAMS + 1, ~0u, 0);
}

static void ExpectTraffic(int from, int to, const char* text) {
  char got[100] = "";
  EXPECT("send", (long)strlen(text), send(from, text, strlen(text), 0));
  const struct timeval limit = {.tv_sec = 10};
  setsockopt(to, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  EXPECT("receive", (long)strlen(text), recv(to, got, sizeof got - 1, MSG_WAITALL * (from != to)));
  EXPECT_TEXT("what came", text, got);
}

/// The first line that differs.
static void ExpectSame(char* expected, char* found) {
  char *one = NULL, *other = NULL;
  char* a = strtok_r(expected, "\n", &one);
  char* b = strtok_r(found, "\n", &other);
  while (a != NULL && b != NULL && strcmp(a, b) == 0) {
    a = strtok_r(NULL, "\n", &one);
    b = strtok_r(NULL, "\n", &other);
  }
  if (a != NULL || b != NULL) EXPECT_TEXT("the network", a ? a : "(end)", b ? b : "(end)");
}

static void LastChecks(void) {
  static char now[sizeof before];
  char text[20] = "";
  EXPECT("what was on its way", 10, recv(SERVER, text, 10, MSG_WAITALL));
  EXPECT_TEXT("it", "on its way", text);
  ExpectTraffic(SERVER, CLIENT, "an answer");
  ExpectTraffic(DATAGRAMS, DATAGRAMS, "to itself");
  Listing(now, sizeof now);
  ExpectSame(before, now);
}

static void ChildChecks(void) {
  // Who is in the same namespace is the same.
  struct stat own, root;
  CHECK(stat("/proc/self/ns/net", &own));
  char path[60];
  snprintf(path, sizeof path, "/proc/%d/ns/net", getppid());
  CHECK(stat(path, &root));
  EXPECT("one namespace", root.st_ino, own.st_ino);
}
static void Child(void) { Live(NULL, ChildChecks); }

int main(void) {
  Begin();
  CHECK(unshare(CLONE_NEWNET));
  for (size_t i = 0; i < sizeof kSetUp / sizeof *kSetUp; i++) {
    if (system(kSetUp[i]) == 0) continue;
    FailAt(__LINE__, kSetUp[i], 0, 1);
    Report();
    _exit(1);
  }
  Connect();
  Listing(before, sizeof before);
  Spawn(0, "child", Child);
  Live(NULL, LastChecks);
}
