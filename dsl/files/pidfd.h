// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "dsl/describe.h"
#include "model/files/pidfd.h"

namespace crgen {

template <>
struct Describe<Pidfd> {
  static constexpr auto kFields = std::tuple{
      Optional("target", &Pidfd::target, "pidfd_open(2): a process, also a zombie").Within(kPids),
      Optional("dead", &Pidfd::dead, "a process that is gone; equal numbers: the same one"),
      Optional("thread", &Pidfd::thread, "PIDFD_THREAD: `target` is a thread")};
};

}  // namespace crgen
