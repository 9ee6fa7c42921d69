// SPDX-License-Identifier: Apache-2.0
// pagemap-<pid>.img and pagemap-shmem-<shmid>.img: where the bytes of pages are, through any
// number of parent sets.
#include <algorithm>

#include "images/load/loader.h"

namespace crgen {
namespace {

constexpr std::uint32_t kParent = 1, kLazy = 2, kPresent = 4;  // PE_PARENT, PE_LAZY, PE_PRESENT

/// One run as an image has it.
struct RawRun {
  PageRun run;  ///< image and image_offset count if present
  std::uint32_t flags = 0;
  std::uint64_t entry = 0;  ///< its number in the image
};

/// One pagemap image of one set.
struct RawPagemap {
  std::vector<RawRun> runs;
};

std::uint32_t FlagsOf(const pb::pagemap_entry& entry) {
  if (entry.in_parent()) return kParent;
  return entry.has_flags() ? entry.flags() : kPresent;
}

/// What in a run excludes each other; empty: nothing does.
std::string Contradiction(const pb::pagemap_entry& entry, std::uint32_t flags) {
  if ((flags & kParent) != 0 && (flags & kPresent) != 0) {
    return "flags " + HexText(flags) + " say that the pages are here and in the parent";
  }
  if (entry.in_parent() && entry.has_flags() && (entry.flags() & kParent) == 0) {
    return "in_parent says that the pages are in the parent, flags " + HexText(entry.flags()) +
           " do not";
  }
  if (entry.has_nr_pages() && entry.compat_nr_pages() != 0 &&
      entry.compat_nr_pages() != entry.nr_pages()) {
    return std::to_string(entry.nr_pages()) + " pages by nr_pages, but " +
           std::to_string(entry.compat_nr_pages()) + " by compat_nr_pages";
  }
  return "";
}

/// Reads one pagemap image. `prefix` leads from the dump to its set ("parent/").
class PagemapReader {
 public:
  PagemapReader(ImageSet& images, Diagnostics& diag, std::string prefix)
      : images_(images), diag_(diag), prefix_(std::move(prefix)) {}

  /// Addresses are below `limit`. `image_index` numbers the pages images.
  Result Read(const ImageKind& kind, std::uint64_t number, std::uint64_t limit,
              const std::function<std::uint32_t(std::string)>& image_index, RawPagemap* out);

 private:
  Result Entry(const pb::pagemap_entry& entry, const ImageReader& at, std::uint64_t limit,
               RawPagemap* out);

