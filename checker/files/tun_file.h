// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "checker/files/rules.h"

namespace crgen::check {

/// open(2), TUNSETIFF and TUNSETQUEUE of tun(4).
template <>
class FileRules<TunFile> : public PlainRules<TunFile> {
 public:
  std::optional<Refusal> Check(const File& file, const TunFile& tun) const;
  std::optional<Refusal> CheckOpening(const Kernel& kernel, const File&, const TunFile& tun,
                                      const File*) const;
  void Opened(const Kernel&, Description& description, const TunFile& tun, Description*);
  /// Whether a description was attached to it, also if none is any more.
  bool WasAttached(std::uint64_t net, const std::string& device) const {
    return attached_.contains({net, device});
  }

 private:
  /// By network namespace and device.
  std::map<std::pair<std::uint64_t, std::string>, std::vector<std::weak_ptr<const Description>>>
      attached_;
};

}  // namespace crgen::check
