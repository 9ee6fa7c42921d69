// SPDX-License-Identifier: Apache-2.0
// What a plan relies on beside its own commands: the run of CRIU, the processor, the vdso.
#include <algorithm>
#include <cstring>
#include <string_view>

#include "images/load/loader.h"
#include "images/proto/cpuinfo.pb.h"

namespace crgen {
namespace {

/// Of a version 4 UUID there are 36 characters.
constexpr std::size_t kLongestId = 64;
constexpr std::string_view kIdCharacters =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-";

/// A feature that brings instructions which programs use where they find them, by the name that
/// /proc/cpuinfo has for it.
struct Feature {
  int word;  ///< of cpuinfo_x86_entry.capability
  int bit;
  std::string_view name;
};

// Each word is one register of CPUID (Intel SDM 2A, CPUID; AMD APM 3, appendix E): 0 is leaf 1 EDX,
// 1 is 0x80000001 EDX, 4 is 1 ECX, 6 is 0x80000001 ECX, 9 is 7 EBX, 10 is 0xd:1 EAX, 11 is 7 ECX,
// 13 is 0x80000008 EBX, 18 is 7 EDX.
// clang-format off
constexpr Feature kFeatures[] = {
    {0, 8, "cx8"}, {0, 15, "cmov"}, {0, 19, "clflush"}, {0, 23, "mmx"}, {0, 25, "sse"},
    {0, 26, "sse2"},
    {1, 22, "mmxext"}, {1, 27, "rdtscp"}, {1, 30, "3dnowext"}, {1, 31, "3dnow"},
    {4, 0, "pni"}, {4, 1, "pclmulqdq"}, {4, 9, "ssse3"}, {4, 12, "fma"}, {4, 13, "cx16"},
    {4, 19, "sse4_1"}, {4, 20, "sse4_2"}, {4, 22, "movbe"}, {4, 23, "popcnt"}, {4, 25, "aes"},
    {4, 26, "xsave"}, {4, 28, "avx"}, {4, 29, "f16c"}, {4, 30, "rdrand"},
    {6, 0, "lahf_lm"}, {6, 5, "abm"}, {6, 6, "sse4a"}, {6, 8, "3dnowprefetch"}, {6, 11, "xop"},
    {6, 16, "fma4"}, {6, 21, "tbm"},
    {9, 0, "fsgsbase"}, {9, 3, "bmi1"}, {9, 5, "avx2"}, {9, 8, "bmi2"}, {9, 11, "rtm"},
    {9, 16, "avx512f"}, {9, 17, "avx512dq"}, {9, 18, "rdseed"}, {9, 19, "adx"},
    {9, 21, "avx512ifma"}, {9, 23, "clflushopt"}, {9, 24, "clwb"}, {9, 26, "avx512pf"},
    {9, 27, "avx512er"}, {9, 28, "avx512cd"}, {9, 29, "sha_ni"}, {9, 30, "avx512bw"},
    {9, 31, "avx512vl"},
    {10, 1, "xsavec"}, {10, 2, "xgetbv1"},
    {11, 1, "avx512vbmi"}, {11, 3, "pku"}, {11, 6, "avx512_vbmi2"}, {11, 8, "gfni"},
    {11, 9, "vaes"}, {11, 10, "vpclmulqdq"}, {11, 11, "avx512_vnni"}, {11, 12, "avx512_bitalg"},
    {11, 14, "avx512_vpopcntdq"}, {11, 22, "rdpid"},
    {13, 0, "clzero"},
    {18, 2, "avx512_4vnniw"}, {18, 3, "avx512_4fmaps"},
};
// clang-format on

/// XSAVE components that any thread has in use; nothing: no thread says.
std::optional<Hex> ComponentsInUse(const Snapshot& snapshot) {
  std::optional<Hex> used;
  const auto add = [&](const std::shared_ptr<const Attributes>& attributes) {
    if (attributes == nullptr || !attributes->fpu || !attributes->fpu->xstate_bv) return;
    if (!used) used.emplace();
    used->value |= attributes->fpu->xstate_bv->value;
  };
  for (const Process& process : snapshot.processes) {
    add(process.attributes);
    for (const Thread& thread : process.threads) add(thread.attributes);
  }
  return used;
}

}  // namespace

void Loader::LoadDumpId() {
  const std::string& id = inventory.dump_criu_run_id();
  if (id.size() <= kLongestId && id.find_first_not_of(kIdCharacters) == id.npos) {
    snapshot.dump_id = id;
  }
}

void Loader::LoadCpu() {
  snapshot.cpu.xsave = ComponentsInUse(snapshot);
  const ImageKind& kind = ImageKindNamed("CPUINFO");
  pb::cpuinfo_entry cpus;
  if (!images.Has(kind) || Failed(images.ReadSingle(kind, 0, &cpus, diag))) return;
  if (cpus.x86_entry_size() == 0) return;
  // CRIU writes one for all.
  const auto& words = cpus.x86_entry(0).capability();
  for (const Feature& feature : kFeatures) {
    if (feature.word >= words.size()) continue;
    if ((words.Get(feature.word) >> feature.bit & 1) != 0) {
      snapshot.cpu.features.emplace_back(feature.name);
    }
  }
}

/// Of one process: all have that of their kernel. A vdso that cannot be read is none.
void Loader::LoadVdso(const std::vector<PageRun>& runs, const AddressSpace& memory) {
  const auto vdso = std::ranges::find(memory.regions, RegionKind::kVdso, &Region::kind);
  if (vdso_sought || vdso == memory.regions.end()) return;
  vdso_sought = true;
  const AddressRange range = vdso->range;
  if (range.size() > Vdso::kMostBytes) return;
  std::string bytes(range.size(), '\0');
  Diagnostics unread;
  PageImages pages(images.source());
  std::uint64_t at = range.start;
  for (const PageRun& run : runs) {
    if (run.end() <= at || at == range.end) continue;
    if (run.start > at) return;
    const PageRun part = run.Part(at, range.end);
    const std::span<char> to(bytes.data() + (at - range.start), part.nr_pages * kPageSize);
    const std::string& name = snapshot.page_images[part.image];
    if (Failed(pages.Read(name, part.image_offset, to, unread))) return;
    at = part.end();
  }
  if (at == range.end) snapshot.vdso = ParseVdso(bytes);
}

}  // namespace crgen
