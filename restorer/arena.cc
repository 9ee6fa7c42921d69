// SPDX-License-Identifier: Apache-2.0
#include "restorer/arena.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>

#include "restorer/other_ids.h"

extern "C" const char crgen_executor_begin[];
extern "C" const char crgen_executor_end[];

namespace crgen::restorer {
namespace {

constexpr std::uint64_t kUserStart = 0x10000;
/// Away from other regions: none grows into the arena, or is merged with what is in it.
constexpr std::uint64_t kDistance = 16 << 20;

std::uint64_t RoundUp(std::uint64_t size) { return (size + kPageSize - 1) & ~(kPageSize - 1); }

std::uint64_t CodeSize() {
  return static_cast<std::uint64_t>(crgen_executor_end - crgen_executor_begin);
}

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
    if (at < kDefaultUserEnd && kDefaultUserEnd - at >= size) return at;
  }
  return 0;
}

}  // namespace

Arena::~Arena() {
  if (sealed_part_ >= 0) close(sealed_part_);
}

Result Arena::Make(const Program& program, const OwnMaps& maps, const ArenaSizes& sizes, int board,
                   const OutsideIds& ids, Diagnostics& diag) {
  std::vector<AddressRange> used;
  for (const AddressRange& range : maps.ranges) {
    used.push_back({range.start - std::min(range.start, kDistance), range.end + kDistance});
  }
  const auto use = [&](std::uint64_t start, std::uint64_t size) {
    if (start >= kDefaultUserEnd) return;
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

  std::uint64_t size = 0;
  const auto place = [&](std::uint64_t bytes) {
    const std::uint64_t at = size;
    size += RoundUp(bytes);
    return at;
  };
  place(CodeSize());
  code_end_ = size;
  script_.next = place(sizes.script);
  script_.end = size;
  board_.next = place(sizes.board);
  board_.end = size;
  vvar_park_ = place(maps.vvar.size());
  vdso_park_ = place(maps.vdso.size());
  place(kPageSize);  // a hole below the stacks
  stacks_ = place(kStackSize * (sizes.threads + 2));
  for (SharedObject& object : shared_) object.at = place(object.size);

  start_ = FindGap(std::move(used), size);
  if (start_ == 0) {
    return diag.Fail("the program", "its regions leave no " + std::to_string(size) +
                                        " free bytes of address space for the restorer itself");
  }
  end_ = start_ + size;
  for (std::uint64_t* offset : {&code_end_, &script_.next, &script_.end, &board_.next, &board_.end,
                                &vvar_park_, &vdso_park_, &stacks_}) {
    *offset += start_;
  }
  for (SharedObject& object : shared_) object.at += start_;
  return MapParts(sizes, board, ids, diag);
}

Result Arena::MapParts(const ArenaSizes& sizes, int board, const OutsideIds& ids,
                       Diagnostics& diag) {
  const auto map = [](std::uint64_t at, std::uint64_t size, int flags, int fd) {
    return mmap(reinterpret_cast<void*>(at), size, PROT_READ | PROT_WRITE,
                flags | MAP_FIXED_NOREPLACE, fd, 0) == reinterpret_cast<void*>(at);
  };
  sealed_part_ = static_cast<int>(syscall(__NR_memfd_create, "crrestore", MFD_CLOEXEC));
  const std::uint64_t sealed = script_.end - start_;
  bool ok = sealed_part_ >= 0 && ftruncate(sealed_part_, static_cast<off_t>(sealed)) == 0 &&
            map(start_, sealed, MAP_SHARED, sealed_part_) &&
            ftruncate(board, static_cast<off_t>(board_.end - board_.next)) == 0 &&
            map(board_.next, board_.end - board_.next, MAP_SHARED, board) &&
            map(stacks_, kStackSize * (sizes.threads + 2),
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1);
  const auto share = [&] {
    for (const SharedObject& object : shared_) {
      const int reserve = static_cast<int>(object.flags) & MAP_NORESERVE;
      ok = ok && map(object.at, object.size, MAP_SHARED | MAP_ANONYMOUS | reserve, -1);
    }
    return ok ? 0 : -1;
  };
  // The file that the kernel makes for it belongs to whoever maps it first (shmem_zero_setup()): in
  // a user namespace to somebody who has an id there.
  ok = (ids.user ? WithEffectiveIds(ids.Uid(0), ids.Gid(0), share) : share()) == 0;
  if (!ok) {
    const std::string why = std::strerror(errno);
    return diag.Fail("memory for the restorer",
                     errno == EFBIG ? why + ": RLIMIT_FSIZE of the caller has to allow it" : why);
  }
  std::memcpy(reinterpret_cast<void*>(start_), crgen_executor_begin, CodeSize());
  return Result::kOk;
}

Result Arena::Seal(Diagnostics& diag) {
  // A mapping of a description that is open for reading only can never become writable.
  const std::string path = "/proc/self/fd/" + std::to_string(sealed_part_);
  const int readable = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  const auto replace = [&](std::uint64_t from, std::uint64_t to, int prot) {
    return mmap(reinterpret_cast<void*>(from), to - from, prot, MAP_SHARED | MAP_FIXED, readable,
                static_cast<off_t>(from - start_)) != MAP_FAILED;
  };
  const bool ok = readable >= 0 && replace(start_, code_end_, PROT_READ | PROT_EXEC) &&
                  replace(code_end_, script_.end, PROT_READ);
  const int error = errno;
  if (readable >= 0) close(readable);
  close(std::exchange(sealed_part_, -1));
  if (ok) return Result::kOk;
  return diag.Fail("memory for the restorer", std::strerror(error));
}

bool Arena::HasText(const char* text) const {
  const auto at = reinterpret_cast<std::uint64_t>(text);
  // Behind the last object of the script there is a NUL.
  return at >= start_ && at < script_.end && std::memchr(text, 0, script_.end - at) != nullptr;
}

std::uint64_t Arena::shmem(std::uint64_t id) const {
  return std::lower_bound(shared_.begin(), shared_.end(), id,
                          [](const SharedObject& o, std::uint64_t wanted) { return o.id < wanted; })
      ->at;
}

void* Arena::Allocate(Part& part, std::size_t size, std::size_t alignment) {
  const std::uint64_t at = (part.next + alignment - 1) & ~(alignment - 1);
  if (at > part.end || size > part.end - at) throw std::bad_alloc();
  part.next = at + size;
  return reinterpret_cast<void*>(at);
}

}  // namespace crgen::restorer
