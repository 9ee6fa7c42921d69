// SPDX-License-Identifier: Apache-2.0
// Snapshots written by hand, and programs as short text.
//
//   tree   PrintTree()'s notation
//   fd 1,2: 0=a 5=b+c       the table of 1 and 2 (one table); +c: close-on-exec. Equal names are
//                           one description, of the file "/name" or of the memfd `name`
//                           p< and p>: the ends of pipe `p` that pipe(2) makes; p<<, p>> and p<>:
//                           those that open(2) makes; f/< f/> f/<>: openings of the FIFO "/f"
//   pipe p: 4096 7          its capacity, or -, and so many bytes queued
//   mem 2: 10-14 rw anon 10=3 11-13=4 dontfork
//                           a region; numbers of pages, hexadecimal; then its pages and their
//                           contents. Backings: anon, file:a+2 (private), sfile:a, memfd:m
//                           (private), smemfd:m, shm:x+1, vdso, vvar, vsyscall
//   guard 2: 10-12          MADV_GUARD_INSTALL
//   exe 2: a                equal names are equal paths
//   shm x: 4 0=1            a shared anonymous object of 4 pages; memfd m: likewise, with seals=8
//   stop 2
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <csignal>
#include <cstring>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "checker/check.h"
#include "checker/kernel/kernel.h"
#include "generator/generate.h"
#include "model/tree_text.h"

namespace crgen::test {

/// Page images whose pages have few distinct contents, named by numbers; 0: all bytes zero.
/// Contents 2n and 2n+1 differ in the last byte only.
class PageImages {
 public:
  static void Fill(std::uint32_t content, char* page) {
    std::memset(page, static_cast<int>(content / 2), kPageSize);
    page[kPageSize - 1] = static_cast<char>(content);
  }
  /// Appends a page and returns its offset.
  std::uint64_t Append(const std::string& image, std::uint32_t content) {
    pages_[image].push_back(content);
    return (pages_[image].size() - 1) * kPageSize;
  }
  std::uint32_t At(const std::string& image, std::uint64_t offset) const {
    return pages_.at(image).at(offset / kPageSize);
  }
  /// Pages of zeros are holes.
  PageReader Reader() const {
    const auto read = [this](const std::string& image, std::uint64_t offset, std::span<char> out,
                             Diagnostics& diag) {
      auto found = pages_.find(image);
      const std::uint64_t end = offset + out.size();
      if (found == pages_.end() || end > found->second.size() * kPageSize || end % kPageSize != 0 ||
          offset % kPageSize != 0) {
        return diag.Fail(image, "no bytes at " + std::to_string(offset));
      }
      for (std::uint64_t at = 0; at < out.size(); at += kPageSize) {
        Fill(found->second[(offset + at) / kPageSize], &out[at]);
      }
      return Result::kOk;
    };
    const auto hole = [this](const std::string& image, std::uint64_t offset) {
      auto found = pages_.find(image);
      std::uint64_t pages = 0;
      if (found == pages_.end()) return pages;
      for (std::size_t i = offset / kPageSize; i < found->second.size() && found->second[i] == 0;) {
        ++pages, ++i;
      }
      return pages * kPageSize;
    };
    return {read, hole};
  }

 private:
  std::map<std::string, std::vector<std::uint32_t>> pages_;
};

/// A snapshot and the content of the pages that it names.
struct MadeDump {
  Snapshot snapshot;
  PageImages images;

  /// Adds `image` to the snapshot's names if it is new.
  std::uint32_t ImageIndex(const std::string& image) {
    auto& names = snapshot.page_images;
    for (std::size_t i = 0; i < names.size(); ++i) {
      if (names[i] == image) return static_cast<std::uint32_t>(i);
    }
    names.push_back(image);
    return static_cast<std::uint32_t>(names.size() - 1);
  }
  /// Appends pages to `runs`; a run ends where addresses have a gap or a region begins.
  void AddPage(std::uint64_t address, const std::string& image, std::uint32_t content, bool new_run,
               std::vector<PageRun>* runs) {
    const PageRun run{address, 1, ImageIndex(image), images.Append(image, content)};
    if (!new_run && !runs->empty() && runs->back().end() == address &&
        runs->back().image == run.image &&
        runs->back().image_offset + runs->back().nr_pages * kPageSize == run.image_offset) {
      ++runs->back().nr_pages;
    } else {
      runs->push_back(run);
    }
  }
};

inline std::shared_ptr<const Attributes> AttributesNamed(const std::string& comm) {
  auto attributes = std::make_shared<Attributes>();
  attributes->comm = Text{comm};
  return attributes;
}

class SnapshotBuilder {
 public:
  static MadeDump Build(const std::string& tree, const std::string& text) {
    SnapshotBuilder builder;
    Diagnostics diag;
    EXPECT_TRUE(Succeeded(ParseTree(tree, &builder.snapshot().tree, diag))) << tree;
    builder.MakeProcesses();
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) builder.Line(line);
    return std::move(builder.dump_);
  }

