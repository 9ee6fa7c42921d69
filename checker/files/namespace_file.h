// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "checker/files/rules.h"

namespace crgen::check {

/// namespaces(7): /proc/PID/ns.
template <>
class FileRules<NamespaceFile> : public PlainRules<NamespaceFile> {
 public:
  /// epoll_ctl(2): it has no poll().
  bool CanBePolled(const NamespaceFile&) const { return false; }
  std::optional<Refusal> Check(const File& file, const NamespaceFile& body) const;
  std::optional<Refusal> CheckOpening(const Kernel& kernel, const File&, const NamespaceFile& body,
                                      const File*) const;
};

}  // namespace crgen::check
