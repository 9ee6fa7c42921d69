// SPDX-License-Identifier: Apache-2.0
// The settings of jemalloc, which crgen is linked with. Plans of millions of commands fill much
// memory once, from front to back: with huge pages the kernel is asked for it 512 times less. What
// is small stays with small pages, of which only those in use take memory.
#include <jemalloc/jemalloc.h>
#include <sys/mman.h>

#include <atomic>
#include <cstddef>

namespace {

constexpr std::size_t kLarge = 32 << 20;

extent_hooks_t* plain;  // jemalloc's own
extent_hooks_t hooks;
std::atomic<std::size_t> mapped;  // bytes

void* Map(extent_hooks_t*, void* at, std::size_t size, std::size_t alignment, bool* zero,
          bool* commit, unsigned arena) {
  void* got = plain->alloc(plain, at, size, alignment, zero, commit, arena);
  if (got == nullptr) return got;
  mapped += size;
  if (mapped > kLarge) madvise(got, size, MADV_HUGEPAGE);
  return got;
}

/// Has the arena take its memory through Map(). Without it all works as well, but slower.
[[maybe_unused]] const bool installed = [] {
  constexpr const char* kHooks = "arena.0.extent_hooks";
  extent_hooks_t* own = &hooks;
  std::size_t size = sizeof(void*);
  if (mallctl(kHooks, &plain, &size, nullptr, 0) != 0) return false;
  hooks = *plain;
  hooks.alloc = Map;
  return mallctl(kHooks, nullptr, nullptr, &own, size) == 0;
}();

}  // namespace

// Read by jemalloc when it starts (jemalloc(3), TUNING). One arena, also for what is very large:
// few threads allocate at once.
extern "C" {
extern const char* malloc_conf;
const char* malloc_conf = "narenas:1,oversize_threshold:0";
}