 private:
  Snapshot& snapshot() { return dump_.snapshot; }

  void MakeProcesses() {
    snapshot().processes.resize(snapshot().tree.nodes.size());
    for (std::size_t i = 0; i < snapshot().processes.size(); ++i) {
      const TreeNode& node = snapshot().tree.nodes[i];
      Process& process = snapshot().processes[i];
      index_of_[node.pid] = i;
      if (node.zombie) {
        process.state = ProcessState::kZombie;
        process.exit_status.code = 0;
        continue;
      }
      process.attributes = AttributesNamed("process");
      process.table = TableIndex(snapshot().tables.size());
      snapshot().tables.emplace_back();
      for (Pid tid : node.tids) process.threads.push_back({tid, AttributesNamed("thread")});
    }
  }

  static std::vector<std::string> Split(const std::string& text, char separator) {
    std::vector<std::string> parts;
    std::istringstream stream(text);
    for (std::string part; std::getline(stream, part, separator);) {
      if (!part.empty()) parts.push_back(part);
    }
    return parts;
  }
  static std::uint64_t Number(const std::string& text) { return std::stoull(text, nullptr, 16); }
  static AddressRange Range(const std::string& text) {
    const auto ends = Split(text, '-');
    const std::uint64_t start = Number(ends[0]);
    const std::uint64_t end = ends.size() > 1 ? Number(ends[1]) : start + 1;
    return {start * kPageSize, end * kPageSize};
  }

  Process& ProcessOf(const std::string& pid) {
    return snapshot().processes[index_of_.at(std::stoi(pid))];
  }

  void Line(const std::string& line) {
    const std::size_t colon = line.find(':');
    const auto head = Split(line.substr(0, colon), ' ');
    if (head.empty()) return;
    const auto words = colon == std::string::npos ? std::vector<std::string>{}
                                                  : Split(line.substr(colon + 1), ' ');
    if (head[0] == "fd") {
      AddTable(Split(head[1], ','), words);
    } else if (head[0] == "mem") {
      AddRegion(head[1], words);
    } else if (head[0] == "guard") {
      for (const auto& word : words) ProcessOf(head[1]).memory.guards.push_back(Range(word));
    } else if (head[0] == "exe") {
      ProcessOf(head[1]).memory.exe = FileOf("exe:" + words[0], "/" + words[0], O_RDONLY);
    } else if (head[0] == "shm") {
      shmem_of_[head[1]] = ObjectIndex(snapshot().shmems.size());
      Shmem object{100 + snapshot().shmems.size(), Number(words[0]) * kPageSize, {}};
      AddPages("shm-" + head[1] + ".img", words, 1, &object.pages);
      snapshot().shmems.push_back(object);
    } else if (head[0] == "memfd") {
      AddMemfd(head[1], words);
    } else if (head[0] == "pipe") {
      PipeContent content;
      if (words[0] != "-") content.capacity = std::stoul(words[0]);
      if (words.size() > 1) {
        content.data = ImageBytes{"pipes-data.img", 100, std::stoul(words[1])};
      }
      snapshot().pipes[PipeOf(head[1])] = content;
    } else if (head[0] == "stop") {
      ProcessOf(head[1]).state = ProcessState::kStopped;
      ProcessOf(head[1]).stop_signal = {SIGSTOP};
    } else {
      ADD_FAILURE() << line;
    }
  }

  void AddMemfd(const std::string& name, const std::vector<std::string>& words) {
    memfd_of_[name] = ObjectIndex(snapshot().memfds.size());
    MemfdObject object;
    object.inode_id.value = 50 + snapshot().memfds.size();
    object.name = {name};
    object.size = Number(words[0]) * kPageSize;
    for (const std::string& word : words) {
      if (word.rfind("seals=", 0) == 0) object.seals.bits = Number(word.substr(6));
    }
    AddPages("memfd-" + name + ".img", words, 1, &object.pages);
    snapshot().memfds.push_back(std::move(object));
  }

