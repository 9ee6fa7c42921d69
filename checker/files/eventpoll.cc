// SPDX-License-Identifier: Apache-2.0
#include "checker/files/eventpoll.h"

#include <fcntl.h>
#include <sys/epoll.h>

#include <algorithm>
#include <unordered_set>

#include "checker/kernel/kernel.h"

namespace crgen::check {
namespace {

std::string NameOf(const File& file) {
  return "file " + std::to_string(file.id.value) + " (" + std::string(TypeOf(file)) + ")";
}

bool IsSet(const Description& description) { return As<Eventpoll>(*description.file) != nullptr; }

/// Refusals in the order in which do_epoll_ctl() comes to them.
std::optional<Refusal> RefusedTarget(const Kernel& kernel, const Description& set, Fd fd,
                                     EpollEvents events) {
  const Description* target = kernel.DescriptionAt(fd);
  const std::string name = "target fd " + std::to_string(fd);
  if (target == nullptr || target->file->flags.Has(O_PATH)) {
    return Refusal{"EBADF", name + " is not open"};
  }
  const bool can_be_polled = kernel.files.Visit(
      *target->file, [&](const auto& rules, const auto& body) { return rules.CanBePolled(body); });
  if (!can_be_polled) {
    return Refusal{"EPERM", name + " is " + NameOf(*target->file) + ": nothing comes from it"};
  }
  if (target == &set || !IsSet(set)) {
    return Refusal{"EINVAL", target == &set ? name + " is the set itself"
                                            : NameOf(*set.file) + " is no EVENTPOLL"};
  }
  constexpr std::uint64_t kWithExclusive =
      EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLWAKEUP | EPOLLET | EPOLLEXCLUSIVE;
  if (events.Has(EPOLLEXCLUSIVE) && (IsSet(*target) || (events.bits & ~kWithExclusive) != 0)) {
    return Refusal{"EINVAL", "EPOLLEXCLUSIVE goes neither with sets nor with " +
                                 ValueText(EpollEvents{events.bits & ~kWithExclusive})};
  }
  return std::nullopt;
}

}  // namespace

std::optional<Refusal> LateRules<EpollTargets>::Check(const Kernel& kernel,
                                                      const Description& description,
                                                      const EpollTargets& set) {
  if (description.file->flags.Has(O_PATH)) {
    return Refusal{"EBADF", "the description is opened with O_PATH"};
  }
  if (set.targets.empty()) return Refusal{"EINVAL", "there is nothing to watch"};
  if (description.epoll().watchers != 0) {
    return Refusal{"ELOOP", NameOf(*description.file) +
                                " is watched by another set already: sets in sets come first"};
  }
  std::unordered_set<Fd> numbers;
  for (const EpollTarget& target : set.targets) {
    if (auto refused = RefusedTarget(kernel, description, target.fd, target.events)) return refused;
    const Description& watched = *kernel.DescriptionAt(target.fd);
    if (IsSet(watched) && watched.epoll().height >= kEpollNests) {
      return Refusal{"ELOOP", "more than " + std::to_string(kEpollNests) +
                                  " sets below each other, with target fd " +
                                  std::to_string(target.fd)};
    }
    if (!numbers.insert(target.fd).second) {
      return Refusal{"EEXIST", "target fd " + std::to_string(target.fd) + " stands twice"};
    }
  }
  return std::nullopt;
}

void LateRules<EpollTargets>::Apply(const Kernel& kernel, const Description& description,
                                    const EpollTargets& set) {
  for (const EpollTarget& target : set.targets) {
    const auto watched = kernel.SharedDescriptionAt(target.fd);
    if (IsSet(*watched)) {
      ++watched->ChangeEpoll().watchers;
      Description::Epoll& own = description.ChangeEpoll();
      own.height = std::max(own.height, watched->epoll().height + 1);
    }
    description.ChangeEpoll().watched.push_back(watched);
  }
}

void LateRules<EpollTargets>::Undo(const Description& description) {
  for (const auto& watched : description.epoll().watched) {
    const auto set = watched.lock();
    if (set != nullptr && IsSet(*set)) --set->ChangeEpoll().watchers;
  }
  Description::Epoll& own = description.ChangeEpoll();
  own.watched.clear();
  own.height = 0;
}

}  // namespace crgen::check
