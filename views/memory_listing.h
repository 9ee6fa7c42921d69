// SPDX-License-Identifier: Apache-2.0
// The forms in which bytes of memory are listed. Private to views/.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "views/memory.h"
#include "views/memory_map.h"

namespace crgen {

/// Something found in memory.
struct FoundBytes {
  std::uint64_t address = 0;
  AddressRange region;
  std::string what;        ///< what the region shows; empty: nothing that has a name
  std::uint64_t size = 0;  ///< may be more than is listed of it
  std::string_view bytes;  ///< they, and what is known of those behind them
};

/// Takes what is found or looked at, in the order of addresses, and appends it to `out()`.
class MemoryListing {
 public:
  static constexpr std::size_t kMostText = 4096;  ///< bytes of one match or string

  virtual ~MemoryListing() = default;
  virtual void Match(const FoundBytes& found) = 0;
  /// Behind the last match. `stopped`: there are more; `searched`: bytes.
  virtual void Matched(std::size_t count, bool stopped, std::uint64_t searched) = 0;
  virtual void String(const FoundBytes& found) = 0;
  virtual void NotMapped(const AddressRange& range) = 0;
  virtual void Enter(const Region& region, const std::string& what) = 0;
  /// Of the region entered last: bytes that no page has.
  virtual void Absent(const MemoryPart& part) = 0;
  /// Of the region entered last. `ends`: the pages of this part end with them.
  virtual void Bytes(std::uint64_t address, std::string_view bytes, bool ends) = 0;
  virtual void End() {}

  std::string& out() { return out_; }

 protected:
  std::string out_;
};

std::unique_ptr<MemoryListing> ListAsText(const MemoryQuery& query, const ViewOptions& options);
std::unique_ptr<MemoryListing> ListAsJson(const MemoryQuery& query, Pid pid);

}  // namespace crgen
