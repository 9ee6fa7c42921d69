// SPDX-License-Identifier: Apache-2.0
// THE table of what a policy speaks of: each kind of authority is a member of a policy, and the
// form, the schema, the judgement and what is told of it follow from its row.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

namespace crgen {

enum class Kind : std::uint8_t {
  kUids,
  kGids,
  kCapabilities,
  kInheritable,
  kAmbient,
  kBounding,
  kSecurebits,
  kNewPrivileges,
  kSeccomp,
  kLsm,
  kDumpable,
  kScheduling,
  kOomScore,
  kPersonality,
  kLoginuids,
  kPaths,
  kBeyondRoot,
  kDevices,
  kSetuid,
  kCode,
  kNamespaces,
  kIdMaps,
  kMounts,
  kCgroups,
  kCgroupProperties,
  kSockets,
  kNotifications,
  kBpfMaps,
  kExternals,
  kProcesses,
  kThreads,
  kMemory,
  kDescriptors,
  kChanged,
  kMissing,
  kWritable,
  kUnknown,
};
inline constexpr std::size_t kKinds = static_cast<std::size_t>(Kind::kUnknown) + 1;

/// How a policy says what it allows.
enum class Form : std::uint8_t {
  kNumbers,  ///< a list of numbers and ranges
  kGlobs,    ///< a list of patterns (policy/glob.h)
  kEntries,  ///< a list of objects, each with a pattern for each part, and perhaps words
  kMost,     ///< a number that is not exceeded
  kFlag,     ///< true: it is allowed
  kNever,    ///< no member: nothing allows it
};

enum class Group : std::uint8_t { kWho, kOpens, kPlaces, kCaller, kSize, kHost, kUnknown };
inline constexpr std::string_view kGroups[] = {
    "who it becomes",          "what it opens and maps", "namespaces, mounts and sockets",
    "what comes from outside", "how much it is",         "what this host says",
    "what crgen cannot read"};

struct Member {
  std::string_view name;
  Group group;
  Form form;
  std::string_view note;
  std::array<std::string_view, 5> parts = {};  ///< kEntries
  std::string_view words_name = {};            ///< kEntries: the part that is a list of words
  std::array<std::string_view, 6> words = {};
  std::string_view advice = {};  ///< instead of what to add to the policy
};

/// By Kind.
std::span<const Member, kKinds> Members();
inline const Member& MemberOf(Kind kind) { return Members()[static_cast<std::size_t>(kind)]; }

/// How many parts its entries have.
std::size_t PartsOf(const Member& member);

}  // namespace crgen
