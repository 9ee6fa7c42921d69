// SPDX-License-Identifier: Apache-2.0
// The rules of every type of open file description and of every kind of late state.
#pragma once

#include <tuple>
#include <variant>

#include "checker/files/bpf_map.h"
#include "checker/files/eventfd.h"
#include "checker/files/eventpoll.h"
#include "checker/files/fanotify.h"
#include "checker/files/inet_socket.h"
#include "checker/files/inotify.h"
#include "checker/files/lock.h"
#include "checker/files/memfd.h"
#include "checker/files/namespace_file.h"
#include "checker/files/netlink_socket.h"
#include "checker/files/other.h"
#include "checker/files/owner.h"
#include "checker/files/packet_socket.h"
#include "checker/files/pidfd.h"
#include "checker/files/pipe.h"
#include "checker/files/regular.h"
#include "checker/files/signalfd.h"
#include "checker/files/socket_options.h"
#include "checker/files/timerfd.h"
#include "checker/files/tty.h"
#include "checker/files/tun_file.h"
#include "checker/files/unix_socket.h"

namespace crgen::check {

/// One object of each.
class AllFileRules {
 public:
  template <typename Body>
  const FileRules<Body>& Of() const {
    return std::get<FileRules<Body>>(rules_);
  }
  template <typename Body>
  FileRules<Body>& Of() {
    return std::get<FileRules<Body>>(rules_);
  }
  /// `function(rules, body)` with the rules of the file's type.
  template <typename Function>
  auto Visit(const File& file, Function&& function) const {
    return std::visit([&]<typename Body>(const Body& body) { return function(Of<Body>(), body); },
                      file.body);
  }
  template <typename Function>
  auto Visit(const File& file, Function&& function) {
    return std::visit([&]<typename Body>(const Body& body) { return function(Of<Body>(), body); },
                      file.body);
  }

 private:
  template <typename Variant>
  struct TupleOf;
  template <typename... Body>
  struct TupleOf<std::variant<Body...>> {
    using Type = std::tuple<FileRules<Body>...>;
  };
  TupleOf<FileBody>::Type rules_;
};

}  // namespace crgen::check
