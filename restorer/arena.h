// SPDX-License-Identifier: Apache-2.0
// The arena: the range of addresses, free in every process at every moment of the program, where
// the executor, its script and its stacks are until a process resumes. The supervisor and all
// processes have it at the same place; what lies in it is shared, but for stacks. First comes what
// none of them can write once it is sealed: the executor and the script.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "dsl/commands.h"
#include "model/diagnostics.h"
#include "preflight/own_maps.h"
#include "restorer/outside_ids.h"
#include "restorer/script.h"

namespace crgen::restorer {

/// Bytes and counts that the arena is made for.
struct ArenaSizes {
  std::uint64_t script = 0;
  std::uint64_t board = 0;
  std::size_t threads = 0;  ///< the most that a process has, without its leader
};

/// Shared memory that data is put into one piece after another.
class Arena {
 public:
  static constexpr std::uint64_t kStackSize = 64 << 10;

  Arena() = default;
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;
  ~Arena();

  /// Finds the range and maps what is shared, the board from the memfd `board`, which is empty.
  /// `ids`: of the tree's user namespace, to whose root it belongs. The range stays mapped until
  /// the process ends.
  Result Make(const Program& program, const OwnMaps& maps, const ArenaSizes& sizes, int board,
              const OutsideIds& ids, Diagnostics& diag);
  /// From here on nobody can write the executor and the script: neither this process, nor its
  /// descendants, nor who gets hold of their memory. Only the board is left to write.
  Result Seal(Diagnostics& diag);

  std::uint64_t start() const { return start_; }
  std::uint64_t end() const { return end_; }
  /// The executor: from start() up to here.
  std::uint64_t code_end() const { return code_end_; }
  /// Whether a text of the executor or of the sealed script starts there; it ends before they do.
  bool HasText(const char* text) const;
  std::uint64_t vvar_park() const { return vvar_park_; }
  std::uint64_t vdso_park() const { return vdso_park_; }
  std::uint64_t leader_stack_top() const { return stacks_ + kStackSize; }
  std::uint64_t helper_stack_top() const { return stacks_ + kStackSize * 2; }
  /// Of the n-th thread behind the leader.
  std::uint64_t thread_stack_top(std::size_t n) const { return stacks_ + kStackSize * (n + 3); }
  Entry entry() const { return reinterpret_cast<Entry>(start_); }
  /// Where a shared anonymous object is mapped as a whole.
  std::uint64_t shmem(std::uint64_t id) const;

  /// `count` zeroed objects. Throws std::bad_alloc if the script is full.
  template <typename T>
  T* New(std::size_t count = 1) {
    static_assert(std::is_trivially_copyable_v<T>);
    return static_cast<T*>(Allocate(script_, sizeof(T) * count, alignof(T)));
  }
  /// The same on the board, where processes write.
  template <typename T>
  T* NewOnBoard(std::size_t count = 1) {
    static_assert(std::is_trivially_copyable_v<T>);
    return static_cast<T*>(Allocate(board_, sizeof(T) * count, alignof(T)));
  }
  /// A copy that ends with a NUL.
  const char* Text(std::string_view text) {
    char* copy = New<char>(text.size() + 1);
    std::memcpy(copy, text.data(), text.size());
    return copy;
  }
  template <typename T>
  const T* Copy(const std::vector<T>& from) {
    if (from.empty()) return nullptr;
    T* copy = New<T>(from.size());
    std::memcpy(copy, from.data(), sizeof(T) * from.size());
    return copy;
  }

 private:
  struct Part {
    std::uint64_t next = 0, end = 0;
  };
  static void* Allocate(Part& part, std::size_t size, std::size_t alignment);
  Result MapParts(const ArenaSizes& sizes, int board, const OutsideIds& ids, Diagnostics& diag);

  std::uint64_t start_ = 0, code_end_ = 0, end_ = 0;
  Part script_, board_;
  int sealed_part_ = -1;  ///< a memfd with the executor and the script
  std::uint64_t vvar_park_ = 0, vdso_park_ = 0, stacks_ = 0;
  struct SharedObject {
    std::uint64_t id, size, at;
    std::uint64_t flags;  ///< MAP_ flags of the command that creates it
  };
  std::vector<SharedObject> shared_;  ///< ascending by id
};

}  // namespace crgen::restorer
