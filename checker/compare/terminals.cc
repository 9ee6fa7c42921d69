// SPDX-License-Identifier: Apache-2.0
// Terminals: what they are like, and whom they control.
#include "checker/compare/comparison.h"

namespace crgen::check {

/// What the terminal behind a description has, and this end of it: each once.
void Comparison::CompareObject(const std::string& where, const Tty& expected,
                               const Description& found) {
  const auto known = snapshot_.terminals.find(expected.tty_id);
  const TerminalObject* terminal = kernel_.files.Of<Tty>().Find(As<Tty>(*found.file)->tty_id);
  if (known == snapshot_.terminals.end() || terminal == nullptr) return;
  const std::size_t end = IsPtyMaster(expected) ? 1 : 0;
  const TerminalState& state = known->second.state;
  const TerminalEnd &wanted = known->second.ends[end], &there = terminal->ends[end];
  const std::uint64_t first = expected.tty_id.value * 2;
  const bool other_end = compared_terminals_.contains(first + 1 - end);
  if (!compared_terminals_.insert(first + end).second) return;
  if (!other_end) {
    Compare(where, "file.termios", state.termios, terminal->state.termios, diag_);
    Compare(where, "file.locked_termios", state.locked_termios, terminal->state.locked_termios,
            diag_);
    Compare(where, "file.winsize", state.winsize, terminal->state.winsize, diag_);
    Compare(where, "file.hung_up", state.hung_up, terminal->state.hung_up, diag_);
  }
  Compare(where, "file.exclusive", wanted.exclusive, there.exclusive, diag_);
  Compare(where, "file.packet", wanted.packet, there.packet, diag_);
  Compare(where, "file.mode", wanted.mode, there.mode, diag_);
  Compare(where, "file.uid", wanted.uid, there.uid, diag_);
  Compare(where, "file.gid", wanted.gid, there.gid, diag_);
}

void Comparison::CompareSessions() {
  std::unordered_map<Pid, TtyId> terminal_of;  // by session
  for (const auto& [id, terminal] : snapshot_.terminals) {
    if (terminal.leader != 0) terminal_of.emplace(terminal.leader, id);
  }
  const auto name = [](const std::optional<std::uint64_t>& terminal) {
    return terminal ? std::to_string(*terminal) : std::string("none");
  };
  for (std::size_t i = 0; i < snapshot_.processes.size(); ++i) {
    const TreeNode& node = snapshot_.tree.nodes[i];
    const TaskIndex at = kernel_.FindTask(node.pid);
    if (node.zombie || at == kNoTask) continue;
    std::optional<std::uint64_t> expected, found;
    const auto known = terminal_of.find(node.sid);
    if (known != terminal_of.end()) expected = terminals_.FoundFor(known->second.value);
    if (kernel_.tasks[at].terminal) found = kernel_.tasks[at].terminal->value;
    if (expected == found) continue;
    Differ("process " + std::to_string(node.pid), "controlling terminal", name(expected),
           name(found));
  }
}

}  // namespace crgen::check
