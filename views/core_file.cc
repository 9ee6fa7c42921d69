// SPDX-License-Identifier: Apache-2.0
#include "views/core_file.h"

#include <elf.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "views/core_notes.h"
#include "views/memory_map.h"

namespace crgen {
namespace {

/// What nobody has written is zero up to here; more of it in a row would make files that are too
/// long for a file system, and debuggers say that it is not there.
constexpr std::uint64_t kMostZeros = std::uint64_t{64} << 20;
constexpr std::size_t kPiece = 1 << 20;
constexpr std::uint64_t kCompatCode = 0x23;  // __USER32_CS, asm/segment.h

std::uint64_t PageAligned(std::uint64_t bytes) {
  return (bytes + kPageSize - 1) / kPageSize * kPageSize;
}

class CoreWriter {
 public:
  CoreWriter(const LookedAt& dump, ProcessIndex process, const CoreSink& sink, Diagnostics& diag)
      : dump_(dump),
        index_(process),
        process_(dump.snapshot.processes[process]),
        sink_(sink),
        diag_(diag),
        piece_(kPiece) {}

  Result Run() {
    const std::string notes = CoreNotes(dump_, index_);
    segments_.push_back({});  // the notes
    segments_[0].p_type = PT_NOTE;
    PlanMemory();
    // The table of segments has a 16-bit count; of more, the first section says how many.
    const bool many = segments_.size() >= PN_XNUM;
    const std::uint64_t table = sizeof(Elf64_Ehdr), sections = many ? sizeof(Elf64_Shdr) : 0;
    const std::uint64_t table_size = segments_.size() * sizeof(Elf64_Phdr);
    segments_[0].p_offset = table + table_size + sections;
    segments_[0].p_filesz = notes.size();
    segments_[0].p_align = 4;
    std::uint64_t at = PageAligned(segments_[0].p_offset + notes.size());
    for (std::size_t i = 1; i < segments_.size(); ++i) {
      segments_[i].p_offset = at;
      at += segments_[i].p_filesz;
    }
    if (Failed(WriteHeader(many, table + table_size)) ||
        Failed(Write(segments_.data(), table_size)) || (many && Failed(WriteCount())) ||
        Failed(Write(notes.data(), notes.size())) || Failed(SkipTo(PageAligned(at_)))) {
      return Result::kError;
    }
    for (const MemoryPart& part : parts_) {
      if (Failed(WritePart(part))) return Result::kError;
    }
    return Result::kOk;
  }

 private:
  void PlanMemory() {
    auto left_out = dump_.unplanned.regions.begin();
    const auto last = dump_.unplanned.regions.end();
    const auto left_out_before = [&](std::uint64_t address) {
      for (; left_out != last; ++left_out) {
        if (left_out->process != index_) continue;
        if (left_out->range.start >= address) return;
        AddSegment(left_out->range, left_out->prot, false);
      }
    };
    for (const Region& region : process_.memory.regions) {
      left_out_before(region.range.start);
      bool first = true;  // of a new segment
      bool has_bytes = false;
      ForEachPart(dump_.snapshot, process_, region, [&](const MemoryPart& part) {
        const bool has = part.backing == PartBacking::kPages ||
                         (part.backing == PartBacking::kZero && part.range.size() <= kMostZeros);
        if (first || has != has_bytes) {
          AddSegment(part.range, region.prot, has);
        } else {
          Extend(part.range, has);
        }
        if (has) parts_.push_back(part);
        first = false;
        has_bytes = has;
      });
    }
    left_out_before(~std::uint64_t{0});
  }

  void AddSegment(const AddressRange& range, Prot prot, bool has_bytes) {
    Elf64_Phdr segment = {};
    segment.p_type = PT_LOAD;
    segment.p_vaddr = range.start;
    segment.p_align = kPageSize;
    if ((prot.bits & PROT_READ) != 0) segment.p_flags |= PF_R;
    if ((prot.bits & PROT_WRITE) != 0) segment.p_flags |= PF_W;
    if ((prot.bits & PROT_EXEC) != 0) segment.p_flags |= PF_X;
    segments_.push_back(segment);
    Extend(range, has_bytes);
  }

