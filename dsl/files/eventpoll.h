// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "dsl/describe.h"
#include "model/files/eventpoll.h"

namespace crgen {

template <>
struct Describe<Eventpoll> {
  static constexpr auto kFields = std::tuple{};
};

template <>
struct Describe<EpollTarget> {
  static constexpr auto kFields =
      std::tuple{Required("fd", &EpollTarget::fd, "of the process that executes it").Within(kFds),
                 Required("events", &EpollTarget::events,
                          "EPOLLERR and EPOLLHUP always count; EPOLLONESHOT alone: it has fired"),
                 Required("data", &EpollTarget::data, "64 bits of the user's")};
};

template <>
struct Describe<EpollTargets> {
  static constexpr auto kFields = std::tuple{
      Required("epoll", &EpollTargets::targets, "what the set watches; sets in it come before it")};
};

}  // namespace crgen