  ImageSet& images_;
  Diagnostics& diag_;
  std::string prefix_;
  std::uint64_t pages_ = 0;  // present so far
};

Result PagemapReader::Entry(const pb::pagemap_entry& entry, const ImageReader& at,
                            std::uint64_t limit, RawPagemap* out) {
  const auto where = [&] { return prefix_ + at.Where(); };
  RawRun raw;
  raw.entry = at.count() - 1;
  raw.run.start = entry.vaddr();
  // CRIU 4.2 writes the old field as 0: presence of the new one decides.
  raw.run.nr_pages = entry.has_nr_pages() ? entry.nr_pages() : entry.compat_nr_pages();
  raw.run.image_offset = pages_ * kPageSize;
  raw.flags = FlagsOf(entry);
  if (raw.run.start % kPageSize != 0 || raw.run.start > limit ||
      raw.run.nr_pages > (limit - raw.run.start + kPageSize - 1) / kPageSize) {
    return diag_.Fail(where(), std::to_string(raw.run.nr_pages) + " pages at " +
                                   HexText(raw.run.start) + " are not below " + HexText(limit));
  }
  if (!out->runs.empty() && raw.run.start < out->runs.back().run.end()) {
    return diag_.Fail(where(),
                      "begins at " + HexText(raw.run.start) + ", before the end of the run before");
  }
  const std::uint32_t unknown = raw.flags & ~(kPresent | kParent | kLazy);
  if (unknown != 0) {
    diag_.AddCounted("pagemap_entry.flags", {Severity::kUnsupported,
                                             where() + ".flags",
                                             "bits " + HexText(unknown) +
                                                 ", which this crgen does not know: they may say "
                                                 "where the pages are",
                                             {},
                                             {},
                                             true});
  }
  if ((raw.flags & (kPresent | kParent | kLazy)) == 0) {
    return diag_.Fail(where() + ".flags",
                      HexText(raw.flags) + " does not tell where the pages are");
  }
  if (const std::string problem = Contradiction(entry, raw.flags); !problem.empty()) {
    return diag_.Fail(where(), problem);
  }
  if ((raw.flags & kPresent) != 0) pages_ += raw.run.nr_pages;
  if (raw.run.nr_pages != 0) out->runs.push_back(raw);
  return Result::kOk;
}

Result PagemapReader::Read(const ImageKind& kind, std::uint64_t number, std::uint64_t limit,
                           const std::function<std::uint32_t(std::string)>& image_index,
                           RawPagemap* out) {
  ImageReader reader{"", ""};
  std::string_view bytes;
  pb::pagemap_head head;
  pb::pagemap_entry entry;
  if (Failed(images_.Open(kind, number, &reader, diag_))) return Result::kError;
  const std::string name = prefix_ + ImageSet::NameOf(kind, number);
  if (reader.AtEnd()) return diag_.Fail(name, "has no entry, expected pagemap_head");
  if (Failed(reader.Next(&bytes, diag_)) ||
      Failed(ParseMessage(bytes, reader, &head, diag_, prefix_))) {
    return Result::kError;
  }
  while (!reader.AtEnd()) {
    if (Failed(reader.Next(&bytes, diag_)) ||
        Failed(ParseMessage(bytes, reader, &entry, diag_, prefix_)) ||
        Failed(Entry(entry, reader, limit, out))) {
      return Result::kError;
    }
  }
  const ImageKind& pages_kind = ImageKindNamed("PAGES");
  const std::string pages_name = ImageSet::NameOf(pages_kind, head.pages_id());
  if (!images_.Use(pages_kind, head.pages_id())) {
    if (pages_ == 0) return Result::kOk;
    return diag_.Fail(prefix_ + pages_name,
                      "is missing, " + name + " wants " + std::to_string(pages_) + " pages of it");
  }
  std::uint64_t size = 0;
  if (Failed(images_.source().Size(pages_name, &size, diag_))) return Result::kError;
  if (size != pages_ * kPageSize) {
    return diag_.Fail(prefix_ + pages_name, "has " + std::to_string(size) + " bytes, " + name +
                                                " wants " + std::to_string(pages_ * kPageSize));
  }
  if (pages_ == 0) return Result::kOk;
  const std::uint32_t image = image_index(prefix_ + pages_name);
  for (RawRun& raw : out->runs) raw.run.image = image;
  return Result::kOk;
}

}  // namespace

/// All pages of one pagemap, those of parent sets included: `wanted` are the ranges that the sets
/// so far have left to the next one.
Result Loader::LoadPageRuns(const ImageKind& kind, std::uint64_t number, std::uint64_t limit,
                            std::vector<PageRun>* runs) {
  auto image_index = [&](std::string name) {
    auto [known, added] = page_image_index.emplace(
        std::move(name), static_cast<std::uint32_t>(snapshot.page_images.size()));
    if (added) snapshot.page_images.push_back(known->first);
    return known->second;
  };
  std::vector<AddressRange> wanted{{0, limit + kPageSize - 1}};
  bool own = true;
  for (std::size_t depth = 0; !wanted.empty(); ++depth, own = false) {
    ImageSet* set = own ? &images : Parent(depth - 1);
    const std::string prefix = own ? "" : ParentPrefix(depth);
    if (set == nullptr || !set->Has(kind, number)) {
      return diag.Fail(prefix + ImageSet::NameOf(kind, number),
                       "is missing" + (own ? std::string()
                                           : ", pages at " + HexText(wanted[0].start) +
                                                 " are to be found there"));
    }
    RawPagemap pagemap;
    if (Failed(
            PagemapReader(*set, diag, prefix).Read(kind, number, limit, image_index, &pagemap))) {
      return Result::kError;
    }
    std::vector<AddressRange> left;
    runs->reserve(runs->size() + pagemap.runs.size());
    auto raw = pagemap.runs.begin();
    for (const AddressRange& range : wanted) {
      std::uint64_t covered = range.start;
      while (raw != pagemap.runs.end() && raw->run.end() <= range.start) ++raw;
      for (auto at = raw; at != pagemap.runs.end() && at->run.start < range.end; ++at) {
        const PageRun part = at->run.Part(range.start, range.end);
        if (!own && part.start != covered) break;
        covered = part.end();
        if ((at->flags & kPresent) != 0) {
          runs->push_back(part);
        } else if ((at->flags & kParent) != 0) {
          left.push_back({part.start, part.end()});
        } else if ((at->flags & kLazy) != 0) {
          diag.Unsupported(
              prefix + ImageSet::NameOf(kind, number) + "[" + std::to_string(at->entry) + "]",
              "pages at " + HexText(part.start) + " were left with the source host");
        }
      }
      if (!own && covered < range.end) {
        return diag.Fail(prefix + ImageSet::NameOf(kind, number),
                         "has no pages at " + HexText(covered) +
                             ", where its child set expects "
                             "them");
      }
    }
    wanted = std::move(left);
  }
  std::sort(runs->begin(), runs->end(),
            [](const PageRun& a, const PageRun& b) { return a.start < b.start; });
  return Result::kOk;
}

ImageSet* Loader::Parent(std::size_t depth) {
  while (parents.size() <= depth) {
    if (parents.size() >= kMaxParents) return nullptr;
    ImageSource& child = parents.empty() ? images.source() : *parents.back().source;
    ParentSet next;
    next.source = child.Parent();
    if (next.source == nullptr) return nullptr;
    next.images = std::make_unique<ImageSet>(*next.source);
    if (Failed(next.images->Index(diag))) return nullptr;
    parents.push_back(std::move(next));
  }
  return parents[depth].images.get();
}

std::string Loader::ParentPrefix(std::size_t depth) {
  std::string prefix;
  for (std::size_t i = 0; i < depth; ++i) prefix += "parent/";
  return prefix;
}

}  // namespace crgen
