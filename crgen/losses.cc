#include "crgen/losses.h"

#include <algorithm>
#include <map>

#include "generator/generate.h"
#include "model/printable.h"

namespace crgen {
namespace {

struct LossName {
  std::string_view name;
  Loss loss;
  std::string_view meaning;
};
constexpr LossName kLosses[] = {
    {"cgroups", Loss::kCgroups, "places in cgroups that no image names"},
    {"descriptors", Loss::kDescriptors, "descriptors of types that no command says yet"},
    {"labels", Loss::kLabels, "labels of AppArmor and SELinux"},
    {"locks", Loss::kLocks, "file locks"},
    {"queues", Loss::kQueues, "bytes queued in pipes, sockets and terminals"},
    {"unlinked", Loss::kUnlinked, "files that are unlinked, or not reachable by their names"},
};

std::string OutsideText(const TreeSnapshot& tree) {
  const Pid sid = tree.nodes.front().sid;
  return sid == 0 ? "the session that the root has from outside"
                  : "session " + std::to_string(sid) + ", which is not of the tree";
}

/// Of the descriptions that processes hold.
std::set<std::string> ExternalKeys(const Snapshot& snapshot) {
  std::set<std::string> keys;
  for (const DescriptorTable& table : snapshot.tables) {
    for (const Descriptor& slot : table.slots) {
      const auto& external = snapshot.files[slot.file]->external;
      if (external) keys.insert(Printable(*external));
    }
  }
  return keys;
}

/// Terminals of the tree that somebody outside has, in words, and the option of crrestore that says
/// what becomes of them.
std::map<std::string, std::string> OutsideTerminals(const Snapshot& snapshot) {
  std::set<TtyId> with_master;
  std::map<std::string, std::string> terminals;
  const auto for_each = [&](auto&& function) {
    for (const DescriptorTable& table : snapshot.tables) {
      for (const Descriptor& slot : table.slots) {
        const auto* tty = std::get_if<Tty>(&snapshot.files[slot.file]->body);
        if (tty != nullptr) function(*tty);
      }
    }
  };
  for_each([&](const Tty& tty) {
    if (IsPtyMaster(tty)) with_master.insert(tty.tty_id);
  });
  for_each([&](const Tty& tty) {
    if (tty.driver == kCurrentTerminal) {
      terminals.emplace("a terminal of outside, which becomes that of who restores", "--shell-job");
    } else if (tty.driver == kPtySlave && !with_master.contains(tty.tty_id) &&
               !snapshot.terminals.at(tty.tty_id).state.hung_up) {
      terminals.emplace("pty " + std::to_string(*tty.index) + ", whose master is outside",
                        "--console-socket");
    }
  });
  return terminals;
}

/// What the root has, and with it the tree; nullptr: nothing.
const Attributes* RootOf(const Snapshot& snapshot) {
  return snapshot.processes.empty() ? nullptr : snapshot.processes.front().attributes.get();
}

/// Of what the caller of a restore has mounted for the tree.
std::set<std::string> MountKeys(const Attributes& root) {
  std::set<std::string> keys;
  for (const Mount& mount : root.mounts) {
    if (mount.external) keys.insert(Printable(mount.external->bytes));
  }
  return keys;
}

/// One line for each namespace, however much it needs.
void WarnOfNamespaces(const Attributes& root, Diagnostics& diag) {
  if (!root.mounts.empty()) {
    std::string options = "--root DIR";
    for (const std::string& key : MountKeys(root)) options += " --external mnt[" + key + "]:PATH";
    diag.Warning("mounts", "the tree has a mount namespace of its own: crrestore wants " + options);
  }
  if (root.net && root.net->external) {
    const std::string key = Printable(root.net->external->bytes);
    diag.Warning("net",
                 "the network namespace comes from outside: crrestore wants --inherit-fd "
                 "fd[N]:" +
                     key + ", --join-ns net:PATH, or --empty-ns net for a new one");
  }
}

}  // namespace

std::string LossHelp() {
  std::string text;
  for (const LossName& row : kLosses) {
    text += "  " + std::string(row.name) + std::string(13 - row.name.size(), ' ') +
            std::string(row.meaning) + "\n";
  }
  return text;
}

Result ParseLosses(const std::vector<std::string>& names, std::set<Loss>* losses,
                   std::string* wrong) {
  for (const std::string& name : names) {
    const auto row = std::ranges::find(kLosses, std::string_view(name), &LossName::name);
    if (row == std::end(kLosses)) {
      *wrong = name;
      return Result::kError;
    }
    losses->insert(row->loss);
  }
  return Result::kOk;
}

Diagnostics Accept(const Diagnostics& diag, const std::set<Loss>& losses, bool all) {
  Diagnostics seen;
  for (Diagnostic entry : diag.entries()) {
    const bool accepted = !entry.essential && (all || losses.contains(entry.loss));
    if (entry.severity == Severity::kUnsupported && accepted) {
      entry.severity = Severity::kWarning;
      entry.what = "left out: " + entry.what;
    }
    seen.Add(std::move(entry));
  }
  seen.CountDropped(diag);
  return seen;
}

std::shared_ptr<const About> AboutPlan(const Diagnostics& diag, const Snapshot& snapshot) {
  auto about = std::make_shared<About>();
  about->version.text = LanguageVersion::kCurrent;
  about->machine = "x86_64";
  for (const Diagnostic& entry : diag.entries()) {
    const LeftOut it = {Printable(entry.where), Printable(entry.what)};
    if (entry.severity == Severity::kUnsupported) about->left_out.push_back(it);
    if (entry.lost_anyway) about->not_restorable.push_back(it);
  }
  const std::size_t more = diag.Count(Severity::kUnsupported) - about->left_out.size();
  if (more != 0) about->left_out.push_back({"dump", std::to_string(more) + " more things"});
  if (ReachesOutside(snapshot.tree)) {
    about->external.push_back({std::string(External::kSession), OutsideText(snapshot.tree)});
  }
  for (const std::string& key : ExternalKeys(snapshot)) {
    about->external.push_back({std::string(External::kDescriptor), key});
  }
  for (const auto& [what, option] : OutsideTerminals(snapshot)) {
    about->external.push_back({std::string(External::kTerminal), what});
  }
  if (const Attributes* root = RootOf(snapshot); root != nullptr) {
    if (!root->mounts.empty()) {
      about->external.push_back({std::string(External::kRoot), "the root file system"});
    }
    for (const std::string& key : MountKeys(*root)) {
      about->external.push_back({std::string(External::kMount), key});
    }
    if (root->net && root->net->external) {
      about->external.push_back(
          {std::string(External::kNetwork), Printable(root->net->external->bytes)});
    }
  }
  about->network_lock = snapshot.network_lock;
  return about;
}

Diagnostics CompareLeftOut(const Diagnostics& loading, const About* about) {
  std::set<std::pair<std::string_view, std::string_view>> named;
  if (about != nullptr) {
    for (const LeftOut& it : about->left_out) named.insert({it.where, it.what});
  }
  Diagnostics seen;
  for (Diagnostic entry : loading.entries()) {
    if (entry.severity == Severity::kUnsupported) {
      const std::string where = Printable(entry.where), what = Printable(entry.what);
      const bool is_named = named.contains({where, what});
      entry.severity = is_named ? Severity::kWarning : Severity::kError;
      entry.what = (is_named ? "left out, as the plan says: "
                             : "expected, neither restored nor left out by name: ") +
                   entry.what;
    }
    seen.Add(std::move(entry));
  }
  return seen;
}

void WarnOfOutside(const Snapshot& snapshot, Diagnostics& diag) {
  WarnOfOutside(snapshot.tree, diag);
  if (const Attributes* root = RootOf(snapshot); root != nullptr) WarnOfNamespaces(*root, diag);
  for (const std::string& key : ExternalKeys(snapshot)) {
    diag.Warning(key,
                 "comes from outside: whoever restores hands it over, crrestore --inherit-fd "
                 "fd[N]:" +
                     key);
  }
  for (const auto& [what, option] : OutsideTerminals(snapshot)) {
    diag.Warning("tty-info.img", what + ": crrestore wants " + option + " for it");
  }
}

void WarnOfOutside(const TreeSnapshot& tree, Diagnostics& diag) {
  if (!ReachesOutside(tree)) return;
  diag.Warning("pid " + std::to_string(tree.nodes.front().pid),
               "the root is in " + OutsideText(tree) +
                   ": the plan takes the restorer's, and crrestore wants --shell-job for it");
}

void WarnOfLocks(const Snapshot& snapshot, Diagnostics& diag) {
  std::size_t locks = 0;
  for (const LateEntry& late : snapshot.late) {
    if (const auto* setting = std::get_if<LockSetting>(&late.state)) locks += setting->locks.size();
    if (std::holds_alternative<LeaseSetting>(late.state)) ++locks;
  }
  if (locks == 0) return;
  diag.Warning("filelocks.img", std::to_string(locks) +
                                    (locks == 1 ? " file lock" : " file locks") +
                                    ", which others see: crrestore wants --file-locks for that");
}

void WarnOfCgroups(const Snapshot& snapshot, Diagnostics& diag) {
  const auto count = std::ranges::count_if(
      snapshot.cgroup_directories,
      [](const CgroupDirectory& directory) { return directory.path.bytes != "/"; });
  if (count == 0) return;
  diag.Warning("cgroup.img",
               std::to_string(count) + (count == 1 ? " cgroup" : " cgroups") +
                   ": crrestore makes what is missing of them, or does with them what "
                   "--manage-cgroups=MODE says");
}

void WarnOfConnections(const Snapshot& snapshot, Diagnostics& diag) {
  std::set<std::string> ends;
  std::vector<std::string> peers;
  const auto text = [](const InetAddress& from, const InetAddress& to) {
    return from.address + " " + std::to_string(from.port) + " to " + to.address + " " +
           std::to_string(to.port);
  };
  for (const auto& file : snapshot.files) {
    const auto* socket = std::get_if<InetSocket>(&file->body);
    if (socket == nullptr || !socket->stream || !socket->source || !socket->destination) continue;
    ends.insert(text(*socket->source, *socket->destination));
    peers.push_back(text(*socket->destination, *socket->source));
  }
  if (peers.empty()) return;
  const auto outside = std::count_if(peers.begin(), peers.end(),
                                     [&](const std::string& peer) { return !ends.contains(peer); });
  diag.Warning("files.img", std::to_string(peers.size()) + " TCP connections, the other end of " +
                                std::to_string(outside) +
                                " outside of the tree: crrestore wants --tcp-established to go on "
                                "with them, or --tcp-close to close them");
}

}  // namespace crgen
