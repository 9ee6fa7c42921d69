// SPDX-License-Identifier: Apache-2.0
#include "generator/tree/descent.h"

namespace crgen {

Descent::Descent(const std::vector<Birth>& births) {
  forest_.Reserve(births.size());
  for (const Birth& birth : births) forest_.Add(birth.parent);
  forest_.Mark(0, true);
}

void Descent::Hang(std::int32_t i, std::int32_t above) {
  std::int32_t root = forest_.Root(i);
  forest_.Hang(i, Forest::kNone);
  forest_.Mark(i, true);
  auto circle = circles_.find(root);
  if (circle != circles_.end() && forest_.Root(circle->second) == i) {  // it is open now
    if (root != i) forest_.Hang(root, circle->second);
    circles_.erase(circle);
  }
  if (forest_.Root(above) == i) {
    circles_[i] = above;
  } else {
    forest_.Hang(i, above);
  }
}

bool Descent::Below(std::int32_t low, std::int32_t high) {
  if (forest_.Below(low, high)) return true;
  if (circles_.empty()) return false;
  auto circle = circles_.find(forest_.Root(low));
  return circle != circles_.end() && forest_.Below(circle->second, high);
}

std::int32_t Descent::Meet(std::int32_t i, std::int32_t q) {
  std::int32_t meeting = forest_.Meet(i, q);
  if (circles_.empty()) return meeting;
  auto circle = circles_.find(forest_.Root(q));
  if (circle == circles_.end()) return meeting;
  std::int32_t other = forest_.Meet(i, circle->second);
  if (meeting == Forest::kNone) return other;
  return other != Forest::kNone && forest_.Below(other, meeting) ? other : meeting;
}

}  // namespace crgen
