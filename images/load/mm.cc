// SPDX-License-Identifier: Apache-2.0
// mm-<pid>.img, pagemap-<pid>.img: the address space as a whole, and the private pages in it.
#include <optional>

#include "images/load/core_checks.h"
#include "images/load/loader.h"
#include "images/load/private_pages.h"

namespace crgen {

void Loader::LoadMemory(ProcessIndex index, Attributes* attributes) {
  const Pid pid = snapshot.tree.nodes[index].pid;
  Process& process = snapshot.processes[index];
  const auto number = static_cast<std::uint64_t>(pid);
  const ImageKind& mm_kind = ImageKindNamed("MM");
  if (Failed(images.ReadSingle(mm_kind, number, &mm, diag))) return;
  const std::string image = ImageSet::NameOf(mm_kind, number);

  const std::size_t unsupported = diag.Count(Severity::kUnsupported);
  const std::size_t errors = diag.Count(Severity::kError);
  LoadRegions(index, image);
  const bool complete =
      diag.Count(Severity::kUnsupported) == unsupported && diag.Count(Severity::kError) == errors;

  CheckMm(mm, image + "[0]", diag);
  MmAttributes bounds;
  bounds.start_code.value = mm.mm_start_code();
  bounds.end_code.value = mm.mm_end_code();
  bounds.start_data.value = mm.mm_start_data();
  bounds.end_data.value = mm.mm_end_data();
  bounds.start_stack.value = mm.mm_start_stack();
  bounds.start_brk.value = mm.mm_start_brk();
  bounds.brk.value = mm.mm_brk();
  bounds.arg_start.value = mm.mm_arg_start();
  bounds.arg_end.value = mm.mm_arg_end();
  bounds.env_start.value = mm.mm_env_start();
  bounds.env_end.value = mm.mm_env_end();
  if (static_cast<std::size_t>(mm.mm_saved_auxv_size()) > kAuxvWords) {
    diag.Error(image + "[0].mm_saved_auxv", std::to_string(mm.mm_saved_auxv_size()) +
                                                " words, expected at most " +
                                                std::to_string(kAuxvWords));
  }
  for (std::uint64_t word : mm.mm_saved_auxv()) bounds.auxv.push_back({word});
  if (mm.has_dumpable()) attributes->dumpable = mm.dumpable();
  if (mm.thp_disabled()) attributes->thp_disabled = true;
  if (RegularPath(mm.exe_file_id(), image + "[0].exe_file_id", &bounds.exe, &process.memory.exe)) {
    const RegularFile& exe = *As<RegularFile>(*snapshot.files[process.memory.exe]);
    if (exe.unlinked) bounds.exe_unlinked = exe.unlinked->id;
    bounds.exe_opened_by = exe.opened_by;
    bounds.exe_mount = exe.mount;
    attributes->mm = std::move(bounds);
  }

  std::vector<PageRun> runs;
  if (Succeeded(LoadPageRuns(ImageKindNamed("PAGEMAP"), number, kUserEnd, &runs))) {
    for (Region& region : process.memory.regions) {
      if (region.kind != RegionKind::kAioRing) continue;
      LoadAioRing(runs, "pagemap-" + std::to_string(pid) + ".img", &region);
    }
    LoadVdso(runs, process.memory);
    FitPages(runs, snapshot, &process.memory, "pagemap-" + std::to_string(pid) + ".img", complete,
             diag);
  }
}

}  // namespace crgen
