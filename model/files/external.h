// SPDX-License-Identifier: Apache-2.0
// What the caller of a restore hands over, by the keys that CRIU has for it.
#pragma once

#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace crgen {

/// "pipe:[4711]"
inline std::string PipeKey(std::uint64_t pipe_id) {
  return "pipe:[" + std::to_string(pipe_id) + "]";
}

/// "socket:[88]"
inline std::string SocketKey(std::uint64_t inode) {
  return "socket:[" + std::to_string(inode) + "]";
}

/// The number in "pipe:[4711]"; none: it is another key.
inline std::optional<std::uint32_t> PipeOfKey(std::string_view key) {
  constexpr std::string_view kHead = "pipe:[";
  if (!key.starts_with(kHead)) return std::nullopt;
  std::uint32_t id = 0;
  const char* const end = key.data() + key.size();
  const auto [rest, error] = std::from_chars(key.data() + kHead.size(), end, id);
  if (error != std::errc() || rest + 1 != end || *rest != ']') return std::nullopt;
  return id;
}

/// Whether a description of CRIU's type `type` can have that key: `pipe:[4711]`, `socket:[88]` and
/// `unix[88]`, `tty[8800:3]`, `file[mnt_id:inode]`.
inline bool IsKeyOf(std::string_view key, std::string_view type) {
  const auto is = [&](std::string_view head) {
    return key.starts_with(head) && key.ends_with(']') && key.size() > head.size() + 1;
  };
  if (type == "PIPE") return PipeOfKey(key).has_value();
  if (type == "REG" || type == "FIFO") return is("file[");
  if (type == "UNIXSK") return is("socket:[") || is("unix[");
  if (type == "INETSK") return is("socket:[");
  return type == "TTY" && is("tty[");
}

}  // namespace crgen
