// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "views/memory_listing.h"
#include "views/show_parts.h"

namespace crgen {
namespace {

constexpr std::size_t kLine = 16;

std::string AddressText(std::uint64_t address) { return HexText(address).substr(2); }

std::string RangeText(const AddressRange& range) {
  return AddressText(range.start) + "-" + AddressText(range.end);
}

/// "48 65 6c 6c 6f  |Hello|", as wide as kLine bytes.
std::string HexLine(std::string_view bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string hex, text;
  for (std::size_t i = 0; i < kLine; ++i) {
    if (i == kLine / 2) hex += ' ';
    if (i >= bytes.size()) {
      hex += "   ";
      continue;
    }
    const auto byte = static_cast<unsigned char>(bytes[i]);
    hex += kDigits[byte >> 4];
    hex += kDigits[byte & 15];
    hex += ' ';
    text += bytes[i] >= ' ' && bytes[i] <= '~' ? bytes[i] : '.';
  }
  return hex + " |" + text + "|";
}

/// "[heap]+0x120", or the region's addresses where it has no name.
std::string PlaceText(const FoundBytes& found) {
  return (found.what.empty() ? RangeText(found.region) : found.what) + "+" +
         HexText(found.address - found.region.start);
}

class TextListing : public MemoryListing {
 public:
  TextListing(const MemoryQuery& query, const ViewOptions& options)
      : query_(query), options_(options) {}

  void Match(const FoundBytes& found) override {
    if (!query_.exact) return String(found);
    Line(AddressText(found.address) + "  " + PlaceText(found) + "  " +
         HexLine(found.bytes.substr(0, kLine)));
  }

  void Matched(std::size_t count, bool stopped, std::uint64_t searched) override {
    const std::string matches = Count(count, "match", "matches");
    Line(stopped ? "more than " + matches + ": --limit shows more"
                 : matches + " in " + SizeText(searched) + " that the dump has",
         Ink::kHeading);
  }

  void String(const FoundBytes& found) override {
    const std::size_t shown = std::min<std::size_t>(found.size, kMostText);
    Line(AddressText(found.address) + "  " + PlaceText(found) + "  " +
         std::string(found.bytes.substr(0, shown)) +
         (found.size > kMostText ? "… (" + std::to_string(found.size) + " bytes)" : ""));
  }

  void NotMapped(const AddressRange& range) override {
    Line("  " + RangeText(range) + "  not mapped");
  }

  void Enter(const Region& region, const std::string& what) override {
    Line(RangeText(region.range) + " " + ProtText(region.prot, IsSharedRegion(region)) + " " + what,
         Ink::kHeading);
  }

  void Absent(const MemoryPart& part) override {
    Line("  " + RangeText(part.range) + "  " +
         (part.backing == PartBacking::kZero   ? "zero: nobody has written there"
          : part.backing == PartBacking::kFile ? "as the file has it"
                                               : "not in the dump"));
  }

  void Bytes(std::uint64_t address, std::string_view bytes, bool ends) override {
    for (std::size_t at = 0; at < bytes.size(); at += kLine) {
      const std::string_view line = bytes.substr(at, kLine);
      if (line == before_) {
        if (!again_) Line("  *");
        again_ = true;
        continue;
      }
      before_ = line;
      again_ = false;
      Line("  " + AddressText(address + at) + "  " + HexLine(line));
    }
    if (!ends) return;
    if (again_) Line("  " + AddressText(address + bytes.size()));
    before_.clear();
    again_ = false;
  }

 private:
  void Line(const std::string& text, Ink ink = Ink::kPlain) {
    WriteLine(text, ink, options_, &out_);
  }

  const MemoryQuery& query_;
  const ViewOptions& options_;
  std::string before_;  // bytes of the last line
  bool again_ = false;  // it has been repeated
};

}  // namespace

std::unique_ptr<MemoryListing> ListAsText(const MemoryQuery& query, const ViewOptions& options) {
  return std::make_unique<TextListing>(query, options);
}

}  // namespace crgen