  PipeId PipeOf(const std::string& name) {
    return {pipe_of_.emplace(name, 70 + pipe_of_.size()).first->second};
  }

  /// An end of a pipe, or an opening of a FIFO; false: `key` is none.
  bool FileOfPipe(const std::string& key, File* file) {
    const std::size_t sign = key.find_first_of("<>");
    if (sign == std::string::npos) return false;
    const std::string signs = key.substr(sign), name = key.substr(0, sign);
    const bool fifo = name.ends_with('/');
    file->flags.bits = signs == "<>" ? O_RDWR : signs[0] == '<' ? O_RDONLY : O_WRONLY;
    if (fifo || signs.size() > 1) file->flags.bits |= kLargeFile;
    if (fifo) {
      file->body = Fifo{{PipeOf(name).value}, {"/" + name.substr(0, name.size() - 1)}, {}, {}};
    } else {
      file->body = Pipe{PipeOf(name), {}, {}};
    }
    return true;
  }

  FileIndex FileOf(const std::string& key, const std::string& path, std::uint64_t flags) {
    auto [known, added] = file_of_.emplace(key, snapshot().files.size());
    if (!added) return known->second;
    auto file = std::make_shared<File>();
    file->id.value = ++snapshot().highest_file_id;
    file->flags = {flags};
    auto memfd = memfd_of_.find(key);
    if (FileOfPipe(key, file.get())) {
    } else if (memfd != memfd_of_.end()) {
      Memfd body;
      body.inode_id = snapshot().memfds[memfd->second].inode_id;
      file->body = body;
    } else {
      RegularFile body;
      body.path = {path};
      file->body = body;
    }
    snapshot().files.push_back(std::move(file));
    return known->second;
  }

  void AddTable(const std::vector<std::string>& pids, const std::vector<std::string>& words) {
    const TableIndex table = ProcessOf(pids[0]).table;
    for (const std::string& pid : pids) ProcessOf(pid).table = table;
    auto& slots = snapshot().tables[static_cast<std::size_t>(table)].slots;
    for (const std::string& word : words) {
      const auto parts = Split(word, '=');
      const auto name = Split(parts[1], '+');
      slots.push_back(
          {std::stoi(parts[0]), name.size() > 1, FileOf(name[0], "/" + name[0], O_RDWR)});
    }
  }

  void AddPages(const std::string& image, const std::vector<std::string>& words, std::size_t from,
                std::vector<PageRun>* runs) {
    bool first = true;
    for (std::size_t i = from; i < words.size(); ++i) {
      if (!std::isxdigit(static_cast<unsigned char>(words[i][0]))) continue;
      const auto parts = Split(words[i], '=');
      if (parts.size() < 2) continue;
      const AddressRange range = Range(parts[0]);
      for (std::uint64_t at = range.start; at < range.end; at += kPageSize) {
        dump_.AddPage(at, image, static_cast<std::uint32_t>(Number(parts[1])), first, runs);
        first = false;
      }
    }
  }

  void AddRegion(const std::string& pid, const std::vector<std::string>& words) {
    AddressSpace& memory = ProcessOf(pid).memory;
    Region region;
    region.range = Range(words[0]);
    for (char c : words[1]) {
      if (c == 'r') region.prot.bits |= PROT_READ;
      if (c == 'w') region.prot.bits |= PROT_WRITE;
      if (c == 'x') region.prot.bits |= PROT_EXEC;
    }
    const auto backing = Split(words[2], '+');
    if (backing.size() > 1) region.offset = Number(backing[1]) * kPageSize;
    const auto kind = Split(backing[0], ':');
    SetKind(kind[0], kind.size() > 1 ? kind[1] : "", &region);
    const std::map<std::string, int> advice = {
        {"dontfork", MADV_DONTFORK}, {"wipeonfork", MADV_WIPEONFORK}, {"dontdump", MADV_DONTDUMP}};
    for (std::size_t i = 3; i < words.size(); ++i) {
      if (auto known = advice.find(words[i]); known != advice.end()) {
        region.madvise.bits |= MadviseBit(known->second);
      }
      if (words[i] == "rdwr") region.open_flags.bits = O_RDWR;
    }
    AddPages("pages-" + pid + ".img", words, 3, &memory.pages);
    EXPECT_TRUE(memory.regions.empty() || memory.regions.back().range.end <= region.range.start);
    memory.regions.push_back(region);
  }

