// SPDX-License-Identifier: Apache-2.0
#include "views/memory.h"

#include <algorithm>
#include <string>
#include <vector>

#include "views/memory_map.h"
#include "views/show_parts.h"

namespace crgen {
namespace {

constexpr std::size_t kPiece = 1 << 20, kLine = 16, kMostText = 4096;
constexpr std::size_t kShortest = 4;  ///< of strings: as strings(1)

std::string AddressText(std::uint64_t address) { return HexText(address).substr(2); }

std::string RangeText(const AddressRange& range) {
  return AddressText(range.start) + "-" + AddressText(range.end);
}

bool IsText(char byte) { return (byte >= ' ' && byte <= '~') || byte == '\t'; }

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
    text += IsText(bytes[i]) && bytes[i] != '\t' ? bytes[i] : '.';
  }
  return hex + " |" + text + "|";
}

class Viewer {
 public:
  Viewer(const LookedAt& dump, ProcessIndex process, const MemoryQuery& query,
         const ViewOptions& options, const TextSink& sink, Diagnostics& diag)
      : dump_(dump),
        process_(dump.snapshot.processes[process]),
        query_(query),
        options_(options),
        sink_(sink),
        diag_(diag),
        piece_(kPiece) {}

  Result Matches() {
    StreamSearch search(*query_.pattern,
                        [this](std::uint64_t address, std::size_t size, std::string_view text) {
                          return ShowMatch(address, size, text);
                        });
    const Result read = EachPiece([&](const MemoryPart& piece, std::string_view bytes) {
      return search.Add(piece.range.start, bytes) ? Result::kOk : Result::kError;
    });
    // Stopped on purpose, or by an error that is reported.
    if (Failed(read) && !stopped_) return Result::kError;
    if (!stopped_ && !search.End() && !stopped_) return Result::kError;
    const std::string in = " in " + SizeText(seen_) + " that the dump has";
    Line(stopped_ ? "more than " + Count(matches_, "match", "matches") + ": --limit shows more"
                  : Count(matches_, "match", "matches") + in,
         Ink::kHeading);
    return Flush();
  }

  Result Strings() {
    const Result read = EachPiece([&](const MemoryPart& piece, std::string_view bytes) {
      if (piece.range.start != string_end_) EndString();
      string_end_ = piece.range.end;
      std::uint64_t address = piece.range.start;
      for (const char byte : bytes) {
        if (!IsText(byte)) {
          EndString();
        } else {
          if (string_size_++ == 0) string_start_ = address;
          if (string_.size() < kMostText) string_ += byte;
        }
        ++address;
      }
      return FlushIfLong();
    });
    EndString();
    return Failed(read) ? read : Flush();
  }

  Result Hex() {
    std::uint64_t at = query_.range.start;
    for (const Region& region : process_.memory.regions) {
      if (region.range.end <= query_.range.start) continue;
      if (region.range.start >= query_.range.end) break;
      NotMapped({at, std::max(at, region.range.start)});
      at = std::min(region.range.end, query_.range.end);
      Line(RangeText(region.range) + " " + ProtText(region.prot, IsSharedRegion(region)) + " " +
               RegionText(region, process_, dump_.snapshot),
           Ink::kHeading);
      Result shown = Result::kOk;
      ForEachPart(dump_.snapshot, process_, region, [&](const MemoryPart& part) {
        if (Failed(shown) || !part.range.Overlaps(query_.range)) return;
        shown = HexPart(part.Part(query_.range.start, query_.range.end));
      });
      if (Failed(shown)) return shown;
    }
    NotMapped({at, std::max(at, query_.range.end)});
    return Flush();
  }

 private:
  using Take = std::function<Result(const MemoryPart& piece, std::string_view bytes)>;

  /// Reads all pages in the range, piece by piece.
  Result EachPiece(const Take& take) {
    for (const Region& region : process_.memory.regions) {
      if (!region.range.Overlaps(query_.range)) continue;
      Result result = Result::kOk;
      ForEachPart(dump_.snapshot, process_, region, [&](const MemoryPart& part) {
        if (Failed(result) || part.backing != PartBacking::kPages ||
            !part.range.Overlaps(query_.range)) {
          return;
        }
        result = Pieces(part.Part(query_.range.start, query_.range.end), take);
      });
      if (Failed(result)) return result;
    }
    return Result::kOk;
  }

