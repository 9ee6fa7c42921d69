// SPDX-License-Identifier: Apache-2.0
#include "views/core_notes.h"

#include <elf.h>
#include <signal.h>
#include <sys/procfs.h>
#include <sys/user.h>

#include <algorithm>
#include <cstring>
#include <span>

#include "model/fxsave.h"
#include "model/user_registers.h"
#include "views/show_parts.h"

namespace crgen {
namespace {

constexpr std::size_t kNoteAlignment = 4;

void Append(const void* bytes, std::size_t size, std::string* out) {
  out->append(static_cast<const char*>(bytes), size);
}

void Note(const char* name, std::uint32_t type, std::string_view content, std::string* out) {
  const Elf64_Nhdr header = {static_cast<Elf64_Word>(std::strlen(name) + 1),
                             static_cast<Elf64_Word>(content.size()), type};
  Append(&header, sizeof header, out);
  for (const std::string_view part : {std::string_view(name, header.n_namesz), content}) {
    out->append(part);
    out->append(-part.size() % kNoteAlignment, '\0');
  }
}

template <typename Struct>
void Note(std::uint32_t type, const Struct& content, std::string* out) {
  Note("CORE", type, {reinterpret_cast<const char*>(&content), sizeof content}, out);
}

/// Where a component stands in an XSAVE area of the standard format. The processor that the dump
/// is of may have had others, which no image says: debuggers expect these (Intel SDM 1, 13.4).
struct Component {
  int bit;
  const std::vector<Hex> Fpu::*words;
  std::size_t word_size, offset, end;
};
const Component kComponents[] = {
    {2, &Fpu::ymmh_space, 4, 576, 832},     {3, &Fpu::bndreg_state, 8, 960, 1024},
    {4, &Fpu::bndcsr_state, 8, 1024, 1088}, {5, &Fpu::opmask_reg, 8, 1088, 1152},
    {6, &Fpu::zmm_upper, 8, 1152, 1664},    {7, &Fpu::hi16_zmm, 8, 1664, 2688},
    {9, &Fpu::pkru, 4, 2688, 2696}};
// The mask of components, in what FXSAVE leaves to software, and the header behind its area.
constexpr std::size_t kComponentMask = 464, kHeader = kFxsaveSize, kLegacyArea = 576;
constexpr std::uint64_t kLegacyAndAvx = 7;

template <typename T>
void Put(std::string& area, std::size_t at, T value) {
  std::memcpy(area.data() + at, &value, sizeof value);
}

/// The components that the processor must have had for what a thread has in its own: those that no
/// processor has without each other, and AVX, are all there or taken as such.
std::uint64_t ComponentsOf(const Attributes& attributes) {
  constexpr std::uint64_t kBounds = 3 << 3, kAvx512 = 7 << 5, kKeys = 1 << 9;
  if (!attributes.fpu || !attributes.fpu->xstate_bv) return 0;
  const std::uint64_t used = attributes.fpu->xstate_bv->value;
  std::uint64_t components = kLegacyAndAvx | (used & kKeys);
  for (const std::uint64_t together : {kBounds, kAvx512}) {
    if ((used & together) != 0) components |= together;
  }
  return components;
}

/// With room for `components`, those of all threads of the process.
std::string XsaveOf(const Fpu& from, std::uint64_t components) {
  std::size_t size = kLegacyArea;
  for (const Component& component : kComponents) {
    if ((components >> component.bit & 1) != 0) size = component.end;
  }
  std::string area = FxsaveArea(from);
  area.resize(size);
  Put(area, kComponentMask, components);
  Put(area, kHeader, from.xstate_bv->value & components);
  for (const Component& component : kComponents) {
    PutRegisters(std::span(area).first(std::min(component.end, size)), component.offset,
                 from.*component.words, component.word_size);
  }
  return area;
}

std::uint64_t PendingMask(const std::vector<PendingSignal>& queue) {
  std::uint64_t mask = 0;
  for (const PendingSignal& pending : queue) {
    if (pending.signal.value >= 1 && pending.signal.value <= 64)
      mask |= std::uint64_t{1} << (pending.signal.value - 1);
  }
  return mask;
}

class NoteWriter {
 public:
  NoteWriter(const LookedAt& dump, ProcessIndex index)
      : dump_(dump),
        node_(dump.snapshot.tree.nodes[index]),
        process_(dump.snapshot.processes[index]) {
    parent_ = node_.parent < 0 ? 0 : dump.snapshot.tree.nodes[node_.parent].pid;
    components_ = ComponentsOf(*process_.attributes);
    for (const Thread& thread : process_.threads) components_ |= ComponentsOf(*thread.attributes);
  }

  std::string Write() {
    const Attributes& leader = *process_.attributes;
    Status(node_.pid, leader, process_.leader_signal_queue);
    Information(leader);
    Note(NT_SIGINFO, siginfo_t{}, &out_);  // it has not died
    Auxv(leader);
    Files();
    FloatingPoint(leader);
    for (const Thread& thread : process_.threads) {
      if (!thread.attributes->registers) continue;  // of a damaged dump
      Status(thread.tid, *thread.attributes, thread.attributes->signal_queue);
      FloatingPoint(*thread.attributes);
    }
    return std::move(out_);
  }

