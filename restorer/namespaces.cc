// SPDX-License-Identifier: Apache-2.0
#include "restorer/namespaces.h"

#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <deque>
#include <optional>
#include <vector>

#include "model/mount_paths.h"
#include "restorer/network.h"
#include "restorer/supervisor_calls.h"
#include "restorer/sysctl.h"
#include "restorer/user_namespace.h"

namespace crgen::restorer {
namespace {

constexpr const char* kJoined = "setns of the namespace to join, ";

std::string Unshare(int flag, const char* name) {
  if (!FailsOnPurpose() && unshare(flag) == 0) return "";
  return ErrorText(std::string("unshare(") + name + ")");
}

std::string Join(int fd, int flag, const std::string& name) {
  if (!FailsOnPurpose() && setns(fd, flag) == 0) return "";
  return ErrorText(kJoined + name);
}

std::string JoinHeld(int held, int flag, const std::string& name) {
  const int fd = Reopen(held, O_RDONLY);
  if (fd < 0) return ErrorText("open of the namespace to join, " + name);
  std::string problem = Join(fd, flag, name);
  close(fd);
  return problem;
}

std::string SetNames(const UtsNamespace& uts) {
  const std::string &node = uts.nodename.bytes, &domain = uts.domainname.bytes;
  if (sethostname(node.data(), node.size()) != 0) return ErrorText("sethostname");
  if (setdomainname(domain.data(), domain.size()) != 0) return ErrorText("setdomainname");
  return "";
}

std::string SetSysctls(const IpcSysctls& it) {
  const auto text = [](std::uint64_t value) { return std::to_string(value); };
  const auto maybe = [&](std::optional<std::uint32_t> value) {
    return value ? std::optional(text(*value)) : std::nullopt;
  };
  const std::pair<const char*, std::optional<std::string>> all[] = {
      {"kernel/sem",
       text(it.sem_msl) + " " + text(it.sem_mns) + " " + text(it.sem_opm) + " " + text(it.sem_mni)},
      {"kernel/msgmax", text(it.msgmax)},
      {"kernel/msgmnb", text(it.msgmnb)},
      {"kernel/msgmni", text(it.msgmni)},
      {"kernel/auto_msgmni", it.auto_msgmni ? std::optional(text(1)) : std::nullopt},
      {"kernel/shmmax", text(it.shmmax.value)},
      {"kernel/shmall", text(it.shmall.value)},
      {"kernel/shmmni", text(it.shmmni)},
      {"kernel/shm_rmid_forced", text(it.shm_rmid_forced ? 1 : 0)},
      {"fs/mqueue/queues_max", text(it.queues_max)},
      {"fs/mqueue/msg_max", text(it.msg_max)},
      {"fs/mqueue/msgsize_max", text(it.msgsize_max)},
      {"fs/mqueue/msg_default", maybe(it.msg_default)},
      {"fs/mqueue/msgsize_default", maybe(it.msgsize_default)},
      {"kernel/msg_next_id", maybe(it.msg_next_id)},
      {"kernel/sem_next_id", maybe(it.sem_next_id)},
      {"kernel/shm_next_id", maybe(it.shm_next_id)}};
  for (const auto& [name, value] : all) {
    if (!value) continue;
    if (std::string problem = WriteSysctl(name, *value); !problem.empty()) return problem;
  }
  return "";
}

std::string BringLoUp() {
  const int fd = FailsOnPurpose() ? -1 : socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return ErrorText("socket, to bring lo up");
  ifreq request = {};
  std::strcpy(request.ifr_name, "lo");
  bool done = ioctl(fd, SIOCGIFFLAGS, &request) == 0;
  request.ifr_flags = static_cast<short>(request.ifr_flags | IFF_UP);
  done = done && ioctl(fd, SIOCSIFFLAGS, &request) == 0;
  std::string problem = done ? "" : ErrorText("bringing lo up");
  close(fd);
  return problem;
}

class Namespaces {
 public:
  Namespaces(const HostFiles& files, const RestoreOptions& options, const UserHolder* user,
             const OutsideIds& ids, SystemV& system_v, NetDescriptors& nets)
      : files_(files),
        options_(options),
        user_(user),
        ids_(ids),
        system_v_(system_v),
        nets_(nets) {}

