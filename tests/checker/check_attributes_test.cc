// SPDX-License-Identifier: Apache-2.0
// The rules of SET_ATTR for what is more than a value: filters of all threads, clocks; and of the
// content of AIO rings.
#include <linux/seccomp.h>

#include "tests/support/check_support.h"

namespace crgen::test {
namespace {

const Program kRoot = {ForkOf(0, 10), SidOf(10)};

Attributes WithFilters(const std::vector<std::uint64_t>& flags) {
  Attributes attributes;
  attributes.seccomp = Seccomp{{SECCOMP_MODE_FILTER}, {}};
  for (const std::uint64_t flag : flags) {
    attributes.seccomp->filters.push_back({{std::string(8, 'f')}, {flag}});
  }
  return attributes;
}

Attributes WithClocks(std::uint64_t sec = 1, std::uint64_t nsec = 2) {
  Attributes attributes;
  attributes.time = Clocks{{sec, nsec}, {3, 4}};
  return attributes;
}

TEST(CheckAttributes, FiltersOfAllThreads) {
  const Program threads = kRoot + Program{ThreadOf(10, 11), ThreadOf(10, 12)};
  Attributes odd = WithFilters({0});
  odd.seccomp->filters[0].program.bytes = "words";
  RunCases({
      {"given to all", threads + Program{AttrOf(10, WithFilters({0, 1}))}, ""},
      {"by a thread", threads + Program{AttrOf(10, WithFilters({1}), 12)}, ""},
      {"a thread has its own",
       threads + Program{AttrOf(10, WithFilters({0}), 12), AttrOf(10, WithFilters({1}))},
       "commands[5] SET_ATTR pid 10: EINVAL: SECCOMP_FILTER_FLAG_TSYNC: thread 12 has filters of "
       "its own, or strict mode"},
      {"a thread is given its own behind them",
       threads + Program{AttrOf(10, WithFilters({1})), AttrOf(10, WithFilters({0}), 12)},
       "commands[5] SET_ATTR pid 10: EINVAL: SECCOMP_FILTER_FLAG_TSYNC: thread 10 has given its "
       "filters to all, and 12 is given others"},
      {"of a thread, and the leader is given its own behind them",
       threads + Program{AttrOf(10, WithFilters({1}), 12), AttrOf(10, WithFilters({0}))},
       "commands[5] SET_ATTR pid 10: EINVAL: SECCOMP_FILTER_FLAG_TSYNC: thread 12 has given its "
       "filters to all, and 10 is given others"},
      {"said again",
       threads + Program{AttrOf(10, WithFilters({1})), AttrOf(10, WithFilters({0, 1}))}, ""},
      {"said again of the one thread alone",
       threads + Program{AttrOf(10, WithFilters({1})), AttrOf(10, WithFilters({0})),
                         AttrOf(10, WithFilters({0}), 12)},
       ""},
      {"each its own",
       threads + Program{AttrOf(10, WithFilters({0}), 12), AttrOf(10, WithFilters({0}))}, ""},
      {"no whole words", threads + Program{AttrOf(10, odd)},
       "commands[4] SET_ATTR pid 10: EINVAL: a seccomp filter of 5 bytes; it has 1 to 4096 words "
       "of 8"},
  });
}

TEST(CheckAttributes, FiltersReachAllThreads) {
  const Program threads = kRoot + Program{ThreadOf(10, 11), ThreadOf(10, 12)};
  EXPECT_EQ(Violations(threads +
                       Program{AttrOf(10, WithFilters({1, 0})), AttrOf(10, WithFilters({1}), 11)}),
            std::vector<std::string>{
                "commands[5] SET_ATTR pid 10: EINVAL: SECCOMP_FILTER_FLAG_TSYNC: thread 10 has "
                "given its filters to all, and 11 is given others"});
}

TEST(CheckAttributes, Clocks) {
  const Command clocks = AttrOf(10, WithClocks());
  const std::string at = " SET_ATTR pid 10: EUSERS: time: ";
  RunCases({
      {"of the root", kRoot + Program{clocks}, ""},
      {"before anything else", {ForkOf(0, 10), clocks, SidOf(10)}, ""},
      {"twice", kRoot + Program{clocks, clocks}, "commands[3]" + at + "it is set already"},
      {"after a fork", kRoot + Program{ForkOf(10, 11), clocks},
       "commands[3]" + at + "the root has forked"},
      {"beside threads", kRoot + Program{ThreadOf(10, 11), clocks},
       "commands[3]" + at + "the root has other threads"},
      {"with files", kRoot + Program{OpenOf(10, 0, RegFile(1)), clocks},
       "commands[3]" + at + "the root has opened files"},
      {"with a file of before", kRoot + Program{OpenOf(10, 0, RegFile(1)), CloseOf(10, 0), clocks},
       "commands[4]" + at + "the root has opened files"},
      {"behind memory",
       kRoot + Program{MapOf(10, 0x1000, 0x2000), LoadOf(10, 0x1000, 1, 0), clocks}, ""},
      {"of a child", kRoot + Program{ForkOf(10, 11), AttrOf(11, WithClocks())},
       "commands[3] SET_ATTR pid 11: EUSERS: time: only the root has it"},
      {"no reading", kRoot + Program{AttrOf(10, WithClocks(1, 1'000'000'000))},
       "commands[2] SET_ATTR pid 10: ERANGE: time: 1 s 1000000000 ns is no reading of a clock"},
      {"too late", kRoot + Program{AttrOf(10, WithClocks(5'000'000'000))},
       "commands[2] SET_ATTR pid 10: ERANGE: time: 5000000000 s 2 ns is no reading of a clock"},
  });
}

TEST(CheckAttributes, AioRings) {
  const auto ring = [](std::uint32_t head, std::uint32_t tail, std::uint64_t bytes,
                       const std::string& image = "pages-1.img") {
    Command command = MapSpecial(10, 0x10000, 0x12000, SpecialRegion::kAio);
    MapRegion& map = std::get<MapRegion>(command.body);
    map.head = head;
    map.tail = tail;
    if (bytes != 0) map.events = ImageBytes{image, 32, bytes};
    return kRoot + Program{command};
  };
  Command plain = MapSpecial(10, 0x10000, 0x12000, SpecialRegion::kVvar);
  std::get<MapRegion>(plain.body).head = 1;
  const std::string at = "commands[2] MAP_REGION pid 10: EINVAL: ";
  RunCases({
      {"events", ring(1, 0, 255 * 32), ""},
      {"none", ring(253, 253, 0), ""},
      {"no ring", kRoot + Program{plain}, at + "head, tail and events are of an aio ring"},
      {"beyond the ring", ring(0, 255, 255 * 32), at + "head 0, tail 255: the ring has 255 slots"},
      {"events of an empty ring", ring(1, 1, 255 * 32),
       at + "events go with a head that is not the tail"},
      {"some slots", ring(1, 2, 32), at + "events of 32 bytes: the slots have 8160"},
      {"outside the dump", ring(1, 2, 255 * 32, "../pages-1.img"),
       at + "image \"../pages-1.img\" is not a path inside the dump"},
  });
}

}  // namespace
}  // namespace crgen::test
