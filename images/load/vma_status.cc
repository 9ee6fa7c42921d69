// SPDX-License-Identifier: Apache-2.0
#include "images/load/vma_status.h"

#include "model/flags.h"

namespace crgen {

std::string AreaName(std::uint32_t status, std::uint64_t number) {
  const std::string of = " " + std::to_string(number);
  if ((status & kSysvIpc) != 0) return "System V shared memory" + of;
  if ((status & kSocket) != 0) return "packet socket" + of;
  if ((status & kMemfd) != 0) return "memfd, file" + of;
  if ((status & (kFilePrivate | kFileShared)) != 0) return "file" + of;
  if ((status & kAioRing) != 0) return "AIO ring";
  if ((status & kShadowStack) != 0) return "shadow stack";
  if ((status & kUprobes) != 0) return "uprobes";
  if ((status & kExtPlugin) != 0) return "device of a plugin";
  if ((status & kAnonShared) != 0) return "shared memory" + of;
  return "area of status " + HexText(status);
}

}  // namespace crgen
