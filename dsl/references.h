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

/// Calls `function(value)` for `value` or each value in it whose type `Matches`: through described
/// structs, optionals and vectors.
template <template <typename> class Matches, typename Value, typename Function>
void ForEachMatch(const Value& value, Function&& function) {
  if constexpr (Matches<Value>::value) {
    function(value);
  } else if constexpr (InnerOf<Value>::kIsOptional) {
    if (value) ForEachMatch<Matches>(*value, function);
  } else if constexpr (InnerOf<Value>::kIsVector) {
    if constexpr (Described<typename InnerOf<Value>::Type>) {
      for (const auto& entry : value) ForEachMatch<Matches>(entry, function);
    }
  } else if constexpr (Described<Value>) {
    ForEachField<Value>(
        [&](const auto& field) { ForEachMatch<Matches>(value.*field.member, function); });
  }
}

template <typename T>
struct Exactly {
  template <typename Value>
  using Matches = std::is_same<Value, T>;
};

/// The same for values of type T.
template <typename T, typename Value, typename Function>
void ForEachValue(const Value& value, Function&& function) {
  ForEachMatch<Exactly<T>::template Matches>(value, function);
}

/// The same for the body of a file.
template <typename T, typename Function>
void ForEachValueOf(const File& file, Function&& function) {
  std::visit([&](const auto& body) { ForEachValue<T>(body, function); }, file.body);
}

/// The kinds of objects behind open file descriptions.
enum class ObjectKind { kMemfd, kPipe, kFifo, kSocket, kUnlinked, kDead, kTerminal, kBpfMap };

/// What an id in a description names; nullopt: no object of its own. Each kind of id says so.
constexpr std::optional<ObjectKind> KindOf(FileId) { return std::nullopt; }
constexpr std::optional<ObjectKind> KindOf(ShmemId) { return std::nullopt; }
constexpr std::optional<ObjectKind> KindOf(SocketReference) { return std::nullopt; }
constexpr std::optional<ObjectKind> KindOf(InodeId) { return ObjectKind::kMemfd; }
constexpr std::optional<ObjectKind> KindOf(PipeId) { return ObjectKind::kPipe; }
constexpr std::optional<ObjectKind> KindOf(FifoId) { return ObjectKind::kFifo; }
constexpr std::optional<ObjectKind> KindOf(SocketId) { return ObjectKind::kSocket; }
constexpr std::optional<ObjectKind> KindOf(UnlinkedId) { return ObjectKind::kUnlinked; }
constexpr std::optional<ObjectKind> KindOf(DeadId) { return ObjectKind::kDead; }
constexpr std::optional<ObjectKind> KindOf(BpfMapId) { return ObjectKind::kBpfMap; }
constexpr std::optional<ObjectKind> KindOf(TtyId) { return ObjectKind::kTerminal; }

template <typename Value>
struct IsObjectId : std::false_type {};
template <typename Tag>
struct IsObjectId<ObjectId<Tag>> : std::true_type {};

/// Calls `function(kind, id)` for each object that the description names.
template <typename Function>
void ForEachObject(const File& file, Function&& function) {
  std::visit(
      [&](const auto& body) {
        ForEachMatch<IsObjectId>(body, [&](auto id) {
          if constexpr (constexpr auto kind = KindOf(decltype(id){})) function(*kind, id.value);
        });
      },
      file.body);
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
    ForEachNet(*set->attributes,
               [&](const NetNamespace& net) { ForEachValue<ImageBytes>(net, part); });
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
