// SPDX-License-Identifier: Apache-2.0
// Packet sockets: what each option is, memberships, rings of two versions that are mapped and go on
// to fill, a filter, a fanout group.
#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/netlink.h>
#include <linux/packet_diag.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <net/if.h>
#include <sys/socket.h>

#include "program.h"

enum { MAPPED = 10, THIRD, PLAIN, SENDER, FIRST_OF_GROUP, SECOND_OF_GROUP };
enum { LOOPBACK = 1, PORT = 21200, GROUP = 77 };
enum { BLOCK = 2 * PAGE, FRAME = 2048, FRAMES = 4 };
static const struct tpacket_req ring = {BLOCK, 1, FRAME, FRAMES};
static const struct tpacket_req3 third_ring = {BLOCK, 2, FRAME, 2 * FRAMES, 60, 16, 1};
static char* rings;

static void Open(int wanted, int type, int protocol, int interface) {
  int fd = CHECK(socket(AF_PACKET, type, 0));
  CHECK(dup2(fd, wanted));
  CHECK(close(fd));
  struct sockaddr_ll address = {
      .sll_family = AF_PACKET, .sll_protocol = htons((uint16_t)protocol), .sll_ifindex = interface};
  if (protocol || interface) CHECK(bind(wanted, (struct sockaddr*)&address, sizeof address));
}
static void Set(int fd, int option, int value) {
  CHECK(setsockopt(fd, SOL_PACKET, option, &value, sizeof value));
}
static int Get(int fd, int option) {
  int value = -1;
  socklen_t size = sizeof value;
  CHECK(getsockopt(fd, SOL_PACKET, option, &value, &size));
  return value;
}

static void Name(int fd, int type, int protocol, int interface) {
  struct sockaddr_ll address;
  socklen_t size = sizeof address;
  CHECK(getsockname(fd, (struct sockaddr*)&address, &size));
  EXPECT("protocol", protocol, ntohs(address.sll_protocol));
  EXPECT("interface", interface, address.sll_ifindex);
  int found = -1;
  size = sizeof found;
  CHECK(getsockopt(fd, SOL_SOCKET, SO_TYPE, &found, &size));
  EXPECT("type", type, found);
}

/// A datagram to the loopback device, which every socket there sees twice.
static void Send(void) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(PORT)};
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int fd = CHECK(socket(AF_INET, SOCK_DGRAM, 0));
  CHECK((int)sendto(fd, "packet", 6, 0, (struct sockaddr*)&to, sizeof to));
  CHECK(close(fd));
}

