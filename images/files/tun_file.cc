// SPDX-License-Identifier: Apache-2.0
#include "images/files/tun_file.h"

#include <linux/if_tun.h>

#include <algorithm>

#include "images/load/file_checks.h"
#include "images/load/loader.h"
#include "model/printable.h"

namespace crgen {
namespace {

constexpr int kQueuesAtMost = 256;  // MAX_TAP_QUEUES

}  // namespace

/// The REG entry is left to those that name a path by it, of which there are none: a description
/// has one type, and this one alone has descriptors.
Result FileLoaderOf<TunFile>::Convert(const pb::file_entry& entry, const ImageReader& at,
                                      Loader& loader, ConvertedFile* file) {
  if (!entry.has_tunf()) return MissingMessage(at, kType, loader.diag);
  const pb::tunfile_entry& from = entry.tunf();
  const auto path = loader.files.find(entry.id());
  if (path == loader.files.end() || path->second.type != pb::FD_REG) {
    return loader.diag.Fail(at.Where("id"), "no REG entry of file " + std::to_string(entry.id()) +
                                                " stands before it: it has the path");
  }
  file->field = "tunf";
  file->id = from.id();
  if (path->second.file < 0) {
    file->unsupported = loader.unsupported_files.at(entry.id()).what;
  } else if (As<RegularFile>(*loader.snapshot.files[path->second.file])->unlinked ||
             As<RegularFile>(*loader.snapshot.files[path->second.file])->opened_by) {
    file->unsupported = "tun file that is not reachable by its name";
  } else if (const auto& mount = As<RegularFile>(*loader.snapshot.files[path->second.file])->mount;
             mount && loader.MountNamespaceOf(*mount)) {
    file->unsupported = "tun file in a mount namespace that is not the root's";
  } else {
    const File& named = *loader.snapshot.files[path->second.file];
    file->flags = named.flags.bits;
    file->body = TunFile{As<RegularFile>(named)->path, {}, false, loader.NetOf(from.ns_id())};
    for (const LateEntry& late : loader.snapshot.late) {
      if (late.file == path->second.file) file->late.push_back(late.state);
    }
  }
  if (from.has_netdev() && loader.options.caller_namespaces) {
    file->unsupported = "descriptor that the network device " + Printable(from.netdev()) +
                        (from.detached() ? " was attached to" : " is attached to");
  }
  if (auto* tun = std::get_if<TunFile>(&file->body); tun != nullptr && from.has_netdev()) {
    tun->device = Text{from.netdev()};
    tun->detached = from.detached();
  }
  seen_.push_back({entry.id(), from.ns_id(), at.Where("tunf")});
  loader.files.erase(path);
  loader.unsupported_files.erase(entry.id());
  return Result::kOk;
}

void FileLoaderOf<TunFile>::CheckDevice(Loader& loader, const Seen& seen, Queues* queues) const {
  const auto known = loader.files.find(seen.id);
  if (known == loader.files.end() || known->second.file < 0 ||
      !loader.has_descriptor[known->second.file]) {
    return;
  }
  const TunFile& tun = *As<TunFile>(*loader.snapshot.files[known->second.file]);
  if (!tun.device) return;
  const std::string name = Printable(tun.device->bytes), where = seen.where + ".netdev";
  const auto& root = loader.snapshot.processes.front().attributes;
  const NetNamespace* net = root == nullptr ? nullptr : FindNet(*root, tun.net);
  if (net == nullptr || net->external) {
    return loader.UnsupportedContainer(
        where, "the network device " + name + ", of a network namespace that is not made");
  }
  const auto device = std::ranges::find(net->devices, *tun.device, &NetDevice::name);
  if (device == net->devices.end() || !device->tun) {
    return loader.diag.Error(where, name + " is no device of tun(4) in the network namespace");
  }
  const bool several = device->tun->flags.Has(IFF_MULTI_QUEUE);
  if (tun.detached && !several) {
    loader.diag.Error(seen.where + ".detached", name + " has no IFF_MULTI_QUEUE");
  }
  if (++(*queues)[{net->id, tun.device->bytes}] > (several ? kQueuesAtMost : 1)) {
    loader.diag.Error(
        where, name + " has more queues than " + std::to_string(several ? kQueuesAtMost : 1));
  }
}

void FileLoaderOf<TunFile>::Finish(Loader& loader) {
  Queues queues;
  for (const Seen& seen : seen_) {
    if (loader.CheckSocketNamespace(seen.network, seen.where)) CheckDevice(loader, seen, &queues);
  }
  if (loader.snapshot.processes.empty()) return;
  const auto& root = loader.snapshot.processes.front().attributes;
  if (root == nullptr) return;
  ForEachNet(*root, [&](const NetNamespace& net) {
    for (const NetDevice& device : net.devices) {
      if (!device.tun || device.tun->flags.Has(IFF_PERSIST)) continue;
      if (queues.contains({net.id, device.name.bytes})) continue;
      loader.UnsupportedContainer(ImageSet::NameOf(ImageKindNamed("NETDEV"), net.id) + ", device " +
                                      Printable(device.name.bytes),
                                  "the network device " + Printable(device.name.bytes) +
                                      " of type TUN, which ends with its descriptor, and has none");
    }
  });
}

}  // namespace crgen
