// SPDX-License-Identifier: Apache-2.0
// Several network namespaces of one tree: network_namespaces(7), setns(2), veth(4).
#include <map>
#include <set>
#include <string>
#include <utility>

#include "checker/kernel/kernel.h"
#include "checker/kernel/network.h"

namespace crgen::check {
namespace {

std::string NameOf(std::uint64_t net) { return "network namespace " + std::to_string(net); }

/// By which numbers `net` knows others.
std::optional<Refusal> RefusedNumbers(const NetNamespace& net, const Attributes& root) {
  const NetNumber* last = nullptr;
  std::set<std::uint64_t> known;
  for (const NetNumber& it : net.nsids) {
    if (it.number < 0) return Refusal{"EINVAL", "nsids are 0 or more"};
    if (last != nullptr && it.number <= last->number) {
      return Refusal{"EEXIST", "nsids do not ascend"};
    }
    if (FindNet(root, it.net) == nullptr) {
      return Refusal{"EINVAL", "nsids name " + NameOf(it.net) + ", which is none of the tree's"};
    }
    if (!known.insert(it.net).second) {
      return Refusal{"EEXIST", "nsids give " + NameOf(it.net) + " two numbers"};
    }
    last = &it;
  }
  return std::nullopt;
}

/// Absent: the tree has one only.
Rare<std::uint64_t> NetOfExecutor(const Kernel& kernel) {
  if (kernel.root() == kNoTask) return {};
  const Attributes& root = *kernel.tasks[kernel.root()].attributes;
  if (root.further_nets.empty()) return {};
  const Rare<EnteredNamespaces>& entered = kernel.executor().attributes->setns;
  return entered && entered->net ? *entered->net : root.net->id;
}

}  // namespace

std::optional<Refusal> RefusedNetworks(const Attributes& attributes) {
  const auto refused = [](const NetNamespace& net, const Refusal& refusal) {
    return Refusal{refusal.error, "net " + std::to_string(net.id) + ": " + refusal.fact};
  };
  if (!attributes.net && !attributes.further_nets.empty()) {
    return Refusal{"EINVAL", "further_nets go with net"};
  }
  if (attributes.further_nets.size() > kNetNamespacesAtMost) {
    return Refusal{"ENOSPC", "more than 10000 network namespaces"};
  }
  std::optional<Refusal> refusal;
  std::set<std::uint64_t> ids;
  std::map<std::pair<std::uint64_t, std::uint32_t>, const NetDevice*> devices;
  ForEachNet(attributes, [&](const NetNamespace& net) {
    if (refusal) return;
    const bool further = &net != &*attributes.net;
    refusal = RefusedNetwork(net);
    if (!refusal && further && net.external) {
      refusal = refused(net, {"EINVAL", "of what comes from outside there is one, `net`"});
    }
    if (!refusal && !ids.insert(net.id).second) {
      refusal = refused(net, {"EEXIST", "is there twice"});
    }
    for (const NetDevice& device : net.devices) devices[{net.id, device.ifindex}] = &device;
  });
  ForEachNet(attributes, [&](const NetNamespace& net) {
    if (refusal) return;
    if (auto numbers = RefusedNumbers(net, attributes)) refusal = refused(net, *numbers);
    for (const NetDevice& device : net.devices) {
      if (refusal || !device.link_net) continue;
      const auto other = devices.find({*device.link_net, *device.link});
      const bool is_there = other != devices.end() && other->second->type == kVethDevice &&
                            other->second->link == device.ifindex &&
                            other->second->link_net == net.id;
      if (is_there) continue;
      refusal = refused(
          net, {"ENODEV", "device " + std::to_string(device.ifindex) + " has no other end in " +
                              NameOf(*device.link_net) + ": a VETH whose `link` is this one"});
    }
  });
  return refusal;
}

std::optional<Refusal> RefusedEnteringNet(const Kernel& kernel, const EnteredNamespaces& entered) {
  const Attributes& root = *kernel.tasks[kernel.root()].attributes;
  const bool known = !entered.net || (root.net && *entered.net != root.net->id &&
                                      FindNet(root, *entered.net) != nullptr);
  if (!known) {
    return Refusal{"EINVAL", "setns: there is no further " + NameOf(*entered.net)};
  }
  const Task& task = kernel.executor();
  if (task.is_sealed) return Refusal{"EPERM", "setns: creds or seccomp of the process are set"};
  if (task.threads.empty()) return std::nullopt;
  return Refusal{"EINVAL", "setns: the process has other threads"};
}

/// Of a file whose command does not say it: `*placed` says it.
bool Kernel::FindItsNet(const std::shared_ptr<const File>& file,
                        std::shared_ptr<const File>* placed) {
  if (file == nullptr) return true;
  return std::visit(
      [&]<typename Body>(const Body& body) {
        if constexpr (requires { body.net; }) {
          if (body.net) {
            if (root_ != kNoTask && FindNet(*tasks[root_].attributes, *body.net) != nullptr) {
              return true;
            }
            Violation("EINVAL", NameOf(*body.net) + " is none of the root's");
            return false;
          }
          const Rare<std::uint64_t> net = NetOfExecutor(*this);
          if (!net) return true;
          auto copy = std::make_shared<File>(*file);
          std::get<Body>(copy->body).net = net;
          *placed = std::move(copy);
        }
        return true;
      },
      file->body);
}

}  // namespace crgen::check
