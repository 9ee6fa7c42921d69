// SPDX-License-Identifier: Apache-2.0
// Descriptors of tun(4) and the devices that they are attached to: every rule kept and broken, and
// the kernel as judge of what the checker says of random ones. That needs root. CRGEN_SEED=n or
// =random makes another random choice.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <unistd.h>

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

constexpr unsigned kPrograms = 300;
constexpr std::uint64_t kSeveral = IFF_TAP | IFF_MULTI_QUEUE;

NetDevice Device(std::uint32_t ifindex, const char* name, std::uint64_t flags) {
  NetDevice device;
  device.ifindex = ifindex;
  device.name.bytes = name;
  device.mtu = 1500;
  device.type = flags == 0 ? kLoopbackDevice : kTunDevice;
  if (flags != 0) device.tun = TunLink{{flags}, -1, -1, 10, 1000};
  return device;
}

std::shared_ptr<const File> Tun(std::uint64_t id, const char* device, bool detached = false) {
  TunFile tun{{"/dev/net/tun"}};
  if (device != nullptr) tun.device = Text{device};
  tun.detached = detached;
  return std::make_shared<const File>(File{{id}, {O_RDWR}, std::move(tun)});
}

/// A root in a network with these devices beside `lo`.
Program In(std::vector<NetDevice> devices) {
  devices.insert(devices.begin(), Device(1, "lo", 0));
  Attributes attributes;
  attributes.net = NetNamespace{6};
  attributes.net->devices = std::move(devices);
  return {ForkOf(0, 10), AttrOf(10, attributes)};
}

TEST(CheckTun, Descriptors) {
  const Program one = In({Device(2, "one", IFF_TUN)}), many = In({Device(3, "many", kSeveral)});
  const auto at = [](int command, const std::string& what) {
    return "commands[" + std::to_string(command) + "] OPEN_FILE pid 10: " + what;
  };
  RunCases({
      {"attached", one + Program{OpenOf(10, 3, Tun(1, "one"))}, ""},
      {"to nothing", one + Program{OpenOf(10, 3, Tun(1, nullptr))}, ""},
      {"no network", Program{ForkOf(0, 10), OpenOf(10, 3, Tun(1, "one"))},
       at(1, "ENODEV: `net` has no device \"one\"")},
      {"no device", one + Program{OpenOf(10, 3, Tun(1, "two"))},
       at(2, "ENODEV: `net` has no device \"two\"")},
      {"another type", one + Program{OpenOf(10, 3, Tun(1, "lo"))},
       at(2, "EINVAL: device \"lo\" is no TUN")},
      {"detached from one queue", one + Program{OpenOf(10, 3, Tun(1, "one", true))},
       at(2, "EINVAL: device \"one\" has no IFF_MULTI_QUEUE: its queue cannot be detached")},
      {"detached from nothing", one + Program{OpenOf(10, 3, Tun(1, nullptr, true))},
       at(2, "EINVAL: without a device there is no queue that is detached")},
      {"twice", one + Program{OpenOf(10, 3, Tun(1, "one")), OpenOf(10, 4, Tun(2, "one"))},
       at(3, "EBUSY: device \"one\" has no IFF_MULTI_QUEUE, and is attached already")},
      {"one after the other",
       one + Program{OpenOf(10, 3, Tun(1, "one")), CloseOf(10, 3), OpenOf(10, 4, Tun(2, "one"))},
       at(4, "ENODEV: device \"one\" is gone: it has no IFF_PERSIST, and nobody has it open")},
      {"the same, and it stays",
       In({Device(2, "one", IFF_TUN | IFF_PERSIST)}) +
           Program{OpenOf(10, 3, Tun(1, "one")), CloseOf(10, 3), OpenOf(10, 4, Tun(2, "one"))},
       ""},
      {"two queues",
       many + Program{OpenOf(10, 3, Tun(1, "many", true)), OpenOf(10, 4, Tun(2, "many"))}, ""},
  });
  Program all = many;
  for (Fd fd = 0; fd <= 256; ++fd) {
    all.push_back(OpenOf(10, fd, Tun(static_cast<std::uint64_t>(fd) + 1, "many")));
  }
  RunCases({{"one more queue", all, at(258, "E2BIG: device \"many\" has 256 queues already")}});
}

