// SPDX-License-Identifier: Apache-2.0
#include "images/files/signalfd.h"

#include <csignal>

#include "images/load/file_checks.h"
#include "images/load/loader.h"

namespace crgen {

Result FileLoaderOf<Signalfd>::Convert(const pb::file_entry& entry, const ImageReader& at,
                                       Loader& loader, ConvertedFile* file) {
  constexpr std::uint64_t kNeverTaken = std::uint64_t{1} << (SIGKILL - 1) | std::uint64_t{1}
                                                                                << (SIGSTOP - 1);
  if (!entry.has_sgfd()) return MissingMessage(at, kType, loader.diag);
  const pb::signalfd_entry& from = entry.sgfd();
  const Place place(at, loader.diag, "sgfd");
  CheckAnonymousFlags(from.flags(), place);
  if ((from.signals() & kNeverTaken) != 0) {
    place.Error(".sigmask", HexText(from.signals()) + " has SIGKILL or SIGSTOP");
  }
  TakeDescription("sgfd", from, file);
  file->body = Signalfd{{from.signals()}};
  return Result::kOk;
}

}  // namespace crgen
