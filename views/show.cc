// SPDX-License-Identifier: Apache-2.0
#include "views/show.h"

#include <algorithm>

#include "views/show_parts.h"

namespace crgen {
namespace {

using Writer = void (*)(const Show&);
constexpr Writer kWriters[] = {ShowProcesses,   ShowFds,      ShowFiles,   ShowMemory,
                               ShowSockets,     ShowMounts,   ShowSignals, ShowTimers,
                               ShowCredentials, ShowSettings, ShowEnv};

}  // namespace

const std::vector<TopicName>& TopicNames() {
  static const std::vector<TopicName> kNames = {
      {"processes", "the tree: state, group, session, threads, sizes"},
      {"fds", "descriptors of each process: what each is, and who shares it"},
      {"files", "open file descriptions, each once, with all late state"},
      {"memory", "regions: sizes, pages in the dump, what is mapped, and with whom it is shared"},
      {"sockets", "sockets, with their peers and queues"},
      {"mounts", "namespaces and mounts of the tree's own, and cgroups"},
      {"signals", "what is blocked, ignored, caught and pending"},
      {"timers", "interval timers, timers of timer_create(2), timerfds"},
      {"credentials", "ids, capabilities, no_new_privs, seccomp, labels"},
      {"settings", "working directory, root, umask, limits, scheduling, personality and the like"},
      {"env", "command line and environment, from the pages of the dump"},
  };
  return kNames;
}

bool AddTopic(std::string_view name, std::vector<Topic>* topics) {
  bool known = name == "all";
  for (std::size_t i = 0; i < TopicNames().size(); ++i) {
    if (name != "all" && name != TopicNames()[i].name) continue;
    known = true;
    const auto topic = static_cast<Topic>(i);
    if (std::ranges::find(*topics, topic) == topics->end()) topics->push_back(topic);
  }
  return known;
}

bool Show::Wants(const std::vector<Relations::Holder>& holders) const {
  if (!options.pid) return true;
  return std::ranges::any_of(holders, [&](const Relations::Holder& holder) {
    const std::vector<ProcessIndex>& users = relations.ProcessesOf(holder.table);
    return std::ranges::any_of(users, [&](ProcessIndex process) { return Wants(process); });
  });
}

std::string ShowText(const LookedAt& dump, const std::vector<Topic>& topics,
                     const ViewOptions& options) {
  std::string text;
  const Relations relations(dump.snapshot, dump.unplanned);
  const Show show = {dump, relations, options, &text};
  for (const Topic topic : topics) {
    if (topics.size() > 1) {
      const std::string name(TopicNames()[static_cast<std::size_t>(topic)].name);
      if (topic != topics.front()) text += '\n';
      show.Line("== " + name + " ==", Ink::kHeading);
    }
    const std::size_t before = text.size();
    kWriters[static_cast<std::size_t>(topic)](show);
    if (text.size() == before) show.Line("(nothing)");
  }
  return text;
}

}  // namespace crgen
