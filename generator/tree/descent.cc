// SPDX-License-Identifier: Apache-2.0
#include "generator/tree/descent.h"

namespace crgen {
namespace {

constexpr BirthIndex kNobody;

}  // namespace

Descent::Descent(const std::vector<Birth>& births) {
  forest_.Reserve(births.size());
  for (const Birth& birth : births) forest_.Add(birth.parent);
  forest_.Mark(BirthIndex(0), true);
}

void Descent::Hang(BirthIndex i, BirthIndex above) {
  BirthIndex root = forest_.Root(i);
  forest_.Hang(i, kNobody);
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

bool Descent::Below(BirthIndex low, BirthIndex high) {
  if (forest_.Below(low, high)) return true;
  if (circles_.empty()) return false;
  auto circle = circles_.find(forest_.Root(low));
  return circle != circles_.end() && forest_.Below(circle->second, high);
}

BirthIndex Descent::Meet(BirthIndex i, BirthIndex q) {
  BirthIndex meeting = forest_.Meet(i, q);
  if (circles_.empty()) return meeting;
  auto circle = circles_.find(forest_.Root(q));
  if (circle == circles_.end()) return meeting;
  BirthIndex other = forest_.Meet(i, circle->second);
  if (meeting == kNobody) return other;
  return other != kNobody && forest_.Below(other, meeting) ? other : meeting;
}

}  // namespace crgen