  std::string Enter(const Attributes& attributes) const {
    std::string problem;
    if (attributes.uts && !Joins("uts")) {
      problem = EnterNew(CLONE_NEWUTS, "CLONE_NEWUTS", "uts");
      if (problem.empty()) problem = SetNames(*attributes.uts);
    }
    if (problem.empty() && attributes.ipc && !Joins("ipc")) {
      problem = EnterNew(CLONE_NEWIPC, "CLONE_NEWIPC", "ipc");
      if (problem.empty()) problem = system_v_.Make(*attributes.ipc, files_, ids_);
      if (problem.empty()) problem = SetSysctls(attributes.ipc->sysctls);
    }
    if (problem.empty() && attributes.net && !Joins("net")) problem = EnterNet(attributes);
    return problem;
  }

  std::string JoinAll() const {
    constexpr std::pair<const char*, int> kKinds[] = {
        {"uts", CLONE_NEWUTS}, {"ipc", CLONE_NEWIPC}, {"net", CLONE_NEWNET}};
    for (const auto& [kind, flag] : kKinds) {
      if (!Joins(kind)) continue;
      std::string problem = JoinHeld(files_.place(JoinPlace(kind)), flag, kind);
      if (!problem.empty()) return problem;
    }
    return options_.namespaces.lo_up ? BringLoUp() : "";
  }

 private:
  /// One that belongs to a user namespace of the plan's own is the holder's.
  std::string EnterNew(int flag, const char* name, const char* kind) const {
    if (user_ == nullptr) return Unshare(flag, name);
    const int fd = user_->OpenNamespace(kind);
    if (fd < 0) return ErrorText(std::string("open of the new namespace, ") + kind);
    const bool entered = !FailsOnPurpose() && setns(fd, flag) == 0;
    std::string problem = entered ? "" : ErrorText(std::string("setns(") + name + ")");
    close(fd);
    return problem;
  }

  bool Joins(const char* kind) const { return options_.namespaces.joined.contains(kind); }

  std::string EnterNet(const Attributes& attributes) const {
    const NetNamespace& net = *attributes.net;
    const bool made = !net.external || options_.namespaces.empty_net;
    // Others' devices are in the namespace in which this process still is.
    std::deque<NetworkMaker> makers;
    if (made) makers.emplace_back(net, files_, options_, ids_);
    for (const NetNamespace& it : attributes.further_nets)
      makers.emplace_back(it, files_, options_, ids_);
    std::string problem = made ? EnterNew(CLONE_NEWNET, "CLONE_NEWNET", "net") : EnterHeld(net);
    if (problem.empty()) problem = MakeFurther(attributes);
    if (!problem.empty() || options_.namespaces.empty_net) return problem;
    if (!nets_.empty()) {
      std::vector<const NetNamespace*> all;
      ForEachNet(attributes, [&](const NetNamespace& it) { all.push_back(&it); });
      for (NetworkMaker& maker : makers) maker.Meet(nets_, all);
    }
    for (const NetworkMaker::Step step : NetworkMaker::Steps()) {
      for (NetworkMaker& maker : makers) {
        NetVisit there(nets_, &net, maker.net().id);
        problem = there.problem();
        if (problem.empty()) problem = (maker.*step)();
        const std::string back = there.Leave();
        if (problem.empty()) problem = back;
        if (!problem.empty()) return problem;
      }
    }
    return "";
  }

  /// From outside.
  std::string EnterHeld(const NetNamespace& net) const {
    const std::string& key = net.external->bytes;
    const int held = files_.place(NetworkPlace(key));
    if (held >= 0) return JoinHeld(held, CLONE_NEWNET, key);
    return Join(options_.inherited.at(key), CLONE_NEWNET, key);
  }

