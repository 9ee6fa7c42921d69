// SPDX-License-Identifier: Apache-2.0
#include "restorer/compiled_loads.h"

#include <algorithm>

namespace crgen::restorer {

bool CompiledLoads::Join(const LoadPages& load, Op& op, std::vector<Op>& ops) {
  const Slice slice = {load.start.value, load.pages * kPageSize};
  const bool plain = op.await_count == 0 && op.done == nullptr;
  const bool joins = !slices_.empty() && !ops.empty() && ops.back().kind == OpKind::kLoad &&
                     plain && ops.back().done == nullptr && load.source.image == image_ &&
                     load.source.offset == image_end_;
  if (!joins) Finish(ops);
  if (joins && slices_.back().start + slices_.back().size == slice.start) {
    slices_.back().size += slice.size;
  } else {
    slices_.push_back(slice);
  }
  image_end_ = load.source.offset + slice.size;
  if (joins) {
    if (op.times != nullptr) op.times->reached = kWithTheOneBefore;
    return true;
  }
  image_ = load.source.image;
  op.kind = OpKind::kLoad;
  op.load.offset = load.source.offset;
  op.load.image = ImageName(image_);
  return false;
}

void CompiledLoads::Finish(std::vector<Op>& ops) {
  if (slices_.empty()) return;
  const auto last =
      std::find_if(ops.rbegin(), ops.rend(), [](const Op& op) { return op.kind == OpKind::kLoad; });
  last->load.slices = arena_.Copy(slices_);
  last->load.count = static_cast<std::uint32_t>(slices_.size());
  slices_.clear();
}

const char* CompiledLoads::ImageName(const std::string& image) {
  const char*& name = images_[image];
  if (name == nullptr) name = arena_.Text(std::to_string(services_.files->image(image)));
  return name;
}

}  // namespace crgen::restorer
