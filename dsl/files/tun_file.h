// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "dsl/describe.h"
#include "model/files/tun_file.h"

namespace crgen {

template <>
struct Describe<TunFile> {
  static constexpr auto kFields = std::tuple{
      Required("path", &TunFile::path, "absolute"),
      Optional("device", &TunFile::device,
               "the name of a TUN of its network namespace, which the description is attached to; "
               "absent: to none"),
      Optional("detached", &TunFile::detached,
               "its queue is out of use (IFF_DETACH_QUEUE), for which the device has "
               "IFF_MULTI_QUEUE"),
      Optional("net", &TunFile::net,
               "the id of the network namespace that it is in; absent: that of who opens it")};
};

}  // namespace crgen
