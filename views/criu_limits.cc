// SPDX-License-Identifier: Apache-2.0
// What CRIU itself does not restore. Each rule is of CRIU 4.2, in the file that is named, with the
// words that it prints.
#include <algorithm>
#include <map>
#include <set>
#include <unordered_map>

#include "model/proc_path.h"
#include "views/why.h"
#include "views/words.h"

namespace crgen {
namespace {

/// How prepare_pstree_ids() (criu/pstree.c) tells when each process was born: before its creator
/// began a session, or after. It gives up where that does not follow from where the processes are
/// now.
class Sessions {
 public:
  explicit Sessions(const TreeSnapshot& tree) : tree_(tree), born_(tree.nodes.size(), kUnknown) {
    for (std::size_t i = 0; i < tree.nodes.size(); ++i) by_pid_.emplace(tree.nodes[i].pid, i);
  }

  /// The first process that it gives up at.
  std::optional<Cause> Find() {
    for (std::size_t i = 1; i < tree_.nodes.size(); ++i) {
      if (auto cause = Look(i)) return cause;
    }
    return std::nullopt;
  }

 private:
  static constexpr Pid kUnknown = -1;
  static constexpr std::int32_t kNobody = -1;

  /// Children of the root in somebody else's session get a helper as parent: in that session, child
  /// of its leader, or of the root where there is no leader.
  bool HasHelper(std::size_t process) const {
    const TreeNode& node = tree_.nodes[process];
    return node.parent == 0 && node.sid != tree_.nodes[0].sid && node.sid != node.pid;
  }

  std::int32_t ParentOf(std::size_t process) const {
    if (process == 0) return kNobody;
    if (!HasHelper(process)) return tree_.nodes[process].parent;
    const auto leader = by_pid_.find(tree_.nodes[process].sid);
    return leader == by_pid_.end() ? 0 : static_cast<std::int32_t>(leader->second);
  }

  std::optional<Cause> Look(std::size_t process) {
    const TreeNode& node = tree_.nodes[process];
    if (node.sid == node.pid || HasHelper(process)) return std::nullopt;
    std::int32_t above = tree_.nodes[process].parent;
    if (tree_.nodes[static_cast<std::size_t>(above)].sid == node.sid) return std::nullopt;
    // A parent that is known to be born in that session has been followed up to its leader before.
    while (above != kNobody && tree_.nodes[static_cast<std::size_t>(above)].pid != node.sid) {
      Pid& born = born_[static_cast<std::size_t>(above)];
      if (born == node.sid) return std::nullopt;
      if (born != kUnknown)
        return BornTwice(node, tree_.nodes[static_cast<std::size_t>(above)], born);
      born = node.sid;
      above = ParentOf(static_cast<std::size_t>(above));
    }
    if (above == kNobody) return NoLeader(node);
    return std::nullopt;
  }

  static Cause NoLeader(const TreeNode& node) {
    return {"pstree.img",
            "process " + std::to_string(node.pid) + " is in session " + std::to_string(node.sid) +
                ", whose leader is none of its ancestors",
            "crgen plans such trees, and crrestore restores them",
            "Can't find a session leader for " + std::to_string(node.sid)};
  }
  static Cause BornTwice(const TreeNode& node, const TreeNode& parent, Pid born) {
    return {"pstree.img",
            "process " + std::to_string(parent.pid) + " has descendants in sessions " +
                std::to_string(born) + " and " + std::to_string(node.sid) +
                ", both of which it would have to be born in",
            "crgen plans such trees, and crrestore restores them",
            "Can't figure out which sid (" + std::to_string(born) + " or " +
                std::to_string(node.sid) + ")the process " + std::to_string(parent.pid) +
                " was born with"};
  }

