// SPDX-License-Identifier: Apache-2.0
// Unix sockets: exact programs of typical cases, and random ones, each of which the checker has to
// find to end in the snapshot.
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <algorithm>
#include <set>

#include "dsl/json/program_json.h"
#include "tests/support/choice.h"
#include "tests/support/seed.h"
#include "tests/support/snapshot_builder.h"

namespace crgen::test {
namespace {

/// A snapshot to which sockets are added.
class SocketWorld : private Choice {
 public:
  SocketWorld(const std::string& tree, const std::string& text, unsigned seed = 0)
      : Choice(seed), dump(SnapshotBuilder::Build(tree, text)) {}

  MadeDump dump;

  FileIndex Add(UnixSocket body) {
    Snapshot& snapshot = dump.snapshot;
    body.socket_id.value = 1000 + snapshot.files.size();
    const FileId id{++snapshot.highest_file_id};
    snapshot.files.push_back(std::make_shared<File>(File{id, {O_RDWR}, std::move(body)}));
    return FileIndex(snapshot.files.size() - 1);
  }
  void Hold(std::size_t process, FileIndex file, Fd fd) {
    auto& slots = dump.snapshot.tables[dump.snapshot.processes[process].table].slots;
    slots.push_back({fd, false, file});
    std::sort(slots.begin(), slots.end(),
              [](const Descriptor& a, const Descriptor& b) { return a.fd < b.fd; });
    held_.insert(file);
  }
  /// By one process or several, at any numbers.
  void HoldSomewhere(FileIndex file) {
    const std::size_t processes = dump.snapshot.processes.size();
    for (std::size_t copies = 1 + Below(2); copies > 0; --copies) {
      const std::size_t process = Below(static_cast<std::uint32_t>(processes));
      Fd fd = static_cast<Fd>(3 + Below(6));
      while (IsTaken(process, fd)) ++fd;
      Hold(process, file, fd);
    }
  }
  void Send(FileIndex receiver, std::vector<FileIndex> rights = {}) {
    auto& queues = dump.snapshot.socket_queues;
    auto queue = std::find_if(queues.begin(), queues.end(),
                              [&](const SocketQueue& one) { return one.file == receiver; });
    if (queue == queues.end()) queue = queues.insert(queues.end(), SocketQueue{receiver, {}});
    const std::uint64_t bytes = 1 + Below(50);
    queue->messages.push_back({{"sk-queues.img", offset_}, bytes, std::move(rights)});
    offset_ += bytes;
  }

  void AddRandom() {
    for (std::uint32_t i = 0; i < 1 + Below(4); ++i) AddOne();
    // What is held by nobody is in flight, and carried by somebody.
    std::vector<FileIndex> carried;
    for (std::uint32_t i = 0; i < Below(3); ++i)
      carried.push_back(AddPair(SOCK_STREAM, false).first);
    if (!receivers_.empty() && !all_.empty()) {
      for (const FileIndex file : carried) {
        const FileIndex by = Any(receivers_);
        Send(by, {file, Any(all_)});
        if (Below(2) == 0) Send(file, {file});  // itself
      }
    }
    std::sort(dump.snapshot.socket_queues.begin(), dump.snapshot.socket_queues.end(),
              [](const SocketQueue& a, const SocketQueue& b) { return a.file < b.file; });
  }

