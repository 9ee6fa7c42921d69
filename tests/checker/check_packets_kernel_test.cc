// SPDX-License-Identifier: Apache-2.0
// The kernel as judge of what the checker says of packet sockets: random ones are made for real,
// and their rings mapped; each call must end as the checker says. Needs root. CRGEN_SEED=n or
// =random makes another random choice.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <sys/socket.h>

#include <cstdio>
#include <cstring>
#include <map>

#include "dsl/json/program_json.h"
#include "tests/support/check_support.h"
#include "tests/support/choice.h"
#include "tests/support/network.h"
#include "tests/support/seed.h"

namespace crgen {
namespace {

using namespace test;  // NOLINT: the vocabulary of programs

constexpr unsigned kPrograms = 4000;
constexpr std::uint64_t kAt = 0x7000'0000'0000;

class PacketProgramMaker : private Choice {
 public:
  explicit PacketProgramMaker(unsigned seed) : Choice(seed) {}

  /// One socket or two, and a mapping of the first.
  Program Make() {
    Program program = {ForkOf(0, 10)};
    for (Fd fd = 1; fd <= 1 + static_cast<Fd>(Below(2)); ++fd) {
      program.push_back(OpenOf(
          10, fd,
          std::make_shared<const File>(File{{static_cast<std::uint64_t>(fd)}, {O_RDWR}, Any()})));
    }
    if (!OneIn(3)) return program;
    const auto& first = std::get<OpenFile>(program[1].body).file->body;
    std::uint64_t size = std::get<PacketSocket>(first).rings.Size();
    if (size == 0 || size % kPageSize != 0 || size > 64 * kPageSize || OneIn(4)) size = kPageSize;
    program.push_back(
        MapFd(10, kAt, kAt + size, 1, MAP_SHARED, kRw, OneIn(6) ? kPageSize : std::uint64_t{0}));
    return program;
  }

