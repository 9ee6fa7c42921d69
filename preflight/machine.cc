// SPDX-License-Identifier: Apache-2.0
// The processor, and the vdso that the kernel gives to processes: whether programs find in them
// what they have found at the dump.
#include <cpuid.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <optional>
#include <sstream>
#include <unordered_set>

#include "model/fxsave.h"
#include "preflight/own_maps.h"
#include "preflight/question.h"

namespace crgen::preflight {
namespace {

constexpr const char* kSameKernel = "restore on the kernel of the dump, or one with the same vdso";
constexpr unsigned kXstateLeaf = 0xd;

/// XCR0: what this processor's XSAVE has; none: it is not known.
std::optional<std::uint64_t> MachineComponents(Host& host) {
  return host.Number(FactKind::kMachine, "XCR0", [] {
    unsigned low = 0, b = 0, c = 0, high = 0;
    if (__get_cpuid_count(kXstateLeaf, 0, &low, &b, &c, &high) == 0) return std::uint64_t{3};
    return low | std::uint64_t{high} << 32;
  });
}

/// The line of the first processor in /proc/cpuinfo.
std::string FlagsHere() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    const std::size_t colon = line.find(": ");
    if (line.starts_with("flags") && colon != line.npos) return line.substr(colon + 2);
  }
  return "";
}

/// None: they are not known.
std::optional<std::unordered_set<std::string>> MachineFeatures(Host& host) {
  const auto flags = host.Text(FactKind::kMachine, "flags", FlagsHere);
  if (!flags) return std::nullopt;
  std::istringstream words(*flags);
  return std::unordered_set<std::string>(std::istream_iterator<std::string>(words), {});
}

/// The regions of the kernel, and what is in its vdso: a line "vvar SIZE", "vdso SIZE", "build-id
/// DIGITS", a line "symbol OFFSET NAME" for each; "": it cannot be read. Numbers are decimal.
std::string RegionsHere() {
  OwnMaps maps;
  Diagnostics unread;
  if (Failed(ReadOwnMaps(&maps, unread))) return "";
  std::string text =
      "vvar " + std::to_string(maps.vvar.size()) + "\nvdso " + std::to_string(maps.vdso.size());
  const std::optional<Vdso> vdso =
      ParseVdso({reinterpret_cast<const char*>(maps.vdso.start), maps.vdso.size()});
  if (!vdso) return text;
  if (!vdso->build_id.empty()) text += "\nbuild-id " + vdso->build_id;
  for (const VdsoSymbol& symbol : vdso->symbols) {
    text += "\nsymbol " + std::to_string(symbol.offset.value) + " " + symbol.name;
  }
  return text;
}

struct Regions {
  std::uint64_t vvar = 0;
  Vdso vdso;
};

/// None: they are not known.
std::optional<Regions> MachineRegions(Host& host) {
  const auto text = host.Text(FactKind::kMachine, "vdso", RegionsHere);
  if (!text) return std::nullopt;
  Regions regions;
  std::istringstream words(*text);
  for (std::string word; words >> word;) {
    if (word == "vvar") words >> regions.vvar;
    if (word == "vdso") words >> regions.vdso.size;
    if (word == "build-id") words >> regions.vdso.build_id;
    VdsoSymbol symbol;
    if (word == "symbol" && words >> symbol.offset.value >> symbol.name &&
        regions.vdso.symbols.size() < Vdso::kMostSymbols) {
      regions.vdso.symbols.push_back(symbol);
    }
  }
  return regions;
}

class MachineQuestion : public QuestionOn<MachineQuestion> {
 public:
  explicit MachineQuestion(Context& context) : QuestionOn(context) {
    const About* about = AboutOf(context.program);
    if (about != nullptr && about->vdso) vdso_ = &*about->vdso;
  }

  template <typename Body>
  void On(const Body&) {}