  void SetKind(const std::string& kind, const std::string& name, Region* region) {
    const bool shared = kind[0] == 's';
    region->flags.bits = shared ? MAP_SHARED : MAP_PRIVATE;
    const bool writable = shared && (region->prot.bits & PROT_WRITE) != 0;
    region->open_flags.bits = writable ? O_RDWR : O_RDONLY;
    if (kind == "file" || kind == "sfile") {
      region->kind = shared ? RegionKind::kSharedFile : RegionKind::kPrivateFile;
      region->file = FileOf("mapped:" + name, "/" + name, O_RDONLY);
    } else if (kind == "memfd" || kind == "smemfd") {
      region->kind = shared ? RegionKind::kSharedMemfd : RegionKind::kPrivateMemfd;
      region->object = memfd_of_.at(name);
    } else {
      region->flags.bits |= MAP_ANONYMOUS;
      region->open_flags = {};
      if (kind == "shm") {
        region->kind = RegionKind::kSharedAnonymous;
        region->object = shmem_of_.at(name);
      }
      if (kind == "vdso") region->kind = RegionKind::kVdso;
      if (kind == "vvar") region->kind = RegionKind::kVvar;
      if (kind == "vsyscall") region->kind = RegionKind::kVsyscall;
    }
  }

  MadeDump dump_;
  std::map<Pid, std::size_t> index_of_;
  std::map<std::string, FileIndex> file_of_;
  std::map<std::string, ObjectIndex> shmem_of_, memfd_of_;
  std::map<std::string, std::uint64_t> pipe_of_;
};

/// Programs as lines `pid COMMAND …`; numbers of pages are hexadecimal.
class ProgramText {
 public:
  static std::string Of(const Program& program) {
    std::string text;
    for (std::size_t i = 0; i < program.size(); ++i) {
      const std::string pid = std::to_string(program[i].pid);
      // Every process ends so.
      const bool ends = std::holds_alternative<SetAttr>(program[i].body) &&
                        i + 1 < program.size() && program[i + 1].pid == program[i].pid &&
                        std::holds_alternative<Resume>(program[i + 1].body);
      if (ends) {
        text += pid + " SET_ATTR, RESUME\n";
        ++i;
        continue;
      }
      text += pid + " " + std::visit([](const auto& body) { return Line(body); }, program[i].body);
      text += "\n";
    }
    return text;
  }

 private:
  static std::string Hex(std::uint64_t address) { return HexText(address / kPageSize).substr(2); }
  template <typename Command>
  static std::string Range(const Command& command) {
    return " " + Hex(command.start.value) + "-" + Hex(command.end.value);
  }
  static std::string ProtText(Prot prot) {
    std::string text;
    if (prot.Has(PROT_READ)) text += 'r';
    if (prot.Has(PROT_WRITE)) text += 'w';
    if (prot.Has(PROT_EXEC)) text += 'x';
    return text.empty() ? "-" : text;
  }
  static std::string Advice(Madvise madvise) {
    std::string text;
    for (const std::string& name : FlagNames(MadviseKind::Names(), madvise.bits))
      text += " " + name;
    return text;
  }
  static std::string FileText(const File& file) {
    if (const auto* regular = As<RegularFile>(file)) return regular->path.bytes;
    if (const auto* memfd = As<Memfd>(file)) {
      std::string text = "memfd " + std::to_string(memfd->inode_id.value);
      if (memfd->name) text += " new";
      if (memfd->seals && memfd->seals->bits != 0) text += " sealed";
      return text;
    }
    if (const auto* pipe = As<Pipe>(file)) {
      const std::uint64_t access = file.flags.bits & O_ACCMODE;
      std::string text = "pipe " + std::to_string(pipe->pipe_id.value);
      text += access == O_RDWR ? "<>" : access == O_RDONLY ? "<" : ">";
      if (access != O_RDWR && IsReopenedEnd(file.flags)) text += text.back();
      if (pipe->capacity) text += " capacity " + std::to_string(*pipe->capacity);
      if (pipe->data) text += " data " + std::to_string(pipe->data->bytes);
      return text;
    }
    if (const auto* fifo = As<Fifo>(file)) return "FIFO " + fifo->path.bytes;
    return std::string(TypeOf(file));
  }