  Result Pieces(const MemoryPart& part, const Take& take) {
    for (std::uint64_t from = part.range.start; from < part.range.end; from += kPiece) {
      const MemoryPart piece = part.Part(from, from + kPiece);
      const std::span bytes = std::span(piece_).first(piece.range.size());
      if (Failed(ReadPart(dump_, piece, bytes, diag_))) return Result::kError;
      seen_ += bytes.size();
      if (Failed(take(piece, {bytes.data(), bytes.size()}))) return Result::kError;
    }
    return Result::kOk;
  }

  /// "[heap]+0x120", or the region's addresses where it has no name.
  std::string PlaceText(std::uint64_t address) {
    if (address < named_.start || address >= named_.end) {
      const std::vector<Region>& regions = process_.memory.regions;
      const auto after = std::ranges::upper_bound(
          regions, address, {}, [](const Region& region) { return region.range.start; });
      if (after == regions.begin()) return "";
      const Region& region = *std::prev(after);
      named_ = region.range;
      name_ = RegionText(region, process_, dump_.snapshot);
      if (name_.empty()) name_ = RangeText(region.range);
    }
    return name_ + "+" + HexText(address - named_.start);
  }

  bool ShowMatch(std::uint64_t address, std::size_t size, std::string_view text) {
    if (query_.limit != 0 && matches_ == query_.limit) {
      stopped_ = true;
      return false;
    }
    ++matches_;
    const std::string cut = size > kMostText ? "… (" + std::to_string(size) + " bytes)" : "";
    Line(AddressText(address) + "  " + PlaceText(address) + "  " +
         (query_.exact ? HexLine(text.substr(0, kLine))
                       : std::string(text.substr(0, std::min(size, kMostText))) + cut));
    return Succeeded(FlushIfLong());
  }

  void EndString() {
    if (string_size_ >= kShortest) {
      const std::string cut =
          string_size_ > kMostText ? "… (" + std::to_string(string_size_) + " bytes)" : "";
      Line(AddressText(string_start_) + "  " + PlaceText(string_start_) + "  " + string_ + cut);
    }
    string_.clear();
    string_size_ = 0;
  }

  void NotMapped(const AddressRange& range) {
    if (range.size() != 0) Line("  " + RangeText(range) + "  not mapped");
  }

  Result HexPart(const MemoryPart& part) {
    const std::string head = "  " + RangeText(part.range) + "  ";
    switch (part.backing) {
      case PartBacking::kPages:
        return HexPages(part);
      case PartBacking::kZero:
        Line(head + "zero: nobody has written there");
        break;
      case PartBacking::kFile:
        Line(head + "as the file has it");
        break;
      case PartBacking::kUnknown:
        Line(head + "not in the dump");
        break;
    }
    return FlushIfLong();
  }

  Result HexPages(const MemoryPart& part) {
    std::string before;  // bytes of the last line
    bool again = false;  // it has been repeated
    const Result shown = Pieces(part, [&](const MemoryPart& piece, std::string_view bytes) {
      for (std::size_t at = 0; at < bytes.size(); at += kLine) {
        const std::string_view line = bytes.substr(at, kLine);
        if (line == before) {
          if (!again) Line("  *");
          again = true;
          continue;
        }
        before = line;
        again = false;
        Line("  " + AddressText(piece.range.start + at) + "  " + HexLine(line));
      }
      return FlushIfLong();
    });
    if (again) Line("  " + AddressText(part.range.end));
    return shown;
  }

  void Line(const std::string& text, Ink ink = Ink::kPlain) {
    WriteLine(text, ink, options_, &out_);
  }
  Result Flush() {
    const Result written = sink_(out_, diag_);
    out_.clear();
    return written;
  }
  Result FlushIfLong() { return out_.size() < kPiece ? Result::kOk : Flush(); }

  const LookedAt& dump_;
  const Process& process_;
  const MemoryQuery& query_;
  const ViewOptions& options_;
  const TextSink& sink_;
  Diagnostics& diag_;
  std::vector<char> piece_;
  std::string out_;
  std::uint64_t seen_ = 0;  // bytes
  std::size_t matches_ = 0;
  bool stopped_ = false;
  AddressRange named_;  // of the region whose name is `name_`
  std::string name_;
  std::string string_;
  std::uint64_t string_start_ = 0, string_end_ = 0, string_size_ = 0;
};

}  // namespace

Result ShowBytes(const LookedAt& dump, ProcessIndex process, const MemoryQuery& query,
                 const ViewOptions& options, const TextSink& sink, Diagnostics& diag) {
  Viewer viewer(dump, process, query, options, sink, diag);
  if (query.strings) return viewer.Strings();
  return query.pattern != nullptr ? viewer.Matches() : viewer.Hex();
}

}  // namespace crgen
