// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "restorer/files/file_restorer.h"

namespace crgen::restorer {

template <>
struct FileRestorer<Timerfd> : PlainRestorer<Timerfd> {
  static void Compile(const Timerfd& timerfd, OpenContext& context) {
    context.op.kind = OpKind::kOpenTimerfd;
    context.op.open.clock = static_cast<std::int32_t>(timerfd.clock.value);
  }
};

template <>
struct LateRestorer<TimerfdSetting> {
  static void Compile(Fd fd, const TimerfdSetting& setting, const File& file, LateContext&,
                      Op& op) {
    op.kind = OpKind::kSetTimer;
    op.timer.fd = fd;
    op.timer.clock = static_cast<std::int32_t>(std::get<Timerfd>(file.body).clock.value);
    op.timer.flags = static_cast<std::int32_t>(setting.settime_flags.bits);
    op.timer.ticks = setting.ticks;
    op.timer.interval = {static_cast<std::int64_t>(setting.interval.sec),
                         static_cast<std::int64_t>(setting.interval.nsec)};
    op.timer.value = {static_cast<std::int64_t>(setting.value.sec),
                      static_cast<std::int64_t>(setting.value.nsec)};
  }
};

}  // namespace crgen::restorer