  static std::string Line(const Fork& fork) {
    std::string text = "FORK " + std::to_string(fork.child_pid);
    for (const auto& name : FlagNames(CloneFlagKind::Names(), fork.flags.bits)) text += " " + name;
    return text;
  }
  static std::string Line(const SetSid&) { return "SET_SID"; }
  static std::string Line(const SetPgid& set) { return "SET_PGID " + std::to_string(set.pgid); }
  static std::string Line(const CreateThread& c) {
    return "CREATE_THREAD " + std::to_string(c.tid);
  }
  static std::string Line(const Exit&) { return "EXIT"; }
  static std::string Line(const Wait& wait) { return "WAIT " + std::to_string(wait.child_pid); }
  static std::string Line(const OpenFile& open) {
    std::string text = "OPEN_FILE " + std::to_string(open.fd) + " " + FileText(*open.file) +
                       (open.cloexec ? " cloexec" : "");
    if (open.peer == nullptr) return text;
    return text + ", " + std::to_string(open.peer->fd) + " " + FileText(*open.peer->file) +
           (open.peer->cloexec ? " cloexec" : "");
  }
  static std::string Line(const DupFd& dup) {
    return "DUP_FD " + std::to_string(dup.old_fd) + " " + std::to_string(dup.new_fd) +
           (dup.cloexec ? " cloexec" : "");
  }
  static std::string Line(const CloseFd& close) { return "CLOSE_FD " + std::to_string(close.fd); }
  static std::string Line(const MapRegion& map) {
    std::string text = "MAP_REGION" + Range(map) + " " + ProtText(map.prot);
    text += map.flags.Has(MAP_SHARED) ? " shared" : " private";
    if (map.fd) text += " fd " + std::to_string(*map.fd) + "+" + Hex(map.offset.value_or(0));
    if (map.shmem) {
      text += " shmem " + std::to_string(map.shmem->id.value) + "+" + Hex(map.shmem->offset);
      if (map.shmem->size) text += " of " + Hex(*map.shmem->size);
    }
    if (map.special) {
      text += " " + std::string(kSpecialRegionNames[static_cast<std::size_t>(*map.special)]);
    }
    return text + Advice(map.madvise);
  }
  static std::string Line(const UnmapRegion& unmap) { return "UNMAP_REGION" + Range(unmap); }
  static std::string Line(const MoveRegion& move) {
    return "MOVE_REGION" + Range(move) + " to " + Hex(move.to.value);
  }
  static std::string Line(const ProtectRegion& protect) {
    return "PROTECT_REGION" + Range(protect) +
           (protect.prot ? " " + ProtText(*protect.prot) : Advice(protect.madvise));
  }
  static std::string Line(const LoadPages& load) {
    return "LOAD_PAGES " + Hex(load.start.value) + " " + std::to_string(load.pages) + " of " +
           load.source.image + " at " + Hex(load.source.offset);
  }
  static std::string Line(const SetAttr&) { return "SET_ATTR"; }
  static std::string Line(const Resume&) { return "RESUME"; }
};

/// What is wrong with the program that the generator makes of a dump: "" if nothing is.
class PlanVerdict {
 public:
  explicit PlanVerdict(const MadeDump& dump) {
    Diagnostics diag;
    const PageReader reader = dump.images.Reader();
    outcome = GenerateProgram(dump.snapshot, {}, reader, &program, diag);
    Note("generator", diag);
    if (outcome != GenerateOutcome::kOk) {
      problems += "generator: outcome " + std::to_string(static_cast<int>(outcome)) + "\n";
      return;
    }
    Diagnostics check;
    const Result checked = CheckProgram(program, &state, check);
    Note("check", check);
    if (Failed(checked)) problems += "check: failed\n";
    Diagnostics compare;
    const Result compared = CompareWithSnapshot(state, dump.snapshot, reader, compare);
    Note("compare", compare);
    if (Failed(compared)) problems += "compare: failed\n";
  }

  GenerateOutcome outcome = GenerateOutcome::kOk;
  Program program;
  SimulatedState state;
  std::string problems;

 private:
  void Note(const std::string& who, const Diagnostics& diag) {
    for (const Diagnostic& entry : diag.entries()) {
      if (entry.severity == Severity::kWarning) continue;
      problems += who + ": " + entry.where + ": " + entry.what + "\n";
    }
  }
};

}  // namespace crgen::test
