// SPDX-License-Identifier: Apache-2.0
// Pipes and FIFOs of the checker: every rule kept and broken.
#include <gtest/gtest.h>

#include "tests/support/check_support.h"

namespace crgen {
namespace {

using namespace test;  // NOLINT: the vocabulary of these tests

const Program kRoot = {ForkOf(0, 10)};

std::shared_ptr<const File> FromOutside(std::uint64_t id, std::string key,
                                        std::optional<std::uint64_t> capacity = {}) {
  return std::make_shared<const File>(
      File{{id}, {O_WRONLY}, Pipe{{7}, capacity, {}}, std::move(key)});
}

std::shared_ptr<const File> FifoOf(std::uint64_t id, std::uint64_t flags, std::string path = "/f",
                                   std::optional<std::uint64_t> capacity = {}) {
  return std::make_shared<const File>(File{{id}, {flags}, Fifo{{9}, {path}, capacity, {}}});
}

Program Opened(const std::shared_ptr<const File>& file) {
  return kRoot + Program{OpenOf(10, 3, file)};
}

TEST(CheckPipes, TheFirstOpeningMakesThePipe) {
  RunCases({
      {"an end to read", Opened(PipeEnd(1, O_RDONLY, 7, 4096, 4096)), ""},
      {"an end to write", Opened(PipeEnd(1, O_WRONLY | O_NONBLOCK | O_DIRECT)), ""},
      {"one that was opened", Opened(PipeEnd(1, O_RDWR | kLargeFile)), ""},
      {"no capacity", Opened(PipeEnd(1, O_RDONLY, 7, 0)),
       "commands[1] OPEN_FILE pid 10: EINVAL: pipe 7 has a capacity of 0, expected a power of two "
       "from 4096 to 2^31"},
      {"a capacity that is rounded", Opened(PipeEnd(1, O_RDONLY, 7, 5000)),
       "commands[1] OPEN_FILE pid 10: EINVAL: pipe 7 has a capacity of 5000, expected a power of "
       "two from 4096 to 2^31"},
      {"a capacity beyond all", Opened(PipeEnd(1, O_RDONLY, 7, std::uint64_t{1} << 32)),
       "commands[1] OPEN_FILE pid 10: EINVAL: pipe 7 has a capacity of 4294967296, expected a "
       "power of two from 4096 to 2^31"},
      {"no room", Opened(PipeEnd(1, O_RDONLY, 7, 4096, 4097)),
       "commands[1] OPEN_FILE pid 10: EAGAIN: pipe 7 holds 4096 bytes, not 4097"},
      {"no room in one as it comes", Opened(PipeEnd(1, O_RDONLY, 7, {}, 65537)),
       "commands[1] OPEN_FILE pid 10: EAGAIN: pipe 7 holds 65536 bytes, not 65537"},
      {"no bytes", Opened(PipeEnd(1, O_RDONLY, 7, {}, 0)),
       "commands[1] OPEN_FILE pid 10: EINVAL: pipe 7 has data without bytes or without an image"},
      {"flags of a file", Opened(PipeEnd(1, O_RDONLY | O_NOFOLLOW)),
       "commands[1] OPEN_FILE pid 10: EINVAL: no end of a pipe has O_RDONLY|O_NOFOLLOW"},
      {"flags that open(2) alone gives", Opened(PipeEnd(1, O_RDONLY | O_SYNC)),
       "commands[1] OPEN_FILE pid 10: EINVAL: no end of a pipe has O_RDONLY|O_SYNC"},
  });
}

TEST(CheckPipes, TwoEnds) {
  const auto pair = [](const std::shared_ptr<const File>& one,
                       const std::shared_ptr<const File>& other) {
    return kRoot + Program{OpenPair(10, 3, one, 4, other)};
  };
  const auto writes = PipeEnd(2, O_WRONLY);
  RunCases({
      {"one each", pair(PipeEnd(1, O_RDONLY, 7, 4096, 5), writes), ""},
      {"the other way round", pair(writes, PipeEnd(1, O_RDONLY)), ""},
      {"two to write", pair(PipeEnd(1, O_WRONLY), writes),
       "commands[1] OPEN_FILE pid 10: EINVAL: the two ends of pipe(2) are O_RDONLY and O_WRONLY, "
       "without O_LARGEFILE"},
      {"one that was opened", pair(PipeEnd(1, O_RDONLY | kLargeFile), writes),
       "commands[1] OPEN_FILE pid 10: EINVAL: the two ends of pipe(2) are O_RDONLY and O_WRONLY, "
       "without O_LARGEFILE"},
      {"of two pipes", pair(PipeEnd(1, O_RDONLY, 8), writes),
       "commands[1] OPEN_FILE pid 10: EINVAL: the peer is no end of pipe 8"},
      {"a socket", pair(PipeEnd(1, O_RDONLY), OtherOf(2, "UNIXSK")),
       "commands[1] OPEN_FILE pid 10: EINVAL: the peer is no end of pipe 7"},
      {"data in the peer", pair(writes, PipeEnd(1, O_RDONLY, 7, 4096)),
       "commands[1] OPEN_FILE pid 10: EINVAL: capacity and data stand in `file`, not in the peer"},
      {"from outside", pair(FromOutside(1, "pipe:[7]"), PipeEnd(2, O_RDONLY)),
       "commands[1] OPEN_FILE pid 10: EINVAL: what comes from outside has no peer"},
  });
}

TEST(CheckPipes, FurtherDescriptions) {
  const Program pair =
      kRoot + Program{OpenPair(10, 3, PipeEnd(1, O_RDONLY), 4, PipeEnd(2, O_WRONLY))};
  const auto again = [&](const std::shared_ptr<const File>& file) {
    return pair + Program{OpenOf(10, 5, file)};
  };
  const Program dead = pair + Program{CloseOf(10, 3), CloseOf(10, 4)};
  const auto opened = PipeEnd(3, O_RDWR | kLargeFile | O_SYNC);
  RunCases({
      {"one that was opened", again(opened), ""},
      {"a third that pipe(2) made", again(PipeEnd(3, O_RDONLY)),
       "commands[2] OPEN_FILE pid 10: EEXIST: pipe 7 exists already, and a further description of "
       "it is opened with O_LARGEFILE"},
      {"capacity a second time", again(PipeEnd(3, O_RDWR | kLargeFile, 7, 4096)),
       "commands[2] OPEN_FILE pid 10: EEXIST: pipe 7 exists already: only its first opening has "
       "capacity or data"},
      {"in another process",
       pair + Program{ForkOf(10, 11), CloseOf(10, 3), CloseOf(10, 4), OpenOf(10, 5, opened)}, ""},
      {"when nobody has it any more", dead + Program{OpenOf(10, 5, opened)},
       "commands[4] OPEN_FILE pid 10: ENOENT: pipe 7 is gone: nothing refers to it any more"},
      {"mapped", pair + Program{MapFd(10, 0x10000, 0x11000, 3)},
       "commands[2] MAP_REGION pid 10: ENODEV: fd 3 is no file that can be mapped"},
  });
}

TEST(CheckPipes, FromOutside) {
  RunCases({
      {"a pipe", Opened(FromOutside(1, "pipe:[7]")), ""},
      {"another pipe", Opened(FromOutside(1, "pipe:[8]")),
       "commands[1] OPEN_FILE pid 10: EINVAL: pipe:[8] is not pipe 7"},
      {"no pipe", Opened(FromOutside(1, "socket:[7]")),
       "commands[1] OPEN_FILE pid 10: EINVAL: \"socket:[7]\" is no key of a PIPE from outside"},
      {"half a key", Opened(FromOutside(1, "pipe:[7")),
       "commands[1] OPEN_FILE pid 10: EINVAL: \"pipe:[7\" is no key of a PIPE from outside"},
      {"with a capacity", Opened(FromOutside(1, "pipe:[7]", 4096)),
       "commands[1] OPEN_FILE pid 10: EINVAL: pipe 7 comes from outside, and has capacity or data"},
      {"twice",
       Opened(FromOutside(1, "pipe:[7]")) + Program{OpenOf(10, 4, FromOutside(2, "pipe:[7]"))}, ""},
  });
}

TEST(CheckPipes, Fifos) {
  const Program open = Opened(FifoOf(1, O_RDONLY, "/f", 4096));
  RunCases({
      {"one side", Opened(FifoOf(1, O_WRONLY | O_NONBLOCK)), ""},
      {"both", open + Program{OpenOf(10, 4, FifoOf(2, O_WRONLY)), OpenOf(10, 5, FifoOf(3, O_RDWR))},
       ""},
      {"capacity a second time", open + Program{OpenOf(10, 4, FifoOf(2, O_WRONLY, "/f", 8192))},
       "commands[2] OPEN_FILE pid 10: EEXIST: FIFO 9 is open already: only its first opening has "
       "capacity or data"},
      {"when nobody has it any more",
       open + Program{CloseOf(10, 3), OpenOf(10, 4, FifoOf(2, O_WRONLY, "/f", 8192))}, ""},
      {"a relative path", Opened(FifoOf(1, O_RDONLY, "f")),
       "commands[1] OPEN_FILE pid 10: EINVAL: the path is not absolute"},
      {"a path alone", Opened(FifoOf(1, O_PATH)),
       "commands[1] OPEN_FILE pid 10: EINVAL: a path alone has nothing of a FIFO"},
      {"a peer", kRoot + Program{OpenPair(10, 3, FifoOf(1, O_RDONLY), 4, FifoOf(2, O_WRONLY))},
       "commands[1] OPEN_FILE pid 10: EINVAL: a file of this type has no second end"},
  });
}

}  // namespace
}  // namespace crgen
