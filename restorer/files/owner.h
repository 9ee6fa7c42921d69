// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "restorer/files/file_restorer.h"

namespace crgen::restorer {

template <>
struct LateRestorer<OwnerSetting> {
  static void Compile(Fd fd, const OwnerSetting& setting, const File&, LateContext&, Op& op) {
    const FileOwner& owner = setting.owner;
    op.kind = OpKind::kSetOwner;
    op.owner = {};
    op.owner.fd = fd;
    op.owner.signal = owner.signal ? static_cast<std::int32_t>(owner.signal->value) : 0;
    if (!owner.pid) return;
    op.owner.has_owner = true;
    op.owner.type = static_cast<std::int32_t>(owner.type->value);
    op.owner.pid = owner.pid->value;
    op.owner.uid = *owner.uid;
    op.owner.euid = *owner.euid;
  }
};

}  // namespace crgen::restorer
