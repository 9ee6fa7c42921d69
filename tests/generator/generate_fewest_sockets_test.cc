// SPDX-License-Identifier: Apache-2.0
// Pairs of unix sockets in all small snapshots: how many commands they take above the fewest.
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>
#include <string>

#include "tests/support/fewest.h"
#include "tests/support/snapshot_builder.h"

namespace crgen::test {
namespace {

FileIndex AddEnd(Snapshot& snapshot, std::uint64_t socket) {
  UnixSocket body;
  body.socket_id.value = socket;
  body.socket_type = SocketType{SOCK_STREAM};
  body.state = kConnected;
  const FileId id{++snapshot.highest_file_id};
  snapshot.files.push_back(std::make_shared<File>(File{id, {O_RDWR}, std::move(body)}));
  return FileIndex(snapshot.files.size() - 1);
}

/// Of all snapshots whose processes have the first numbers filled with nothing or an end, at most
/// `above` take more than the fewest, and those one more. An end that nobody has is gone.
void ExpectFewest(const std::string& tree, int processes, int above) {
  const Fewest fewest({0, 0, 0}, processes, false, true);
  const int slots = processes * (kNumbers - 1);
  int cases = 1, more = 0;
  for (int i = 0; i < slots; ++i) cases *= 3;
  for (int number = 1; number < cases; ++number) {
    State state;
    state.made = true;
    state.born = (1 << processes) - 1;
    std::string text;
    for (int p = 0; p < processes; ++p) text += "\nfd " + std::to_string(p + 1) + ":";
    MadeDump dump = SnapshotBuilder::Build(tree, text);
    std::array<FileIndex, 3> ends;
    int rest = number;
    text.clear();
    for (int p = 0; p < processes; ++p) {
      text += "|";
      for (int fd = 0; fd < kNumbers - 1; ++fd, rest /= 3) {
        const int what = rest % 3;
        state.tables[p][fd] = what;
        text += ".ab"[what];
        if (what == kNothing) continue;
        Snapshot& snapshot = dump.snapshot;
        if (ends[what] < 0) ends[what] = AddEnd(snapshot, 1000 + static_cast<std::uint64_t>(what));
        snapshot.tables[snapshot.processes[p].table].slots.push_back({fd, false, ends[what]});
      }
    }
    if (ends[1] >= 0 && ends[2] >= 0) dump.snapshot.socket_pairs.push_back({ends[1], ends[2]});
    const PlanVerdict verdict(dump);
    ASSERT_EQ(verdict.problems, "") << text;
    const int least = fewest.To(state),
              count = static_cast<int>(DescriptorCommands(verdict.program));
    ASSERT_GE(least, 0) << text;
    ASSERT_GE(count, least) << text << ": a search that misses some";
    EXPECT_LE(count, least + 1) << text;
    more += count > least ? 1 : 0;
  }
  EXPECT_LE(more, above) << "of " << cases;
  std::printf("%d of %d take one command more\n", more, cases - 1);
}

TEST(GenerateFewestSocketsTest, OneProcess) { ExpectFewest("1 1 1 []", 1, 0); }
TEST(GenerateFewestSocketsTest, ParentAndChild) { ExpectFewest("1 1 1 [ 2 1 1 [] ]", 2, 2); }

}  // namespace
}  // namespace crgen::test
