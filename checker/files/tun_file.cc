// SPDX-License-Identifier: Apache-2.0
#include "checker/files/tun_file.h"

#include <linux/if_tun.h>

#include <algorithm>

#include "checker/kernel/kernel.h"

namespace crgen::check {
namespace {

constexpr std::size_t kQueuesAtMost = 256;  // MAX_TAP_QUEUES

const NetDevice* FindDevice(const NetNamespace* net, const Text& name) {
  if (net == nullptr) return nullptr;
  const auto found = std::ranges::find(net->devices, name, &NetDevice::name);
  return found == net->devices.end() ? nullptr : &*found;
}

}  // namespace

std::optional<Refusal> FileRules<TunFile>::Check(const File& file, const TunFile& tun) const {
  if (auto refused = RefusedFlags(file.flags)) return refused;
  if (tun.detached && !tun.device) {
    return Refusal{"EINVAL", "without a device there is no queue that is detached"};
  }
  return RefusedPath(tun.path);
}

/// tun_set_iff(), tun_attach(), tun_set_queue().
std::optional<Refusal> FileRules<TunFile>::CheckOpening(const Kernel& kernel, const File&,
                                                        const TunFile& tun, const File*) const {
  if (!tun.device) return std::nullopt;
  const std::string name = "device " + ValueText(*tun.device);
  const NetNamespace* net = FindNet(*kernel.tasks[kernel.root()].attributes, tun.net);
  const NetDevice* device = FindDevice(net, *tun.device);
  if (device == nullptr) return Refusal{"ENODEV", "`net` has no " + name};
  if (!device->tun) return Refusal{"EINVAL", name + " is no TUN"};
  const bool several = device->tun->flags.Has(IFF_MULTI_QUEUE);
  const auto known = attached_.find({net->id, tun.device->bytes});
  const std::size_t count = known == attached_.end()
                                ? 0
                                : static_cast<std::size_t>(std::ranges::count_if(
                                      known->second, [](const auto& it) { return !it.expired(); }));
  if (known != attached_.end() && count == 0 && !device->tun->flags.Has(IFF_PERSIST)) {
    return Refusal{"ENODEV", name + " is gone: it has no IFF_PERSIST, and nobody has it open"};
  }
  if (!several && count > 0) {
    return Refusal{"EBUSY", name + " has no IFF_MULTI_QUEUE, and is attached already"};
  }
  if (count >= kQueuesAtMost) return Refusal{"E2BIG", name + " has 256 queues already"};
  if (!tun.detached || several) return std::nullopt;
  return Refusal{"EINVAL", name + " has no IFF_MULTI_QUEUE: its queue cannot be detached"};
}

void FileRules<TunFile>::Opened(const Kernel& kernel, Description& description, const TunFile& tun,
                                Description*) {
  if (!tun.device) return;
  const NetNamespace* net = FindNet(*kernel.tasks[kernel.root()].attributes, tun.net);
  attached_[{net->id, tun.device->bytes}].push_back(description.weak_from_this());
}

}  // namespace crgen::check