/// What a fragment may lack.
TEST(CheckTun, NoDeviceStaysThatIsNotTo) {
  Attributes said;
  said.inherit_creds = said.inherit_rlimits = true;
  const auto complete = [&](const Program& program) {
    SimulatedState state;
    Diagnostics diag;
    const Program whole = program + Program{AttrOf(10, said), ResumeOf(10)};
    EXPECT_EQ(CheckProgram(whole, &state, diag), Result::kOk);
    (void)CheckComplete(whole, state, diag);
    return Lines(diag);
  };
  const Program one = In({Device(2, "one", IFF_TUN), Device(3, "stays", IFF_TUN | IFF_PERSIST)});
  EXPECT_EQ(complete(one), std::vector<std::string>{
                               "end of program: EINVAL: net: device 2 has no IFF_PERSIST, and no "
                               "TUNF is attached to it"});
  EXPECT_EQ(complete(one + Program{OpenOf(10, 3, Tun(1, "one"))}), std::vector<std::string>());
}

class TunProgramMaker : private Choice {
 public:
  explicit TunProgramMaker(unsigned seed) : Choice(seed) {}

  Program Make() {
    const auto persists = [&] { return OneIn(2) ? std::uint64_t{IFF_PERSIST} : 0; };
    Program program = In({Device(2, "one", IFF_TUN | IFF_NO_PI | persists()),
                          Device(3, "many", IFF_TAP | IFF_MULTI_QUEUE | persists()),
                          Device(4, "few", IFF_TUN | IFF_MULTI_QUEUE | persists())});
    std::vector<Fd> opened;
    for (Fd fd = 3; fd < 15; ++fd) {
      if (!opened.empty() && OneIn(3)) {
        const std::size_t which = Below(static_cast<std::uint32_t>(opened.size()));
        program.push_back(CloseOf(10, opened[which]));
        opened.erase(opened.begin() + static_cast<std::ptrdiff_t>(which));
      }
      const char* const names[] = {"one", "one", "many", "few", "lo", "no", nullptr};
      program.push_back(
          OpenOf(10, fd,
                 Tun(static_cast<std::uint64_t>(fd),
                     names[Below(static_cast<std::uint32_t>(std::size(names)))], OneIn(3))));
      SimulatedState state;
      Diagnostics diag;
      if (Succeeded(CheckProgram(program, &state, diag))) {
        opened.push_back(fd);
      } else {
        refused_.push_back(program.back());
        program.pop_back();
      }
      if (!refused_.empty() && OneIn(3)) {  // at the end alone: its number is free again
        program.push_back(refused_.back());
        break;
      }
    }
    return program;
  }

 private:
  Program refused_;
};

/// TUNSETIFF would make what is not there.
int Attach(int fd, const TunFile& tun, std::uint64_t flags) {
  ifreq request = {};
  tun.device->bytes.copy(request.ifr_name, sizeof request.ifr_name - 1);
  if (if_nametoindex(request.ifr_name) == 0) return ENODEV;
  request.ifr_flags = static_cast<short>(flags & ~std::uint64_t{IFF_PERSIST});
  if (ioctl(fd, TUNSETIFF, &request) != 0) return errno;
  request.ifr_flags = IFF_DETACH_QUEUE;
  if (tun.detached && ioctl(fd, TUNSETQUEUE, &request) != 0) return errno;
  return (flags & IFF_PERSIST) == 0 && ioctl(fd, TUNSETPERSIST, 0) != 0 ? errno : 0;
}