/// What sock_diag(7) has of a socket: `attribute` of it, with its size.
static const void* Diagnosed(int fd, int attribute, size_t* size) {
  static char answer[1 << 15] __attribute__((aligned(8)));
  struct {
    struct nlmsghdr header;
    struct packet_diag_req request;
  } question = {{sizeof question, SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST | NLM_F_DUMP, 1, 0},
                {.sdiag_family = AF_PACKET,
                 .pdiag_show = PACKET_SHOW_INFO | PACKET_SHOW_MCLIST | PACKET_SHOW_RING_CFG}};
  struct stat status;
  CHECK(fstat(fd, &status));
  int asking = CHECK(socket(AF_NETLINK, SOCK_RAW, NETLINK_SOCK_DIAG));
  CHECK((int)send(asking, &question, sizeof question, 0));
  int length = CHECK((int)recv(asking, answer, sizeof answer, 0));
  CHECK(close(asking));
  for (struct nlmsghdr* it = (struct nlmsghdr*)answer; NLMSG_OK(it, (unsigned)length);
       it = NLMSG_NEXT(it, length)) {
    const struct packet_diag_msg* found = NLMSG_DATA(it);
    if (it->nlmsg_type != SOCK_DIAG_BY_FAMILY || found->pdiag_ino != status.st_ino) continue;
    int rest = (int)NLMSG_PAYLOAD(it, sizeof *found);
    for (struct rtattr* row = (struct rtattr*)(found + 1); RTA_OK(row, rest);
         row = RTA_NEXT(row, rest)) {
      *size = RTA_PAYLOAD(row);
      if (row->rta_type == attribute) return RTA_DATA(row);
    }
  }
  *size = 0;
  return answer;
}
static void Ring(int fd, int attribute, const struct tpacket_req3* expected) {
  size_t size;
  const struct packet_diag_ring* found = Diagnosed(fd, attribute, &size);
  EXPECT("a ring", sizeof *found, size);
  EXPECT("blocks", expected->tp_block_nr, found->pdr_block_nr);
  EXPECT("their size", expected->tp_block_size, found->pdr_block_size);
  EXPECT("frames", expected->tp_frame_nr, found->pdr_frame_nr);
  EXPECT("their size", expected->tp_frame_size, found->pdr_frame_size);
  EXPECT("time to retire", expected->tp_retire_blk_tov, found->pdr_retire_tmo);
  EXPECT("private bytes", expected->tp_sizeof_priv, found->pdr_sizeof_priv);
  EXPECT("features", expected->tp_feature_req_word, found->pdr_features);
}
static void Diagnoses(void) {
  const struct tpacket_req3 mapped = {BLOCK, 1, FRAME, FRAMES, 0, 0, 0};
  Ring(MAPPED, PACKET_DIAG_RX_RING, &mapped);
  Ring(MAPPED, PACKET_DIAG_TX_RING, &mapped);
  Ring(THIRD, PACKET_DIAG_RX_RING, &third_ring);
  size_t size;
  const struct packet_diag_info* info = Diagnosed(THIRD, PACKET_DIAG_INFO, &size);
  EXPECT("copy threshold", 100, info->pdi_copy_thresh);
  const struct packet_diag_mclist* members = Diagnosed(THIRD, PACKET_DIAG_MCLIST, &size);
  EXPECT("memberships", 2 * sizeof *members, size);
  const int last = members[0].pdmc_type == PACKET_MR_MULTICAST ? 0 : 1;  // CRIU turns them around
  EXPECT("one type", PACKET_MR_MULTICAST, members[last].pdmc_type);
  EXPECT("another", PACKET_MR_PROMISC, members[1 - last].pdmc_type);
  EXPECT("its address", 6, members[last].pdmc_alen);
  EXPECT("the last byte", 5, members[last].pdmc_addr[5]);
}

static void Last(void) {
  Diagnoses();
  Name(MAPPED, SOCK_RAW, ETH_P_IP, LOOPBACK);
  Name(THIRD, SOCK_RAW, ETH_P_ALL, 0);
  Name(PLAIN, SOCK_DGRAM, ETH_P_IP, 0);
  Name(SENDER, SOCK_RAW, 0, LOOPBACK);
  EXPECT("version", TPACKET_V2, Get(MAPPED, PACKET_VERSION));
  EXPECT("reserve", 32, Get(MAPPED, PACKET_RESERVE));
  EXPECT("loss", 1, Get(MAPPED, PACKET_LOSS));
  EXPECT("third version", TPACKET_V3, Get(THIRD, PACKET_VERSION));
  EXPECT("auxiliary data", 1, Get(PLAIN, PACKET_AUXDATA));
  EXPECT("original device", 1, Get(PLAIN, PACKET_ORIGDEV));
  EXPECT("time stamps", 64, Get(PLAIN, PACKET_TIMESTAMP));
  EXPECT("flags", O_RDWR | O_NONBLOCK, fcntl(PLAIN, F_GETFL));
  EXPECT("virtual headers", 1, Get(SENDER, PACKET_VNET_HDR));
  EXPECT("group", GROUP | PACKET_FANOUT_LB << 16, Get(FIRST_OF_GROUP, PACKET_FANOUT));
  EXPECT("the other one's", GROUP | PACKET_FANOUT_LB << 16, Get(SECOND_OF_GROUP, PACKET_FANOUT));
  struct sock_filter filter[4];
  socklen_t count = 4;
  CHECK(getsockopt(PLAIN, SOL_SOCKET, SO_ATTACH_FILTER /* SO_GET_FILTER */, filter, &count));
  EXPECT("instructions", 1, count);
  EXPECT("what the filter keeps", 8, filter[0].k);

  Send();
  const struct tpacket2_hdr* frame = (const struct tpacket2_hdr*)rings;
  EXPECT("a frame is the process's", TP_STATUS_USER, frame->tp_status & TP_STATUS_USER);
  EXPECT("bytes of the packet", 14 + 20 + 8 + 6, frame->tp_len);
  EXPECT("where it begins", 1, frame->tp_mac >= sizeof *frame + 32);
  EXPECT("nothing is to be sent", TP_STATUS_AVAILABLE,
         ((const struct tpacket2_hdr*)(rings + BLOCK))->tp_status);
  char packet[64];
  EXPECT("what passes the filter", 8, recv(PLAIN, packet, sizeof packet, 0));
}

