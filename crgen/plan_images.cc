// SPDX-License-Identifier: Apache-2.0
#include "crgen/plan_images.h"

#include <algorithm>
#include <unordered_set>

#include "dsl/references.h"
#include "model/dump_run.h"

namespace crgen {
namespace {

const DumpIdentity* DumpOf(const Program& program) {
  const About* about = AboutOf(program);
  return about != nullptr && about->dump ? &*about->dump : nullptr;
}

}  // namespace

std::vector<std::string> ImagesOf(const Program& program) {
  std::vector<std::string> names;
  std::unordered_set<std::string> known;
  for (const Command& command : program) {
    ForEachSource(command.body, [&](const ImageSpan& span, std::uint64_t) {
      // Pages that follow each other are mostly of one image.
      if (!names.empty() && names.back() == span.image) return;
      if (known.insert(span.image).second) names.push_back(span.image);
    });
  }
  return names;
}

Result BindToImages(Program* program, PageImages& images, bool digests, unsigned threads,
                    Diagnostics& diag) {
  if (program->empty()) return Result::kOk;
  auto* root = std::get_if<Fork>(&program->front().body);
  if (root == nullptr || root->about == nullptr) return Result::kOk;
  std::vector<ImageFile> files;
  if (Failed(images.Describe(ImagesOf(*program), digests, threads, &files, diag))) {
    return Result::kError;
  }
  if (files.empty()) return Result::kOk;
  auto about = std::make_shared<About>(*root->about);
  if (!about->dump) about->dump.emplace();
  about->dump->images = std::move(files);
  root->about = std::move(about);
  return Result::kOk;
}

bool HasDigests(const Program& program) {
  const DumpIdentity* dump = DumpOf(program);
  return dump != nullptr && std::ranges::any_of(dump->images, [](const ImageFile& file) {
           return file.digest.has_value();
         });
}

Result CompareImages(const Program& program, const std::string& dump_id, PageImages& images,
                     unsigned threads, Diagnostics& diag) {
  const DumpIdentity* dump = DumpOf(program);
  if (dump == nullptr) return Result::kOk;
  bool equal = true;
  const auto differs = [&](const std::string& where, const std::string& expected,
                           const std::string& found) {
    equal = false;
    diag.Error(where, "the plan says " + expected + ", the dump has " + found);
  };
  if (!dump->id.empty() && dump->id != dump_id) {
    differs("about.dump.id", dump->id, dump_id.empty() ? "none" : dump_id);
  }
  std::vector<std::string> all, with_digest;
  for (const ImageFile& file : dump->images) {
    (file.digest ? with_digest : all).push_back(file.name);
  }
  std::vector<ImageFile> found, found_with_digest;
  if (Failed(images.Describe(all, false, threads, &found, diag)) ||
      Failed(images.Describe(with_digest, true, threads, &found_with_digest, diag))) {
    return Result::kError;
  }
  auto plain = found.begin(), summed = found_with_digest.begin();
  for (const ImageFile& file : dump->images) {
    const ImageFile& other = file.digest ? *summed++ : *plain++;
    if (file.size != other.size) {
      differs(file.name, std::to_string(file.size) + " bytes", std::to_string(other.size));
    } else if (file.digest && *file.digest != *other.digest) {
      differs(file.name, file.digest->text, other.digest->text);
    }
  }
  return equal ? Result::kOk : Result::kError;
}

Result CompareImages(const Program& program, ImageSource& source, unsigned threads,
                     Diagnostics& diag) {
  const DumpIdentity* dump = DumpOf(program);
  if (dump == nullptr) return Result::kOk;
  std::string inventory;
  std::uint64_t size = 0;
  Diagnostics absent;
  if (Failed(source.Size(kInventory, &size, absent)) || size > kMostInventory ||
      Failed(source.Read(kInventory, &inventory, absent))) {
    if (!dump->id.empty()) {
      diag.Warning(kInventory, "cannot be read: whether the images are of the run " + dump->id +
                                   " is not known");
    }
  } else if (!dump->id.empty() && !IsOfRun(inventory, dump->id)) {
    return diag.Fail("about.dump.id",
                     "the plan says " + dump->id + ", the images are of another run");
  }
  PageImages images(source);
  return CompareImages(program, dump->id, images, threads, diag);
}

}  // namespace crgen