/// How each command but the first two ends.
std::vector<std::string> Execute(const Program& program) {
  const auto& net = *std::get<SetAttr>(program[1].body).attributes->net;
  std::map<std::string, std::uint64_t> flags;
  for (const NetDevice& device : net.devices) {
    if (!device.tun) continue;
    const std::uint64_t all = flags[device.name.bytes] = device.tun->flags.bits;
    const int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
    ifreq request = {};
    device.name.bytes.copy(request.ifr_name, sizeof request.ifr_name - 1);
    request.ifr_flags = static_cast<short>(all & ~std::uint64_t{IFF_PERSIST});
    EXPECT_EQ(ioctl(fd, TUNSETIFF, &request), 0) << std::strerror(errno);
    EXPECT_EQ(ioctl(fd, TUNSETPERSIST, 1), 0) << std::strerror(errno);
    close(fd);
  }
  std::vector<std::string> errors;
  std::map<Fd, int> opened;
  for (std::size_t i = 2; i < program.size(); ++i) {
    int error = 0;
    if (const auto* it = std::get_if<CloseFd>(&program[i].body)) {
      close(opened.at(it->fd));
      opened.erase(it->fd);
    } else {
      const auto& open = std::get<OpenFile>(program[i].body);
      const auto& tun = std::get<TunFile>(open.file->body);
      const int fd = ::open("/dev/net/tun", O_RDWR | O_CLOEXEC);
      if (tun.device) {
        error = Attach(
            fd, tun,
            flags.contains(tun.device->bytes) ? flags[tun.device->bytes] : std::uint64_t{IFF_TUN});
      } else if (tun.detached) {
        ifreq request = {};
        request.ifr_flags = IFF_DETACH_QUEUE;
        if (ioctl(fd, TUNSETQUEUE, &request) != 0) error = errno;
      }
      error == 0 ? (void)(opened[open.fd] = fd) : (void)close(fd);
    }
    errors.emplace_back(error == 0 ? "" : strerrorname_np(error));
  }
  for (const auto& [number, fd] : opened) close(fd);
  for (const auto& [name, all] : flags) {  // those that stay
    if (if_nametoindex(name.c_str()) == 0) continue;
    const int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
    ifreq request = {};
    name.copy(request.ifr_name, sizeof request.ifr_name - 1);
    request.ifr_flags = static_cast<short>(all & ~std::uint64_t{IFF_PERSIST});
    EXPECT_EQ(ioctl(fd, TUNSETIFF, &request), 0) << std::strerror(errno);
    EXPECT_EQ(ioctl(fd, TUNSETPERSIST, 0), 0) << std::strerror(errno);
    close(fd);
  }
  return errors;
}

std::vector<std::string> Expected(const Program& program) {
  std::vector<std::string> errors(program.size() - 2);
  SimulatedState state;
  Diagnostics diag;
  (void)CheckProgram(program, &state, diag);
  for (const Diagnostic& entry : diag.entries()) {
    if (entry.severity != Severity::kError || !entry.command || *entry.command < 2) continue;
    errors[*entry.command - 2] = entry.what.substr(0, entry.what.find(':'));
  }
  return errors;
}

TEST(CheckTunKernelTest, Agrees) {
  if (geteuid() != 0) GTEST_SKIP() << "not root: no network namespaces";
  if (!EnterOwnNetwork()) GTEST_SKIP() << "no network namespace: " << std::strerror(errno);
  const unsigned first = test::FirstSeed();
  std::map<std::string, std::size_t> counts;
  std::size_t shown = 0;
  for (unsigned i = 0; i < kPrograms && shown < 5; ++i) {
    const Program program = TunProgramMaker(first + i).Make();
    const auto found = Execute(program), expected = Expected(program);
    for (const std::string& error : found) ++counts[error];
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
  std::printf("\n");
  EXPECT_GT(counts[""], 300u);
  EXPECT_GT(counts["EINVAL"], 30u);
  EXPECT_GT(counts["EBUSY"], 10u);
  EXPECT_GT(counts["ENODEV"], 10u);
}

}  // namespace
}  // namespace crgen
