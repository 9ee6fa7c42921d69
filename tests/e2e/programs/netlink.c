// SPDX-License-Identifier: Apache-2.0
// Sockets of netlink(7): one as udev has it, one that hears of links, one that is connected to
// another, one that nobody has bound; shared with a child.
#include <linux/filter.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "program.h"

enum { EVENTS = 10, ROUTE, SENDER, RECEIVER, UNBOUND };
enum { PORT_OF_ROUTE = 7001, PORT_OF_SENDER, PORT_OF_RECEIVER };
enum { EVENT_GROUPS = 3, ROUTE_GROUPS = 0x80000001 };

static void At(int wanted, int fd) {
  CHECK(dup2(fd, wanted));
  CHECK(close(fd));
}

static void Open(int wanted, int protocol, unsigned port, unsigned groups) {
  struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_pid = port, .nl_groups = groups};
  At(wanted, CHECK(socket(AF_NETLINK, SOCK_RAW, protocol)));
  if (port == 0) return;
  CHECK(bind(wanted, (struct sockaddr*)&address, sizeof address));
}

static int Option(int fd, int number) {
  int value = -1;
  socklen_t size = sizeof value;
  CHECK(getsockopt(fd, SOL_SOCKET, number, &value, &size));
  return value;
}

static void Name(int fd, int protocol, unsigned port, unsigned groups) {
  struct sockaddr_nl address;
  socklen_t size = sizeof address;
  CHECK(getsockname(fd, (struct sockaddr*)&address, &size));
  EXPECT("family", AF_NETLINK, address.nl_family);
  EXPECT("port", port, address.nl_pid);
  EXPECT("groups", groups, address.nl_groups);
  EXPECT("protocol", protocol, Option(fd, SO_PROTOCOL));
}

static void Peer(int fd, unsigned port, unsigned groups) {
  struct sockaddr_nl address;
  socklen_t size = sizeof address;
  CHECK(getpeername(fd, (struct sockaddr*)&address, &size));
  EXPECT("port of the destination", port, address.nl_pid);
  EXPECT("groups of the destination", groups, address.nl_groups);
}

static void Check(void) {
  Name(EVENTS, NETLINK_KOBJECT_UEVENT, (unsigned)getpid(), EVENT_GROUPS);
  Name(ROUTE, NETLINK_ROUTE, PORT_OF_ROUTE, ROUTE_GROUPS);
  Name(SENDER, NETLINK_USERSOCK, PORT_OF_SENDER, 0);
  Name(RECEIVER, NETLINK_USERSOCK, PORT_OF_RECEIVER, 0);
  Name(UNBOUND, NETLINK_ROUTE, 0, 0);
  Peer(EVENTS, 0, 0);
  Peer(SENDER, PORT_OF_RECEIVER, 1 << 4);
}

static void Last(void) {
  EXPECT("flags", O_RDWR | O_NONBLOCK, fcntl(EVENTS, F_GETFL));
  EXPECT("close-on-exec", FD_CLOEXEC, fcntl(EVENTS, F_GETFD));
  EXPECT("receive buffer", 1 << 20, Option(EVENTS, SO_RCVBUF));
  EXPECT("credentials", 1, Option(EVENTS, SO_PASSCRED));
  struct sock_filter filter[4];
  socklen_t count = 4;
  CHECK(getsockopt(EVENTS, SOL_SOCKET, SO_ATTACH_FILTER /* SO_GET_FILTER */, filter, &count));
  EXPECT("instructions", 1, count);
  EXPECT("what the filter keeps", 512, filter[0].k);

  struct {
    struct nlmsghdr header;
    struct rtgenmsg family;
  } question = {{sizeof question, RTM_GETLINK, NLM_F_REQUEST | NLM_F_DUMP, 5, 0}, {AF_UNSPEC}};
  CHECK((int)send(ROUTE, &question, sizeof question, 0));
  static char answer[1 << 16] __attribute__((aligned(8)));
  CHECK((int)recv(ROUTE, answer, sizeof answer, 0));
  const struct nlmsghdr* header = (const struct nlmsghdr*)answer;
  EXPECT("an answer", RTM_NEWLINK, header->nlmsg_type);
  EXPECT("to this port", PORT_OF_ROUTE, header->nlmsg_pid);

  struct nlmsghdr message = {sizeof message, NLMSG_MIN_TYPE, 0, 77, 0};
  struct sockaddr_nl from = {0}, to = {.nl_family = AF_NETLINK, .nl_pid = PORT_OF_RECEIVER};
  socklen_t size = sizeof from;
  CHECK((int)sendto(SENDER, &message, sizeof message, 0, (struct sockaddr*)&to, sizeof to));
  CHECK((int)recvfrom(RECEIVER, &message, sizeof message, 0, (struct sockaddr*)&from, &size));
  EXPECT("number of the message", 77, message.nlmsg_seq);
  EXPECT("who sent it", PORT_OF_SENDER, from.nl_pid);
}

int main(void) {
  Begin();
  Open(EVENTS, NETLINK_KOBJECT_UEVENT, (unsigned)getpid(), EVENT_GROUPS);
  struct sock_filter keep = BPF_STMT(BPF_RET | BPF_K, 512);
  const struct sock_fprog program = {1, &keep};
  const int half = 1 << 19, on = 1;
  CHECK(setsockopt(EVENTS, SOL_SOCKET, SO_RCVBUFFORCE, &half, sizeof half));
  CHECK(setsockopt(EVENTS, SOL_SOCKET, SO_PASSCRED, &on, sizeof on));
  CHECK(setsockopt(EVENTS, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program));
  CHECK(fcntl(EVENTS, F_SETFL, O_NONBLOCK));
  CHECK(fcntl(EVENTS, F_SETFD, FD_CLOEXEC));
  Open(ROUTE, NETLINK_ROUTE, PORT_OF_ROUTE, ROUTE_GROUPS);
  Open(SENDER, NETLINK_USERSOCK, PORT_OF_SENDER, 0);
  Open(RECEIVER, NETLINK_USERSOCK, PORT_OF_RECEIVER, 0);
  Open(UNBOUND, NETLINK_ROUTE, 0, 0);
  const struct sockaddr_nl to = {
      .nl_family = AF_NETLINK, .nl_pid = PORT_OF_RECEIVER, .nl_groups = 1 << 4};
  CHECK(connect(SENDER, (const struct sockaddr*)&to, sizeof to));
  Live(Check, Last);
}
