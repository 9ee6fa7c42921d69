// SPDX-License-Identifier: Apache-2.0
// The tree, and what processes hold open.
#include <algorithm>

#include "views/show_parts.h"

namespace crgen {
namespace {

/// Deeper processes say how deep they are: a chain of a hundred thousand is not to cost gigabytes.
constexpr std::size_t kMostDepth = 30;

/// Draws the lines to a process: "│ ├─".
class Branches {
 public:
  explicit Branches(const TreeSnapshot& tree)
      : last_child_(tree.nodes.size()), depth_(tree.nodes.size()) {
    std::vector<std::int32_t> last(tree.nodes.size(), -1);
    for (std::size_t i = 1; i < tree.nodes.size(); ++i) {
      const std::int32_t parent = tree.nodes[i].parent;
      if (parent < 0) continue;
      last[static_cast<std::size_t>(parent)] = static_cast<std::int32_t>(i);
      depth_[i] = depth_[static_cast<std::size_t>(parent)] + 1;
    }
    for (const std::int32_t child : last) {
      if (child >= 0) last_child_[static_cast<std::size_t>(child)] = true;
    }
  }

  /// To be asked for one process after the other.
  std::string To(std::size_t process) {
    const std::size_t depth = depth_[process];
    const bool last = last_child_[process];
    if (depth == 0) return "";
    if (depth > kMostDepth)
      return std::string(2 * kMostDepth, ' ') + "(" + std::to_string(depth) + " deep) ";
    open_.resize(depth);
    std::string text;
    for (std::size_t i = 1; i < depth; ++i) text += open_[i] ? "│ " : "  ";
    open_.push_back(!last);
    return text + (last ? "└─ " : "├─ ");
  }

