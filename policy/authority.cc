// SPDX-License-Identifier: Apache-2.0
#include "policy/authority.h"

#include <algorithm>
#include <tuple>

namespace crgen {
namespace {

std::string KeyOf(const Claim& claim) {
  std::string key(1, static_cast<char>(claim.kind));
  if (MemberOf(claim.kind).form == Form::kMost) return key;
  for (const std::string& part : claim.parts) key += std::to_string(part.size()) + ":" + part;
  key += claim.word;
  return key + " " + std::to_string(claim.number);
}

}  // namespace

Claim* Authority::Find(Claim claim) {
  const auto [known, fresh] = index_.try_emplace(KeyOf(claim), claims_.size());
  if (touched_ != nullptr) touched_->push_back(known->second);
  if (!fresh) {
    ++claims_[known->second].more;
    return nullptr;
  }
  return &claims_.emplace_back(std::move(claim));
}

void Authority::AddMost(Kind kind, std::uint64_t number, std::string where) {
  Claim empty = {kind, {}, {}, 0, {}, 0};
  const auto [known, fresh] = index_.try_emplace(KeyOf(empty), claims_.size());
  if (fresh) claims_.push_back(std::move(empty));
  Claim& claim = claims_[known->second];
  if (!fresh && claim.number >= number) return;
  claim.number = number;
  claim.where = std::move(where);
}

void Authority::AddFile(const std::string& path, const FileWas& was) {
  FileWas& known = files_[path];
  if (was.mode) known.mode = was.mode;
  if (was.size) known.size = was.size;
  if (was.build_id) known.build_id = was.build_id;
}

void Authority::Sort() {
  std::ranges::stable_sort(claims_, [](const Claim& a, const Claim& b) {
    return std::tie(a.kind, a.number, a.parts, a.word) <
           std::tie(b.kind, b.number, b.parts, b.word);
  });
  for (std::size_t i = 0; i < claims_.size(); ++i) index_[KeyOf(claims_[i])] = i;
}

}  // namespace crgen