  const TreeSnapshot& tree_;
  std::unordered_map<Pid, std::size_t> by_pid_;
  std::vector<Pid> born_;  // the session; beside the nodes
};

/// criu/sk-inet.c, open_inet_sk().
void AskForConnections(const Snapshot& snapshot, Verdict* verdict) {
  const auto count = std::ranges::count_if(snapshot.files, [](const auto& file) {
    const auto* socket = As<InetSocket>(*file);
    return socket != nullptr && socket->stream;
  });
  if (count == 0) return;
  verdict->causes.push_back(
      {"files.img", Count(static_cast<std::uint64_t>(count), "TCP connection", "TCP connections"),
       "criu restore --tcp-established, or --tcp-close", "Connected TCP socket in image"});
}

/// criu/cr-dump.c, at the dump; at the restore --shell-job lets the root join its caller's session.
void AskForSession(const TreeSnapshot& tree, Verdict* verdict) {
  const TreeNode& root = tree.nodes.front();
  if (root.sid == root.pid) return;
  verdict->causes.push_back({"pstree.img", "the root is in a session of outside",
                             "criu restore --shell-job",
                             "The root process " + std::to_string(root.pid) +
                                 " is not a session leader. Consider using --shell-job option"});
}

/// criu/cr-restore.c, restore_pgid(): whoever has the number of a group is taken for its founder,
/// and waited for, also if it has gone to another group; then the group is not there.
std::optional<Cause> FindLeftGroup(const TreeSnapshot& tree) {
  std::unordered_map<Pid, const TreeNode*> by_pid;
  for (const TreeNode& node : tree.nodes) by_pid.emplace(node.pid, &node);
  for (const TreeNode& node : tree.nodes) {
    if (node.pgid == node.pid || node.pgid == node.sid) continue;
    const auto leader = by_pid.find(node.pgid);
    if (leader == by_pid.end() || leader->second->pgid == node.pgid) continue;
    return Cause{"pstree.img",
                 "process " + std::to_string(node.pid) + " is in group " +
                     std::to_string(node.pgid) + ", which the process of that number has left",
                 "crgen plans such trees, and crrestore restores them",
                 "Can't restore pgid (" + std::to_string(node.pid) + "/" +
                     std::to_string(node.sid) + "->" + std::to_string(node.pgid) +
                     "): Operation not permitted"};
  }
  return std::nullopt;
}

/// criu/tty.c, tty_verify_active_pairs().
void AskForTerminals(const Snapshot& snapshot, Verdict* verdict) {
  std::set<TtyId> masters;
  std::map<TtyId, std::uint32_t> slaves;
  for (const auto& file : snapshot.files) {
    const Tty* tty = As<Tty>(*file);
    if (tty == nullptr) continue;
    if (IsPtyMaster(*tty)) masters.insert(tty->tty_id);
    if (tty->driver == kPtySlave) slaves.emplace(tty->tty_id, tty->index.value_or(0));
  }
  for (const auto& [id, index] : slaves) {
    const auto terminal = snapshot.terminals.find(id);
    const bool hung_up = terminal != snapshot.terminals.end() && terminal->second.state.hung_up;
    if (masters.contains(id) || hung_up) continue;
    verdict->causes.push_back(
        {"tty-info.img", "pty " + std::to_string(index) + ", whose master is outside",
         "criu restore --orphan-pts-master, or --shell-job",
         "Found slave peer index " + std::to_string(index) + " without correspond master peer"});
  }
}

/// criu/sk-unix.c, post_open_standalone(): it connects to the name.
void AskForUnixSockets(const Snapshot& snapshot, Verdict* verdict) {
  std::set<std::string> names;
  for (const auto& file : snapshot.files) {
    const UnixSocket* socket = As<UnixSocket>(*file);
    if (socket == nullptr || !file->external || !socket->peer_name) continue;
    if (!names.insert(socket->peer_name->bytes).second) continue;
    verdict->causes.push_back(
        {"files.img",
         "a socket is connected to " + socket->peer_name->bytes + ", whose owner is outside",
         "criu restore --ext-unix-sk, with somebody who listens there",
         "Can't connect " + std::to_string(socket->socket_id.value) +
             " socket: Connection refused"});
  }
}

/// criu/mount.c: external mounts are looked up by their keys.
void AskForMounts(const Snapshot& snapshot, Verdict* verdict) {
  if (snapshot.processes.empty() || snapshot.processes.front().attributes == nullptr) return;
  std::set<std::string> keys;
  for (const Mount& mount : snapshot.processes.front().attributes->mounts) {
    if (!mount.external || !keys.insert(mount.external->bytes).second) continue;
    verdict->causes.push_back(
        {"mountpoints", "what is mounted at " + mount.mountpoint.bytes + " comes from outside",
         "criu restore --external mnt[" + mount.external->bytes + "]:PATH",
         "No mapping for " + std::to_string(mount.id) + ":" + mount.mountpoint.bytes +
             " mountpoint"});
  }
}

/// criu/file-lock.c, prepare_file_locks(): without the option they are not taken, and nothing says
/// so; the words are those of dump_file_locks().
void AskForLocks(const Snapshot& snapshot, Verdict* verdict) {
  std::uint64_t locks = 0;
  for (const LateEntry& late : snapshot.late) {
    if (const auto* set = std::get_if<LockSetting>(&late.state)) locks += set->locks.size();
    if (const auto* set = std::get_if<LeaseSetting>(&late.state)) locks += set->locks.size();
  }
  if (locks == 0) return;
  verdict->causes.push_back(
      {"filelocks.img",
       Count(locks, "file lock", "file locks") + ", lost without a word if the option is not given",
       "criu restore --file-locks",
       "nothing at the restore; at the dump: Some file locks are hold by dumping tasks! You can "
       "try "
       "--file-locks to dump them."});
}

/// criu/pie/restorer.c, create_posix_timers(): the image still has the thread that has ended.
void AskForTimers(const Diagnostics& findings, std::vector<Cause>* causes) {
  constexpr std::string_view kField = ".notify_thread_id";
  for (const Diagnostic& entry : findings.entries()) {
    if (entry.severity != Severity::kWarning || !entry.where.ends_with(kField)) continue;
    causes->push_back({entry.where.substr(0, entry.where.size() - kField.size()),
                       "a timer notifies a thread that has ended",
                       "crgen plans such timers, and crrestore restores them",
                       "Can't create posix timer"});
    return;
  }
}

/// criu/pie/restorer.c, __export_restore_task(): PR_SET_MM_MAP wants to execute it, and
/// criu/files-reg.c wants its mode to be what it was.
void AskForExecutables(const Snapshot& snapshot, std::vector<Cause>* causes) {
  for (std::size_t i = 0; i < snapshot.processes.size(); ++i) {
    const FileIndex exe = snapshot.processes[i].memory.exe;
    const auto* file = exe < 0 ? nullptr : As<RegularFile>(*snapshot.files[exe]);
    if (file == nullptr || !file->mode || (*file->mode & 0111) != 0) continue;
    causes->push_back({"mm-" + std::to_string(snapshot.tree.nodes[i].pid) + ".img",
                       "the executable " + file->path.bytes + " had no x permission",
                       "chmod +x, for a new dump",
                       "sys_prctl(PR_SET_MM, PR_SET_MM_MAP) failed with -13"});
    return;
  }
}

/// criu/files-reg.c, do_open_reg(): helpers stand in for processes that have ended, not for
/// threads.
void AskForThreadFiles(const Snapshot& snapshot, std::vector<Cause>* causes) {
  std::unordered_map<Pid, Pid> processes;  // of all pids and tids
  for (const TreeNode& node : snapshot.tree.nodes) {
    processes.emplace(node.pid, node.pid);
    for (const Pid tid : node.tids) processes.emplace(tid, node.pid);
  }
  for (const auto& file : snapshot.files) {
    const auto* regular = As<RegularFile>(*file);
    const auto owner = regular == nullptr ? std::nullopt : ParseProcPath(regular->path.bytes);
    if (!owner || owner->tid == 0 || owner->tid == owner->pid) continue;
    const auto process = processes.find(owner->pid), of_thread = processes.find(owner->tid);
    if (process != processes.end() && of_thread != processes.end() &&
        process->second == of_thread->second) {
      continue;
    }
    const std::string& path = regular->path.bytes;
    causes->push_back(
        {"files.img", path + " is a file of a thread that has ended", "close it, for a new dump",
         "Can't open file " + path.substr(1) + " on restore: No such file or directory"});
    return;
  }
}

/// criu/arch/x86/crtools.c, restore_fpu(): components that it does not know, such as AMX tiles, are
/// not dumped, and are passed over.
void AskForRegisters(const Diagnostics& findings, std::vector<Cause>* causes) {
  constexpr std::string_view kField = ".thread_info.fpregs.xsave.xstate_bv";
  for (const Diagnostic& entry : findings.entries()) {
    if (entry.severity != Severity::kUnsupported || !entry.where.ends_with(kField)) continue;
    causes->push_back({entry.where.substr(0, entry.where.size() - kField.size()),
                       "the thread uses registers of XSAVE " + entry.what,
                       "release them (AMX: TILERELEASE), for a new dump",
                       "nothing: it restores the thread without them"});
    return;
  }
}

/// Nobody knows what is in the images that cannot be read.
void AskForDamage(const Diagnostics& findings, Verdict* verdict) {
  for (const Diagnostic& entry : findings.entries()) {
    if (entry.severity != Severity::kError) continue;
    verdict->answer = Answer::kUnknown;
    verdict->causes.insert(verdict->causes.begin(),
                           {entry.where, entry.what, "copy the dump again, or make it again"});
    return;
  }
}

}  // namespace

Verdict AskCriu(const Snapshot& snapshot, const Diagnostics& findings) {
  Verdict verdict = {"criu", Answer::kYes, {}};
  if (snapshot.tree.nodes.empty()) return {"criu", Answer::kUnknown, {}};
  AskForSession(snapshot.tree, &verdict);
  AskForConnections(snapshot, &verdict);
  AskForTerminals(snapshot, &verdict);
  AskForUnixSockets(snapshot, &verdict);
  AskForMounts(snapshot, &verdict);
  AskForLocks(snapshot, &verdict);
  if (!verdict.causes.empty()) verdict.answer = Answer::kOnlyWith;
  AskForDamage(findings, &verdict);
  std::vector<Cause> refusals;
  if (auto cause = Sessions(snapshot.tree).Find()) {
    refusals.push_back(std::move(*cause));
  } else if (auto group = FindLeftGroup(snapshot.tree)) {
    refusals.push_back(std::move(*group));
  }
  AskForTimers(findings, &refusals);
  AskForExecutables(snapshot, &refusals);
  AskForThreadFiles(snapshot, &refusals);
  AskForRegisters(findings, &refusals);
  if (refusals.empty()) return verdict;
  verdict.answer = Answer::kNo;
  verdict.causes.insert(verdict.causes.begin(), refusals.begin(), refusals.end());
  return verdict;
}

}  // namespace crgen
