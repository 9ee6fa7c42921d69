// SPDX-License-Identifier: Apache-2.0
// What a child has just like its creator is inherited, not mapped again, and the pages that are
// equal stay shared copy-on-write.
#include <gtest/gtest.h>

#include <cstdlib>
#include <set>

#include "tests/support/print_tree.h"
#include "tests/support/snapshot_history.h"

namespace crgen::test {
namespace {

/// Where a page has its bytes in the final state.
std::string OriginOf(const check::Kernel& kernel, const check::Space& space, std::uint64_t page) {
  auto found = space.pages.FirstOverlap({page, page + kPageSize});
  if (!found) return "absent";
  const std::uint64_t offset = found->value->offset + page - found->range.start;
  return kernel.images[found->value->image] + "+" + std::to_string(offset / kPageSize);
}

class Property {
 public:
  explicit Property(const MadeDump& dump) : dump_(dump), verdict_(dump) {
    for (std::size_t i = 0; i < dump.snapshot.processes.size(); ++i) {
      index_of_[dump.snapshot.tree.nodes[i].pid] = i;
    }
    for (const Command& command : verdict_.program) {
      if (const auto* fork = std::get_if<Fork>(&command.body)) {
        creator_of_[fork->child_pid] = command.pid;
        mapped_[fork->child_pid].clear();
      } else if (const auto* map = std::get_if<MapRegion>(&command.body)) {
        mapped_[command.pid].insert({map->start.value, map->end.value});
      }
    }
  }

  const PlanVerdict& verdict() const { return verdict_; }
  std::size_t alike = 0, pages = 0, contested = 0;

  std::string Check() {
    std::string problems;
    for (const auto& [pid, index] : index_of_) {
      auto creator = index_of_.find(creator_of_[pid]);
      if (creator == index_of_.end() || !IsLiving(index) || !IsLiving(creator->second)) continue;
      problems += CheckPair(creator->first, pid);
    }
    return problems;
  }

 private:
  bool IsLiving(std::size_t index) const {
    return dump_.snapshot.processes[index].state != ProcessState::kZombie;
  }
  const AddressSpace& MemoryOf(Pid pid) const {
    return dump_.snapshot.processes[index_of_.at(pid)].memory;
  }
  std::string PathOf(std::int32_t file) const {
    if (file < 0) return "";
    return std::get<RegularFile>(dump_.snapshot.files[static_cast<std::size_t>(file)]->body)
        .path.bytes;
  }

  bool AreAlike(const Region& a, const Region& b) const {
    constexpr std::uint64_t kNotInherited = MadviseBit(MADV_DONTFORK) | MadviseBit(MADV_WIPEONFORK);
    return a.IsPrivate() && a.kind == b.kind && a.range == b.range && a.flags == b.flags &&
           a.madvise == b.madvise && a.offset == b.offset && a.object == b.object &&
           a.open_flags == b.open_flags && PathOf(a.file) == PathOf(b.file) &&
           (a.madvise.bits & kNotInherited) == 0 && !a.flags.Has(MAP_LOCKED);
  }

  /// Something else may be carried there.
  bool IsContested(const Region& region, const std::string& exe) const {
    for (const Process& process : dump_.snapshot.processes) {
      const bool same_program = PathOf(process.memory.exe) == exe;
      for (const Region& other : process.memory.regions) {
        if (!other.range.Overlaps(region.range)) continue;
        if (!same_program || !AreAlike(other, region)) return true;
      }
    }
    return false;
  }

  std::string CheckPair(Pid creator, Pid child) {
    const AddressSpace &above = MemoryOf(creator), &below = MemoryOf(child);
    if (PathOf(above.exe) != PathOf(below.exe)) return "";
    std::string problems;
    for (const Region& region : below.regions) {
      auto same = std::find_if(above.regions.begin(), above.regions.end(),
                               [&](const Region& other) { return AreAlike(other, region); });
      if (same == above.regions.end()) continue;
      ++alike;
      const std::string where = std::to_string(creator) + " -> " + std::to_string(child) + " " +
                                check::RangeText(region.range);
      if (mapped_[child].contains(region.range)) {
        if (!IsContested(region, PathOf(below.exe))) problems += where + " is mapped again\n";
        ++contested;
        continue;
      }
      for (std::uint64_t page = region.range.start; page < region.range.end; page += kPageSize) {
        problems += CheckPage(creator, child, page, where);
      }
    }
    return problems;
  }

  std::string CheckPage(Pid creator, Pid child, std::uint64_t page, const std::string& where) {
    const PageRun* above = RunAt(MemoryOf(creator), page);
    const PageRun* below = RunAt(MemoryOf(child), page);
    if (above == nullptr || below == nullptr || Content(*above, page) != Content(*below, page)) {
      return "";
    }
    ++pages;
    const check::Kernel& kernel = *verdict_.state.kernel();
    const std::string first = OriginOf(kernel, *kernel.tasks[kernel.FindTask(creator)].space, page);
    const std::string second = OriginOf(kernel, *kernel.tasks[kernel.FindTask(child)].space, page);
    return first == second ? ""
                           : where + " page " + HexText(page) + ": " + first + ", " + second + "\n";
  }

  static const PageRun* RunAt(const AddressSpace& memory, std::uint64_t page) {
    for (const PageRun& run : memory.pages) {
      if (run.start <= page && page < run.end()) return &run;
    }
    return nullptr;
  }
  std::uint32_t Content(const PageRun& run, std::uint64_t page) const {
    return dump_.images.At(dump_.snapshot.page_images[run.image],
                           run.image_offset + page - run.start);
  }

  const MadeDump& dump_;
  PlanVerdict verdict_;
  std::map<Pid, std::size_t> index_of_;
  std::map<Pid, Pid> creator_of_;
  std::map<Pid, std::set<AddressRange>> mapped_;
};

TEST(GenerateCopyOnWriteTest, LikeRegionsAreInherited) {
  const char* rounds_text = std::getenv("CRGEN_ROUNDS");
  const char* seed_text = std::getenv("CRGEN_SEED");
  const int rounds = rounds_text == nullptr ? 5000 : std::atoi(rounds_text);
  const int first = seed_text == nullptr ? 1 : std::atoi(seed_text);
  std::size_t alike = 0, pages = 0, contested = 0;
  int failures = 0;
  for (int seed = first; seed < first + rounds && failures < 5; ++seed) {
    HistoryOptions options;
    options.seed = static_cast<std::uint64_t>(seed);
    options.steps = 10 + seed % 80;
    const MadeDump dump = History(options).Run();
    Property property(dump);
    if (property.verdict().outcome != GenerateOutcome::kOk) continue;
    const std::string problems = property.Check();
    alike += property.alike;
    pages += property.pages;
    contested += property.contested;
    if (problems.empty()) continue;
    ++failures;
    ADD_FAILURE() << "CRGEN_SEED=" << seed << "\n"
                  << PrintTree(dump.snapshot.tree) << "\n"
                  << problems << ProgramText::Of(property.verdict().program);
  }
  EXPECT_GE(alike, static_cast<std::size_t>(rounds) * 2);
  EXPECT_LE(contested, alike / 100);
  RecordProperty("contested", std::to_string(contested));
  RecordProperty("regions", std::to_string(alike));
  RecordProperty("pages", std::to_string(pages));
}

}  // namespace
}  // namespace crgen::test
