#pragma once

#include "images/files/file_loader.h"
#include "images/load/file_checks.h"
#include "images/load/loader.h"

namespace crgen {

template <>
class FileLoaderOf<Eventfd> : public FileLoader {
 public:
  static constexpr std::uint32_t kType = pb::FD_EVENTFD;
  Result Convert(const pb::file_entry& entry, const ImageReader& at, Loader& loader,
                 ConvertedFile* file) override {
    if (!entry.has_efd()) return MissingMessage(at, kType, loader.diag);
    const auto& from = entry.efd();
    const Place place(at, loader.diag, "efd");
    CheckAnonymousFlags(from.flags(), place);
    if (from.counter() == ~std::uint64_t{0}) place.Error(".counter", "no eventfd counts that far");
    file->field = "efd";
    file->id = from.id();
    file->flags = from.flags();
    file->owner = &from.fown();
    file->body = Eventfd{from.counter(), {}};
    return Result::kOk;
  }
};

}  // namespace crgen
