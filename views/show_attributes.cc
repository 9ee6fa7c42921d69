// SPDX-License-Identifier: Apache-2.0
// Signals, timers, credentials; namespaces, mounts, cgroups.
#include <linux/capability.h>

#include <algorithm>
#include <bit>
#include <set>

#include "model/capabilities.h"
#include "views/show_parts.h"

namespace crgen {
namespace {

std::string QueueText(const std::vector<PendingSignal>& queue) {
  std::string text;
  for (const PendingSignal& signal : queue)
    text += (text.empty() ? "" : " ") + NameText(signal.signal);
  return text;
}

void ShowThreadSignals(const Show& show, Pid pid, const Process& process) {
  ForEachThread(pid, process, [&](Pid tid, const Attributes& attributes) {
    const std::string of = tid == pid ? "" : " of thread " + std::to_string(tid);
    const std::uint64_t mask = attributes.signal_mask ? attributes.signal_mask->value : 0;
    Fact(show, "blocked" + of, MaskText(mask));
    Fact(show, "pending" + of, QueueText(attributes.signal_queue));
  });
  Fact(show, "pending of the leader alone", QueueText(process.leader_signal_queue));
}

std::string TimerText(const IntervalTimer& timer) {
  if (timer == IntervalTimer{}) return "";
  std::string text = "in " + TimeText(timer.value_sec, timer.value_usec * 1000);
  if (timer.interval_sec == 0 && timer.interval_usec == 0) return text;
  return text + ", every " + TimeText(timer.interval_sec, timer.interval_usec * 1000);
}

std::string PosixTimerText(const PosixTimer& timer) {
  std::string text = NameText(timer.clock) + ", ";
  text += timer.value_sec == 0 && timer.value_nsec == 0
              ? "disarmed"
              : "in " + TimeText(timer.value_sec, timer.value_nsec);
  if (timer.interval_sec != 0 || timer.interval_nsec != 0) {
    text += ", every " + TimeText(timer.interval_sec, timer.interval_nsec);
  }
  text += ", " + NameText(timer.notify);
  if (timer.signal.value != 0) text += " " + NameText(timer.signal);
  if (timer.notify_tid) text += " to thread " + std::to_string(*timer.notify_tid);
  return text;
}

std::string CapabilityNames(std::uint64_t mask) {
  std::string text;
  for (int bit = 0; bit < 64; ++bit) {
    if ((mask >> bit & 1) != 0) text += (text.empty() ? "" : " ") + CapabilityName(bit);
  }
  return text;
}

/// "none", "all", "CAP_KILL CAP_SETUID", "all but CAP_SYS_ADMIN".
std::string CapabilityText(std::uint64_t mask) {
  constexpr std::uint64_t kAll = (std::uint64_t{2} << CAP_LAST_CAP) - 1;
  if (mask == 0 || mask == kAll) return mask == 0 ? "none" : "all";
  const bool most = (mask & ~kAll) == 0 && std::popcount(mask) * 2 > CAP_LAST_CAP;
  return most ? "all but " + CapabilityNames(kAll & ~mask) : CapabilityNames(mask);
}

std::string IdsText(std::uint32_t real, std::uint32_t effective, std::uint32_t saved,
                    std::uint32_t fs) {
  std::string first = std::to_string(real);
  if (real == effective && real == saved && real == fs) return first;
  return first + ", effective " + std::to_string(effective) + ", saved " + std::to_string(saved) +
         ", file system " + std::to_string(fs);
}

std::string SeccompText(const std::optional<Seccomp>& seccomp) {
  if (!seccomp) return "";
  return NameText(seccomp->mode) +
         (seccomp->filters.empty() ? ""
                                   : ", " + Count(seccomp->filters.size(), "filter", "filters"));
}

void AddCredentials(Pid tid, bool leader, const std::string& name, const Attributes& attributes,
                    Table* table) {
  const std::string who = leader ? std::to_string(tid) + " " + name : "  " + std::to_string(tid);
  if (!attributes.creds) {
    table->Add({who, "", "", "", "", "", "", SeccompText(attributes.seccomp)});
    return;
  }
  const Creds& creds = *attributes.creds;
  std::string rest = SeccompText(attributes.seccomp);
  const auto more = [&](const std::string& text) { rest += (rest.empty() ? "" : "; ") + text; };
  if (!creds.groups.empty()) more(Count(creds.groups.size(), "further group", "further groups"));
  if (creds.secbits.bits != 0) more(FlagText(creds.secbits));
  if (creds.lsm_profile) more("label " + creds.lsm_profile->bytes);
  table->Add({who, IdsText(creds.uid, creds.euid, creds.suid, creds.fsuid),
              IdsText(creds.gid, creds.egid, creds.sgid, creds.fsgid),
              CapabilityText(creds.cap_eff.value), CapabilityText(creds.cap_prm.value),
              CapabilityText(creds.cap_bnd.value), creds.no_new_privs ? "yes" : "no", rest});
}

/// "0-999 (100000-100999 outside)", …
std::string MapText(const IdMap& map) {
  const auto range = [](std::uint64_t first, std::uint64_t count) {
    return std::to_string(first) + (count == 1 ? "" : "-" + std::to_string(first + count - 1));
  };
  std::string text;
  for (const IdRange& it : map) {
    text += (text.empty() ? "" : ", ") + range(it.inside, it.count) + " (" +
            range(it.outside, it.count) + " outside)";
  }
  return text;
}

void ShowNamespaces(const Show& show, const Attributes& root) {
  if (show.snapshot().new_pid_namespace) show.Line("pid namespace of its own");
  if (const auto& outside = show.snapshot().pid_namespace) {
    show.Line("pid namespace from outside: " + outside->external.bytes);
  }
  if (const auto& user = show.snapshot().user_namespace) {
    show.Line("user namespace: user ids " + MapText(user->uid_map) + "; group ids " +
              MapText(user->gid_map));
  }
  if (root.uts) show.Line("UTS namespace: host " + root.uts->nodename.bytes);
  if (root.ipc) {
    std::string line = "IPC namespace", separator = ": ";
    for (const auto& [count, one, many] :
         {std::tuple{root.ipc->shm.size(), "segment", "segments"},
          std::tuple{root.ipc->msg.size(), "message queue", "message queues"},
          std::tuple{root.ipc->sem.size(), "set of semaphores", "sets of semaphores"}}) {
      if (count == 0) continue;
      line += separator + Count(count, one, many);
      separator = ", ";
    }
    show.Line(line);
  }
  ForEachNet(root, [&](const NetNamespace& net) {
    const bool further = &net != &*root.net;
    show.Line(
        (further ? "further network namespace " + std::to_string(net.id)
                 : "network namespace" +
                       (root.further_nets.empty() ? std::string() : " " + std::to_string(net.id))) +
        (net.external ? ", from outside: " + net.external->bytes : ""));
    for (const NetDevice& device : net.devices) {
      show.Line("network device " + std::to_string(device.ifindex) + ": " + device.name.bytes +
                ", " + ValueName(NetDeviceTypeKind::Names(), device.type.value) +
                (device.address.empty() ? "" : " " + device.address) +
                (device.NeedsOutside() ? ", with a part outside: " + device.OutsideKey() : "") +
                (device.link_net ? ", to device " + std::to_string(*device.link) +
                                       " of network namespace " + std::to_string(*device.link_net)
                                 : ""));
    }
  });
}

std::string MountSource(const Mount& mount) {
  if (mount.external) return "from outside: " + mount.external->bytes;
  if (mount.IsFirstRoot()) return "the root file system";
  if (mount.IsBind()) return "bind of " + mount.root.bytes + (mount.deleted ? " (deleted)" : "");
  return mount.source ? mount.source->bytes : "";
}

}  // namespace

void ShowSignals(const Show& show) {
  show.ForEachProcess([&](ProcessIndex index, const Process& process) {
    if (process.state == ProcessState::kZombie || process.attributes == nullptr) return;
    std::uint64_t ignored = 0, caught = 0;
    for (const SignalAction& action : process.attributes->sigactions) {
      constexpr std::uint64_t kIgnore = 1;
      const std::uint64_t bit = std::uint64_t{1} << (action.signal.value - 1);
      if (action.handler.value == kIgnore) ignored |= bit;
      if (action.handler.value > kIgnore) caught |= bit;
    }
    show.Line(show.NameOf(index), Ink::kHeading);
    Fact(show, "ignored", MaskText(ignored));
    Fact(show, "caught", MaskText(caught));
    ShowThreadSignals(show, show.PidOf(index), process);
  });
}

void ShowTimers(const Show& show) {
  Table table({{"OF"}, {"TIMER"}, {"STATE"}});
  show.ForEachProcess([&](ProcessIndex index, const Process& process) {
    if (process.attributes == nullptr) return;
    const std::string who = show.NameOf(index);
    const auto add = [&](const std::string& timer, const std::string& state) {
      if (!state.empty()) table.Add({who, timer, state});
    };
    if (const auto& timers = process.attributes->timers) {
      add("ITIMER_REAL", TimerText(timers->real));
      add("ITIMER_VIRTUAL", TimerText(timers->virt));
      add("ITIMER_PROF", TimerText(timers->prof));
    }
    for (const PosixTimer& timer : process.attributes->posix_timers) {
      add("timer " + std::to_string(timer.id), PosixTimerText(timer));
    }
  });
  for (const LateEntry& late : show.snapshot().late) {
    const auto* setting = std::get_if<TimerfdSetting>(&late.state);
    const auto& holders = show.relations.HoldersOf(late.file);
    if (setting == nullptr || !show.Wants(holders)) continue;
    table.Add({show.relations.HeldText(late.file),
               "timerfd, " + FileText(*show.snapshot().files[late.file]), LateText(late.state)});
  }
  table.Write(0, show.options, show.out);
}

void ShowCredentials(const Show& show) {
  Table table({{"OF"},
               {"UID"},
               {"GID"},
               {"EFFECTIVE"},
               {"PERMITTED"},
               {"BOUNDING"},
               {"NO_NEW_PRIVS"},
               {"MORE"}});
  show.ForEachProcess([&](ProcessIndex index, const Process& process) {
    if (process.state == ProcessState::kZombie) return;
    const Pid pid = show.PidOf(index);
    const Attributes* leader = process.attributes.get();
    ForEachThread(pid, process, [&](Pid tid, const Attributes& attributes) {
      const bool same = tid != pid && leader != nullptr && attributes.creds == leader->creds &&
                        attributes.seccomp == leader->seccomp;
      if (!same) AddCredentials(tid, tid == pid, CommOf(process), attributes, &table);
    });
  });
  table.Write(0, show.options, show.out);
}

void ShowMounts(const Show& show) {
  const Snapshot& snapshot = show.snapshot();
  if (snapshot.processes.empty()) return;
  if (const Attributes* root = snapshot.processes.front().attributes.get()) {
    ShowNamespaces(show, *root);
    Table table({{"ID", Table::Align::kRight},
                 {"ON", Table::Align::kRight},
                 {"TYPE"},
                 {"MOUNTPOINT"},
                 {"FLAGS"},
                 {"SOURCE"}});
    for (const Mount& mount : root->mounts) {
      const std::string in =
          mount.namespace_id ? ", in namespace " + std::to_string(*mount.namespace_id) : "";
      table.Add({std::to_string(mount.id), mount.parent ? std::to_string(*mount.parent) : "",
                 mount.fstype, mount.mountpoint.bytes, FlagText(mount.flags),
                 MountSource(mount) + in});
    }
    table.Write(0, show.options, show.out);
  }
  Table cgroups({{"CGROUP"}, {"PROPERTIES"}});
  for (const CgroupDirectory& directory : snapshot.cgroup_directories) {
    cgroups.Add({CgroupText(directory.controllers, directory.path.bytes),
                 std::to_string(directory.properties.size())});
  }
  cgroups.Write(0, show.options, show.out);
}

}  // namespace crgen
