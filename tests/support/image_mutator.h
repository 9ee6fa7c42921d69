// SPDX-License-Identifier: Apache-2.0
// Mutants of a dump: fields, entries and images are changed, not bytes, so that every value of
// every message is reached and the framing stays right.
#pragma once

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "images/image_table.h"
#include "tests/support/image_builder.h"

namespace crgen::test {

/// A dump whose images are messages.
class ImageMutator {
 public:
  ImageMutator(Files files, std::uint32_t seed) : files_(std::move(files)), random_(seed) {
    for (const auto& [name, content] : files_) Parse(name, content);
    for (const Image& image : images_) {
      for (const Entry& entry : image.entries) Learn(*entry);
    }
  }

  /// The dump with one thing changed, now and then with two; `*what` says which.
  Files Next(std::string* what) {
    what->clear();
    Files files = files_;
    const int changes = Below(8) == 0 ? 2 : 1;
    for (int i = 0; i < changes; ++i) {
      if (i != 0) *what += "; ";
      *what += Change(&files);
    }
    return files;
  }

 private:
  using FieldDescriptor = google::protobuf::FieldDescriptor;
  using Message = google::protobuf::Message;
  using Entry = std::unique_ptr<Message>;
  struct Image {
    std::string name;
    const ImageKind* kind;
    std::string magics;
    std::vector<Entry> entries;
  };

  std::size_t Below(std::size_t count) { return random_() % count; }

  static Entry NewMessage(std::string_view name) {
    const auto* type = google::protobuf::DescriptorPool::generated_pool()->FindMessageTypeByName(
        "crgen.pb." + std::string(name));
    if (type == nullptr) return nullptr;
    return Entry(google::protobuf::MessageFactory::generated_factory()->GetPrototype(type)->New());
  }

  /// Keeps images that are all framed messages which crgen knows.
  void Parse(const std::string& path, const std::string& content) {
    std::uint64_t number = 0;
    const ImageKind* kind = FindImageKind(path.substr(path.rfind('/') + 1), &number);
    if (kind == nullptr || kind->payload != Payload::kNone) return;
    Image image{path, kind, content.substr(0, kind->name == "INVENTORY" ? 4 : 8), {}};
    for (std::size_t at = image.magics.size(); at + 4 <= content.size();) {
      std::uint32_t size = 0;
      std::memcpy(&size, content.data() + at, sizeof size);
      Entry entry = NewMessage(image.entries.empty() ? kind->entry : kind->following);
      if (entry == nullptr ||
          !entry->ParseFromArray(content.data() + at + 4, static_cast<int>(size)))
        return;
      image.entries.push_back(std::move(entry));
      at += 4 + size;
    }
    if (!image.entries.empty()) images_.push_back(std::move(image));
  }

  static std::string Bytes(const Image& image, const std::vector<const Message*>& entries) {
    std::string bytes = image.magics;
    for (const Message* entry : entries) AppendEntry(entry->SerializePartialAsString(), &bytes);
    return bytes;
  }

  /// All values that a field has anywhere in the dump.
  void Learn(const Message& message) {
    const auto* reflection = message.GetReflection();
    std::vector<const FieldDescriptor*> fields;
    reflection->ListFields(message, &fields);
    for (const FieldDescriptor* field : fields) {
      const int count = field->is_repeated() ? reflection->FieldSize(message, field) : 1;
      for (int i = 0; i < count; ++i) {
        if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
          Learn(field->is_repeated() ? reflection->GetRepeatedMessage(message, field, i)
                                     : reflection->GetMessage(message, field));
        } else if (field->cpp_type() != FieldDescriptor::CPPTYPE_STRING) {
          std::vector<std::uint64_t>& values = values_[field];
          if (values.size() < kMaxValues) values.push_back(Number(message, field, i));
        }
      }
    }
  }

  static std::uint64_t Number(const Message& message, const FieldDescriptor* field, int i) {
    const auto* r = message.GetReflection();
    const bool many = field->is_repeated();
    switch (field->cpp_type()) {
      case FieldDescriptor::CPPTYPE_UINT32:
        return many ? r->GetRepeatedUInt32(message, field, i) : r->GetUInt32(message, field);
      case FieldDescriptor::CPPTYPE_UINT64:
        return many ? r->GetRepeatedUInt64(message, field, i) : r->GetUInt64(message, field);
      case FieldDescriptor::CPPTYPE_INT32:
        return static_cast<std::uint64_t>(many ? r->GetRepeatedInt32(message, field, i)
                                               : r->GetInt32(message, field));
      case FieldDescriptor::CPPTYPE_INT64:
        return static_cast<std::uint64_t>(many ? r->GetRepeatedInt64(message, field, i)
                                               : r->GetInt64(message, field));
      default:
        return many ? r->GetRepeatedBool(message, field, i) : r->GetBool(message, field);
    }
  }

  static void SetNumber(Message* message, const FieldDescriptor* field, int i,
                        std::uint64_t value) {
    const auto* r = message->GetReflection();
    const bool many = field->is_repeated();
    const auto u32 = static_cast<std::uint32_t>(value);
    const auto i32 = static_cast<std::int32_t>(value);
    const auto i64 = static_cast<std::int64_t>(value);
    switch (field->cpp_type()) {
      case FieldDescriptor::CPPTYPE_UINT32:
        many ? r->SetRepeatedUInt32(message, field, i, u32) : r->SetUInt32(message, field, u32);
        break;
      case FieldDescriptor::CPPTYPE_UINT64:
        many ? r->SetRepeatedUInt64(message, field, i, value) : r->SetUInt64(message, field, value);
        break;
      case FieldDescriptor::CPPTYPE_INT32:
        many ? r->SetRepeatedInt32(message, field, i, i32) : r->SetInt32(message, field, i32);
        break;
      case FieldDescriptor::CPPTYPE_INT64:
        many ? r->SetRepeatedInt64(message, field, i, i64) : r->SetInt64(message, field, i64);
        break;
      default:
        many ? r->SetRepeatedBool(message, field, i, value & 1)
             : r->SetBool(message, field, value & 1);
    }
  }