 private:
  void Status(Pid tid, const Attributes& attributes, const std::vector<PendingSignal>& own) {
    elf_prstatus status = {};
    status.pr_sigpend = PendingMask(own) | PendingMask(process_.attributes->signal_queue);
    status.pr_sighold = attributes.signal_mask ? attributes.signal_mask->value : 0;
    status.pr_pid = tid;
    status.pr_ppid = parent_;
    status.pr_pgrp = node_.pgid;
    status.pr_sid = node_.sid;
    const user_regs_struct registers = UserRegisters(*attributes.registers);
    static_assert(sizeof registers == sizeof status.pr_reg);
    std::memcpy(&status.pr_reg, &registers, sizeof registers);
    status.pr_fpvalid = attributes.fpu ? 1 : 0;
    Note(NT_PRSTATUS, status, &out_);
  }

  void Information(const Attributes& leader) {
    elf_prpsinfo information = {};
    const bool stopped = process_.state == ProcessState::kStopped;
    information.pr_state = stopped ? 3 : 1;  // the bit of "RSDTZW"
    information.pr_sname = stopped ? 'T' : 'S';
    if (leader.sched) information.pr_nice = static_cast<char>(leader.sched->nice);
    if (leader.creds) {
      information.pr_uid = leader.creds->uid;
      information.pr_gid = leader.creds->gid;
    }
    information.pr_pid = node_.pid;
    information.pr_ppid = parent_;
    information.pr_pgrp = node_.pgid;
    information.pr_sid = node_.sid;
    const auto fill = [](std::string_view text, char* field, std::size_t size) {
      std::memcpy(field, text.data(), std::min(text.size(), size - 1));
    };
    fill(CommOf(process_), information.pr_fname, sizeof information.pr_fname);
    std::string arguments;
    for (const std::string& argument : ArgumentsOf(process_, dump_).arguments) {
      if (arguments.size() >= sizeof information.pr_psargs) break;
      arguments += (arguments.empty() ? "" : " ") + argument;
    }
    fill(arguments, information.pr_psargs, sizeof information.pr_psargs);
    Note(NT_PRPSINFO, information, &out_);
  }

  void Auxv(const Attributes& leader) {
    std::string words;
    bool ends = false;
    if (leader.mm) {
      const std::vector<Hex>& auxv = leader.mm->auxv;
      for (std::size_t i = 0; i + 1 < auxv.size() && !ends; i += 2) {
        Append(&auxv[i].value, sizeof auxv[i].value, &words);
        Append(&auxv[i + 1].value, sizeof auxv[i].value, &words);
        ends = auxv[i].value == AT_NULL;
      }
    }
    if (!ends) words.append(2 * sizeof(std::uint64_t), '\0');
    Note("CORE", NT_AUXV, words, &out_);
  }

  /// The file map: fill_files_note() of fs/binfmt_elf.c.
  void Files() {
    std::string entries, names;
    std::uint64_t count = 0;
    for (const Region& region : process_.memory.regions) {
      std::string name = NameOfFile(region);
      if (name.empty()) continue;
      std::ranges::replace(name, '\0', '?');
      const std::uint64_t entry[] = {region.range.start, region.range.end,
                                     region.offset / kPageSize};
      Append(entry, sizeof entry, &entries);
      names += name;
      names += '\0';
      ++count;
    }
    const std::uint64_t head[] = {count, kPageSize};
    std::string content;
    Append(head, sizeof head, &content);
    Note("CORE", NT_FILE, content + entries + names, &out_);
  }

  std::string NameOfFile(const Region& region) const {
    const Snapshot& snapshot = dump_.snapshot;
    if (region.kind == RegionKind::kPrivateMemfd || region.kind == RegionKind::kSharedMemfd)
      return "/memfd:" + snapshot.memfds[region.object].name.bytes + " (deleted)";
    if (region.kind != RegionKind::kPrivateFile && region.kind != RegionKind::kSharedFile)
      return "";
    const RegularFile* file =
        region.file < 0 ? nullptr : As<RegularFile>(*snapshot.files[region.file]);
    if (file == nullptr) return "";
    return file->path.bytes + (file->unlinked ? " (deleted)" : "");
  }

  void FloatingPoint(const Attributes& attributes) {
    if (!attributes.fpu) return;
    Note("CORE", NT_FPREGSET, FxsaveArea(*attributes.fpu), &out_);
    if (attributes.fpu->xstate_bv)
      Note("LINUX", NT_X86_XSTATE, XsaveOf(*attributes.fpu, components_), &out_);
  }

  const LookedAt& dump_;
  const TreeNode& node_;
  const Process& process_;
  Pid parent_ = 0;
  std::uint64_t components_ = 0;
  std::string out_;
};

}  // namespace

std::string CoreNotes(const LookedAt& dump, ProcessIndex process) {
  return NoteWriter(dump, process).Write();
}

}  // namespace crgen
