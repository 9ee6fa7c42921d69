// SPDX-License-Identifier: Apache-2.0
// Regions, and what execve(2) has left in memory.
#include <algorithm>

#include "views/show_parts.h"

namespace crgen {
namespace {

/// More than execve(2) takes with a stack of 8 MiB: a quarter of that.
constexpr std::uint64_t kMostArguments = 2 << 20;

/// What of [start, end) the pages of `process` have; the rest is zero.
std::string ReadMemory(const Process& process, std::uint64_t start, std::uint64_t end,
                       const LookedAt& dump) {
  if (start >= end || !dump.read_page) return "";
  std::string bytes(std::min(end - start, kMostArguments), '\0');
  end = start + bytes.size();
  const std::vector<PageRun>& runs = process.memory.pages;
  auto run = std::ranges::lower_bound(runs, start + 1, {}, &PageRun::end);
  for (; run != runs.end() && run->start < end; ++run) {
    const std::uint64_t from = std::max(start, run->start), to = std::min(end, run->end());
    Diagnostics unreadable;  // those bytes stay zero
    (void)dump.read_page(dump.snapshot.page_images[run->image],
                         run->image_offset + (from - run->start),
                         std::span(bytes).subspan(from - start, to - from), unreadable);
  }
  return bytes;
}

std::vector<std::string> Strings(std::string_view bytes) {
  std::vector<std::string> strings;
  while (!bytes.empty()) {
    const std::size_t end = std::min(bytes.find('\0'), bytes.size());
    // What a program has overwritten leaves empty strings, perhaps millions of them.
    if (end != 0) strings.emplace_back(bytes.substr(0, end));
    bytes.remove_prefix(std::min(end + 1, bytes.size()));
  }
  return strings;
}

std::string RangeText(const AddressRange& range) {
  return HexText(range.start).substr(2) + "-" + HexText(range.end).substr(2);
}

void AddRegion(const Show& show, ProcessIndex index, const Region& region, std::uint64_t pages,
               Table* table) {
  const bool shared = IsSharedRegion(region);
  if (shared) pages += show.relations.ObjectPages(region);
  const std::vector<ProcessIndex>& viewers = show.relations.ViewersOf(region);
  table->Add({RangeText(region.range), SizeText(region.range.size()), ProtText(region.prot, shared),
              pages == 0 ? "" : SizeText(pages * kPageSize),
              viewers.empty() ? "" : show.relations.OthersText(viewers, index),
              RegionText(region, show.snapshot().processes[index], show.snapshot())});
}

}  // namespace

bool IsSharedRegion(const Region& region) {
  return region.kind == RegionKind::kSharedFile || region.kind == RegionKind::kSharedMemfd ||
         region.kind == RegionKind::kSharedAnonymous || region.kind == RegionKind::kSysvShm ||
         region.kind == RegionKind::kPacketRing;
}

std::uint64_t PagesOf(const AddressSpace& memory) {
  std::uint64_t pages = 0;
  for (const PageRun& run : memory.pages) pages += run.nr_pages;
  return pages;
}

std::uint64_t MappedBy(const AddressSpace& memory) {
  std::uint64_t bytes = 0;
  for (const Region& region : memory.regions) bytes += region.range.size();
  return bytes;
}

std::string RegionText(const Region& region, const Process& process, const Snapshot& snapshot) {
  const auto at = [&](const std::string& name) {
    return region.offset == 0 ? name : name + " at " + HexText(region.offset);
  };
  switch (region.kind) {
    case RegionKind::kPrivateFile:
    case RegionKind::kSharedFile: {
      const RegularFile* file =
          region.file < 0 ? nullptr : As<RegularFile>(*snapshot.files[region.file]);
      return file == nullptr ? "file" : at(file->path.bytes + (file->unlinked ? " (deleted)" : ""));
    }
    case RegionKind::kPrivateMemfd:
    case RegionKind::kSharedMemfd:
      return at("memfd " + snapshot.memfds[region.object].name.bytes);
    case RegionKind::kSharedAnonymous:
      return at("shared memory " + std::to_string(snapshot.shmems[region.object].id.value));
    case RegionKind::kSysvShm:
      return at("System V shared memory " + std::to_string(region.shmid));
    case RegionKind::kVdso:
      return "[vdso]";
    case RegionKind::kVvar:
      return "[vvar]";
    case RegionKind::kVsyscall:
      return "[vsyscall]";
    case RegionKind::kAioRing:
      return "[aio] " + std::to_string(region.nr_req) + " requests";
    case RegionKind::kPacketRing:
      return "rings of file " + std::to_string(snapshot.files[region.file]->id.value);
    case RegionKind::kPrivateAnonymous:
      break;
  }
  const Attributes* attributes = process.attributes.get();
  if (attributes == nullptr || !attributes->mm) return "";
  const MmAttributes& mm = *attributes->mm;
  if (region.range.start < mm.brk.value && region.range.end > mm.start_brk.value) return "[heap]";
  const AddressRange stack = {mm.start_stack.value, mm.start_stack.value + 1};
  return region.range.Contains(stack) ? "[stack]" : "";
}

Arguments ArgumentsOf(const Process& process, const LookedAt& dump) {
  if (process.attributes == nullptr || !process.attributes->mm) return {};
  const MmAttributes& mm = *process.attributes->mm;
  return {Strings(ReadMemory(process, mm.arg_start.value, mm.arg_end.value, dump)),
          Strings(ReadMemory(process, mm.env_start.value, mm.env_end.value, dump))};
}

void ShowMemory(const Show& show) {
  show.ForEachProcess([&](ProcessIndex index, const Process& process) {
    if (process.state == ProcessState::kZombie) return;
    Table table({{"ADDRESSES"},
                 {"SIZE", Table::Align::kRight},
                 {"PROT"},
                 {"IN DUMP", Table::Align::kRight},
                 {"SHARED WITH"},
                 {"WHAT"}});
    OwnPages pages(process.memory, show.snapshot().page_images);
    auto left_out = show.relations.LeftOutOf(index);
    const auto add_left_out = [&](std::uint64_t before) {
      for (; !left_out.empty() && left_out.front().range.start < before;
           left_out = left_out.subspan(1)) {
        const UnplannedRegion& region = left_out.front();
        table.Add({RangeText(region.range), SizeText(region.range.size()),
                   ProtText(region.prot, false).substr(0, 3), "", "", "! " + region.what},
                  Ink::kMissing);
      }
    };
    for (const Region& region : process.memory.regions) {
      add_left_out(region.range.start);
      AddRegion(show, index, region, pages.In(region.range).all, &table);
    }
    add_left_out(~std::uint64_t{0});
    show.Line(show.NameOf(index) + ": " + SizeText(MappedBy(process.memory)) + " in " +
                  Count(process.memory.regions.size(), "region", "regions") + ", " +
                  SizeText(PagesOf(process.memory) * kPageSize) + " of its own in the dump",
              Ink::kHeading);
    table.Write(2, show.options, show.out);
  });
}

void ShowEnv(const Show& show) {
  show.ForEachProcess([&](ProcessIndex index, const Process& process) {
    if (process.state == ProcessState::kZombie) return;
    const Arguments found = ArgumentsOf(process, show.dump);
    std::string line = show.NameOf(index) + ":";
    for (const std::string& argument : found.arguments) line += " " + argument;
    show.Line(found.arguments.empty() ? line + " no page of its command line is in the dump" : line,
              Ink::kHeading);
    for (const std::string& variable : found.environment) show.Line("  " + variable);
  });
}

}  // namespace crgen
