// SPDX-License-Identifier: Apache-2.0
#include "restorer/held_connections.h"

#include <unordered_map>

#include "dsl/descriptor_tables.h"
#include "restorer/files/inet_socket.h"

namespace crgen::restorer {
namespace {

/// What late state says of one connection.
struct LateConnection {
  SocketOptions options;
  bool shut_for_reading = false;
  bool goes_on = false;
};
using LateConnections = std::unordered_map<const File*, LateConnection>;

/// `from` laid over `*to`, as far as the supervisor sets it.
void Merge(const SocketOptions& from, SocketOptions* to) {
  if (from.so_reuseaddr) to->so_reuseaddr = from.so_reuseaddr;
  if (from.so_sndbuf) to->so_sndbuf = from.so_sndbuf;
  if (from.so_rcvbuf) to->so_rcvbuf = from.so_rcvbuf;
  if (from.so_buf_lock) to->so_buf_lock = from.so_buf_lock;
}

LateConnections FindLate(const Program& program, const LateFiles& late) {
  LateConnections found;
  for (const auto& [command, files] : late) {
    const auto& entries = std::get<SetAttr>(program[command].body).attributes->descriptors;
    for (std::size_t i = 0; i < entries.size(); ++i) {
      if (!IsConnection(*files[i])) continue;
      LateConnection& connection = found[files[i]];
      if (const auto* set = std::get_if<SocketOptionsSetting>(&entries[i].state)) {
        Merge(set->options, &connection.options);
      }
      connection.shut_for_reading |= std::holds_alternative<ShutdownSetting>(entries[i].state);
      connection.goes_on |= std::holds_alternative<RepairSetting>(entries[i].state);
    }
  }
  return found;
}

HeldConnection Held(const File* file, const LateConnection& late) {
  HeldConnection connection;
  connection.file = file;
  connection.socket = &std::get<InetSocket>(file->body);
  connection.options = *connection.socket->options;
  Merge(late.options, &connection.options);
  connection.shut_for_reading = late.shut_for_reading;
  return connection;
}

}  // namespace

std::vector<HeldConnection> FindHeldConnections(const Program& program, const Schedule& schedule,
                                                const LateFiles& late) {
  std::vector<HeldConnection> held;
  LateConnections connections = FindLate(program, late);
  if (connections.empty()) return held;
  DescriptorTables tables;
  for (const Command& command : program) tables.Follow(command);
  for (std::size_t i = 0; i < schedule.processes.size(); ++i) {
    if (!schedule.processes[i].resumes) continue;
    for (const auto& [fd, file] : tables.Of(schedule.processes[i].pid)) {
      const auto known = connections.find(file);
      if (known == connections.end() || !known->second.goes_on) continue;
      held.push_back(Held(file, known->second));
      held.back().process = i;
      held.back().fd = fd;
      connections.erase(known);
    }
  }
  for (const Command& command : program) {  // what only messages carry
    const auto* open = std::get_if<OpenFile>(&command.body);
    if (open == nullptr) continue;
    const File* file = open->file.get();
    const auto known = connections.find(file);
    if (known == connections.end() || !known->second.goes_on) continue;
    held.push_back(Held(file, known->second));
    connections.erase(known);
  }
  return held;
}

CarriedConnections CarriedOf(const std::vector<HeldConnection>& connections) {
  CarriedConnections carried;
  for (std::uint32_t i = 0; i < connections.size(); ++i) {
    if (!connections[i].process) carried.emplace(connections[i].file, i);
  }
  return carried;
}

}  // namespace crgen::restorer
