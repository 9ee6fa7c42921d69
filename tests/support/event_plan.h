// SPDX-License-Identifier: Apache-2.0
// Descriptors that report events, for plans that take every kind of step.
#pragma once

#include <string>

#include "tests/support/restorer_support.h"

namespace crgen::test {

/// Of every type without a path, also of who is gone: fds 20 to 29.
inline void AddEventFiles(PlanBuilder& plan, int pid) {
  const auto open = [&](int fd, Json file) {
    file["id"] = fd;
    file["flags"] = {"O_RDWR", "O_NONBLOCK"};
    plan.Add("OPEN_FILE", pid, {{"fd", fd}, {"file", file}});
  };
  open(20, {{"type", "EVENTFD"}, {"counter", 0x100000000}});
  open(21, {{"type", "SIGNALFD"}, {"mask", "0x200"}});
  open(22, {{"type", "TIMERFD"}, {"clock", "CLOCK_MONOTONIC"}});
  open(23, {{"type", "EVENTPOLL"}});
  open(24, {{"type", "EVENTPOLL"}});
  open(25, {{"type", "FANOTIFY"}, {"init_flags", {"FAN_NONBLOCK"}}, {"event_flags", {"O_RDONLY"}}});
  open(26, {{"type", "PIDFD"}, {"target", pid}});
  open(27, {{"type", "PIDFD"}, {"dead", 1}});
  open(28, {{"type", "PIDFD"}, {"dead", 1}, {"thread", true}});
  plan.Add("OPEN_FILE", pid,
           {{"fd", 29}, {"file", {{"type", "INOTIFY"}, {"id", 29}, {"flags", {"O_RDONLY"}}}}});
}

/// What they report, expect and watch; `path` is watched.
inline void AddLateEvents(PlanBuilder& plan, int pid, const std::string& path) {
  const auto target = [](int fd, Json events) {
    return Json{{"fd", fd}, {"events", events}, {"data", "0x1"}};
  };
  const Json inner = {{"fd", 23},
                      {"epoll",
                       {target(20, {"EPOLLONESHOT"}), target(21, {"EPOLLONESHOT"}),
                        target(22, {"EPOLLIN", "EPOLLERR", "EPOLLHUP"})}}};
  const Json outer = {{"fd", 24}, {"epoll", {target(23, {"EPOLLIN", "EPOLLET"})}}};
  const Json owner = {
      {"fd", 20},
      {"owner",
       {{"type", "F_OWNER_PID"}, {"pid", pid}, {"signal", "SIGUSR1"}, {"uid", 0}, {"euid", 0}}}};
  const Json watch = {{"fd", 29},
                      {"watches", {{{"wd", 3}, {"mask", {"IN_OPEN"}}, {"path", path}}}}};
  const Json mark = {
      {"fd", 25},
      {"marks", {{{"type", "FAN_MARK_INODE"}, {"mask", {"FAN_OPEN"}}, {"path", path}}}}};
  const Json timer = {{"fd", 22}, {"value", {{"sec", 1000}, {"nsec", 0}}}, {"ticks", 2}};
  plan.Add("SET_ATTR", pid,
           {{"attributes", {{"descriptors", {inner, outer, owner, watch, mark, timer}}}}});
}

}  // namespace crgen::test