  /// This process is in the tree's own before and after.
  std::string MakeFurther(const Attributes& attributes) const {
    if (attributes.further_nets.empty() && attributes.net->nsids.empty()) return "";
    const auto open_own = [&](std::uint64_t id) {
      const int fd = FailsOnPurpose() ? -1 : open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
      if (fd < 0) return ErrorText("open of a network namespace");
      nets_[id] = fd;
      return std::string();
    };
    std::string problem = open_own(attributes.net->id);
    for (const NetNamespace& net : attributes.further_nets) {
      if (!problem.empty()) return problem;
      if (user_ != nullptr) {
        const int fd = user_->MakeNetwork();
        if (fd < 0) return ErrorText("a network namespace in the user namespace");
        nets_[net.id] = fd;
        continue;
      }
      problem = Unshare(CLONE_NEWNET, "CLONE_NEWNET");
      if (problem.empty()) problem = open_own(net.id);
      if (problem.empty()) problem = Join(nets_.at(attributes.net->id), CLONE_NEWNET, "net");
    }
    return problem;
  }

  const HostFiles& files_;
  const RestoreOptions& options_;
  const UserHolder* user_;
  const OutsideIds& ids_;
  SystemV& system_v_;
  NetDescriptors& nets_;
};

/// The attributes of the program that `is` says yes to.
template <typename Is>
const Attributes* FindAttributes(const Program& program, Is&& is) {
  for (const Command& command : program) {
    const auto* set = std::get_if<SetAttr>(&command.body);
    if (set != nullptr && is(*set->attributes)) return set->attributes.get();
  }
  return nullptr;
}

const Attributes* WithNetwork(const Program& program) {
  return FindAttributes(program, [](const Attributes& it) { return it.net.has_value(); });
}

}  // namespace

RestoreProblem EnterNamespaces(const Program& program, const HostFiles& files,
                               const RestoreOptions& options, const UserHolder* user,
                               const OutsideIds& ids, SystemV* system_v, NetDescriptors* nets) {
  const Namespaces namespaces(files, options, user, ids, *system_v, *nets);
  for (std::size_t i = 0; i < program.size(); ++i) {
    const auto* set = std::get_if<SetAttr>(&program[i].body);
    if (set == nullptr) continue;
    std::string problem = namespaces.Enter(*set->attributes);
    if (!problem.empty()) return {std::move(problem), static_cast<std::int64_t>(i)};
  }
  return {namespaces.JoinAll()};
}

void AddFoundByDumper(const Program& program, NamespaceOptions* options) {
  const std::vector<Mount>* mounts = OwnMounts(program);
  if (!options->found_by_dumper || mounts == nullptr) return;
  for (const Mount& mount : *mounts) {
    if (!mount.external || !mount.external->bytes.starts_with(kFoundByDumper)) continue;
    const std::string& key = mount.external->bytes;
    options->mounts.try_emplace(key, key.substr(kFoundByDumper.size()));
  }
}

bool HasNetwork(const Program& program) { return WithNetwork(program) != nullptr; }

bool HasNewNetwork(const Program& program, const RestoreOptions& options) {
  const Attributes* with = WithNetwork(program);
  return with != nullptr && !options.namespaces.joined.contains("net") &&
         (!with->net->external || options.namespaces.empty_net);
}

const NetNamespace* OwnNetwork(const Program& program, const RestoreOptions& options) {
  if (!HasNewNetwork(program, options) || options.namespaces.empty_net) return nullptr;
  return &*WithNetwork(program)->net;
}

const Attributes* OwnNetworks(const Program& program, const RestoreOptions& options) {
  const Attributes* with = WithNetwork(program);
  if (with == nullptr || options.namespaces.joined.contains("net")) return nullptr;
  return options.namespaces.empty_net ? nullptr : with;
}

const std::vector<Mount>* OwnMounts(const Program& program) {
  const Attributes* with =
      FindAttributes(program, [](const Attributes& it) { return !it.mounts.empty(); });
  return with == nullptr ? nullptr : &with->mounts;
}

}  // namespace crgen::restorer
