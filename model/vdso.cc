// SPDX-License-Identifier: Apache-2.0
#include "model/vdso.h"

#include <elf.h>

#include <algorithm>
#include <cstring>
#include <string_view>

#include "model/ids.h"

namespace crgen {
namespace {

constexpr std::size_t kLongestName = 64, kLongestBuildId = 64;
constexpr unsigned kMostSegments = 32;  ///< each may be as long as the image
constexpr std::string_view kNameCharacters =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.";

/// An ELF image as it lies in memory; every access is held against its end.
class Image {
 public:
  explicit Image(std::span<const char> bytes) : bytes_(bytes) {}

  template <typename T>
  bool Get(std::uint64_t at, T* value) const {
    if (at > bytes_.size() || sizeof(T) > bytes_.size() - at) return false;
    std::memcpy(value, bytes_.data() + at, sizeof(T));
    return true;
  }

  /// What stands at `at`, up to `most` bytes, before a zero; nothing: no zero ends it.
  std::optional<std::string_view> Word(std::uint64_t at, std::size_t most) const {
    if (at >= bytes_.size()) return std::nullopt;
    const std::string_view rest(bytes_.data() + at, std::min(most + 1, bytes_.size() - at));
    const std::size_t end = rest.find('\0');
    if (end == rest.npos) return std::nullopt;
    return rest.substr(0, end);
  }

  std::optional<std::string_view> Part(std::uint64_t at, std::uint64_t size) const {
    if (at > bytes_.size() || size > bytes_.size() - at) return std::nullopt;
    return std::string_view(bytes_.data() + at, size);
  }

 private:
  std::span<const char> bytes_;
};

/// Reads what a dynamic linker would (gABI, chapter 5).
class Parser {
 public:
  explicit Parser(std::span<const char> bytes) : image_(bytes), size_(bytes.size()) {}

  std::optional<Vdso> Read() {
    if (!ReadSegments()) return std::nullopt;
    std::uint64_t count = 0;
    if (symbols_ == 0 || strings_ == 0 || !CountSymbols(&count)) return std::nullopt;
    vdso_.size = size_;
    for (std::uint64_t i = 1; i < count; ++i) {
      if (!ReadSymbol(i)) return std::nullopt;
    }
    std::ranges::sort(vdso_.symbols, {}, &VdsoSymbol::name);
    const auto same = std::ranges::adjacent_find(vdso_.symbols, {}, &VdsoSymbol::name);
    if (same != vdso_.symbols.end()) return std::nullopt;
    return std::move(vdso_);
  }

 private:
  bool ReadSegments() {
    Elf64_Ehdr header;
    if (!image_.Get(0, &header) || std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 ||
        header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_ident[EI_DATA] != ELFDATA2LSB ||
        header.e_type != ET_DYN || header.e_machine != EM_X86_64 ||
        header.e_phentsize != sizeof(Elf64_Phdr) || header.e_phoff > size_ ||
        header.e_phnum > kMostSegments) {
      return false;
    }
    for (unsigned i = 0; i < header.e_phnum; ++i) {
      Elf64_Phdr segment;
      if (!image_.Get(header.e_phoff + i * sizeof segment, &segment)) return false;
      // In memory the file lies as it is.
      if (segment.p_offset != segment.p_vaddr && segment.p_filesz != 0) return false;
      if (segment.p_type == PT_NOTE && !ReadNotes(segment)) return false;
      if (segment.p_type == PT_DYNAMIC && !ReadDynamic(segment)) return false;
    }
    return true;
  }

  bool ReadNotes(const Elf64_Phdr& segment) {
    const auto notes = image_.Part(segment.p_offset, segment.p_filesz);
    if (!notes) return false;
    const auto padded = [](std::uint64_t size) { return (size + 3) & ~std::uint64_t{3}; };
    for (std::uint64_t at = 0; at + sizeof(Elf64_Nhdr) <= notes->size();) {
      Elf64_Nhdr note;
      std::memcpy(&note, notes->data() + at, sizeof note);
      const std::uint64_t name = at + sizeof note, body = name + padded(note.n_namesz);
      at = body + padded(note.n_descsz);
      if (at > notes->size()) return false;
      if (note.n_type != NT_GNU_BUILD_ID || notes->substr(name, note.n_namesz) != GnuName())
        continue;
      if (note.n_descsz > kLongestBuildId) return false;
      vdso_.build_id.clear();
      for (const char byte : notes->substr(body, note.n_descsz)) {
        constexpr char kDigits[] = "0123456789abcdef";
        vdso_.build_id += kDigits[static_cast<unsigned char>(byte) >> 4];
        vdso_.build_id += kDigits[byte & 15];
      }
    }
    return true;
  }
  static std::string_view GnuName() { return {ELF_NOTE_GNU, sizeof ELF_NOTE_GNU}; }

