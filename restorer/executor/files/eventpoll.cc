// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/epoll.h>

#include "restorer/executor/files/files.h"

namespace crgen::restorer {
namespace {

constexpr uint32_t kAllTypes = EPOLLIN | EPOLLPRI | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLRDNORM |
                               EPOLLRDBAND | EPOLLWRNORM | EPOLLWRBAND | EPOLLRDHUP;

/// Without a type the kernel would go on to report errors and hang-ups: only an event disarms
/// EPOLLONESHOT. So the target is watched for all there is; one from which nothing comes stays
/// armed for these two.
void AddFired(const Caller& caller, int32_t set, const WatchedOp& target) {
  epoll_event event = {target.events | kAllTypes, {.u64 = target.data}};
  caller.Must("epoll_ctl(EPOLL_CTL_ADD)", __NR_epoll_ctl, set, EPOLL_CTL_ADD, target.fd, &event);
  epoll_event come;
  if (caller.Must("epoll_wait", __NR_epoll_wait, set, &come, 1, 0) != 0) return;
  event.events = target.events;
  caller.Must("epoll_ctl(EPOLL_CTL_MOD)", __NR_epoll_ctl, set, EPOLL_CTL_MOD, target.fd, &event);
}

}  // namespace

void OpenEventpoll(const Caller& caller, const OpenOp& open) {
  const long fd = caller.Must("epoll_create1", __NR_epoll_create1, open.cloexec ? O_CLOEXEC : 0);
  Place(caller, fd, open);
}

void FillEpoll(const Caller& caller, const EpollOp& epoll) {
  for (uint32_t i = 0; i < epoll.count; ++i) {
    const WatchedOp& target = epoll.watched[i];
    if (target.fired) {
      AddFired(caller, epoll.fd, target);
      continue;
    }
    const epoll_event event = {target.events, {.u64 = target.data}};
    caller.Must("epoll_ctl(EPOLL_CTL_ADD)", __NR_epoll_ctl, epoll.fd, EPOLL_CTL_ADD, target.fd,
                &event);
  }
}

}  // namespace crgen::restorer