 private:
  PacketSocket Any() {
    PacketSocket socket;
    socket.socket_type.value =
        OneIn(20) ? std::uint32_t{SOCK_STREAM} : OneOf({SOCK_RAW, SOCK_RAW, SOCK_DGRAM});
    socket.protocol.value = OneOf({0, ETH_P_IP, ETH_P_ALL, ETH_P_ARP});
    socket.interface = Below(2);
    socket.version.value = OneIn(30) ? 3 : Below(3);
    socket.reserve = OneOf({0, 0, 16, 100, OneIn(10) ? 0x80000000u : 1u});
    socket.vnet_hdr = OneIn(8);
    socket.loss = OneIn(3);
    if (OneIn(8)) socket.memberships = {{Below(4) == 0 ? 0u : 1u, {Below(4)}, {"123456"}}};
    if (OneIn(2)) socket.rings.receive = AnyRing(socket);
    if (OneIn(2)) socket.rings.transmit = AnyRing(socket);
    if (OneIn(3)) {
      const std::uint32_t mode = OneIn(6) ? OneOf({0x1003, 0x1000, 8, 0x4001}) : Below(6);
      socket.fanout = Hex{mode << 16 | (7 + Below(2))};
    }
    return socket;
  }
  PacketRing AnyRing(const PacketSocket& socket) {
    PacketRing ring;
    ring.block_size = OneOf({4096, 8192, 16384, OneIn(4) ? OneOf({0, 4097, 0x80001000}) : 4096u});
    ring.block_nr = 1 + Below(3);
    ring.frame_size = OneOf({64, 80, 96, 112, 128, 1024, 2048, 4096, OneIn(3) ? 1000u : 2048u});
    ring.frame_nr = ring.block_size / ring.frame_size * ring.block_nr;
    if (OneIn(12)) ++ring.frame_nr;
    const bool third = socket.version.value == TPACKET_V3;
    if (third && OneIn(3)) ring.sizeof_priv = OneOf({8, 13, 4000});
    if (third && OneIn(6)) ring.retire_tmo = 60;
    if (third && OneIn(6)) ring.features = Hex{1};
    return ring;
  }
};

/// A socket at the number of its own; 0 or errno.
int Open(const PacketSocket& socket, int* fd) {
  *fd = ::socket(AF_PACKET, static_cast<int>(socket.socket_type.value) | SOCK_CLOEXEC, 0);
  if (*fd < 0) return errno;
  const auto set = [&](int name, const auto& value) {
    return setsockopt(*fd, SOL_PACKET, name, &value, sizeof value) == 0;
  };
  const auto number = [&](int name, std::uint32_t value) {
    return value == 0 || set(name, static_cast<int>(value));
  };
  const auto ring = [&](int name, const Rare<PacketRing>& it) {
    if (!it) return true;
    return set(name, tpacket_req3{it->block_size, it->block_nr, it->frame_size, it->frame_nr,
                                  it->retire_tmo, it->sizeof_priv,
                                  static_cast<unsigned>(it->features.value)});
  };
  if (!number(PACKET_VERSION, socket.version.value) || !number(PACKET_RESERVE, socket.reserve) ||
      !number(PACKET_VNET_HDR, socket.vnet_hdr ? 1 : 0) ||
      !number(PACKET_LOSS, socket.loss ? 1 : 0)) {
    return errno;
  }
  for (const PacketMembership& one : socket.memberships) {
    packet_mreq request = {};
    request.mr_ifindex = static_cast<int>(one.interface);
    request.mr_type = static_cast<unsigned short>(one.type.value);
    request.mr_alen = static_cast<unsigned short>(one.address.bytes.size());
    std::memcpy(request.mr_address, one.address.bytes.data(), one.address.bytes.size());
    if (!set(PACKET_ADD_MEMBERSHIP, request)) return errno;
  }
  if (!ring(PACKET_RX_RING, socket.rings.receive) || !ring(PACKET_TX_RING, socket.rings.transmit)) {
    return errno;
  }
  sockaddr_ll address = {};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(static_cast<std::uint16_t>(socket.protocol.value));
  address.sll_ifindex = static_cast<int>(socket.interface);
  if (bind(*fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) return errno;
  if (!socket.fanout || set(PACKET_FANOUT, static_cast<int>(socket.fanout->value))) return 0;
  return errno;
}

std::string ErrorName(int error) { return error == 0 ? "" : strerrorname_np(error); }

/// How each command but the first ends.
std::vector<std::string> Execute(const Program& program) {
  std::vector<std::string> errors;
  std::map<Fd, int> opened;
  for (std::size_t i = 1; i < program.size(); ++i) {
    if (const auto* open = std::get_if<OpenFile>(&program[i].body)) {
      int fd = -1;
      const int error = Open(std::get<PacketSocket>(open->file->body), &fd);
      errors.push_back(ErrorName(error));
      if (error == 0) {
        opened[open->fd] = fd;
      } else {
        close(fd);
      }
      continue;
    }
    const auto& map = std::get<MapRegion>(program[i].body);
    const std::uint64_t size = map.end.value - map.start.value;
    const auto known = opened.find(*map.fd);
    void* const at =
        mmap(reinterpret_cast<void*>(map.start.value), size, PROT_READ | PROT_WRITE,
             MAP_SHARED | MAP_FIXED_NOREPLACE, known == opened.end() ? -1 : known->second,
             static_cast<off_t>(*map.offset));
    errors.push_back(ErrorName(at == MAP_FAILED ? errno : 0));
    if (at != MAP_FAILED) munmap(at, size);
  }
  for (const auto& [number, fd] : opened) close(fd);
  return errors;
}

std::vector<std::string> Expected(const Program& program) {
  std::vector<std::string> errors(program.size() - 1);
  SimulatedState state;
  Diagnostics diag;
  (void)CheckProgram(program, &state, diag);
  for (const Diagnostic& entry : diag.entries()) {
    if (entry.severity != Severity::kError || !entry.command || *entry.command == 0) continue;
    errors[*entry.command - 1] = entry.what.substr(0, entry.what.find(':'));
  }
  return errors;
}

TEST(CheckPacketsKernelTest, Agrees) {
  if (geteuid() != 0) GTEST_SKIP() << "not root: no network namespaces";
  if (!EnterOwnNetwork()) GTEST_SKIP() << "no network namespace: " << std::strerror(errno);
  const unsigned first = test::FirstSeed();
  std::map<std::string, std::size_t> counts;
  std::size_t shown = 0, mapped = 0;
  for (unsigned i = 0; i < kPrograms && shown < 5; ++i) {
    const Program program = PacketProgramMaker(first + i).Make();
    const auto found = Execute(program), expected = Expected(program);
    for (const std::string& error : found) ++counts[error];
    if (std::holds_alternative<MapRegion>(program.back().body)) mapped += found.back().empty();
    if (found == expected) continue;
    ++shown;
    std::string text;
    for (std::size_t k = 0; k < found.size(); ++k) {
      text += " [" + found[k] + ", the checker says " + expected[k] + "]";
    }
    ADD_FAILURE() << "seed " << first + i << ":" << text << "\n"
                  << WriteProgram(program, Layout::kLines);
  }
  std::printf("seed %u:", first);
  for (const auto& [error, count] : counts) {
    std::printf(" %s %zu", error.empty() ? "success" : error.c_str(), count);
  }
  std::printf("; %zu mapped\n", mapped);
  EXPECT_GT(counts[""], 500u);
  EXPECT_GT(counts["EINVAL"], 500u);
  EXPECT_GT(mapped, 50u);
}

}  // namespace
}  // namespace crgen
