// SPDX-License-Identifier: Apache-2.0
// Devices of tun(4) that programs are attached to, in a network namespace of its own: one of one
// queue that ends with its descriptor, one of two queues of which one is detached, one that stays,
// and a descriptor without a device. What is written to the first is answered there.
#include <arpa/inet.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "program.h"

enum { TUN = 20, QUEUE, DETACHED, STAYS, FREE, DATAGRAMS };

/// Without what ip(8) gives no address, and what says that a carrier has come.
static const char kState[] =
    "for i in $(seq 200); do ip address | grep -q tentative || break; sleep 0.05; done;"
    "{ ip -d address; ip route show table all; ip -6 route show table all; } 2>&1 |"
    " sed -E 's/ stable-privacy//; s/ state (UNKNOWN|UP) / /' | sort";

static char before[1 << 15];

static void Attach(int fd, const char* device, int flags, int sndbuf) {
  struct ifreq request = {.ifr_flags = flags};
  strcpy(request.ifr_name, device);
  CHECK(dup2(CHECK(open("/dev/net/tun", O_RDWR | O_NONBLOCK)), fd));
  CHECK(ioctl(fd, TUNSETIFF, &request));
  CHECK(ioctl(fd, TUNSETSNDBUF, &sndbuf));
}

static void ExpectDevice(int fd, const char* device, int flags, int sndbuf, int header) {
  struct ifreq request = {};
  int value = 0;
  CHECK(ioctl(fd, TUNGETIFF, &request));
  EXPECT_TEXT("device", device, request.ifr_name);
  // IFF_NOFILTER is IFF_NO_PI.
  EXPECT(device, flags | IFF_NOFILTER, (unsigned short)request.ifr_flags | IFF_NOFILTER);
  CHECK(ioctl(fd, TUNGETSNDBUF, &value));
  EXPECT("bytes that may be on their way", sndbuf, value);
  CHECK(ioctl(fd, TUNGETVNETHDRSZ, &value));
  EXPECT("bytes before a packet", header, value);
}

static void Listing(char* text, size_t size) {
  FILE* output = popen(kState, "r");
  if (output == NULL) return FailAt(__LINE__, "popen; errno", 0, errno);
  text[fread(text, 1, size - 1, output)] = 0;
  pclose(output);
}

static uint16_t Checksum(const uint8_t* bytes, size_t size) {
  uint32_t sum = 0;
  for (size_t i = 0; i < size; i += 2) sum += bytes[i] << 8 | bytes[i + 1];
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  return htons(~sum);
}

/// The next packet of that protocol of IPv4 which the device has sent.
static int NextPacket(uint8_t* packet, size_t size, int protocol) {
  struct pollfd readable = {TUN, POLLIN, 0};
  while (poll(&readable, 1, 10000) == 1) {
    const ssize_t got = read(TUN, packet, size);
    if (got > 20 && packet[0] == 0x45 && packet[9] == protocol) return (int)got;
  }
  FailAt(__LINE__, "no packet of protocol", protocol, 0);
  return 0;
}

/// From 10.9.1.2, which is nobody but this descriptor, and back.
static void ExpectAnswer(void) {
  uint8_t sent[28] = {0x45, 0, 0, 28, 0, 7, 0, 0, 64, IPPROTO_ICMP, 0, 0, 10, 9, 1, 2, 10, 9, 1,
                      1,    8, 0, 0,  0, 4, 2, 0, 1};
  uint8_t got[2000];
  memcpy(sent + 10, &(uint16_t){Checksum(sent, 20)}, 2);
  memcpy(sent + 22, &(uint16_t){Checksum(sent + 20, 8)}, 2);
  EXPECT("an echo request", sizeof sent, write(TUN, sent, sizeof sent));
  if (NextPacket(got, sizeof got, IPPROTO_ICMP) == 0) return;
  EXPECT("to whom the answer goes", 2, got[19]);
  EXPECT("an echo reply", 0, got[20]);
  EXPECT("to the request", 4 << 8 | 2, got[24] << 8 | got[25]);
  EXPECT("a datagram", 5, send(DATAGRAMS, "hello", 5, 0));
  if (NextPacket(got, sizeof got, IPPROTO_UDP) == 0) return;
  got[33] = 0;
  EXPECT_TEXT("what comes out of the device", "hello", (char*)got + 28);
}

