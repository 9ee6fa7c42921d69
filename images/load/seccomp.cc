// SPDX-License-Identifier: Apache-2.0
// seccomp.img: the filters of a thread, and those that all threads of a process share.
#include <linux/filter.h>
#include <linux/seccomp.h>

#include "images/load/loader.h"

namespace crgen {
namespace {

constexpr std::size_t kFilterPenalty = 4;
constexpr std::size_t kMaxChain = 32768;  // MAX_INSNS_PER_PATH

}  // namespace

std::optional<Seccomp> Loader::SeccompOf(const pb::thread_core_entry& thread,
                                         const std::string& where) {
  if (thread.seccomp_mode() == 0) return std::nullopt;
  if (thread.seccomp_mode() > SECCOMP_MODE_FILTER) {
    diag.Essential(where + ".seccomp_mode",
                   "mode " + std::to_string(thread.seccomp_mode()) + ", which has no name");
    return std::nullopt;
  }
  Seccomp seccomp_state;
  seccomp_state.mode.value = thread.seccomp_mode();
  if (thread.seccomp_mode() == SECCOMP_MODE_STRICT) return seccomp_state;
  std::size_t instructions = 0;
  // The index names the oldest filter; `prev` leads to the next newer one.
  std::uint32_t index = thread.seccomp_filter();
  while (true) {
    if (index >= static_cast<std::uint32_t>(seccomp.seccomp_filters_size())) {
      diag.Error(where + ".seccomp_filter",
                 "no filter " + std::to_string(index) + " in seccomp.img");
      return std::nullopt;
    }
    const pb::seccomp_filter& filter = seccomp.seccomp_filters(static_cast<int>(index));
    instructions += filter.filter().size() / sizeof(sock_filter) + kFilterPenalty;
    if (instructions > kMaxChain) {
      diag.Error(where + ".seccomp_filter",
                 "the chain of filters in seccomp.img is a cycle, or has more than " +
                     std::to_string(kMaxChain) + " instructions");
      return std::nullopt;
    }
    seccomp_state.filters.push_back({{filter.filter()}, {filter.flags()}});
    if (!filter.has_prev()) return seccomp_state;
    index = filter.prev();
  }
}

/// CRIU writes filters that all threads share to the leader alone, with TSYNC.
void Loader::ShareFilters(const std::string& where, Process& process) {
  const std::optional<Seccomp>& own = process.attributes->seccomp;
  const std::optional<Seccomp> shared = own ? own->OfAllThreads() : std::nullopt;
  if (!shared) return;
  for (Thread& thread : process.threads) {
    if (thread.attributes->seccomp) {
      diag.Error(where + ".thread_core.seccomp_filter",
                 "filters of all threads (SECCOMP_FILTER_FLAG_TSYNC), but thread " +
                     std::to_string(thread.tid) + " has filters of its own");
      continue;
    }
    auto attributes = std::make_shared<Attributes>(*thread.attributes);
    attributes->seccomp = shared;
    thread.attributes = std::move(attributes);
  }
}

}  // namespace crgen
