// SPDX-License-Identifier: Apache-2.0
// What is in a dump.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "views/view.h"

namespace crgen {

enum class Topic {
  kProcesses,
  kDescriptors,
  kFiles,
  kMemory,
  kSockets,
  kMounts,
  kSignals,
  kTimers,
  kCredentials,
  kSettings,
  kEnv,
};

/// "processes" …, and "all".
struct TopicName {
  std::string_view name;
  std::string_view meaning;
};
/// In the order of Topic.
const std::vector<TopicName>& TopicNames();

/// Adds the topic of that name, or all of them, if not there yet. False: no such name.
bool AddTopic(std::string_view name, std::vector<Topic>* topics);

/// The topics one below the other, each under a heading if there are several. Cost: linear in the
/// snapshot, and in the pages that `env` reads.
std::string ShowText(const LookedAt& dump, const std::vector<Topic>& topics,
                     const ViewOptions& options);

/// One JSON object with a member for each topic (docs/looking.md).
std::string ShowJson(const LookedAt& dump, const std::vector<Topic>& topics,
                     std::optional<Pid> pid);

}  // namespace crgen