static void Checks(void) {
  struct ifreq request = {};
  ExpectDevice(TUN, "tun0", IFF_TUN | IFF_NO_PI, 50000, 10);
  ExpectDevice(QUEUE, "tap0", IFF_TAP | IFF_MULTI_QUEUE | IFF_VNET_HDR, 60000, 12);
  ExpectDevice(DETACHED, "tap0", IFF_TAP | IFF_MULTI_QUEUE | IFF_VNET_HDR | IFF_DETACH_QUEUE, 60000,
               12);
  ExpectDevice(STAYS, "stays", IFF_TUN | IFF_PERSIST, 70000, 10);
  EXPECT("no device", -1, ioctl(FREE, TUNGETIFF, &request));
  EXPECT("no device; errno", EBADFD, errno);
  EXPECT("flags", O_RDWR | O_NONBLOCK, fcntl(TUN, F_GETFL) & (O_ACCMODE | O_NONBLOCK));
  ExpectAnswer();
}

static unsigned Number(const char* device) {
  struct ifreq request = {};
  strcpy(request.ifr_name, device);
  return ioctl(DATAGRAMS, SIOCGIFINDEX, &request) == 0 ? (unsigned)request.ifr_ifindex : 0;
}

static void LastChecks(void) {
  static char now[sizeof before];
  struct ifreq queue = {};
  Listing(now, sizeof now);
  EXPECT_TEXT("the network", before, now);
  Checks();
  queue.ifr_flags = IFF_ATTACH_QUEUE;
  EXPECT("the queue is attached again", 0, ioctl(DETACHED, TUNSETQUEUE, &queue));
  for (int fd = TUN; fd <= STAYS; fd++) close(fd);
  EXPECT("a device ends with its descriptor", 0, Number("tun0"));
  EXPECT("one of two queues with both", 0, Number("tap0"));
  EXPECT("one that stays", 1, Number("stays") != 0);
}

int main(void) {
  Begin();
  CHECK(unshare(CLONE_NEWNET));
  Attach(TUN, "tun0", IFF_TUN | IFF_NO_PI, 50000);
  Attach(QUEUE, "tap0", IFF_TAP | IFF_MULTI_QUEUE | IFF_VNET_HDR, 60000);
  CHECK(ioctl(QUEUE, TUNSETVNETHDRSZ, &(int){12}));
  Attach(DETACHED, "tap0", IFF_TAP | IFF_MULTI_QUEUE | IFF_VNET_HDR, 60000);
  struct ifreq queue = {.ifr_flags = IFF_DETACH_QUEUE};
  CHECK(ioctl(DETACHED, TUNSETQUEUE, &queue));
  Attach(STAYS, "stays", IFF_TUN, 70000);
  CHECK(ioctl(STAYS, TUNSETPERSIST, 1));
  CHECK(dup2(CHECK(open("/dev/net/tun", O_RDWR)), FREE));
  CHECK(dup2(CHECK(socket(AF_INET, SOCK_DGRAM, 0)), DATAGRAMS));
  if (system("ip link set lo up; ip address add 10.9.1.1/24 dev tun0 && ip link set tun0 up &&"
             " ip link set tap0 up && ip address add 10.9.2.1/24 dev tap0 &&"
             " ip route add 10.9.3.0/24 via 10.9.2.7") != 0) {
    FailAt(__LINE__, "ip(8)", 0, 1);
  }
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(4000)};
  inet_pton(AF_INET, "10.9.1.2", &to.sin_addr);
  CHECK(connect(DATAGRAMS, (struct sockaddr*)&to, sizeof to));
  close_range(3, TUN - 1, 0);
  close_range(DATAGRAMS + 1, ~0u, 0);
  Checks();
  Listing(before, sizeof before);
  Live(NULL, LastChecks);
}