  bool ReadDynamic(const Elf64_Phdr& segment) {
    for (std::uint64_t at = 0; at + sizeof(Elf64_Dyn) <= segment.p_filesz;
         at += sizeof(Elf64_Dyn)) {
      Elf64_Dyn entry;
      if (segment.p_offset > size_ || !image_.Get(segment.p_offset + at, &entry)) return false;
      if (entry.d_tag == DT_NULL) return true;
      if (entry.d_tag == DT_SYMTAB) symbols_ = entry.d_un.d_ptr;
      if (entry.d_tag == DT_STRTAB) strings_ = entry.d_un.d_ptr;
      if (entry.d_tag == DT_HASH) hash_ = entry.d_un.d_ptr;
      if (entry.d_tag == DT_GNU_HASH) gnu_hash_ = entry.d_un.d_ptr;
    }
    return true;
  }

  bool CountSymbols(std::uint64_t* count) const {
    const bool counted = hash_ != 0 ? CountByHash(count) : CountByGnuHash(count);
    return counted && *count <= Vdso::kMostSymbols;
  }

  /// Each symbol has an entry among the chains.
  bool CountByHash(std::uint64_t* count) const {
    std::uint32_t buckets_and_chains[2];
    if (!image_.Get(hash_, &buckets_and_chains)) return false;
    *count = buckets_and_chains[1];
    return true;
  }

  /// The last chain ends with the last symbol: an entry whose lowest bit is set.
  bool CountByGnuHash(std::uint64_t* count) const {
    struct {
      std::uint32_t buckets, first, bloom_words, bloom_shift;
    } head;
    if (gnu_hash_ == 0 || gnu_hash_ > size_ || !image_.Get(gnu_hash_, &head)) return false;
    const std::uint64_t buckets = gnu_hash_ + sizeof head + std::uint64_t{8} * head.bloom_words;
    std::uint32_t last = 0, entry = 0;
    for (std::uint32_t i = 0; i < head.buckets; ++i) {
      if (!image_.Get(buckets + std::uint64_t{4} * i, &entry)) return false;
      last = std::max(last, entry);
    }
    *count = std::max(last, head.first);
    if (last < head.first) return true;  // none has a name
    const std::uint64_t chains = buckets + std::uint64_t{4} * head.buckets;
    do {
      if (!image_.Get(chains + 4 * (*count - head.first), &entry)) return false;
      ++*count;
    } while ((entry & 1) == 0 && *count <= Vdso::kMostSymbols);
    return true;
  }

  bool ReadSymbol(std::uint64_t index) {
    Elf64_Sym symbol;
    if (symbols_ > size_ || !image_.Get(symbols_ + index * sizeof symbol, &symbol)) return false;
    if (ELF64_ST_TYPE(symbol.st_info) != STT_FUNC || symbol.st_shndx == SHN_UNDEF) return true;
    if (strings_ > size_ || symbol.st_value >= size_) return false;
    const auto name = image_.Word(strings_ + symbol.st_name, kLongestName);
    if (!name || name->empty() || name->find_first_not_of(kNameCharacters) != name->npos) {
      return false;
    }
    vdso_.symbols.push_back({std::string(*name), {symbol.st_value}});
    return true;
  }

  const Image image_;
  const std::uint64_t size_;
  std::uint64_t symbols_ = 0, strings_ = 0, hash_ = 0, gnu_hash_ = 0;
  Vdso vdso_;
};

}  // namespace

std::optional<Vdso> ParseVdso(std::span<const char> bytes) {
  if (bytes.size() > Vdso::kMostBytes || bytes.size() % kPageSize != 0) return std::nullopt;
  return Parser(bytes).Read();
}

}  // namespace crgen
