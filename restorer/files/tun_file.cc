// SPDX-License-Identifier: Apache-2.0
#include "restorer/files/tun_file.h"

#include <linux/if_tun.h>

#include <algorithm>

namespace crgen::restorer {

/// The device is there already, and stays without a description, until the first one has it.
void FileRestorer<TunFile>::Compile(const TunFile& tun, OpenContext& context) {
  RegularFile file;
  file.path = tun.path;
  FileRestorer<RegularFile>::Compile(file, context);
  if (!tun.device) return;
  const auto& devices = FindNet(*context.services.networks, tun.net)->devices;
  const TunLink& link = *std::ranges::find(devices, *tun.device, &NetDevice::name)->tun;
  const std::uint64_t flags = link.flags.bits & ~std::uint64_t{IFF_PERSIST};
  auto* attach = context.arena.New<TunOp>();
  *attach = {context.arena.Text(tun.device->bytes), static_cast<std::uint16_t>(flags),
             static_cast<std::int32_t>(link.sndbuf), tun.detached, !link.flags.Has(IFF_PERSIST)};
  context.op.open.tun = attach;
}

}  // namespace crgen::restorer