int main(void) {
  Begin();
  const struct packet_mreq promiscuous = {LOOPBACK, PACKET_MR_PROMISC, 0, {0}};
  const struct packet_mreq multicast = {LOOPBACK, PACKET_MR_MULTICAST, 6, {1, 0, 94, 0, 0, 5}};
  Open(MAPPED, SOCK_RAW, ETH_P_IP, LOOPBACK);
  Set(MAPPED, PACKET_VERSION, TPACKET_V2);
  Set(MAPPED, PACKET_RESERVE, 32);
  Set(MAPPED, PACKET_LOSS, 1);
  CHECK(setsockopt(MAPPED, SOL_PACKET, PACKET_RX_RING, &ring, sizeof ring));
  CHECK(setsockopt(MAPPED, SOL_PACKET, PACKET_TX_RING, &ring, sizeof ring));
  rings = Map(NULL, 2 * BLOCK, PROT_READ | PROT_WRITE, MAP_SHARED, MAPPED, 0);

  Open(THIRD, SOCK_RAW, ETH_P_ALL, 0);
  Set(THIRD, PACKET_VERSION, TPACKET_V3);
  Set(THIRD, PACKET_COPY_THRESH, 100);
  CHECK(setsockopt(THIRD, SOL_PACKET, PACKET_RX_RING, &third_ring, sizeof third_ring));
  Map(NULL, (size_t)third_ring.tp_block_size * third_ring.tp_block_nr, PROT_READ, MAP_PRIVATE, THIRD, 0);
  CHECK(setsockopt(THIRD, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &promiscuous, sizeof promiscuous));
  CHECK(setsockopt(THIRD, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &multicast, sizeof multicast));

  Open(PLAIN, SOCK_DGRAM, ETH_P_IP, 0);
  Set(PLAIN, PACKET_AUXDATA, 1);
  Set(PLAIN, PACKET_ORIGDEV, 1);
  Set(PLAIN, PACKET_TIMESTAMP, 64);  // SOF_TIMESTAMPING_RAW_HARDWARE
  struct sock_filter keep = BPF_STMT(BPF_RET | BPF_K, 8);
  const struct sock_fprog program = {1, &keep};
  CHECK(setsockopt(PLAIN, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program));
  CHECK(fcntl(PLAIN, F_SETFL, O_NONBLOCK));

  Open(SENDER, SOCK_RAW, 0, LOOPBACK);
  Set(SENDER, PACKET_VNET_HDR, 1);
  for (int fd = FIRST_OF_GROUP; fd <= SECOND_OF_GROUP; fd++) {
    Open(fd, SOCK_RAW, ETH_P_ARP, LOOPBACK);
    Set(fd, PACKET_FANOUT, GROUP | PACKET_FANOUT_LB << 16);
  }
  Live(NULL, Last);
}
