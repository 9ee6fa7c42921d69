// SPDX-License-Identifier: Apache-2.0
// Things of the model in words.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "model/flags.h"
#include "model/snapshot.h"

namespace crgen {

/// "1 process", "2 processes".
std::string Count(std::uint64_t number, std::string_view one, std::string_view many);

/// "4 KiB", "1.5 MiB".
std::string SizeText(std::uint64_t bytes);

/// "O_RDWR|O_APPEND"; empty for none.
template <typename Kind>
std::string FlagText(Flags<Kind> flags) {
  std::string text;
  for (const std::string& name : FlagNames(Kind::Names(), flags.bits)) {
    text += (text.empty() ? "" : "|") + name;
  }
  return text;
}

/// "SIGTERM"
template <typename Kind>
std::string NameText(Named<Kind> value) {
  return ValueName(Kind::Names(), value.value);
}

/// The signals of a mask, bit n-1: signal n.
std::string MaskText(std::uint64_t mask);

/// "rw-p" as /proc/PID/maps has it.
std::string ProtText(Prot prot, bool shared);

std::string TimeText(std::uint64_t seconds, std::uint64_t nanoseconds);

/// "exit status 3", "killed by SIGSEGV, core dumped".
std::string ExitText(const ExitStatus& status);

/// The name of a process; empty: no image says it.
std::string CommOf(const Process& process);

/// What a description is by itself, without its flags: a path and a position, an address …
std::string FileText(const File& file);

/// ", BPF_MAP_TYPE_HASH, 3 of 10 entries, frozen", after its name if it has one.
std::string MapText(const BpfMapObject& map);

/// Late state in words.
std::string LateText(const LateState& state);

}  // namespace crgen