  void Extend(const AddressRange& range, bool has_bytes) {
    segments_.back().p_memsz += range.size();
    if (has_bytes) segments_.back().p_filesz += range.size();
  }

  Result WriteHeader(bool many, std::uint64_t sections) {
    Elf64_Ehdr header = {};
    std::memcpy(header.e_ident, ELFMAG, SELFMAG);
    header.e_ident[EI_CLASS] = ELFCLASS64;
    header.e_ident[EI_DATA] = ELFDATA2LSB;
    header.e_ident[EI_VERSION] = EV_CURRENT;
    header.e_type = ET_CORE;
    header.e_machine = EM_X86_64;
    header.e_version = EV_CURRENT;
    header.e_phoff = sizeof header;
    header.e_ehsize = sizeof header;
    header.e_phentsize = sizeof(Elf64_Phdr);
    header.e_phnum = static_cast<Elf64_Half>(many ? PN_XNUM : segments_.size());
    if (many) {
      header.e_shoff = sections;
      header.e_shentsize = sizeof(Elf64_Shdr);
      header.e_shnum = 1;
    }
    return Write(&header, sizeof header);
  }

  Result WriteCount() {
    Elf64_Shdr section = {};
    section.sh_type = SHT_NULL;
    section.sh_size = 1;  // sections
    section.sh_info = static_cast<Elf64_Word>(segments_.size());
    return Write(&section, sizeof section);
  }

  Result WritePart(const MemoryPart& part) {
    if (part.backing == PartBacking::kZero) return SkipTo(at_ + part.range.size());
    for (std::uint64_t from = part.range.start; from < part.range.end; from += kPiece) {
      const MemoryPart piece = part.Part(from, from + kPiece);
      const std::span bytes = std::span(piece_).first(piece.range.size());
      if (Failed(ReadPart(dump_, piece, bytes, diag_)) || Failed(Write(bytes.data(), bytes.size())))
        return Result::kError;
    }
    return Result::kOk;
  }

  Result Write(const void* bytes, std::size_t size) {
    at_ += size;
    return sink_.write({static_cast<const char*>(bytes), size}, diag_);
  }
  Result SkipTo(std::uint64_t offset) {
    const std::uint64_t zeros = offset - at_;
    at_ = offset;
    return sink_.skip(zeros, diag_);
  }

  const LookedAt& dump_;
  ProcessIndex index_;
  const Process& process_;
  const CoreSink& sink_;
  Diagnostics& diag_;
  std::vector<Elf64_Phdr> segments_;
  std::vector<MemoryPart> parts_;  // that have bytes in the file
  std::vector<char> piece_;
  std::uint64_t at_ = 0;  // in the file
};

}  // namespace

std::optional<std::string> WithoutCore(const Snapshot& snapshot, ProcessIndex index) {
  const Process& process = snapshot.processes[index];
  if (process.state == ProcessState::kZombie) return "is a zombie, which has no memory any more";
  if (process.attributes == nullptr || !process.attributes->registers)
    return "has no registers in the dump";
  const auto is_compat = [](const Attributes& attributes) {
    return attributes.registers && attributes.registers->cs.value == kCompatCode;
  };
  if (is_compat(*process.attributes) ||
      std::ranges::any_of(process.threads,
                          [&](const Thread& thread) { return is_compat(*thread.attributes); })) {
    return "runs 32-bit code; core files are written of 64-bit tasks";
  }
  return std::nullopt;
}

Result WriteCore(const LookedAt& dump, ProcessIndex process, const CoreSink& sink,
                 Diagnostics& diag) {
  return CoreWriter(dump, process, sink, diag).Run();
}

}  // namespace crgen
