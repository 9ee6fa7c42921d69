// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "checker/files/rules.h"

namespace crgen::check {

/// All that is known is that such types exist, and that some calls make two of them.
template <>
class FileRules<OtherFile> : public PlainRules<OtherFile> {
 public:
  static constexpr bool kComesInPairs = true;

  std::optional<Refusal> Check(const File&, const OtherFile& other) const {
    if (!other.type.empty()) return std::nullopt;
    return Refusal{"EINVAL", "the file has no type"};
  }
  void Compare(const std::string& where, const OtherFile& expected, const OtherFile& found,
               Diagnostics& diag) const {
    check::Compare(where, "type", expected.type, found.type, diag);
  }
};

}  // namespace crgen::check