 private:
  std::vector<bool> last_child_;
  std::vector<std::size_t> depth_;
  std::vector<bool> open_;  // by depth: more children of that ancestor's parent follow
};

/// What is to be said behind the name.
std::string RemarkText(const Process& process, const TreeNode& node) {
  std::string text;
  if (process.state == ProcessState::kZombie) text = ExitText(process.exit_status);
  if (process.state == ProcessState::kStopped) text = "by " + NameText(process.stop_signal);
  if (node.subreaper) text += text.empty() ? "subreaper" : ", subreaper";
  return text.empty() ? "" : " (" + text + ")";
}

std::string IdText(Pid id) { return id == 0 ? "outside" : std::to_string(id); }

}  // namespace

void ShowProcesses(const Show& show) {
  const Snapshot& snapshot = show.snapshot();
  constexpr const char* kStates[] = {"running", "stopped", "zombie"};
  using enum Table::Align;
  Table table({{"PID", kRight},
               {"GROUP", kRight},
               {"SESSION", kRight},
               {"STATE"},
               {"THREADS", kRight},
               {"FDS", kRight},
               {"MAPPED", kRight},
               {"IN DUMP", kRight},
               {"PROCESS"}});
  Branches branches(snapshot.tree);
  for (std::size_t i = 0; i < snapshot.processes.size(); ++i) {
    const std::string lines = branches.To(i);
    const ProcessIndex index(i);
    if (!show.Wants(index)) continue;
    const Process& process = snapshot.processes[i];
    const TreeNode& node = snapshot.tree.nodes[i];
    const bool alive = process.state != ProcessState::kZombie;
    std::string fds;
    if (process.table >= 0) {
      fds = std::to_string(snapshot.tables[process.table].slots.size() +
                           show.relations.LeftOutOf(process.table).size());
      const ProcessIndex first = show.relations.ProcessesOf(process.table).front();
      if (first != index) fds = "of " + std::to_string(show.PidOf(first));
    }
    table.Add({std::to_string(node.pid), IdText(node.pgid), IdText(node.sid),
               kStates[static_cast<int>(process.state)],
               alive ? std::to_string(1 + node.tids.size()) : "", fds,
               alive ? SizeText(MappedBy(process.memory)) : "",
               alive ? SizeText(PagesOf(process.memory) * kPageSize) : "",
               lines + CommOf(process) + RemarkText(process, node)});
  }
  table.Write(0, show.options, show.out);
}

namespace {

/// One row for each descriptor of a table, the unsupported ones among them.
void AddRows(const Show& show, TableIndex index, Table* table) {
  const Snapshot& snapshot = show.snapshot();
  struct Row {
    Fd fd;
    std::vector<std::string> cells;
    Ink ink;
  };
  std::vector<Row> rows;
  const auto first = [](Fd fd, bool cloexec) { return std::to_string(fd) + (cloexec ? " c" : ""); };
  for (const Descriptor& slot : snapshot.tables[index].slots) {
    const File& file = *snapshot.files[slot.file];
    rows.push_back(
        {slot.fd,
         {first(slot.fd, slot.cloexec), std::string(TypeOf(file)),
          FileText(file) + show.relations.ObjectText(file), FlagText(file.flags),
          show.relations.OthersText(show.relations.HoldersOf(slot.file), index, slot.fd)},
         Ink::kPlain});
  }
  for (const UnplannedDescriptor& slot : show.relations.LeftOutOf(index)) {
    rows.push_back(
        {slot.fd,
         {first(slot.fd, slot.cloexec), slot.type + " !", slot.what, "",
          show.relations.OthersText(show.relations.HoldersOf(slot.file), index, slot.fd)},
         Ink::kMissing});
  }
  std::ranges::stable_sort(rows, {}, &Row::fd);
  for (Row& row : rows) table->Add(std::move(row.cells), row.ink);
}

}  // namespace

void ShowFds(const Show& show) {
  show.ForEachProcess([&](ProcessIndex index, const Process& process) {
    if (process.table < 0) return;
    const ProcessIndex first = show.relations.ProcessesOf(process.table).front();
    if (first != index && !show.options.pid) {
      show.Line(show.NameOf(index) + ": the table of " + std::to_string(show.PidOf(first)),
                Ink::kHeading);
      return;
    }
    Table table({{"FD"},
                 {"TYPE"},
                 {"WHAT"},
                 {"FLAGS", Table::Align::kLeft, true},
                 {"SAME DESCRIPTION AS"}});
    AddRows(show, process.table, &table);
    show.Line(show.NameOf(index) + (table.IsEmpty() ? ": no descriptors" : ""), Ink::kHeading);
    table.Write(2, show.options, show.out);
  });
}

void ShowFiles(const Show& show) {
  const Snapshot& snapshot = show.snapshot();
  Table table({{"ID", Table::Align::kRight},
               {"TYPE"},
               {"WHAT"},
               {"FLAGS", Table::Align::kLeft, true},
               {"HELD AS"},
               {"STATE"}});
  for (std::size_t i = 0; i < snapshot.files.size(); ++i) {
    const File& file = *snapshot.files[i];
    const auto& holders = show.relations.HoldersOf(FileIndex(i));
    if (show.options.pid && !show.Wants(holders)) continue;
    std::string late;
    for (const LateEntry& entry : show.relations.LateOf(FileIndex(i))) {
      const std::string text = LateText(entry.state);
      if (!text.empty()) late += (late.empty() ? "" : "; ") + text;
    }
    const bool memory = show.relations.IsSharedMemory(file);
    table.Add({std::to_string(file.id.value), memory ? "" : std::string(TypeOf(file)),
               memory ? "shared memory" : FileText(file) + show.relations.ObjectText(file),
               FlagText(file.flags), show.relations.HeldText(FileIndex(i)), late});
  }
  for (const UnplannedDescriptor& it : show.dump.unplanned.descriptors) {
    const auto& holders = show.relations.HoldersOf(it.file);
    // Each once: at its first holder.
    const bool is_first = holders.front().table == it.table && holders.front().fd == it.fd;
    if (!is_first || !show.Wants(holders)) continue;
    table.Add({std::to_string(it.file.value), it.type + " !", it.what, "",
               show.relations.AllText(holders), ""},
              Ink::kMissing);
  }
  table.Write(0, show.options, show.out);
}

namespace {

/// The other end, and what waits in the socket.
std::string PeerText(const Show& show, FileIndex file) {
  const FileIndex peer = show.relations.PeerOf(file);
  std::string text;
  if (peer >= 0) {
    const std::string holders = show.relations.HeldText(peer);
    text = "file " + std::to_string(show.snapshot().files[peer]->id.value) +
           (holders.empty() ? "" : ": " + holders);
  }
  return text;
}

}  // namespace

std::uint64_t UnreadIn(const Show& show, FileIndex file) {
  std::uint64_t bytes = 0;
  if (const SocketQueue* queue = show.relations.QueueOf(file)) {
    for (const QueuedMessage& message : queue->messages) bytes += message.bytes;
  }
  const auto* inet = As<InetSocket>(*show.snapshot().files[file]);
  if (inet != nullptr && inet->stream && inet->stream->in) bytes += inet->stream->in->bytes;
  return bytes;
}

void ShowSockets(const Show& show) {
  const Snapshot& snapshot = show.snapshot();
  Table table({{"ID", Table::Align::kRight},
               {"TYPE"},
               {"SOCKET"},
               {"UNREAD", Table::Align::kRight},
               {"HELD AS"},
               {"PEER"}});
  for (std::size_t i = 0; i < snapshot.files.size(); ++i) {
    const File& file = *snapshot.files[i];
    const auto& holders = show.relations.HoldersOf(FileIndex(i));
    if (!IsSocket(TypeOf(file)) || !show.Wants(holders)) continue;
    const std::uint64_t unread = UnreadIn(show, FileIndex(i));
    table.Add({std::to_string(file.id.value), std::string(TypeOf(file)), FileText(file),
               unread == 0 ? "" : SizeText(unread), show.relations.HeldText(FileIndex(i)),
               PeerText(show, FileIndex(i))});
  }
  for (const UnplannedDescriptor& it : show.dump.unplanned.descriptors) {
    const auto& holders = show.relations.HoldersOf(it.file);
    const bool is_first = holders.front().table == it.table && holders.front().fd == it.fd;
    if (!is_first || !IsSocket(it.type) || !show.Wants(holders)) continue;
    table.Add({std::to_string(it.file.value), it.type + " !", it.what, "",
               show.relations.AllText(holders), ""},
              Ink::kMissing);
  }
  table.Write(0, show.options, show.out);
}

}  // namespace crgen
