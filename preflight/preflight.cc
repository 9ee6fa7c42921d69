#include "preflight/preflight.h"

#include <elf.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "preflight/own_maps.h"

namespace crgen {
namespace {

constexpr std::uint32_t kSchedDeadline = 6;  // sched(7)

std::string Hexadecimal(const std::string& bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (unsigned char byte : bytes) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

/// The NT_GNU_BUILD_ID note of an ELF file; empty: it has none.
std::string BuildId(const std::string& path) {
  constexpr std::size_t kNotesAtMost = 64 * 1024;
  std::ifstream file(path, std::ios::binary);
  Elf64_Ehdr header;
  if (!file.read(reinterpret_cast<char*>(&header), sizeof header)) return "";
  if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0) return "";
  for (unsigned i = 0; i < header.e_phnum; ++i) {
    Elf64_Phdr part;
    file.seekg(static_cast<std::streamoff>(header.e_phoff + i * sizeof part));
    if (!file.read(reinterpret_cast<char*>(&part), sizeof part)) return "";
    if (part.p_type != PT_NOTE || part.p_filesz > kNotesAtMost) continue;
    std::vector<char> notes(part.p_filesz);
    file.seekg(static_cast<std::streamoff>(part.p_offset));
    if (!file.read(notes.data(), static_cast<std::streamsize>(notes.size()))) return "";
    const auto padded = [](std::size_t size) { return (size + 3) & ~std::size_t{3}; };
    for (std::size_t at = 0; at + sizeof(Elf64_Nhdr) <= notes.size();) {
      Elf64_Nhdr note;
      std::memcpy(&note, notes.data() + at, sizeof note);
      at += sizeof note;
      const std::size_t body = at + padded(note.n_namesz);
      const std::size_t next = body + padded(note.n_descsz);
      if (next > notes.size()) break;
      if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 &&
          std::memcmp(notes.data() + at, "GNU", 4) == 0) {
        return std::string(notes.data() + body, note.n_descsz);
      }
      at = next;
    }
  }
  return "";
}

class HostCheck {
 public:
  HostCheck(const PreflightOptions& options, Diagnostics& diag) : options_(options), diag_(diag) {
    char* real = realpath(options.images.c_str(), nullptr);
    if (real != nullptr) folder_ = real;
    std::free(real);
    std::ifstream("/proc/sys/kernel/pid_max") >> pid_max_;
  }

  void Check(const Program& program) {
    for (std::size_t i = 0; i < program.size(); ++i) {
      index_ = i;
      pid_ = program[i].pid;
      std::visit([&](const auto& body) { Check(body); }, program[i].body);
    }
  }

 private:
  void Add(Severity severity, const char* command, const std::string& what) {
    diag_.Add(
        {severity,
         "commands[" + std::to_string(index_) + "] " + command + " pid " + std::to_string(pid_),
         what, index_});
  }
  void Wrong(const char* command, const std::string& what) { Add(Severity::kError, command, what); }

  template <typename Body>
  void Check(const Body&) {}

  void Check(const Fork& fork) {
    if (fork.flags.Has(CLONE_NEWPID)) own_numbers_ = true;
    CheckNumber(Fork::kName.data(), fork.child_pid);
  }
  void Check(const CreateThread& create) {
    CheckNumber(CreateThread::kName.data(), create.tid);
    threads_[pid_].push_back(create.tid);
  }

  void CheckNumber(const char* command, Pid number) {
    if (number >= pid_max_) {
      return Wrong(command, "pid " + std::to_string(number) + ": this system's pids are below " +
                                std::to_string(pid_max_));
    }
    if (own_numbers_ || options_.own_numbers || !numbers_.insert(number).second) return;
    if (kill(number, 0) != 0 && errno == ESRCH) return;
    std::string name;
    std::getline(std::ifstream("/proc/" + std::to_string(number) + "/comm"), name);
    Wrong(command, "EEXIST: pid " + std::to_string(number) + " is taken on this system, by \"" +
                       name + "\"");
  }

  void Check(const Exit& exit) {
    if (exit.status.core_dumped.value_or(false)) {
      Add(Severity::kWarning, "EXIT",
          "the zombie's status will not say that its core was dumped: none is written");
    }
  }

  void Check(const MapRegion& map) {
    if (map.special != SpecialRegion::kVdso && map.special != SpecialRegion::kVvar) return;
    if (maps_.ranges.empty() && Failed(ReadOwnMaps(&maps_, diag_))) return;
    const bool vdso = map.special == SpecialRegion::kVdso;
    const std::uint64_t here = (vdso ? maps_.vdso : maps_.vvar).size();
    const std::uint64_t there = map.end.value - map.start.value;
    if (here == there) return;
    Wrong("MAP_REGION", std::string("the ") + (vdso ? "vdso" : "vvar") +
                            " differs: " + std::to_string(there) + " bytes in the dump, " +
                            std::to_string(here) + " of this kernel");
  }

