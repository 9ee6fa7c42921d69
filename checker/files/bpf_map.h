// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <unordered_map>

#include "checker/files/rules.h"

namespace crgen::check {

/// bpf(2): BPF_MAP_CREATE, BPF_MAP_UPDATE_BATCH, BPF_MAP_FREEZE, BPF_MAP_GET_FD_BY_ID.
template <>
class FileRules<BpfMap> : public PlainRules<BpfMap> {
 public:
  std::optional<Refusal> Check(const File& file, const BpfMap& map) const;
  std::optional<Refusal> CheckOpening(const Kernel&, const File&, const BpfMap& map,
                                      const File*) const;
  void Opened(const Kernel&, Description& description, const BpfMap& map, Description*);
  bool ObjectLives(const BpfMap& map) const;
  /// What is set in it is compared with the map.
  void Compare(const std::string&, const BpfMap&, const BpfMap&, Diagnostics&) const {}
  std::string Text(const BpfMap& map) const { return std::to_string(map.map_id.value); }

 private:
  /// A map lives while a description refers to it.
  std::unordered_map<BpfMapId, std::weak_ptr<BpfMapObject>> maps_;
};

}  // namespace crgen::check
