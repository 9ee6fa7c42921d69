// SPDX-License-Identifier: Apache-2.0
// Unix sockets as the model has them: whose peers are outside, or gone.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <algorithm>

#include "images/proto/unix_socket.pb.h"
#include "tests/support/dump_edit.h"

namespace crgen {
namespace {

using namespace test;  // NOLINT: the vocabulary of these tests

constexpr std::uint32_t kOutside = 1;  // USK_EXTERN

pb::unix_sk_entry& AddSocket(Dump& dump, std::uint32_t id, int type, std::uint32_t state) {
  pb::unix_sk_entry& socket = *dump.AddOther(id, pb::FD_UNIXSK).mutable_usk();
  socket.set_id(id);
  socket.set_ino(10 * id);
  socket.set_type(static_cast<std::uint32_t>(type));
  socket.set_state(state);
  socket.set_flags(O_RDWR);
  socket.mutable_opts()->set_so_sndbuf(212992);
  socket.mutable_opts()->set_so_rcvbuf(212992);
  return socket;
}

void Name(pb::unix_sk_entry& socket, const std::string& name) {
  socket.set_name(name + '\0');
  socket.mutable_file_perms()->set_mode(0140640);
  socket.mutable_file_perms()->set_uid(7);
  socket.mutable_file_perms()->set_gid(8);
}

Snapshot SnapshotOf(const Dump& dump) {
  Snapshot snapshot;
  Diagnostics diag;
  EXPECT_TRUE(Succeeded(LoadDump(*OpenMemory(dump.Build()), &snapshot, diag)));
  EXPECT_FALSE(diag.HasErrors());
  return snapshot;
}

const File* FileOf(const Snapshot& snapshot, std::uint64_t id) {
  for (const auto& file : snapshot.files) {
    if (file->id.value == id) return file.get();
  }
  return nullptr;
}

/// Its name, mode and shutdown are its own, though its peer is nobody's.
TEST(Sockets, ConnectedToOutside) {
  Dump dump;
  pb::unix_sk_entry& socket = AddSocket(dump, 4, SOCK_STREAM, 1);
  Name(socket, "/run/client");
  socket.set_peer(50);
  socket.set_shutdown(2);
  pb::unix_sk_entry& server = AddSocket(dump, 5, SOCK_STREAM, 10);
  server.set_uflags(kOutside);
  Name(server, "/run/server");
  dump.AddDescriptor(10, 5, 4, pb::FD_UNIXSK);
  const Snapshot snapshot = SnapshotOf(dump);
  const File* file = FileOf(snapshot, 4);
  ASSERT_NE(file, nullptr);
  ASSERT_TRUE(file->external);
  EXPECT_EQ(*file->external, "socket:[40]");
  const auto& body = std::get<UnixSocket>(file->body);
  EXPECT_EQ(body.peer_name, Text{"/run/server"});
  EXPECT_EQ(body.name, Text{"/run/client"});
  EXPECT_EQ(body.permissions, (FilePermissions{0140640, 7, 8}));
  ASSERT_EQ(snapshot.late.size(), 1u);
  const auto* shutdown = std::get_if<ShutdownSetting>(&snapshot.late[0].state);
  ASSERT_NE(shutdown, nullptr);
  EXPECT_EQ(shutdown->shutdown.value, 2u);
  EXPECT_EQ(snapshot.files[snapshot.late[0].file].get(), file);
}

/// The kernel also calls connected what somebody was connected to, for which it has to have a name.
TEST(Sockets, DatagramsWhosePeerIsGone) {
  const auto state_of = [](const std::string& name, std::uint32_t state, bool has_client) {
    Dump dump;
    pb::unix_sk_entry& socket = AddSocket(dump, 4, SOCK_DGRAM, state);
    if (!name.empty()) Name(socket, name);
    dump.AddDescriptor(10, 5, 4, pb::FD_UNIXSK);
    if (has_client) {
      AddSocket(dump, 5, SOCK_DGRAM, 1).set_peer(40);
      dump.AddDescriptor(10, 6, 5, pb::FD_UNIXSK);
    }
    const Snapshot snapshot = SnapshotOf(dump);
    const File* file = FileOf(snapshot, 4);
    return file == nullptr ? UnixState{} : std::get<UnixSocket>(file->body).state;
  };
  EXPECT_EQ(state_of("", 1, false), kConnected);
  EXPECT_EQ(state_of("", 1, true), kUnconnected);  // it has left the pair
  EXPECT_EQ(state_of("", 7, false), kUnconnected);
  EXPECT_EQ(state_of("/run/name", 1, false), kUnconnected);
  EXPECT_EQ(state_of("/run/name", 1, true), kUnconnected);
}

/// The dumper has room for one descriptor less than a message has.
TEST(Sockets, AsManyDescriptorsAsTheDumperKeeps) {
  const auto warned_of = [](std::size_t rights) {
    Dump dump;
    AddSocket(dump, 4, SOCK_DGRAM, 7);
    dump.AddDescriptor(10, 5, 4, pb::FD_UNIXSK);
    pb::sk_packet_entry packet;
    packet.set_id_for(4);
    packet.set_length(0);
    pb::scm_entry& scm = *packet.add_scm();
    scm.set_type(1);
    for (std::size_t i = 0; i < rights; ++i) scm.add_rights(4);
    const std::string message = packet.SerializeAsString();
    std::string image("\x19\x43\x56\x54\x26\x40\x26\x56", 8);
    for (int i = 0; i < 4; ++i) image += static_cast<char>(message.size() >> 8 * i & 0xff);
    Files files = dump.Build();
    files["sk-queues.img"] = image + message;
    Snapshot snapshot;
    Diagnostics diag;
    EXPECT_TRUE(Succeeded(LoadDump(*OpenMemory(files), &snapshot, diag)));
    return std::ranges::any_of(diag.entries(), [](const Diagnostic& entry) {
      return entry.what.starts_with("1 messages carry 252 descriptors");
    });
  };
  EXPECT_FALSE(warned_of(251));
  EXPECT_TRUE(warned_of(252));
  EXPECT_FALSE(warned_of(253));
}

}  // namespace
}  // namespace crgen