  void Check(const SetAttr& set) {
    const Attributes& attributes = *set.attributes;
    if (attributes.registers) with_registers_.insert(set.tid.value_or(pid_));
    if (attributes.sched && attributes.sched->policy.value == kSchedDeadline) {
      Add(Severity::kUnsupported, "SET_ATTR", "sched.policy SCHED_DEADLINE");
    }
    const auto& profile = attributes.creds ? attributes.creds->lsm_profile : std::nullopt;
    if (profile && !profile->bytes.empty() && profile->bytes != "unconfined") {
      Add(Severity::kUnsupported, "SET_ATTR", "creds.lsm_profile \"" + profile->bytes + "\"");
    }
  }

  void Check(const Resume&) {
    std::vector<Pid>& tids = threads_[pid_];
    tids.push_back(pid_);
    for (Pid tid : tids) {
      if (with_registers_.count(tid) != 0) continue;
      Wrong("RESUME", "thread " + std::to_string(tid) + " has no registers to go on from");
    }
  }

  void Check(const OpenFile& open) {
    if (const auto* other = std::get_if<OtherFile>(&open.file->body)) {
      return Add(Severity::kUnsupported, "OPEN_FILE", "files of type " + other->type);
    }
    const auto* file = std::get_if<RegularFile>(&open.file->body);
    if (file == nullptr) return;
    const auto [known, fresh] = files_.try_emplace(file->path.bytes);
    if (fresh)
      known->second.error = stat(file->path.bytes.c_str(), &known->second.status) == 0 ? 0 : errno;
    const FileFacts& facts = known->second;
    if (facts.error != 0) {
      return Wrong("OPEN_FILE", file->path.bytes + ": " + std::strerror(facts.error));
    }
    const auto changed = [&](const char* what, const std::string& is, const std::string& was) {
      Wrong("OPEN_FILE", file->path.bytes + " has changed: " + what + " is " + is + ", was " + was +
                             " when it was dumped");
    };
    if (file->size && *file->size != static_cast<std::uint64_t>(facts.status.st_size)) {
      return changed("size", std::to_string(facts.status.st_size), std::to_string(*file->size));
    }
    if (file->mode && *file->mode != facts.status.st_mode) {
      return changed("mode", Octal(facts.status.st_mode), Octal(*file->mode));
    }
    if (file->build_id && S_ISREG(facts.status.st_mode)) {
      if (!facts.build_id) known->second.build_id = BuildId(file->path.bytes);
      const std::string& was = file->build_id->bytes;
      // In the image it is made up to whole words.
      if (was.compare(0, facts.build_id->size(), *facts.build_id) != 0) {
        return changed("build id", Hexadecimal(*facts.build_id), Hexadecimal(was));
      }
    }
  }

  static std::string Octal(unsigned mode) {
    char text[16];
    std::snprintf(text, sizeof text, "0%o", mode);
    return text;
  }

  void Check(const LoadPages& load) {
    const auto [known, fresh] = images_.try_emplace(load.source.image, 0);
    if (fresh) known->second = SizeOfImage(load.source.image);
    if (known->second < 0) return;  // told
    const auto size = static_cast<std::uint64_t>(known->second);
    if (load.source.offset > size || load.pages > (size - load.source.offset) / kPageSize) {
      Wrong("LOAD_PAGES", load.source.image + " has " + std::to_string(size) + " bytes: not " +
                              std::to_string(load.pages) + " pages from " +
                              std::to_string(load.source.offset));
    }
  }

  std::int64_t SizeOfImage(const std::string& image) {
    const std::string path = options_.images + "/" + image;
    struct stat status;
    if (stat(path.c_str(), &status) != 0) {
      Wrong("LOAD_PAGES", path + ": " + std::strerror(errno));
      return -1;
    }
    char* real = realpath(path.c_str(), nullptr);
    const std::string target = real != nullptr ? real : "";
    std::free(real);
    if (!options_.images_outside && target.compare(0, folder_.size() + 1, folder_ + "/") != 0) {
      Wrong("LOAD_PAGES", path + " leads out of the folder of images, to " + target +
                              " (--images-outside allows it)");
      return -1;
    }
    return status.st_size;
  }

  struct FileFacts {
    int error = 0;
    struct stat status = {};
    std::optional<std::string> build_id;
  };

  const PreflightOptions& options_;
  Diagnostics& diag_;
  std::string folder_;
  Pid pid_max_ = 32768;
  bool own_numbers_ = false;
  std::size_t index_ = 0;
  Pid pid_ = 0;
  OwnMaps maps_;
  std::unordered_set<Pid> numbers_;
  std::unordered_set<Pid> with_registers_;
  std::unordered_map<Pid, std::vector<Pid>> threads_;
  std::unordered_map<std::string, FileFacts> files_;
  std::unordered_map<std::string, std::int64_t> images_;
};

}  // namespace

Result Preflight(const Program& program, const PreflightOptions& options, Diagnostics& diag) {
  HostCheck(options, diag).Check(program);
  const bool wrong = diag.HasErrors() || diag.Count(Severity::kUnsupported) != 0;
  return wrong ? Result::kError : Result::kOk;
}

}  // namespace crgen
