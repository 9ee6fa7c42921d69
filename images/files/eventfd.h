// SPDX-License-Identifier: Apache-2.0
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
    TakeDescription("efd", from, file);
    file->body = Eventfd{from.counter(), {}};
    ++count_;
    return Result::kOk;
  }
  void Finish(Loader& loader) override {
    if (count_ == 0) return;
    loader.diag.NotRestorable("files.img", std::to_string(count_) +
                                               " of type EVENTFD: no image says which count as a "
                                               "semaphore (EFD_SEMAPHORE); they come back without");
  }

 private:
  std::size_t count_ = 0;
};

}  // namespace crgen
