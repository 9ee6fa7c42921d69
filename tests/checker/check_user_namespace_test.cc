// SPDX-License-Identifier: Apache-2.0
// User namespaces, and the kernel as judge of their maps: random ones are written for real. Needs
// root. CRGEN_SEED=n or =random makes another choice.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/sched.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <random>

#include "tests/support/check_support.h"
#include "tests/support/seed.h"

namespace crgen::test {
namespace {

Command ForkWith(IdMap uid_map, IdMap gid_map, std::uint64_t flags = CLONE_NEWUSER) {
  Fork fork{10, CloneFlags{flags}};
  fork.uid_map = std::move(uid_map);
  fork.gid_map = std::move(gid_map);
  return {0, fork};
}
Command CredsWith(const std::function<void(Creds&)>& change) {
  Attributes attributes;
  attributes.creds = Creds{};
  change(*attributes.creds);
  return AttrOf(10, attributes);
}

const IdMap kMap = {{0, 100000, 1000}, {2000, 5, 1}};

TEST(CheckUserNamespace, Maps) {
  const std::string at = "commands[0] FORK pid 0: EINVAL: ";
  const auto with = [&](const IdMap& map) { return Program{ForkWith(map, kMap)}; };
  IdMap many;
  for (std::uint32_t i = 0; i < kMostIdRanges; ++i) many.push_back({2 * i, 2 * i, 1});
  IdMap more = many;
  more.push_back({5000, 5000, 1});
  IdMap wide;
  for (std::uint32_t i = 0; i < 151; ++i)
    wide.push_back({1000000000 + 100000 * i, 2000000000 + 100000 * i, 10000});
  Command child = ForkWith(kMap, kMap);
  child.pid = 10;
  std::get<Fork>(child.body).child_pid = 11;
  RunCases({
      {"maps", with(kMap), ""},
      {"as many ranges as can be", with(many), ""},
      {"one more", with(more), at + "uid_map has 341 ranges, expected at most 340"},
      {"more than a page of text", with(wide),
       at + "uid_map has 4228 bytes as text, expected fewer than 4096"},
      {"one map", Program{ForkWith(kMap, {})}, at + "gid_map has no range"},
      {"no id", with({{0, 0, 0}}), at + "uid_map has a range of no id"},
      {"all ids", with({{0, 0, 0xffffffff}}), ""},
      {"one more", with({{1, 0, 0xffffffff}}),
       at + "uid_map has a range that ends behind 4294967294"},
      {"behind all outside", with({{0, 0xffffffff, 1}}),
       at + "uid_map has a range that ends behind 4294967294"},
      {"one twice", with({{0, 0, 10}, {9, 100, 1}}), at + "uid_map has 9 twice"},
      {"one twice outside", with({{0, 50, 10}, {20, 45, 6}}), at + "uid_map has 50 twice"},
      {"without the namespace", Program{ForkWith(kMap, kMap, 0)},
       at + "uid_map and gid_map go with CLONE_NEWUSER at the FORK of the root"},
      {"of a child", Program{ForkOf(0, 10), child},
       "commands[1] FORK pid 10: EINVAL: uid_map and gid_map go with CLONE_NEWUSER at the FORK of "
       "the root"},
  });
}

TEST(CheckUserNamespace, IdsThatAreThere) {
  const Program root = {ForkWith(kMap, {{0, 0, 3}})};
  const auto with = [&](const std::function<void(Creds&)>& change) {
    return root + Program{CredsWith(change)};
  };
  const std::string at = "commands[1] SET_ATTR pid 10: EINVAL: creds: ";
  RunCases({
      {"mapped", with([](Creds& it) {
         it.uid = 2000, it.euid = 999, it.groups = {2, 0};
       }),
       ""},
      {"another user", with([](Creds& it) { it.fsuid = 1000; }),
       at + "user 1000 is not in the map of the user namespace"},
      {"another group", with([](Creds& it) { it.sgid = 3; }),
       at + "group 3 is not in the map of the user namespace"},
      {"another further group", with([](Creds& it) {
         it.groups = {1, 9};
       }),
       at + "group 9 is not in the map of the user namespace"},
      {"of the restorer", Program{ForkOf(0, 10), CredsWith([](Creds& it) { it.fsuid = 4000000; })},
       ""},
  });
}

/// The errno of writing the map of a new namespace; 0: it is written.
int Write(const IdMap& map) {
  int ends[2], back[2];
  if (pipe(ends) != 0 || pipe(back) != 0) return -1;
  const pid_t child = fork();
  if (child == 0) {
    char byte = unshare(CLONE_NEWUSER) == 0 ? 'y' : 'n';
    _exit(write(ends[1], &byte, 1) == 1 && read(back[0], &byte, 1) >= 0 ? 0 : 1);
  }
  char byte = 0;
  int error = read(ends[0], &byte, 1) == 1 && byte == 'y' ? 0 : -1;
  std::string text;
  for (const IdRange& range : map) {
    text += std::to_string(range.inside) + " " + std::to_string(range.outside) + " " +
            std::to_string(range.count) + "\n";
  }
  const int fd =
      open(("/proc/" + std::to_string(child) + "/uid_map").c_str(), O_WRONLY | O_CLOEXEC);
  if (error == 0 && write(fd, text.data(), text.size()) < 0) error = errno;
  close(fd);
  if (write(back[1], "x", 1) != 1) error = -1;
  for (const int end : {ends[0], ends[1], back[0], back[1]}) close(end);
  waitpid(child, nullptr, 0);
  return error;
}

TEST(CheckUserNamespace, TheKernelSaysTheSame) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  std::string own;
  std::getline(std::ifstream("/proc/self/uid_map"), own);
  if (own.find("4294967295") == own.npos) GTEST_SKIP() << "in a user namespace: " << own;
  if (Write({{0, 0, 1}}) != 0) GTEST_SKIP() << "no user namespaces here";
  constexpr int kMaps = 1500;
  const unsigned seed = test::FirstSeed();
  std::printf("CRGEN_SEED=%u\n", seed);
  std::mt19937 random(seed);
  const auto below = [&](std::uint32_t limit) {
    return static_cast<std::uint32_t>(random()) % limit;
  };
  const auto any = [&] { return below(12) == 0 ? ~below(4) : below(30); };
  int good = 0, refused = 0;
  for (int i = 0; i < kMaps && !HasFailure(); ++i) {
    IdMap map(1 + below(below(20) == 0 ? 345 : 4));
    for (std::size_t n = 0; n < map.size(); ++n) {
      map[n] = {any(), any(), below(15) == 0 ? 0 : 1 + below(8)};
      if (map.size() > 4 && below(400) != 0) {
        map[n] = {static_cast<std::uint32_t>(2 * n), static_cast<std::uint32_t>(2 * n), 1};
      }
    }
    const bool said = Violations({ForkWith(map, kMap)}).empty();
    EXPECT_EQ(said ? 0 : EINVAL, Write(map))
        << i << ", " << map.size() << " ranges, the first " << map[0].inside << " "
        << map[0].outside << " " << map[0].count;
    ++(said ? good : refused);
  }
  std::printf("%d were written, %d refused\n", good, refused);
  EXPECT_GT(good, kMaps / 20);
  EXPECT_GT(refused, kMaps / 20);
}

}  // namespace
}  // namespace crgen::test
