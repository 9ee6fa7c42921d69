// SPDX-License-Identifier: Apache-2.0
#include "crgen/needs.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "generator/generate.h"
#include "model/mount_paths.h"
#include "model/printable.h"

namespace crgen {
namespace {

std::string OutsideText(const TreeSnapshot& tree) {
  const Pid sid = tree.nodes.front().sid;
  return sid == 0 ? "the session that the root has from outside"
                  : "session " + std::to_string(sid) + ", which is not of the tree";
}

std::string Count(std::size_t count, const std::string& what) {
  return std::to_string(count) + " " + what + (count == 1 ? "" : "s");
}

/// What processes hold and messages carry, as often as they do: `function(number, file)`; in a
/// message it has no number.
template <typename Function>
void ForEachHeld(const Snapshot& snapshot, Function&& function) {
  for (const DescriptorTable& table : snapshot.tables) {
    for (const Descriptor& slot : table.slots) {
      function(std::optional(slot.fd), *snapshot.files[slot.file]);
    }
  }
  for (const SocketQueue& queue : snapshot.socket_queues) {
    for (const QueuedMessage& message : queue.messages) {
      for (const FileIndex file : message.rights) {
        function(std::optional<Fd>(), *snapshot.files[file]);
      }
    }
  }
}

void AddDescriptors(const Snapshot& snapshot, std::vector<Need>* needs) {
  // The first one that each key has in the tree.
  std::map<std::string, std::optional<Fd>> numbers;
  std::set<std::string> with_name;
  ForEachHeld(snapshot, [&](std::optional<Fd> fd, const File& file) {
    if (!file.external) return;
    numbers.emplace(*file.external, fd);
    const auto* socket = As<UnixSocket>(file);
    if (socket != nullptr && socket->peer_name) with_name.insert(*file.external);
  });
  std::set<Fd> used;
  for (const auto& [key, first] : numbers) {
    constexpr Fd kBehindStreams = 3;
    Fd fd = first.value_or(kBehindStreams);
    while (!used.insert(fd).second) ++fd;
    needs->push_back({std::string(External::kDescriptor),
                      key,
                      first ? "a descriptor, which is " + std::to_string(*first) + " in the tree"
                            : std::string("a descriptor, which a message carries"),
                      {"--inherit-fd", "fd[" + std::to_string(fd) + "]:" + key}});
    if (with_name.contains(key)) needs->back().instead.push_back({"--ext-unix-sk"});
  }
}

void AddTerminals(const Snapshot& snapshot, std::vector<Need>* needs) {
  std::vector<const Tty*> held;
  std::set<TtyId> with_master;
  std::map<std::string, RestoreOption> terminals;
  ForEachHeld(snapshot, [&](std::optional<Fd>, const File& file) {
    const auto* tty = As<Tty>(file);
    if (tty == nullptr) return;
    held.push_back(tty);
    if (IsPtyMaster(*tty)) with_master.insert(tty->tty_id);
  });
  for (const Tty* tty : held) {
    if (tty->driver == kCurrentTerminal) {
      terminals.emplace("a terminal of outside, which becomes that of who restores",
                        RestoreOption{"--shell-job"});
    } else if (tty->driver == kPtySlave && !with_master.contains(tty->tty_id) &&
               !snapshot.terminals.at(tty->tty_id).state.hung_up) {
      terminals.emplace("pty " + std::to_string(*tty->index) + ", whose master is outside",
                        RestoreOption{"--console-socket", "SOCKET"});
    }
  }
  for (const auto& [what, option] : terminals) {
    needs->push_back({std::string(External::kTerminal), "", what, option});
  }
}

/// The container's config.json may say it, of bind mounts.
const RestoreOption kConfigured = {"--oci", "FILE"};
/// Below it engines mount hierarchies of cgroups, which are no bind mounts in that file.
constexpr std::string_view kHierarchies = "/sys/fs/cgroup/";

void AddMounts(const Attributes& root, std::vector<Need>* needs) {
  if (root.mounts.empty()) return;
  needs->push_back(
      {std::string(External::kRoot), "", "the root file system", {"--root", "DIR"}, {kConfigured}});
  std::map<std::string, std::vector<std::string_view>> places;
  for (const Mount& mount : root.mounts) {
    if (mount.external) places[mount.external->bytes].push_back(mount.mountpoint.bytes);
  }
  for (const auto& [key, at] : places) {
    const std::string more = at.size() == 1 ? "" : " and in " + Count(at.size() - 1, "other place");
    const RestoreOption given = {"--external", "mnt[" + key + "]:PATH"};
    const RestoreOption found = {"--external", "mnt[]"};
    const bool is_found = key.starts_with(kFoundByDumper);
    const bool is_hierarchy = key.starts_with(kHierarchies);
    Need need = {std::string(External::kMount), key,
                 "what is mounted at " + std::string(at.front()) + more, is_found ? found : given};
    if (is_hierarchy) need.what += " (a hierarchy of cgroups: the folder of the tree's cgroup)";
    if (is_found || !is_hierarchy) need.instead.push_back(is_found ? given : kConfigured);
    needs->push_back(std::move(need));
  }
}

void AddPidNamespace(const Snapshot& snapshot, std::vector<Need>* needs) {
  if (!snapshot.pid_namespace) return;
  const std::string& key = snapshot.pid_namespace->external.bytes;
  needs->push_back({std::string(External::kPidNamespace),
                    key,
                    "the pid namespace",
                    {"--external", "pid[PATH]:" + key},
                    {{"--inherit-fd", "fd[N]:" + key}, {"--join-ns", "pid:PATH"}, {"--pidns"}}});
}

void AddNetwork(const Snapshot& snapshot, const Attributes& root, std::vector<Need>* needs) {
  if (!root.net) return;
  if (root.net->external) {
    const std::string& key = root.net->external->bytes;
    needs->push_back(
        {std::string(External::kNetwork),
         key,
         "the network namespace",
         {"--external", "net[PATH]:" + key},
         {{"--inherit-fd", "fd[N]:" + key}, {"--join-ns", "net:PATH"}, {"--empty-ns", "net"}}});
    return;
  }
  std::vector<NetDevice> devices;
  ForEachNet(root, [&](const NetNamespace& net) {
    for (const NetDevice& device : net.devices) {
      if (device.NeedsOutside()) devices.push_back(device);
    }
  });
  for (const NetDevice& device : devices) {
    const std::string key = device.OutsideKey();
    needs->push_back({std::string(External::kDevice),
                      key,
                      (device.type == kVethDevice ? "the other end of the network device "
                                                  : "the device below the network device ") +
                          device.name.bytes,
                      {"--external", key + ":DEVICE"},
                      device.type == kVethDevice
                          ? std::vector<RestoreOption>{{"--external",
                                                        "netdev[" + device.name.bytes + "]:DEVICE"}}
                          : std::vector<RestoreOption>{}});
  }
  if (!root.net->devices.empty()) return;
  const bool has_sockets = std::ranges::any_of(
      snapshot.files, [](const auto& file) { return As<InetSocket>(*file) != nullptr; });
  if (!has_sockets) return;
  needs->push_back({std::string(Need::kLoopback),
                    "",
                    "internet sockets in a network namespace of its own, whose loopback device is "
                    "down unless it is brought up",
                    {"--net-lo-up"},
                    {},
                    true});
}

void AddLocks(const Snapshot& snapshot, std::vector<Need>* needs) {
  std::size_t locks = 0;
  for (const LateEntry& late : snapshot.late) {
    if (const auto* setting = std::get_if<LockSetting>(&late.state)) locks += setting->locks.size();
    if (std::holds_alternative<LeaseSetting>(late.state)) ++locks;
  }
  if (locks == 0) return;
  needs->push_back({std::string(Need::kLocks),
                    "",
                    Count(locks, "file lock") + ", which others see",
                    {"--file-locks"}});
}

void AddCgroups(const Snapshot& snapshot, std::vector<Need>* needs) {
  const auto count = static_cast<std::size_t>(std::ranges::count_if(
      snapshot.cgroup_directories,
      [](const CgroupDirectory& directory) { return directory.path.bytes != "/"; }));
  if (count == 0) return;
  needs->push_back({std::string(Need::kCgroups),
                    "",
                    Count(count, "cgroup"),
                    {"--manage-cgroups=soft"},
                    {},
                    true});
}

void AddConnections(const Snapshot& snapshot, std::vector<Need>* needs) {
  std::set<std::string> ends;
  std::vector<std::string> peers;
  const auto text = [](const InetAddress& from, const InetAddress& to) {
    return std::string(UnmappedAddress(from.address)) + " " + std::to_string(from.port) + " to " +
           std::string(UnmappedAddress(to.address)) + " " + std::to_string(to.port);
  };
  for (const auto& file : snapshot.files) {
    const auto* socket = As<InetSocket>(*file);
    if (socket == nullptr || !socket->stream || !socket->source || !socket->destination) continue;
    ends.insert(text(*socket->source, *socket->destination));
    peers.push_back(text(*socket->destination, *socket->source));
  }
  if (peers.empty()) return;
  const auto outside =
      std::ranges::count_if(peers, [&](const std::string& peer) { return !ends.contains(peer); });
  needs->push_back({std::string(Need::kConnections),
                    "",
                    Count(peers.size(), "TCP connection") + ", the other end of " +
                        std::to_string(outside) + " outside of the tree",
                    {"--tcp-established"},
                    {{"--tcp-close"}}});
}

/// Where a warning of a kind says that it is, and what crrestore does.
struct KindText {
  std::string_view kind;
  std::string_view where;
  std::string_view end;
};
constexpr KindText kKinds[] = {
    {Need::kConnections, "files.img",
     "crrestore wants --tcp-established to go on with them, or --tcp-close to close them"},
    {External::kRoot, "mounts", ""},
    {External::kPidNamespace, "pid_namespace", ""},
    {External::kNetwork, "net", ""},
    {External::kDevice, "net", ""},
    {External::kDescriptor, "files.img", ""},
    {External::kTerminal, "tty-info.img", ""},
    {Need::kLocks, "filelocks.img", "crrestore wants --file-locks for that"},
    {Need::kCgroups, "cgroup.img",
     "crrestore makes what is missing of them, or does with them what --manage-cgroups=MODE says"},
    {Need::kLoopback, "net", "crrestore --net-lo-up does so"}};

/// What is wanted for `count` needs of a kind, of which `need` is the first.
std::string WarningText(const Need& need, std::size_t count, std::size_t mounts) {
  const std::string list = "; crgen needs lists them";
  if (need.kind == External::kRoot) {
    return "the tree has a mount namespace of its own: crrestore wants --root DIR" +
           (mounts == 0 ? ""
                        : " and --external mnt[KEY]:PATH for " + Count(mounts, "mount") + list);
  }
  if (need.kind == External::kPidNamespace) {
    return "the pid namespace comes from outside: crrestore wants --inherit-fd fd[N]:" + need.key +
           ", --join-ns pid:PATH, or --pidns for a new one";
  }
  if (need.kind == External::kNetwork) {
    return "the network namespace comes from outside: crrestore wants --inherit-fd fd[N]:" +
           need.key + ", --join-ns net:PATH, or --empty-ns net for a new one";
  }
  if (need.kind == External::kDevice) {
    return (count == 1 ? need.what + " is"
                       : "parts of " + Count(count, "network device") + " are") +
           " outside: crrestore wants --external " + (count == 1 ? need.key : "KEY") + ":DEVICE" +
           (count == 1 ? "" : " for each" + list);
  }
  if (need.kind == External::kDescriptor) {
    return (count == 1 ? need.key + " comes" : Count(count, "descriptor") + " come") +
           " from outside: crrestore wants --inherit-fd fd[N]:" +
           (count == 1 ? need.key : "KEY for each") +
           (need.instead.empty() ? "" : ", or " + need.instead.front().name) +
           (count == 1 ? "" : list);
  }
  if (need.kind == External::kTerminal) {
    return (count == 1 ? need.what : Count(count, "terminal") + " of outside") +
           ": crrestore wants " + need.option.name + " for " +
           (count == 1 ? "it" : "the first of them" + list);
  }
  const auto* row = std::ranges::find(kKinds, need.kind, &KindText::kind);
  return need.what + ": " + std::string(row->end);
}

}  // namespace

std::vector<Need> NeedsOf(const Snapshot& snapshot) {
  std::vector<Need> needs;
  if (ReachesOutside(snapshot.tree)) {
    needs.push_back(
        {std::string(External::kSession), "", OutsideText(snapshot.tree), {"--shell-job"}});
  }
  AddDescriptors(snapshot, &needs);
  AddTerminals(snapshot, &needs);
  AddPidNamespace(snapshot, &needs);
  if (!snapshot.processes.empty() && snapshot.processes.front().attributes != nullptr) {
    const Attributes& root = *snapshot.processes.front().attributes;
    AddMounts(root, &needs);
    AddNetwork(snapshot, root, &needs);
  }
  AddConnections(snapshot, &needs);
  AddLocks(snapshot, &needs);
  AddCgroups(snapshot, &needs);
  return needs;
}

std::vector<External> ExternalsOf(const std::vector<Need>& needs) {
  constexpr std::string_view kSaid[] = {
      External::kSession, External::kDescriptor, External::kTerminal, External::kRoot,
      External::kMount,   External::kNetwork,    External::kDevice,   External::kPidNamespace};
  std::vector<External> externals;
  for (const Need& need : needs) {
    if (std::ranges::find(kSaid, need.kind) == std::end(kSaid)) continue;
    externals.push_back({need.kind, need.key.empty() ? need.what : Printable(need.key)});
  }
  return externals;
}

void WarnOfNeeds(const std::vector<Need>& needs, Diagnostics& diag) {
  const auto is = [](std::string_view kind) {
    return [kind](const Need& need) { return need.kind == kind; };
  };
  const auto mounts = std::ranges::count_if(needs, is(External::kMount));
  for (const KindText& row : kKinds) {
    const auto first = std::ranges::find_if(needs, is(row.kind));
    if (first == needs.end()) continue;
    const auto count = std::ranges::count_if(needs, is(row.kind));
    diag.Warning(std::string(row.where), WarningText(*first, static_cast<std::size_t>(count),
                                                     static_cast<std::size_t>(mounts)));
  }
}

void WarnOfOutside(const TreeSnapshot& tree, Diagnostics& diag) {
  if (!ReachesOutside(tree)) return;
  diag.Warning("pid " + std::to_string(tree.nodes.front().pid),
               "the root is in " + OutsideText(tree) +
                   ": the plan takes the restorer's, and crrestore wants --shell-job for it");
}

}  // namespace crgen
