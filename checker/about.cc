// SPDX-License-Identifier: Apache-2.0
// What a program says of its dump, of the processor and of the vdso, and whether its commands keep
// to that.
#include <algorithm>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "checker/kernel/kernel.h"
#include "dsl/references.h"

namespace crgen::check {
namespace {

constexpr std::uint64_t kFileEnd = std::uint64_t{1} << 63;
constexpr std::size_t kLongestId = 64, kLongestName = 64, kMostFeatures = 1024;
constexpr std::size_t kSha256Text = 7 + 64;
constexpr std::string_view kLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

bool IsWord(const std::string& word, std::size_t longest, std::string_view also) {
  return !word.empty() && word.size() <= longest && std::ranges::all_of(word, [&](char c) {
    return kLetters.find(c) != kLetters.npos || (c >= '0' && c <= '9') || also.find(c) != also.npos;
  });
}

class AboutRules {
 public:
  AboutRules(const Program& program, const About& about, Diagnostics& diag)
      : program_(program), about_(about), diag_(diag) {}

  void Check() {
    if (about_.dump) CheckDump(*about_.dump);
    if (about_.cpu) CheckCpu(*about_.cpu);
    if (about_.vdso) CheckVdso(*about_.vdso);
    if (images_.empty() && !about_.vdso) return;
    for (command_ = 0; command_ < program_.size(); ++command_) {
      const CommandBody& body = program_[command_].body;
      if (!images_.empty()) {
        ForEachSource(
            body, [this](const ImageSpan& span, std::uint64_t bytes) { CheckSource(span, bytes); });
      }
      if (about_.vdso) CheckMapped(*about_.vdso, body);
    }
  }

 private:
  struct Known {
    std::uint64_t size = 0;
    bool told = false;
  };

  void Wrong(const std::string& what) {
    diag_.Add({Severity::kError, CommandPlace(program_[command_], command_), "EINVAL: " + what,
               command_});
  }

  void CheckDump(const DumpIdentity& dump) {
    if (!dump.id.empty() && !IsWord(dump.id, kLongestId, "-")) {
      Wrong("about.dump.id: expected at most " + std::to_string(kLongestId) +
            " letters, digits and -");
    }
    for (const ImageFile& file : dump.images) {
      const std::string where = "about.dump.images: \"" + file.name + "\" ";
      if (!IsImageName(file.name)) Wrong(where + "is not a path inside the dump");
      if (file.size >= kFileEnd) {
        Wrong(where + "of " + std::to_string(file.size) + " bytes: no file is that large");
      }
      if (file.digest && file.digest->algorithm() == Digest::kSha256 &&
          file.digest->text.size() != kSha256Text) {
        Wrong(where + "has " + std::to_string(file.digest->text.size() - 7) +
              " digits of sha256, which gives 64");
      }
      if (!images_.try_emplace(file.name, Known{file.size}).second) Wrong(where + "stands twice");
    }
  }

  void CheckSource(const ImageSpan& span, std::uint64_t bytes) {
    // Pages that follow each other are mostly of one image.
    if (last_ == nullptr || last_->first != span.image) {
      const auto [known, fresh] = images_.try_emplace(span.image);
      last_ = &*known;
      if (fresh) {
        last_->second.told = true;
        return Wrong(span.image + " is not among about.dump.images");
      }
    }
    Known& image = last_->second;
    if (image.told || (span.offset <= image.size && bytes <= image.size - span.offset)) return;
    image.told = true;
    Wrong("byte " + std::to_string(span.offset) + " and " + std::to_string(bytes) +
          " from there: " + span.image + " has " + std::to_string(image.size) +
          " bytes by about.dump");
  }

  void CheckCpu(const CpuNeeds& cpu) {
    const bool named = std::ranges::all_of(
        cpu.features, [](const std::string& name) { return IsWord(name, kLongestName, "_"); });
    if (!named || cpu.features.size() > kMostFeatures) {
      Wrong("about.cpu.features: expected at most " + std::to_string(kMostFeatures) +
            " names of letters, digits and _");
    }
  }

  void CheckVdso(const Vdso& vdso) {
    if (vdso.size == 0 || vdso.size % kPageSize != 0 || vdso.size > Vdso::kMostBytes) {
      Wrong("about.vdso.size: " + std::to_string(vdso.size) + ", expected pages of " +
            std::to_string(kPageSize) + ", and at most " + std::to_string(Vdso::kMostBytes));
    }
    constexpr std::string_view kHexDigits = "0123456789abcdef";
    if (vdso.build_id.size() > 128 || vdso.build_id.size() % 2 != 0 ||
        vdso.build_id.find_first_not_of(kHexDigits) != std::string::npos) {
      Wrong("about.vdso.build_id: expected lower-case hexadecimal digits of at most 64 bytes");
    }
    if (vdso.symbols.size() > Vdso::kMostSymbols) {
      Wrong("about.vdso.symbols: expected at most " + std::to_string(Vdso::kMostSymbols));
    }
    std::unordered_set<std::string> names;
    for (const VdsoSymbol& symbol : vdso.symbols) {
      if (!IsWord(symbol.name, kLongestName, "_.") || symbol.offset.value >= vdso.size ||
          !names.insert(symbol.name).second) {
        return Wrong("about.vdso.symbols: \"" + symbol.name + "\" at " +
                     HexText(symbol.offset.value) +
                     ": expected names, each once, at places inside the vdso");
      }
    }
  }

  void CheckMapped(const Vdso& vdso, const CommandBody& body) {
    const auto* map = std::get_if<MapRegion>(&body);
    if (map == nullptr || map->special != SpecialRegion::kVdso) return;
    const std::uint64_t size = map->end.value - map->start.value;
    if (size == vdso.size) return;
    Wrong("a vdso of " + std::to_string(size) + " bytes; by about.vdso it has " +
          std::to_string(vdso.size));
  }

  const Program& program_;
  const About& about_;
  Diagnostics& diag_;
  std::size_t command_ = 0;
  std::unordered_map<std::string, Known> images_;
  std::pair<const std::string, Known>* last_ = nullptr;  ///< of them
};

}  // namespace

bool IsImageName(std::string_view name) {
  if (name.empty() || name.front() == '/' || name.find('\0') != std::string_view::npos)
    return false;
  for (std::size_t start = 0; start <= name.size();) {
    std::size_t end = name.find('/', start);
    if (end == std::string_view::npos) end = name.size();
    if (end == start || name.substr(start, end - start) == "..") return false;
    start = end + 1;
  }
  return true;
}

void CheckAbout(const Program& program, Diagnostics& diag) {
  const About* about = AboutOf(program);
  if (about != nullptr) AboutRules(program, *about, diag).Check();
}

}  // namespace crgen::check
