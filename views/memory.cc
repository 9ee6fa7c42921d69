// SPDX-License-Identifier: Apache-2.0
#include "views/memory.h"

#include <algorithm>
#include <string>
#include <vector>

#include "views/memory_listing.h"
#include "views/show_parts.h"

namespace crgen {
namespace {

constexpr std::size_t kPiece = 1 << 20;
constexpr std::size_t kShortest = 4;  ///< of strings: as strings(1)

bool IsText(char byte) { return (byte >= ' ' && byte <= '~') || byte == '\t'; }

class Viewer {
 public:
  Viewer(const LookedAt& dump, ProcessIndex process, const MemoryQuery& query,
         MemoryListing& listing, const TextSink& sink, Diagnostics& diag)
      : dump_(dump),
        process_(dump.snapshot.processes[process]),
        query_(query),
        listing_(listing),
        sink_(sink),
        diag_(diag),
        piece_(kPiece) {}

  Result View() {
    const Result viewed = query_.strings              ? Strings()
                          : query_.pattern != nullptr ? Matches()
                                                      : Hex();
    if (Failed(viewed)) return viewed;
    listing_.End();
    return Flush();
  }

 private:
  using Take = std::function<Result(const MemoryPart& piece, std::string_view bytes)>;

  Result Matches() {
    StreamSearch search(*query_.pattern,
                        [this](std::uint64_t address, std::size_t size, std::string_view text) {
                          return AddMatch(address, size, text);
                        });
    const Result read = EachPiece([&](const MemoryPart& piece, std::string_view bytes) {
      return search.Add(piece.range.start, bytes) ? Result::kOk : Result::kError;
    });
    // Stopped on purpose, or by an error that is reported.
    if (Failed(read) && !stopped_) return Result::kError;
    if (!stopped_ && !search.End() && !stopped_) return Result::kError;
    listing_.Matched(matches_, stopped_, seen_);
    return Result::kOk;
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
          if (string_.size() < MemoryListing::kMostText) string_ += byte;
        }
        ++address;
      }
      return FlushIfLong();
    });
    EndString();
    return read;
  }

  Result Hex() {
    std::uint64_t at = query_.range.start;
    for (const Region& region : process_.memory.regions) {
      if (region.range.end <= query_.range.start) continue;
      if (region.range.start >= query_.range.end) break;
      NotMapped({at, std::max(at, region.range.start)});
      at = std::min(region.range.end, query_.range.end);
      listing_.Enter(region, RegionText(region, process_, dump_.snapshot));
      Result shown = Result::kOk;
      ForEachPart(dump_.snapshot, process_, region, [&](const MemoryPart& part) {
        if (Failed(shown) || !part.range.Overlaps(query_.range)) return;
        shown = HexPart(part.Part(query_.range.start, query_.range.end));
      });
      if (Failed(shown)) return shown;
    }
    NotMapped({at, std::max(at, query_.range.end)});
    return Result::kOk;
  }

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

  FoundBytes Found(std::uint64_t address, std::uint64_t size, std::string_view bytes) {
    if (address < named_.start || address >= named_.end) {
      const std::vector<Region>& regions = process_.memory.regions;
      const auto after = std::ranges::upper_bound(
          regions, address, {}, [](const Region& region) { return region.range.start; });
      if (after == regions.begin()) return {address, {}, "", size, bytes};
      const Region& region = *std::prev(after);
      named_ = region.range;
      name_ = RegionText(region, process_, dump_.snapshot);
    }
    return {address, named_, name_, size, bytes};
  }

  bool AddMatch(std::uint64_t address, std::size_t size, std::string_view text) {
    if (query_.limit != 0 && matches_ == query_.limit) {
      stopped_ = true;
      return false;
    }
    ++matches_;
    listing_.Match(Found(address, size, text));
    return Succeeded(FlushIfLong());
  }

  void EndString() {
    if (string_size_ >= kShortest) listing_.String(Found(string_start_, string_size_, string_));
    string_.clear();
    string_size_ = 0;
  }

  void NotMapped(const AddressRange& range) {
    if (range.size() != 0) listing_.NotMapped(range);
  }

  Result HexPart(const MemoryPart& part) {
    if (part.backing != PartBacking::kPages) {
      listing_.Absent(part);
      return FlushIfLong();
    }
    return Pieces(part, [&](const MemoryPart& piece, std::string_view bytes) {
      listing_.Bytes(piece.range.start, bytes, piece.range.end == part.range.end);
      return FlushIfLong();
    });
  }

  Result Flush() {
    const Result written = sink_(listing_.out(), diag_);
    listing_.out().clear();
    return written;
  }
  Result FlushIfLong() { return listing_.out().size() < kPiece ? Result::kOk : Flush(); }

  const LookedAt& dump_;
  const Process& process_;
  const MemoryQuery& query_;
  MemoryListing& listing_;
  const TextSink& sink_;
  Diagnostics& diag_;
  std::vector<char> piece_;
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
  const auto listing = ListAsText(query, options);
  return Viewer(dump, process, query, *listing, sink, diag).View();
}

Result WriteBytesJson(const LookedAt& dump, ProcessIndex process, const MemoryQuery& query,
                      const TextSink& sink, Diagnostics& diag) {
  const auto listing = ListAsJson(query, dump.snapshot.tree.nodes[process].pid);
  return Viewer(dump, process, query, *listing, sink, diag).View();
}

}  // namespace crgen
