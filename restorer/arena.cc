#include "restorer/arena.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>

extern "C" const char crgen_executor_begin[];
extern "C" const char crgen_executor_end[];

namespace crgen::restorer {
namespace {

constexpr std::uint64_t kUserStart = 0x10000;
constexpr std::uint64_t kUserEnd = 0x7ffffffff000;
/// Away from other regions: none grows into the arena, or is merged with what is in it.
constexpr std::uint64_t kDistance = 16 << 20;

std::uint64_t RoundUp(std::uint64_t size) { return (size + kPageSize - 1) & ~(kPageSize - 1); }

/// The lowest start of `size` free bytes, preferably far from where programs and libraries are.
std::uint64_t FindGap(std::vector<AddressRange> used, std::uint64_t size) {
  std::sort(used.begin(), used.end());
  constexpr std::uint64_t kPreferred = std::uint64_t{1} << 40;
  for (const std::uint64_t from : {kPreferred, kUserStart}) {
    std::uint64_t at = from;
    for (const AddressRange& range : used) {
      if (range.end <= at) continue;
      if (range.start >= at && range.start - at >= size) break;
      at = range.end;
    }
    if (at < kUserEnd && kUserEnd - at >= size) return at;
  }
  return 0;
}

}  // namespace

Result Arena::Make(const Program& program, const OwnMaps& maps, std::uint64_t script_size,
                   std::size_t threads, Diagnostics& diag) {
  std::vector<AddressRange> used;
  for (const AddressRange& range : maps.ranges) {
    used.push_back({range.start - std::min(range.start, kDistance), range.end + kDistance});
  }
  const auto use = [&](std::uint64_t start, std::uint64_t size) {
    if (start >= kUserEnd) return;
    used.push_back({start - std::min(start, kDistance), start + size + kDistance});
  };
  for (const Command& command : program) {
    if (const auto* map = std::get_if<MapRegion>(&command.body)) {
      use(map->start.value, map->end.value - map->start.value);
      if (map->shmem && map->shmem->size) {
        shared_.push_back({map->shmem->id.value, RoundUp(*map->shmem->size), 0, map->flags.bits});
      }
    } else if (const auto* move = std::get_if<MoveRegion>(&command.body)) {
      use(move->to.value, move->end.value - move->start.value);
    }
  }
  std::sort(shared_.begin(), shared_.end(),
            [](const auto& a, const auto& b) { return a.id < b.id; });

  const std::uint64_t code =
      RoundUp(static_cast<std::uint64_t>(crgen_executor_end - crgen_executor_begin));
  std::uint64_t size = code;
  const auto place = [&](std::uint64_t bytes) {
    const std::uint64_t at = size;
    size += RoundUp(bytes);
    return at;
  };
  script_ = place(script_size);
  vvar_park_ = place(maps.vvar.size());
  vdso_park_ = place(maps.vdso.size());
  place(kPageSize);  // a hole below the stacks
  stacks_ = place(kStackSize * (threads + 2));
  for (SharedObject& object : shared_) object.at = place(object.size);

  start_ = FindGap(std::move(used), size);
  if (start_ == 0) {
    return diag.Error("the program", "its regions leave no " + std::to_string(size) +
                                         " free bytes of address space for the restorer itself");
  }
  end_ = start_ + size;
  script_end_ = start_ + script_ + RoundUp(script_size);
  for (std::uint64_t* offset : {&script_, &vvar_park_, &vdso_park_, &stacks_}) *offset += start_;
  for (SharedObject& object : shared_) object.at += start_;
  return MapParts(threads, diag);
}

Result Arena::MapParts(std::size_t threads, Diagnostics& diag) {
  const auto map = [&](std::uint64_t at, std::uint64_t size, int flags) {
    return mmap(reinterpret_cast<void*>(at), size, PROT_READ | PROT_WRITE,
                flags | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == reinterpret_cast<void*>(at);
  };
  const std::size_t code = static_cast<std::size_t>(crgen_executor_end - crgen_executor_begin);
  bool ok = map(start_, RoundUp(code), MAP_SHARED) &&
            map(script_, script_end_ - script_, MAP_SHARED | MAP_NORESERVE) &&
            map(stacks_, kStackSize * (threads + 2), MAP_PRIVATE | MAP_NORESERVE);
  for (const SharedObject& object : shared_) {
    const int reserve = static_cast<int>(object.flags) & MAP_NORESERVE;
    ok = ok && map(object.at, object.size, MAP_SHARED | reserve);
  }
  if (ok) {
    std::memcpy(reinterpret_cast<void*>(start_), crgen_executor_begin, code);
    ok = mprotect(reinterpret_cast<void*>(start_), RoundUp(code), PROT_READ | PROT_EXEC) == 0;
  }
  if (ok) return Result::kOk;
  return diag.Error("memory for the restorer", std::strerror(errno));
}

std::uint64_t Arena::shmem(std::uint64_t id) const {
  return std::lower_bound(shared_.begin(), shared_.end(), id,
                          [](const SharedObject& o, std::uint64_t wanted) { return o.id < wanted; })
      ->at;
}

void* Arena::Allocate(std::size_t size, std::size_t alignment) {
  const std::uint64_t at = (script_ + alignment - 1) & ~(alignment - 1);
  if (size > script_end_ - at) throw std::bad_alloc();
  script_ = at + size;
  return reinterpret_cast<void*>(at);
}

}  // namespace crgen::restorer