 private:
  FileIndex Any(const std::vector<FileIndex>& list) {
    return list[Below(static_cast<std::uint32_t>(list.size()))];
  }
  bool IsTaken(std::size_t process, Fd fd) const {
    const auto& slots = dump.snapshot.tables[dump.snapshot.processes[process].table].slots;
    return std::any_of(slots.begin(), slots.end(),
                       [&](const Descriptor& slot) { return slot.fd == fd; });
  }
  static UnixSocket Body(int type, UnixState state) {
    UnixSocket body;
    body.socket_type = SocketType{static_cast<std::uint32_t>(type)};
    body.state = state;
    return body;
  }
  std::pair<FileIndex, FileIndex> AddPair(int type, bool held) {
    const FileIndex one = Add(Body(type, kConnected)), other = Add(Body(type, kConnected));
    dump.snapshot.socket_pairs.push_back({one, other});
    if (held) HoldSomewhere(one);
    if (held) receivers_.push_back(one);
    HoldSomewhere(other);
    receivers_.push_back(other);
    all_.push_back(other);
    if (Below(2) == 0) Send(other);
    return {one, other};
  }
  void AddListener() {
    UnixSocket body = Body(SOCK_STREAM, kListening);
    body.backlog = 5;
    body.name = Text{"/run/" + std::to_string(dump.snapshot.files.size())};
    body.unlinked_name = Below(3) == 0;
    const FileIndex listener = Add(body);
    const bool gone = Below(4) == 0;
    if (!gone) HoldSomewhere(listener);
    for (std::uint32_t i = Below(3) + (gone ? 1 : 0); i > 0; --i) {
      const FileIndex client = Add(Body(SOCK_STREAM, kConnected));
      UnixSocket accepted = Body(SOCK_STREAM, kConnected);
      accepted.name = body.name;
      accepted.unlinked_name = body.unlinked_name;
      if (i == 1 && Below(3) == 0) Shut(client);
      const FileIndex other = Add(accepted);
      dump.snapshot.socket_pairs.push_back({client, other});
      HoldSomewhere(client);
      HoldSomewhere(other);
      all_.push_back(other);
      receivers_.push_back(other);
    }
    if (gone) return;
    for (std::uint32_t i = Below(3); i > 0; --i) {
      UnixSocket waiting = Body(SOCK_STREAM, kConnected);
      waiting.connect_to = SocketReference{
          std::get<UnixSocket>(dump.snapshot.files[listener]->body).socket_id.value};
      HoldSomewhere(Add(waiting));
    }
  }
  void Shut(FileIndex client) {
    auto file = std::make_shared<File>(*dump.snapshot.files[client]);
    std::get<UnixSocket>(file->body).shutdown_before = Shutdown{1};
    dump.snapshot.files[client] = std::move(file);
  }
  void AddServer() {
    UnixSocket body = Body(SOCK_DGRAM, kUnconnected);
    if (Below(4) != 0) {
      body.name = Text{std::string("\0s", 2) + std::to_string(dump.snapshot.files.size())};
    }
    const FileIndex server = Add(body);
    HoldSomewhere(server);
    receivers_.push_back(server);
    for (std::uint32_t i = body.name ? Below(3) : 0; i > 0; --i) {
      UnixSocket client = Body(SOCK_DGRAM, kConnected);
      client.connect_to =
          SocketReference{std::get<UnixSocket>(dump.snapshot.files[server]->body).socket_id.value};
      HoldSomewhere(Add(client));
    }
    if (Below(2) == 0) Send(server);
  }
  void AddOne() {
    switch (Below(6)) {
      case 0:
        return AddListener();
      case 1:
        return AddServer();
      case 2: {  // whose peer is gone
        const FileIndex file = Add(Body(SOCK_STREAM, kConnected));
        HoldSomewhere(file);
        if (Below(2) == 0) Send(file);
        if (Below(2) == 0) receivers_.push_back(file);
        return;
      }
      case 3: {  // which has left its peer
        const FileIndex one = Add(Body(SOCK_DGRAM, kConnected));
        const FileIndex other = Add(Body(SOCK_DGRAM, kUnconnected));
        dump.snapshot.socket_pairs.push_back({one, other});
        HoldSomewhere(one);
        HoldSomewhere(other);
        return;
      }
      default:
        AddPair(Below(2) == 0 ? SOCK_STREAM : SOCK_SEQPACKET, true);
    }
  }

