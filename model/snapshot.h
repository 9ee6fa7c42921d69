// SPDX-License-Identifier: Apache-2.0
// The snapshot: all that a dump says about a process tree, free of protobuf and of file names.
// This folder may include: nothing of the other folders.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "model/attributes.h"
#include "model/dump_identity.h"
#include "model/files/file.h"
#include "model/ids.h"
#include "model/image_bytes.h"
#include "model/memory.h"
#include "model/namespaces.h"
#include "model/network_lock.h"
#include "model/tree.h"
#include "model/user_namespace.h"
#include "model/vdso.h"

namespace crgen {

enum class ProcessState : std::uint8_t { kRunning, kStopped, kZombie };

/// How a zombie died: wait(2).
struct ExitStatus {
  std::optional<std::uint32_t> code;  ///< 0 … 255
  std::optional<Signal> signal;
  std::optional<bool> core_dumped;  ///< with `signal`
  friend bool operator==(const ExitStatus&, const ExitStatus&) = default;
};

/// A thread that is not the leader.
struct Thread {
  Pid tid = 0;
  std::shared_ptr<const Attributes> attributes;
};

/// What belongs to one process besides its place in the tree.
struct Process {
  ProcessState state = ProcessState::kRunning;
  ExitStatus exit_status;  ///< kZombie
  Signal stop_signal;      ///< kStopped
  TableIndex table;        ///< none: a zombie
  AddressSpace memory;
  std::vector<Thread> threads;
  std::shared_ptr<const Attributes> attributes;  ///< of a zombie: its name alone
  /// Signals pending for the leader alone, not for the process.
  std::vector<PendingSignal> leader_signal_queue;
};

/// Late state of one open file description.
struct LateEntry {
  FileIndex file;
  LateState state;
  /// A holder, in whose numbers the state speaks or whose it is (POSIX locks), so that it alone can
  /// set it; none: any holder.
  ProcessIndex process = {};
};

/// Two ends of one connection, or of one socketpair(2).
struct SocketPair {
  FileIndex one;
  FileIndex other;
};

/// A message in the queue of a socket.
struct QueuedMessage {
  ImageSpan source;
  std::uint64_t bytes = 0;
  std::vector<FileIndex> rights;  ///< in flight with it
};

/// What a socket has not yet received.
struct SocketQueue {
  FileIndex file;
  std::vector<QueuedMessage> messages;
};

/// A terminal as all of its descriptions have it, and who it controls.
struct Terminal {
  TerminalState state;
  TerminalEnd ends[2];  ///< of a pty the slave, the master; of others the first alone
  Tty name;             ///< how it is opened to be somebody's controlling terminal
  Pid leader = 0;       ///< of the session that it controls, in the tree; 0: of none
};

/// Processes are in the order of `tree.nodes`: the same index names the same process.
struct Snapshot {
  TreeSnapshot tree;
  std::vector<Process> processes;
  std::vector<DescriptorTable> tables;
  std::vector<std::shared_ptr<const File>> files;
  std::optional<NetworkLock> network_lock;  ///< that the dump has left
  std::vector<LateEntry> late;              ///< ascending by file, kinds in the order of LateState
  std::vector<SocketPair> socket_pairs;     ///< each socket in at most one
  std::vector<SocketQueue> socket_queues;   ///< ascending by file
  std::uint64_t highest_file_id = 0;        ///< of all files in the dump, unsupported ones included
  std::vector<MemfdObject> memfds;
  std::map<PipeId, PipeContent> pipes;  ///< of those that the tree has made
  std::map<FifoId, PipeContent> fifos;
  std::map<BpfMapId, BpfMapObject> bpf_maps;
  std::map<TtyId, Terminal> terminals;  ///< but those that the caller hands over
  /// Files without a name, by the id of their first one, with all of their content. RegularFile has
  /// `id` and, for further names, `link_of` alone.
  std::map<std::uint64_t, Unlinked> unlinked;
  std::vector<Shmem> shmems;
  std::vector<std::string> page_images;         ///< names relative to the dump
  bool new_pid_namespace = false;               ///< the root is born with CLONE_NEWPID
  std::optional<PidNamespace> pid_namespace;    ///< or in this one, which has an init already
  std::optional<UserNamespace> user_namespace;  ///< likewise with CLONE_NEWUSER
  /// Of all processes' and threads' `cgroup`, parents first, each once.
  std::vector<CgroupDirectory> cgroup_directories;
  std::string dump_id;  ///< DumpIdentity::id
  CpuNeeds cpu;
  std::optional<Vdso> vdso;  ///< that processes have mapped, if it is one that can be read
};

}  // namespace crgen
