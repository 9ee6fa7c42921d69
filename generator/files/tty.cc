// SPDX-License-Identifier: Apache-2.0
#include "generator/files/tty.h"

#include <fcntl.h>

#include <algorithm>
#include <string>

namespace crgen {

FilePlanner<Tty>::FilePlanner(PlannerContext& context) : context_(context) {
  for (const auto& [id, terminal] : context.snapshot.terminals) {
    if (terminal.leader != 0) terminal_of_.emplace(terminal.leader, id);
  }
}

/// Which of the descriptions comes first, and says what the terminal is like, is not known before.
void FilePlanner<Tty>::PlanOpenings(Openings& openings) {
  if (!context_.snapshot.terminals.empty()) openings.RelyOnEachOther();
}

void FilePlanner<Tty>::Describe(Tty* tty) {
  const auto known = context_.snapshot.terminals.find(tty->tty_id);
  if (known == context_.snapshot.terminals.end() || tty->driver == kOwnTerminal) return;
  const std::size_t end = IsPtyMaster(*tty) ? 1 : 0;
  if (opened_.insert(tty->tty_id).second) {
    const TerminalState& state = known->second.state;
    tty->termios = state.termios;
    tty->locked_termios = state.locked_termios;
    tty->winsize = state.winsize;
    tty->hung_up = state.hung_up;
  }
  if (!ends_.insert(tty->tty_id.value * 2 + end).second) return;
  const TerminalEnd& own = known->second.ends[end];
  tty->exclusive = own.exclusive;
  tty->packet = own.packet;
  tty->mode = own.mode;
  tty->uid = own.uid;
  tty->gid = own.gid;
}

/// Whether a process of that number is in a session with a terminal, or in that of who restores.
bool FilePlanner<Tty>::HasTerminal(Pid pid) const {
  const auto& nodes = context_.snapshot.tree.nodes;
  const auto node = std::ranges::find(nodes, pid, &TreeNode::pid);
  if (node == nodes.end()) return false;
  const TreeNode& root = nodes.front();
  return terminal_of_.contains(node->sid) || (root.sid != root.pid && node->sid == root.sid);
}

Result FilePlanner<Tty>::Open(const OpeningSite& site, const std::shared_ptr<const File>& file,
                              const Tty& tty, Diagnostics& diag) {
  if (tty.driver == kOwnTerminal && !HasTerminal(site.pid)) {
    diag.Unsupported("file " + std::to_string(file->id.value),
                     "/dev/tty, which process " + std::to_string(site.pid) +
                         " would have to open, who has no terminal",
                     Loss::kDescriptors);
    return Result::kError;
  }
  std::shared_ptr<const File> opened = file;
  if (!file->external) {
    auto copy = std::make_shared<File>(*file);
    Describe(&std::get<Tty>(copy->body));
    opened = std::move(copy);
  }
  context_.out.Emit(site.pid, OpenFile{site.fd, std::move(opened), site.cloexec, {}});
  return Result::kOk;
}

void FilePlanner<Tty>::TakeTerminal(Pid pid, Fd fd) {
  const auto known = terminal_of_.find(pid);
  if (known == terminal_of_.end()) return;
  Tty body = context_.snapshot.terminals.at(known->second).name;
  body.controlling = true;
  Describe(&body);
  auto file = std::make_shared<File>(
      File{{context_.next_file_id++}, {O_RDWR | kLargeFile}, std::move(body)});
  context_.out.Emit(pid, OpenFile{fd, std::move(file), false, {}});
  context_.out.Emit(pid, CloseFd{fd});
}

}  // namespace crgen
