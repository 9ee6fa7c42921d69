// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/timerfd.h>

#include <ctime>

#include "images/files/file_loader.h"
#include "images/load/file_checks.h"
#include "images/load/loader.h"

namespace crgen {

/// timerfd_create(2).
inline bool HasTimerfd(std::uint32_t clock) {
  return clock == CLOCK_REALTIME || clock == CLOCK_MONOTONIC || clock == CLOCK_BOOTTIME ||
         clock == CLOCK_REALTIME_ALARM || clock == CLOCK_BOOTTIME_ALARM;
}

template <>
class FileLoaderOf<Timerfd> : public FileLoader {
 public:
  static constexpr std::uint32_t kType = pb::FD_TIMERFD;
  Result Convert(const pb::file_entry& entry, const ImageReader& at, Loader& loader,
                 ConvertedFile* file) override {
    if (!entry.has_tfd()) return MissingMessage(at, kType, loader.diag);
    const auto& from = entry.tfd();
    const Place place(at, loader.diag, "tfd");
    CheckAnonymousFlags(from.flags(), place);
    constexpr std::uint64_t kMaxNsec = 999'999'999, kMaxSec = ~std::uint64_t{0} >> 1;
    constexpr std::uint64_t kFlags = TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET;
    place.AtMost(".vsec", from.vsec(), kMaxSec);
    place.AtMost(".isec", from.isec(), kMaxSec);
    place.AtMost(".vnsec", from.vnsec(), kMaxNsec);
    place.AtMost(".insec", from.insec(), kMaxNsec);
    if ((from.settime_flags() & ~kFlags) != 0) {
      place.Error(".settime_flags", HexText(from.settime_flags()) + " has unknown bits");
    }
    if (!HasTimerfd(from.clockid())) {
      place.Error(".clockid", std::to_string(from.clockid()) + " is no clock of a timerfd");
    }
    if (from.ticks() != 0 && from.vsec() == 0 && from.vnsec() == 0 &&
        (from.isec() != 0 || from.insec() != 0)) {
      ++unread_;
    }
    TakeDescription("tfd", from, file);
    file->body = Timerfd{{from.clockid()}};
    file->late.emplace_back(TimerfdSetting{{from.settime_flags()},
                                           from.ticks(),
                                           {from.isec(), from.insec()},
                                           {from.vsec(), from.vnsec()}});
    return Result::kOk;
  }

  /// The kernel counts the periods when they are read (timerfd_read()); fdinfo has one.
  void Finish(Loader& loader) override {
    if (unread_ == 0) return;
    loader.diag.NotRestorable("files.img", std::to_string(unread_) +
                                               " of type TIMERFD that repeat have expired, and "
                                               "nobody has read how often: no image says");
  }

 private:
  std::size_t unread_ = 0;
};

}  // namespace crgen