  std::uint64_t offset_ = 0;
  std::set<FileIndex> held_;
  std::vector<FileIndex> receivers_, all_;
};

UnixSocket Connected() {
  UnixSocket body;
  body.socket_type = SocketType{SOCK_STREAM};
  body.state = kConnected;
  return body;
}

std::size_t Count(const crgen::Program& program, const std::string& name) {
  const std::string text = WriteProgram(program, Layout::kLines);
  std::size_t count = 0;
  for (std::size_t at = 0; (at = text.find("\"" + name + "\"", at)) != std::string::npos; ++at) {
    ++count;
  }
  return count;
}

/// The owner of both ends makes them, and each process closes what is not its own: no fewer do.
TEST(GenerateSocketsTest, APairBetweenParentAndChild) {
  SocketWorld world("1 1 1 [ 2 1 1 [] ]", "fd 1: 0=a\nfd 2: 0=a");
  const FileIndex one = world.Add(Connected()), other = world.Add(Connected());
  world.dump.snapshot.socket_pairs.push_back({one, other});
  world.Hold(0, one, 3);
  world.Hold(1, other, 4);
  world.Send(one);
  const PlanVerdict verdict(world.dump);
  EXPECT_EQ(verdict.problems, "");
  EXPECT_EQ(Count(verdict.program, "OPEN_FILE"), 2u);
  EXPECT_EQ(Count(verdict.program, "CLOSE_FD"), 2u);
  EXPECT_EQ(Count(verdict.program, "DUP_FD"), 0u);
  EXPECT_EQ(Count(verdict.program, "queue"), 1u);
}

/// A peer that is gone is closed at once if it has sent nothing, else when it has.
TEST(GenerateSocketsTest, APeerThatIsGone) {
  SocketWorld world("1 1 1 []", "fd 1: 0=a");
  const FileIndex silent = world.Add(Connected()), heard = world.Add(Connected());
  world.Hold(0, silent, 3);
  world.Hold(0, heard, 4);
  world.Send(heard);
  const PlanVerdict verdict(world.dump);
  EXPECT_EQ(verdict.problems, "");
  EXPECT_EQ(Count(verdict.program, "OPEN_FILE"), 3u);
  EXPECT_EQ(Count(verdict.program, "CLOSE_FD"), 2u);
}

/// Who connects, and in which order: whichever process it is, and whatever number he has.
TEST(GenerateSocketsTest, ConnectionsThatWaitKeepTheirOrder) {
  SocketWorld world("1 1 1 [ 2 1 1 [] 3 1 1 [] ]", "fd 1: 0=a\nfd 2: 0=a\nfd 3: 0=a");
  UnixSocket listener = Connected();
  listener.state = kListening;
  listener.backlog = 2;
  listener.name = Text{"/run/listener"};
  const FileIndex there = world.Add(listener);
  world.Hold(1, there, 3);
  UnixSocket client = Connected();
  client.connect_to =
      SocketReference{std::get<UnixSocket>(world.dump.snapshot.files[there]->body).socket_id.value};
  std::vector<FileIndex> clients;
  for (int i = 0; i < 3; ++i) clients.push_back(world.Add(client));
  world.Hold(2, clients[0], 9);
  world.Hold(2, clients[1], 4);
  world.Hold(1, clients[2], 5);
  const PlanVerdict verdict(world.dump);
  EXPECT_EQ(verdict.problems, "");
  std::vector<Fd> order;
  for (const Command& command : verdict.program) {
    const auto* open = std::get_if<OpenFile>(&command.body);
    const auto* socket = open == nullptr ? nullptr : As<UnixSocket>(*open->file);
    if (socket != nullptr && socket->connect_to) order.push_back(open->fd);
  }
  EXPECT_EQ(order, (std::vector<Fd>{9, 4, 5}));
}

/// listen(2) has lowered the backlog since they came.
TEST(GenerateSocketsTest, MoreConnectionsThatWaitThanTheBacklogAreRefused) {
  for (const std::uint32_t backlog : {0, 1}) {
    SocketWorld world("1 1 1 []", "fd 1: 0=a");
    UnixSocket listener = Connected();
    listener.state = kListening;
    listener.backlog = backlog;
    listener.name = Text{"/run/listener"};
    const FileIndex there = world.Add(listener);
    world.Hold(0, there, 3);
    UnixSocket client = Connected();
    client.connect_to = SocketReference{
        std::get<UnixSocket>(world.dump.snapshot.files[there]->body).socket_id.value};
    for (Fd fd = 4; fd < 6; ++fd) world.Hold(0, world.Add(client), fd);
    const PlanVerdict verdict(world.dump);
    if (backlog == 1) {
      EXPECT_EQ(verdict.problems, "");
    } else {
      EXPECT_NE(verdict.problems.find("has 2 connections that wait, and a backlog of 0"),
                std::string::npos)
          << verdict.problems;
    }
  }
}

/// It is nobody's peer, so nobody connects to it in order to send.
TEST(GenerateSocketsTest, ANamedDatagramSocketThatHasMessagesIsNotConnected) {
  SocketWorld world("1 1 1 []", "fd 1: 0=a");
  UnixSocket receiver = Connected();
  receiver.socket_type = SocketType{SOCK_DGRAM};
  receiver.state = kUnconnected;
  receiver.name = Text{"/run/receiver"};
  const FileIndex there = world.Add(receiver);
  world.Hold(0, there, 3);
  world.Send(there);
  const PlanVerdict verdict(world.dump);
  EXPECT_EQ(verdict.problems, "");
  EXPECT_EQ(Count(verdict.program, "peer"), 1u);
  EXPECT_EQ(Count(verdict.program, "connect_to"), 0u);
}

/// Nobody else holds it: the process that sends does, for that time.
TEST(GenerateSocketsTest, ADescriptorInFlight) {
  SocketWorld world("1 1 1 []", "fd 1: 0=a");
  const FileIndex one = world.Add(Connected()), other = world.Add(Connected());
  const FileIndex inner = world.Add(Connected());
  world.dump.snapshot.socket_pairs.push_back({one, other});
  world.Hold(0, one, 3);
  world.Hold(0, other, 4);
  world.Send(other, {inner, other});
  const PlanVerdict verdict(world.dump);
  EXPECT_EQ(verdict.problems, "");
  EXPECT_EQ(Count(verdict.program, "OPEN_FILE"), 3u);
  EXPECT_EQ(Count(verdict.program, "CLOSE_FD"), 2u);
}

TEST(GenerateSocketsTest, RandomOnesEndInTheSnapshot) {
  const unsigned first = FirstSeed();
  const std::pair<const char*, const char*> trees[] = {
      {"1 1 1 []", "fd 1: 0=a"},
      {"1 1 1 [ 2 1 1 [] ]", "fd 1: 0=a\nfd 2: 0=a"},
      {"1 1 1 [ 2 1 1 [ 3 1 1 [] ] 4 1 1 [] ]", "fd 1: 0=a\nfd 2: 0=a\nfd 3: 0=a\nfd 4: 0=b"}};
  std::size_t commands = 0, queues = 0;
  for (unsigned i = 0; i < 2000; ++i) {
    SCOPED_TRACE("seed " + std::to_string(first + i));
    const auto& [tree, text] = trees[i % std::size(trees)];
    SocketWorld world(tree, text, first + i);
    world.AddRandom();
    const PlanVerdict verdict(world.dump);
    ASSERT_EQ(verdict.problems, "") << WriteProgram(verdict.program, Layout::kLines);
    commands += verdict.program.size();
    queues += world.dump.snapshot.socket_queues.size();
  }
  std::printf("seed %u: %zu commands, %zu queues\n", first, commands, queues);
}

}  // namespace
}  // namespace crgen::test