  void On(const Fork& fork) {
    if (fork.about == nullptr || !fork.about->cpu) return;
    const CpuNeeds& cpu = *fork.about->cpu;
    if (cpu.xsave) CheckComponents(cpu.xsave->value);
    if (!cpu.features.empty()) CheckFeatures(cpu.features);
  }

  void On(const MapRegion& map) {
    if (map.special == SpecialRegion::kVvar) (void)CheckSize(map, "vvar");
    if (map.special == SpecialRegion::kVdso && CheckSize(map, "vdso")) CheckVdso();
  }

  void On(const SetAttr& set) {
    const auto& fpu = set.attributes->fpu;
    if (fpu && fpu->xstate_bv) CheckComponents(fpu->xstate_bv->value);
  }

 private:
  void CheckComponents(std::uint64_t components) {
    components &= ~told_;
    if (components == 0) return;
    told_ |= components;
    if ((components & ~kXsaveComponents) != 0) {
      findings_.Unsupported("registers of XSAVE components " +
                            HexText(components & ~kXsaveComponents) +
                            ", which no member of fpu has");
    }
    const auto here = MachineComponents(host_);
    const std::uint64_t missing = components & kXsaveComponents & ~here.value_or(kXsaveComponents);
    if (missing == 0) return;
    findings_.Wrong(
        "registers of XSAVE components " + HexText(missing) + ", which this processor has not",
        "restore on a processor like the dump's");
  }

  /// The kernel hides features that a processor has: no more than a warning.
  void CheckFeatures(const std::vector<std::string>& features) {
    const auto here = MachineFeatures(host_);
    if (!here) return;
    std::string missing;
    for (const std::string& feature : features) {
      if (!here->contains(feature)) missing += (missing.empty() ? "" : ", ") + feature;
    }
    if (missing.empty()) return;
    findings_.Warn("this processor has no " + missing + ", which the dump's had",
                   "programs that have found it there end with SIGILL");
  }

  bool CheckSize(const MapRegion& map, const char* name) {
    if (!regions_) regions_ = MachineRegions(host_);
    if (!regions_) return false;
    const bool vdso = map.special == SpecialRegion::kVdso;
    const std::uint64_t here = vdso ? regions_->vdso.size : regions_->vvar;
    const std::uint64_t there = map.end.value - map.start.value;
    if (here == there) return true;
    findings_.Wrong(std::string("the ") + name + " differs: " + std::to_string(there) +
                        " bytes in the dump, " + std::to_string(here) + " of this kernel",
                    kSameKernel);
    return false;
  }

  /// Another build will do if programs find everything where they have found it.
  void CheckVdso() {
    if (vdso_ == nullptr) return;
    const Vdso* here = &regions_->vdso;
    if (here->symbols.empty()) {
      return findings_.Wrong("the vdso of this kernel cannot be read", kSameKernel);
    }
    if (!vdso_->build_id.empty() && here->build_id == vdso_->build_id) return;
    for (const VdsoSymbol& symbol : vdso_->symbols) {
      const auto same = std::ranges::find(here->symbols, symbol.name, &VdsoSymbol::name);
      if (same != here->symbols.end() && same->offset == symbol.offset) continue;
      return findings_.Wrong(
          "the vdso differs: " + symbol.name + " is at " + HexText(symbol.offset.value) +
              " in the dump, " +
              (same == here->symbols.end() ? "nowhere" : "at " + HexText(same->offset.value)) +
              " of this kernel",
          kSameKernel);
    }
  }

  const Vdso* vdso_ = nullptr;      // of the dump
  std::optional<Regions> regions_;  // here
  std::uint64_t told_ = 0;          // components
};

}  // namespace

std::unique_ptr<Question> AskTheMachine(Context& context) {
  return std::make_unique<MachineQuestion>(context);
}

void AskAllOfTheMachine(Host& host) {
  (void)MachineComponents(host);
  (void)MachineFeatures(host);
  (void)MachineRegions(host);
}

}  // namespace crgen::preflight
