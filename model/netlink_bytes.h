// SPDX-License-Identifier: Apache-2.0
// Messages of netlink(7) as programs save them: headers that say how long they are.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <span>
#include <utility>

namespace crgen {

/// The first `Header` of `bytes`, whose member `length` says how long it is with all that belongs
/// to it: that part, which is taken off `bytes`, padded to four bytes. Empty: it does not fit.
template <typename Header, typename Length>
std::span<char> TakeNetlink(std::span<char>* bytes, Length Header::*length) {
  Header header;
  if (bytes->size() < sizeof header) return {};
  std::memcpy(&header, bytes->data(), sizeof header);
  const std::size_t size = header.*length, padded = (size + 3) / 4 * 4;
  if (size < sizeof header || size > bytes->size()) return {};
  const std::span<char> taken = bytes->first(size);
  *bytes = bytes->subspan(std::min(padded, bytes->size()));
  return taken;
}

/// Calls `use(header, body)` for each, up to one that does not fit; the body, without the header,
/// may be changed.
template <typename Header, typename Length, typename Use>
void ForEachNetlink(std::span<char> bytes, Length Header::*length, Use&& use) {
  while (true) {
    const std::span<char> taken = TakeNetlink(&bytes, length);
    if (taken.empty()) return;
    Header header;
    std::memcpy(&header, taken.data(), sizeof header);
    use(std::as_const(header), taken.subspan(sizeof header));
  }
}

}  // namespace crgen
