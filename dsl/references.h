// SPDX-License-Identifier: Apache-2.0
// What commands refer to: walks over the members of described bodies by their types, so that
// whoever orders, counts or compares commands knows no type of file by name.
#pragma once

#include <memory>
#include <optional>
#include <type_traits>
#include <vector>

#include "dsl/attributes.h"
#include "dsl/commands.h"
#include "dsl/files/files.h"
#include "dsl/value_kinds.h"

namespace crgen {

/// Calls `function(value)` for `value` or each value in it that is of type T: through described
/// structs, optionals and vectors.
template <typename T, typename Value, typename Function>
void ForEachValue(const Value& value, Function&& function) {
  if constexpr (std::is_same_v<Value, T>) {
    function(value);
  } else if constexpr (InnerOf<Value>::kIsOptional) {
    if (value) ForEachValue<T>(*value, function);
  } else if constexpr (InnerOf<Value>::kIsVector) {
    if constexpr (Described<typename InnerOf<Value>::Type>) {
      for (const auto& entry : value) ForEachValue<T>(entry, function);
    }
  } else if constexpr (Described<Value>) {
    ForEachField<Value>([&](const auto& field) { ForEachValue<T>(value.*field.member, function); });
  }
}

/// The same for the body of a file.
template <typename T, typename Function>
void ForEachValueOf(const File& file, Function&& function) {
  std::visit([&](const auto& body) { ForEachValue<T>(body, function); }, file.body);
}

/// The kinds of objects behind open file descriptions.
enum class ObjectKind { kMemfd, kPipe, kFifo, kSocket, kUnlinked, kDead, kTerminal, kBpfMap };

/// Calls `function(kind, id)` for each object that the description names.
template <typename Function>
void ForEachObject(const File& file, Function&& function) {
  ForEachValueOf<InodeId>(file, [&](InodeId id) { function(ObjectKind::kMemfd, id.value); });
  ForEachValueOf<PipeId>(file, [&](PipeId id) { function(ObjectKind::kPipe, id.value); });
  ForEachValueOf<FifoId>(file, [&](FifoId id) { function(ObjectKind::kFifo, id.value); });
  ForEachValueOf<SocketId>(file, [&](SocketId id) { function(ObjectKind::kSocket, id.value); });
  ForEachValueOf<UnlinkedId>(file,
                             [&](UnlinkedId id) { function(ObjectKind::kUnlinked, id.value); });
  ForEachValueOf<DeadId>(file, [&](DeadId id) { function(ObjectKind::kDead, id.value); });
  ForEachValueOf<BpfMapId>(file, [&](BpfMapId id) { function(ObjectKind::kBpfMap, id.value); });
  ForEachValueOf<TtyId>(file, [&](TtyId id) { function(ObjectKind::kTerminal, id.value); });
}

/// Calls `function(fd, file, cloexec)` for each description that the command makes.
template <typename Function>
void ForEachOpened(const OpenFile& open, Function&& function) {
  function(open.fd, *open.file, open.cloexec);
  if (open.peer != nullptr) function(open.peer->fd, *open.peer->file, open.peer->cloexec);
}

/// Calls `function(span, bytes)` for each run of bytes that the command takes out of an image.
template <typename Function>
void ForEachSource(const CommandBody& body, Function&& function) {
  const auto part = [&](const ImageBytes& it) {
    function(ImageSpan{it.image, it.offset}, it.bytes);
  };
  const auto run = [&](const ContentRun& it) { function(it.source, it.bytes); };
  if (const auto* load = std::get_if<LoadPages>(&body)) {
    function(load->source, load->pages * kPageSize);
  } else if (const auto* map = std::get_if<MapRegion>(&body)) {
    if (map->events) part(*map->events);
  } else if (const auto* open = std::get_if<OpenFile>(&body)) {
    ForEachOpened(*open, [&](Fd, const File& file, bool) {
      ForEachValueOf<ImageBytes>(file, part);
      ForEachValueOf<ContentRun>(file, run);
    });
  } else if (const auto* set = std::get_if<SetAttr>(&body)) {
    for (const Mount& mount : set->attributes->mounts) ForEachValue<ImageBytes>(mount, part);
    if (const auto& ipc = set->attributes->ipc) {
      ForEachValue<ImageBytes>(*ipc, part);
      ForEachValue<ContentRun>(*ipc, run);
    }
    if (set->attributes->net) ForEachValue<ImageBytes>(*set->attributes->net, part);
    for (const DescriptorState& late : set->attributes->descriptors) {
      std::visit(
          [&](const auto& state) {
            ForEachValue<ImageBytes>(state, part);
            ForEachValue<SentMessage>(
                state, [&](const SentMessage& it) { function(it.source, it.bytes); });
          },
          late.state);
    }
  }
}

}  // namespace crgen
