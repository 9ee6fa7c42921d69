#include "images/files/regular.h"

#include <string_view>

#include "images/load/file_checks.h"
#include "images/load/loader.h"

namespace crgen {
namespace {

constexpr std::uint64_t kNoSeek = ~std::uint64_t{0}, kMaxOffset = kNoSeek >> 1;
constexpr std::uint32_t kMaxMode = 0177777;

constexpr std::string_view kRemapNames[] = {"a hard link left by the dumper stands for it",
                                            "it is unlinked", "it belonged to a dead process"};

RegularFile BodyOf(const pb::reg_file_entry& from) {
  RegularFile to;
  to.path.bytes = from.name();
  if (from.pos() != kNoSeek) to.pos = from.pos();
  if (from.has_size()) to.size = from.size();
  if (from.has_mode()) to.mode = from.mode();
  if (from.build_id_size() != 0) {
    to.build_id.emplace();
    for (std::uint32_t word : from.build_id()) {  // the ELF note, four bytes at a time
      for (int shift = 0; shift < 32; shift += 8) {
        to.build_id->bytes.push_back(static_cast<char>(word >> shift));
      }
    }
  }
  return to;
}

}  // namespace

Result FileLoaderOf<RegularFile>::Convert(const pb::file_entry& entry, const ImageReader& at,
                                          Loader& loader, ConvertedFile* file) {
  if (!entry.has_reg()) return MissingMessage(at, kType, loader.diag);
  const pb::reg_file_entry& from = entry.reg();
  TakeDescription("reg", from, file);
  file->body = BodyOf(from);
  const Place place(at, loader.diag, "reg");
  CheckPosition(from.pos(), place);
  if (from.has_size()) place.AtMost(".size", from.size(), kMaxOffset);
  if (from.has_mode()) place.AtMost(".mode", from.mode(), kMaxMode);
  const auto remap = loader.remaps.find(entry.id());
  if (from.ext()) {
    file->unsupported =
        "external file " + from.name() + ", which the caller of a restore hands over";
  } else if (remap != loader.remaps.end()) {
    const std::uint32_t type = remap->second.type;
    file->unsupported =
        "file " + from.name() + " is not reachable by its name: " +
        std::string(type < std::size(kRemapNames) ? kRemapNames[type] : "it is remapped");
  } else if (!from.name().starts_with('/')) {
    return loader.diag.Fail(at.Where("reg.name"), "\"" + from.name() + "\" is no absolute path");
  } else if (from.name().find('\0') != std::string::npos) {
    return loader.diag.Fail(at.Where("reg.name"), "contains a NUL");
  }
  return Result::kOk;
}

}  // namespace crgen
