// SPDX-License-Identifier: Apache-2.0
// How programs as text are changed, for the one target that includes this. Programs have a command
// a line: lines change places, numbers become other numbers of the text.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace crgen::fuzz {

inline std::vector<std::string> LinesOf(std::string_view text) {
  std::vector<std::string> lines;
  for (std::size_t start = 0; start < text.size();) {
    const std::size_t end = std::min(text.find('\n', start), text.size() - 1);
    lines.emplace_back(text.substr(start, end + 1 - start));
    start = end + 1;
  }
  return lines;
}

inline bool IsDigit(char c) { return c >= '0' && c <= '9'; }

/// Where runs of digits are in `text`, as begin and length.
inline std::vector<std::pair<std::size_t, std::size_t>> Numbers(std::string_view text) {
  std::vector<std::pair<std::size_t, std::size_t>> found;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const std::size_t start = at;
    while (at < text.size() && IsDigit(text[at])) ++at;
    if (at != start) found.emplace_back(start, at - start);
  }
  return found;
}

}  // namespace crgen::fuzz

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t most);

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t most, unsigned seed) {
  std::minstd_rand random(seed);
  std::string text(reinterpret_cast<const char*>(data), size);
  std::vector<std::string> lines = crgen::fuzz::LinesOf(text);
  const auto numbers = crgen::fuzz::Numbers(text);
  auto pick = [&](std::size_t count) { return random() % count; };
  const unsigned choice = random() % 8;
  if (choice < 3 && !numbers.empty()) {
    const auto [to, to_size] = numbers[pick(numbers.size())];
    const auto [from, from_size] = numbers[pick(numbers.size())];
    text.replace(to, to_size, text.substr(from, from_size));
  } else if (choice < 6 && lines.size() > 2) {
    const std::size_t one = pick(lines.size()), other = pick(lines.size());
    if (choice == 3) lines.insert(lines.begin() + static_cast<std::ptrdiff_t>(other), lines[one]);
    if (choice == 4) lines.erase(lines.begin() + static_cast<std::ptrdiff_t>(one));
    if (choice == 5) std::swap(lines[one], lines[other]);
    text.clear();
    for (const std::string& line : lines) text += line;
  } else {
    return LLVMFuzzerMutate(data, size, most);
  }
  const std::size_t length = std::min(text.size(), most);
  std::copy_n(text.data(), length, reinterpret_cast<char*>(data));
  return length;
}
