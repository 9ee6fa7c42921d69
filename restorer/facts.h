// SPDX-License-Identifier: Apache-2.0
// What the kernel says of processes and threads that decides about their rights; ids are those of
// this process's namespaces.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "model/user_namespace.h"

namespace crgen::restorer {

struct Scheduling {
  std::uint32_t policy = 0, priority = 0;
  std::int32_t nice = 0;
  bool reset_on_fork = false;
  friend bool operator==(const Scheduling&, const Scheduling&) = default;
};

struct ThreadFacts {
  std::array<std::uint32_t, 4> uid = {}, gid = {};  ///< real, effective, saved, of the file system
  std::vector<std::uint32_t> groups;                ///< ascending
  std::uint64_t inheritable = 0, permitted = 0, effective = 0, bounding = 0, ambient = 0;
  std::uint32_t securebits = 0;  ///< not of ReadThread
  std::uint32_t no_new_privs = 0;
  std::uint32_t seccomp_mode = 0, seccomp_filters = 0;
  std::uint64_t personality = 0;  ///< not of ReadThread
  Scheduling scheduling;
};

constexpr std::size_t kLimits = 16;
using Limit = std::pair<std::uint64_t, std::uint64_t>;  ///< current, maximum

/// Those that decide what names and rights mean.
constexpr std::array<const char*, 6> kNamespaces = {"cgroup", "ipc", "mnt", "net", "user", "uts"};

struct ProcessFacts {
  std::uint64_t ignored = 0;  ///< bit n: signal n + 1
  std::array<Limit, kLimits> limits = {};
};

/// Of thread `tid`; the signals that its process ignores. False: it cannot be read, errno.
bool ReadThread(pid_t tid, ThreadFacts* facts, std::uint64_t* ignored);
/// The limits of process `pid`. False: they cannot be read, errno.
bool ReadLimits(pid_t pid, std::array<Limit, kLimits>* limits);
/// /proc/PID/uid_map, gid_map; empty: it cannot be read.
IdMap ReadIdMap(pid_t pid, const char* file);
/// The inode of the user namespace that a namespace of /proc/PID/ns belongs to; 0: errno.
std::uint64_t ReadOwner(pid_t pid, const char* kind);
/// The inodes of /proc/PID/ns; 0: the kernel has none of that kind. False: errno.
bool ReadNamespaces(pid_t pid, std::array<std::uint64_t, kNamespaces.size()>* namespaces);

}  // namespace crgen::restorer
