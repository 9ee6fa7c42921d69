// SPDX-License-Identifier: Apache-2.0
#include "preflight/host_files.h"

#include <elf.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <vector>

#include "preflight/doing.h"
#include "preflight/fixed_arguments.h"
#include "preflight/trusted_path.h"

namespace crgen {
namespace {

constexpr std::size_t kNotesAtMost = 64 << 10;

bool RaiseDescriptorLimit() {
  rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= limit.rlim_max) return false;
  limit.rlim_cur = limit.rlim_max;
  return setrlimit(RLIMIT_NOFILE, &limit) == 0;
}

bool ReadAt(int fd, std::uint64_t offset, void* to, std::size_t size) {
  if (offset > INT64_MAX - size) return false;
  return pread(fd, to, size, static_cast<off_t>(offset)) == static_cast<ssize_t>(size);
}

std::string BuildIdNote(const std::vector<char>& notes) {
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
  return "";
}

}  // namespace

void HostFiles::Close() {
  for (Descriptors* all : {&images_, &files_, &links_, &watched_, &places_}) {
    for (const auto& [name, fd] : *all) close(fd);
    all->clear();
  }
}

void HostFiles::CloseImage(const std::string& name) { CloseAmong(images_, name); }
void HostFiles::CloseFile(const std::string& path) { CloseAmong(files_, path); }

void HostFiles::CloseAmong(Descriptors& among, const std::string& name) {
  const auto found = among.find(name);
  if (found == among.end()) return;
  close(found->second);
  among.erase(found);
}

std::string WatchedKey(const std::optional<Text>& path, const std::optional<InodeHandle>& handle) {
  std::string key = path ? "path " + path->bytes : "";
  key += '\0';
  if (!handle) return key;
  return key + std::to_string(handle->device) + " " + std::to_string(handle->inode) + " " +
         std::to_string(handle->type) + " " + handle->bytes.bytes;
}

int OpenPath(int folder, const std::string& path, int flags, unsigned long long resolve) {
  const Doing doing("opening it", path);
  open_how how = {};
  how.flags = static_cast<std::uint64_t>(flags) | O_PATH | O_CLOEXEC;
  how.resolve = resolve;
  const open_how* const fixed = FixedWay(how);
  for (;;) {
    const long fd = syscall(SYS_openat2, folder, path.c_str(), fixed, sizeof how);
    if (fd >= 0) return static_cast<int>(fd);
    if (errno == EAGAIN) continue;  // a rename beside it
    if (errno != EMFILE || !RaiseDescriptorLimit()) return -1;
  }
}

/// What TrustedPath() hands over, as OpenPath() does.
const open_how* InPlace(open_how* how) { return FixedWay(*how); }
template <typename Argument>
Argument InPlace(Argument argument) {
  return argument;
}

constexpr auto kSystem = [](long number, auto... arguments) -> long {
  for (;;) {
    const long result = syscall(number, InPlace(arguments)...);
    if (result >= 0) return result;
    if (errno != EMFILE || !RaiseDescriptorLimit()) return -errno;
  }
};

std::optional<std::uint32_t> ForeignOwnerOf(const std::string& path) {
  const Doing doing("opening it", path);
  using Way = TrustedPath<decltype(kSystem)>;
  Way way(kSystem, Way::Foreign::kFollow);
  const long fd = way.Open(path.c_str(), O_CLOEXEC);
  if (fd >= 0) close(static_cast<int>(fd));
  return way.owner().any ? std::optional(way.owner().uid) : std::nullopt;
}

int OpenTrusted(const std::string& path, int flags) {
  const Doing doing("opening it", path);
  TrustedPath way(kSystem);
  const long fd = way.Open(path.c_str(), static_cast<std::uint32_t>(flags) | O_CLOEXEC);
  if (fd >= 0) return static_cast<int>(fd);
  errno = fd == way.kForeign ? ELOOP : static_cast<int>(-fd);
  return -1;
}

std::string PathErrorText(int error) {
  if (error != ELOOP) return std::strerror(error);
  return "a symbolic link on the way is not root's, or is where others can change it";
}

int Reopen(int held, int flags) {
  const Doing doing("opening it", held);
  const std::string link = "/proc/self/fd/" + std::to_string(held);
  return open(link.c_str(), flags | O_CLOEXEC | O_NOCTTY);
}

std::string BuildId(int fd) {
  const Doing doing("reading its build id", fd);
  Elf64_Ehdr header;
  if (!ReadAt(fd, 0, &header, sizeof header)) return "";
  if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0) return "";
  for (unsigned i = 0; i < header.e_phnum; ++i) {
    Elf64_Phdr part;
    if (!ReadAt(fd, header.e_phoff + i * sizeof part, &part, sizeof part)) return "";
    if (part.p_type != PT_NOTE || part.p_filesz > kNotesAtMost) continue;
    std::vector<char> notes(part.p_filesz);
    if (!ReadAt(fd, part.p_offset, notes.data(), notes.size())) return "";
    if (std::string id = BuildIdNote(notes); !id.empty()) return id;
  }
  return "";
}

std::string Hexadecimal(std::string_view bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const char byte : bytes) {
    text += kDigits[static_cast<unsigned char>(byte) >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

}  // namespace crgen