  /// A boundary, a neighbour, a flipped bit, or what another entry has there.
  std::uint64_t OtherNumber(const FieldDescriptor* field, std::uint64_t now) {
    constexpr std::uint64_t kBoundaries[] = {0,
                                             1,
                                             2,
                                             ~std::uint64_t{0},
                                             std::uint64_t{1} << 31,
                                             (std::uint64_t{1} << 31) - 1,
                                             std::uint64_t{1} << 63,
                                             (std::uint64_t{1} << 63) - 1,
                                             std::uint64_t{1} << 47,
                                             4096,
                                             64,
                                             65};
    switch (Below(5)) {
      case 0:
      case 1:
        return kBoundaries[Below(std::size(kBoundaries))];
      case 2:
        return now + (Below(2) == 0 ? 1 : ~std::uint64_t{0});
      case 3:
        return now ^ (std::uint64_t{1} << Below(64));
      default: {
        const std::vector<std::uint64_t>& values = values_[field];
        return values.empty() ? 0 : values[Below(values.size())];
      }
    }
  }

  /// Changes one field of `message`, or of a message in it.
  std::string ChangeField(Message* message) {
    const auto* type = message->GetDescriptor();
    const auto* reflection = message->GetReflection();
    if (type->field_count() == 0) return "nothing";
    const FieldDescriptor* field = type->field(static_cast<int>(Below(type->field_count())));
    const std::string name = "." + field->name();
    const int count = field->is_repeated() ? reflection->FieldSize(*message, field)
                      : reflection->HasField(*message, field) ? 1
                                                              : 0;
    const int i = count == 0 ? 0 : static_cast<int>(Below(count));
    const std::string index = field->is_repeated() ? "[" + std::to_string(i) + "]" : "";
    const std::size_t how = Below(10);
    if (field->is_repeated() && count != 0 && how == 0) {
      reflection->SwapElements(message, field, i, count - 1);
      reflection->RemoveLast(message, field);
      return name + index + " removed";
    }
    if (!field->is_repeated() && count != 0 && !field->is_required() && how == 0) {
      reflection->ClearField(message, field);
      return name + " cleared";
    }
    if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      if (count == 0) return name + " not there";
      if (!field->is_repeated()) {
        return name + ChangeField(reflection->MutableMessage(message, field));
      }
      Message* part = reflection->MutableRepeatedMessage(message, field, i);
      if (how == 1) {
        reflection->AddMessage(message, field)
            ->CopyFrom(reflection->GetRepeatedMessage(*message, field, i));
        return name + index + " twice";
      }
      return name + index + ChangeField(part);
    }
    if (field->cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
      if (field->is_repeated()) return "nothing";
      std::string bytes = reflection->GetString(*message, field);
      if (how < 3)
        bytes += std::string(how + 1, how == 0 ? '\0' : 'x');
      else if (how < 6 || bytes.empty())
        bytes = bytes.substr(0, bytes.size() / 2);
      else
        bytes[Below(bytes.size())] ^= static_cast<char>(1 << Below(8));
      reflection->SetString(message, field, bytes);
      return name + " with other bytes";
    }
    if (count == 0 && field->is_repeated()) return name + " not there";
    const std::uint64_t value = OtherNumber(field, Number(*message, field, i));
    SetNumber(message, field, i, value);
    return name + index + " = " + std::to_string(value);
  }

  /// Changes an entry of one image, or the order of entries, or exchanges images.
  std::string Change(Files* files) {
    const Image& image = images_[Below(images_.size())];
    std::vector<const Message*> entries;
    for (const Entry& entry : image.entries) entries.push_back(entry.get());
    const std::size_t at = Below(entries.size());
    const std::string place = image.name + "[" + std::to_string(at) + "]";
    Entry changed(entries[at]->New());
    changed->CopyFrom(*entries[at]);
    std::string what;
    switch (Below(24)) {
      case 0:
        entries.erase(entries.begin() + static_cast<std::ptrdiff_t>(at));
        what = place + " removed";
        break;
      case 1:
        entries.push_back(entries[at]);
        what = place + " twice";
        break;
      case 2:
        std::swap(entries[at], entries[Below(entries.size())]);
        what = place + " moved";
        break;
      case 3: {
        const Image& other = images_[Below(images_.size())];
        const Message* entry = other.entries[Below(other.entries.size())].get();
        if (entry->GetDescriptor() == changed->GetDescriptor()) entries[at] = entry;
        what = place + " as in " + other.name;
        break;
      }
      case 4:
        files->erase(image.name);
        return image.name + " dropped";
      default:
        what = place + ChangeField(changed.get());
        entries[at] = changed.get();
    }
    (*files)[image.name] = Bytes(image, entries);
    return what;
  }

  static constexpr std::size_t kMaxValues = 256;

  const Files files_;
  std::minstd_rand random_;
  std::vector<Image> images_;
  std::map<const FieldDescriptor*, std::vector<std::uint64_t>> values_;
};

}  // namespace crgen::test
