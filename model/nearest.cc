// SPDX-License-Identifier: Apache-2.0
#include "model/nearest.h"

#include <algorithm>
#include <numeric>

namespace crgen {
namespace {

constexpr std::size_t kLongest = 100;  ///< nobody mistypes longer names
/// So many changes, and one of so many letters.
constexpr std::size_t kMost = 2, kLettersAChange = 3;
constexpr std::size_t kShort = 4;  ///< of such words, one: two make another word of them

/// Damerau's distance: letters put in, left out, replaced, or two of them swapped.
std::size_t Distance(std::string_view one, std::string_view other) {
  std::vector<std::size_t> earlier, last(other.size() + 1), row(other.size() + 1);
  std::iota(last.begin(), last.end(), 0);
  for (std::size_t i = 1; i <= one.size(); ++i) {
    row[0] = i;
    for (std::size_t k = 1; k <= other.size(); ++k) {
      row[k] = std::min(
          {last[k] + 1, row[k - 1] + 1, last[k - 1] + (one[i - 1] == other[k - 1] ? 0 : 1)});
      const bool swapped =
          i > 1 && k > 1 && one[i - 1] == other[k - 2] && one[i - 2] == other[k - 1];
      if (swapped) row[k] = std::min(row[k], earlier[k - 2] + 1);
    }
    earlier = last;
    last.swap(row);
  }
  return last.back();
}

}  // namespace

std::string Nearest(std::string_view word, const std::vector<std::string>& names) {
  if (word.size() > kLongest) return "";
  const std::size_t most =
      word.size() <= kShort ? 1 : std::max(kMost, word.size() / kLettersAChange);
  std::size_t best = std::min(most + 1, word.size());
  std::string nearest;
  for (const std::string& name : names) {
    const std::size_t distance = Distance(word, name);
    if (distance >= best) continue;
    best = distance;
    nearest = name;
  }
  return nearest;
}

std::string Suggestion(std::string_view word, const std::vector<std::string>& names) {
  const std::string name = Nearest(word, names);
  return name.empty() ? "" : "; did you mean " + name + "?";
}

}  // namespace crgen
