// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "dsl/json/writer.h"
#include "model/printable.h"
#include "views/memory_listing.h"
#include "views/show_parts.h"

namespace crgen {
namespace {

class JsonListing : public MemoryListing {
 public:
  JsonListing(const MemoryQuery& query, Pid pid) : json_(&out_, JsonWriter::Style::kIndented) {
    json_.BeginObject();
    json_.Key("pid");
    json_.Number(std::int64_t{pid});
    json_.Key(query.strings ? "strings" : query.pattern != nullptr ? "matches" : "parts");
    json_.BeginArray();
  }

  void Match(const FoundBytes& found) override {
    json_.BeginObject();
    json_.Key("address");
    json_.HexNumber(found.address);
    Range("region", found.region);
    Words("what", found.what);
    Size(found.size);
    const std::string_view bytes =
        found.bytes.substr(0, std::min<std::size_t>(found.size, kMostText));
    json_.Key("bytes");
    json_.Base64(bytes);
    Words("text", bytes);
    json_.EndObject();
  }

  void Matched(std::size_t, bool stopped, std::uint64_t searched) override {
    json_.EndArray();
    json_.Key("more");
    json_.Bool(stopped);
    json_.Key("searched");
    json_.Number(searched);
    open_ = false;
  }

  void String(const FoundBytes& found) override { Match(found); }

  void NotMapped(const AddressRange& range) override {
    json_.BeginObject();
    Bounds(range);
    Words("in", "nothing");
    json_.EndObject();
  }

  void Enter(const Region& region, const std::string& what) override {
    prot_ = ProtText(region.prot, IsSharedRegion(region));
    what_ = what;
  }

  void Absent(const MemoryPart& part) override {
    Part(part.range, part.backing == PartBacking::kZero   ? "zero"
                     : part.backing == PartBacking::kFile ? "file"
                                                          : "unknown");
    json_.EndObject();
  }

  void Bytes(std::uint64_t address, std::string_view bytes, bool) override {
    Part({address, address + bytes.size()}, "pages");
    json_.Key("bytes");
    json_.Base64(bytes);
    json_.EndObject();
  }

  void End() override {
    if (open_) json_.EndArray();
    json_.EndObject();
    out_ += '\n';
  }

 private:
  /// Leaves it open.
  void Part(const AddressRange& range, std::string_view in) {
    json_.BeginObject();
    Bounds(range);
    Words("prot", prot_);
    Words("what", what_);
    Words("in", in);
  }
  void Bounds(const AddressRange& range) {
    json_.Key("start");
    json_.HexNumber(range.start);
    json_.Key("end");
    json_.HexNumber(range.end);
  }
  void Range(std::string_view name, const AddressRange& range) {
    json_.Key(name);
    json_.BeginObject();
    Bounds(range);
    json_.EndObject();
  }
  void Words(std::string_view name, std::string_view text) {
    json_.Key(name);
    json_.String(Printable(text));
  }
  void Size(std::uint64_t size) {
    json_.Key("size");
    json_.Number(size);
  }

  JsonWriter json_;
  std::string prot_, what_;  // of the region entered last
  bool open_ = true;         // the list
};

}  // namespace

std::unique_ptr<MemoryListing> ListAsJson(const MemoryQuery& query, Pid pid) {
  return std::make_unique<JsonListing>(query, pid);
}

}  // namespace crgen
