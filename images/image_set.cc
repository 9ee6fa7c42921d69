// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "images/load/loader.h"

namespace crgen {
namespace {

/// Where an image stands: by kind, then number.
using Place = std::pair<const ImageKind*, std::uint64_t>;

}  // namespace

Result ImageSet::Index(Diagnostics& diag) {
  std::vector<std::string> names;
  if (Failed(source_.List(&names, diag))) return Result::kError;
  std::vector<std::pair<Place, std::string*>> places;
  places.reserve(names.size());
  for (std::string& name : names) {
    std::uint64_t number = 0;
    if (const ImageKind* kind = FindImageKind(name, &number)) {
      places.push_back({{kind, number}, &name});
    } else if (name.ends_with(".img")) {
      strangers_.push_back(name);
    }
  }
  std::sort(places.begin(), places.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  std::sort(strangers_.begin(), strangers_.end());
  images_.reserve(places.size());
  for (auto& [place, name] : places) {
    images_.push_back({place.first, place.second, std::move(*name)});
  }
  return Result::kOk;
}

ImageSet::Image* ImageSet::Find(const ImageKind& kind, std::uint64_t number) {
  auto found = std::lower_bound(images_.begin(), images_.end(), Place{&kind, number},
                                [](const Image& image, const Place& place) {
                                  return Place{image.kind, image.number} < place;
                                });
  if (found == images_.end() || found->kind != &kind || found->number != number) return nullptr;
  return &*found;
}

bool ImageSet::Use(const ImageKind& kind, std::uint64_t number) {
  Image* image = Find(kind, number);
  if (image != nullptr) image->used = true;
  return image != nullptr;
}

Result ImageSet::Open(const ImageKind& kind, std::uint64_t number, ImageReader* reader,
                      Diagnostics& diag) {
  Image* image = Find(kind, number);
  if (image == nullptr) return diag.Fail(NameOf(kind, number), "is missing");
  image->used = true;
  const bool ahead = ahead_ != nullptr && image->ahead >= 0 &&
                     ahead_->Take(static_cast<std::size_t>(image->ahead), &content_);
  if (!ahead && Failed(source_.Read(image->name, &content_, diag))) return Result::kError;
  *reader = ImageReader(image->name, content_);
  return reader->ReadMagic(kind, diag);
}

void ImageSet::ReadAhead(const std::vector<Image*>& order, unsigned threads) {
  std::vector<const std::string*> names;
  for (Image* image : order) {
    image->ahead = static_cast<std::int32_t>(names.size());
    names.push_back(&image->name);
  }
  ahead_ = std::make_unique<crgen::ReadAhead>(source_, std::move(names), threads);
}

std::string ImageSet::NameOf(const ImageKind& kind, std::uint64_t number) {
  std::string name(kind.pattern);
  const std::size_t hole = name.find('#');
  if (hole != std::string::npos) name.replace(hole, 1, std::to_string(number));
  const std::size_t hex = name.find('%');
  if (hex != std::string::npos) name.replace(hex, 1, HexText(number).substr(2));
  return name;
}

}  // namespace crgen
