// SPDX-License-Identifier: Apache-2.0
#include "images/load/unknown_fields.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/reflection.h>
#include <google/protobuf/unknown_field_set.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace crgen {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::MessageFactory;
using google::protobuf::Reflection;
using google::protobuf::UnknownFieldSet;

/// They decide where bytes lie, what is mapped, who gets which rights, or what lies in which
/// namespace.
constexpr std::string_view kDeciding[] = {
    "pagemap_head",    "pagemap_entry",      "vma_entry",           "mm_entry",
    "creds_entry",     "seccomp_filter",     "seccomp_entry",       "inventory_entry",
    "pstree_entry",    "fs_entry",           "task_kobj_ids_entry", "file_entry",
    "reg_file_entry",  "memfd_file_entry",   "pipe_entry",          "fifo_entry",
    "pipe_data_entry", "memfd_inode_entry",  "unix_sk_entry",       "sk_packet_entry",
    "scm_entry",       "inet_sk_entry",      "tcp_stream_entry",    "fdinfo_entry",
    "rlimit_entry",    "task_rlimits_entry", "cg_set_entry",        "cg_member_entry",
    "utsns_entry",     "ipc_var_entry",      "mnt_entry",           "remap_file_path_entry",
    "netns_entry",     "net_device_entry",   "bpfmap_file_entry",   "bpfmap_data_entry",
    "timens_entry",    "ghost_file_entry",   "ghost_chunk_entry",   "aio_ring_entry",
    "plugins_entry"};

constexpr std::size_t kHighestNumber = 256;  ///< those above are looked up by reflection

/// Fields of CRIU 4.2 that no message of images/proto has, because nothing reads them.
struct Unread {
  std::string_view message;
  int first, last;
  std::string_view why;
};
constexpr Unread kUnread[] = {
    {"core_entry", 6, 13, "registers of other machines, which are refused by name"},
    {"sit_entry", 1, 16, "of tunnels, which are refused by name"},
    {"file_entry", 4, 22, "descriptor types that are refused by name"},
};

struct Shape;

/// What a field has behind its tag.
struct KnownField {
  enum Kind : std::uint8_t { kNone, kVarint, kEnum, kFixed32, kFixed64, kBytes, kMessage };
  Kind kind = kNone;
  bool may_be_packed = false;
  std::uint64_t values = 0;      ///< of an enum: those below 64
  const Shape* shape = nullptr;  ///< of a message
};

/// What is to be looked at in the messages of one type.
struct Shape {
  const Descriptor* descriptor = nullptr;
  const Reflection* reflection = nullptr;  ///< to ask each message for it takes longer
  bool deciding = false;
  bool mostly_parts = false;
  struct Part {
    const FieldDescriptor* field;
    const Shape* shape;
  };
  std::vector<Part> parts;
  std::vector<KnownField> fields;  ///< by number
};

KnownField KnownFieldOf(const FieldDescriptor& field, const Shape* part) {
  KnownField known;
  known.may_be_packed = field.is_packable();
  known.shape = part;
  switch (field.type()) {
    case FieldDescriptor::TYPE_MESSAGE:
      known.kind = KnownField::kMessage;
      break;
    case FieldDescriptor::TYPE_STRING:
    case FieldDescriptor::TYPE_BYTES:
      known.kind = KnownField::kBytes;
      break;
    case FieldDescriptor::TYPE_FIXED32:
    case FieldDescriptor::TYPE_SFIXED32:
    case FieldDescriptor::TYPE_FLOAT:
      known.kind = KnownField::kFixed32;
      break;
    case FieldDescriptor::TYPE_FIXED64:
    case FieldDescriptor::TYPE_SFIXED64:
    case FieldDescriptor::TYPE_DOUBLE:
      known.kind = KnownField::kFixed64;
      break;
    case FieldDescriptor::TYPE_ENUM:
      known.kind = KnownField::kEnum;
      known.may_be_packed = false;  // each value would have to be looked at
      for (int i = 0; i < field.enum_type()->value_count(); ++i) {
        const int value = field.enum_type()->value(i)->number();
        if (value >= 0 && value < 64) known.values |= std::uint64_t{1} << value;
      }
      break;
    case FieldDescriptor::TYPE_GROUP:
      break;
    default:
      known.kind = KnownField::kVarint;
  }
  return known;
}

const Shape& ShapeOf(const Descriptor* descriptor) {
  thread_local std::unordered_map<const Descriptor*, std::unique_ptr<Shape>> shapes;
  std::unique_ptr<Shape>& shape = shapes[descriptor];
  if (shape != nullptr) return *shape;
  shape = std::make_unique<Shape>();
  Shape& out = *shape;  // `shape` moves when the map grows
  out.descriptor = descriptor;
  out.reflection = MessageFactory::generated_factory()->GetPrototype(descriptor)->GetReflection();
  out.deciding = std::find(std::begin(kDeciding), std::end(kDeciding), descriptor->name()) !=
                 std::end(kDeciding);
  for (int i = 0; i < descriptor->field_count(); ++i) {
    const FieldDescriptor* field = descriptor->field(i);
    const bool is_part = field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE;
    const Shape* part = is_part ? &ShapeOf(field->message_type()) : nullptr;
    if (is_part) out.parts.push_back({field, part});
    const auto number = static_cast<std::size_t>(field->number());
    if (number > kHighestNumber) continue;
    if (out.fields.size() <= number) out.fields.resize(number + 1);
    out.fields[number] = KnownFieldOf(*field, part);
  }
  out.mostly_parts = 2 * out.parts.size() > static_cast<std::size_t>(descriptor->field_count());
  return out;
}

/// Reads the wire format of protobuf, which a message has been parsed from, far faster than
/// reflection looks at the message. False: something in it is not known, or not easily.
class KnownOnly {
 public:
  explicit KnownOnly(std::string_view bytes) : at_(bytes.data()), end_(at_ + bytes.size()) {}

  bool Look(const Shape& shape) {
    while (at_ != end_) {
      std::uint64_t tag = 0;
      if (!Varint(&tag) || tag >> 3 >= shape.fields.size()) return false;
      if (!LookBehind(tag & 7, shape.fields[tag >> 3])) return false;
    }
    return true;
  }

 private:
  bool LookBehind(std::uint64_t wire_type, const KnownField& field) {
    std::uint64_t value = 0;
    switch (wire_type) {
      case 0:
        if (!Varint(&value)) return false;
        if (field.kind == KnownField::kEnum) return value < 64 && (field.values >> value & 1) != 0;
        return field.kind == KnownField::kVarint;
      case 1:
        return field.kind == KnownField::kFixed64 && Skip(8);
      case 2:
        if (!Varint(&value) || value > static_cast<std::size_t>(end_ - at_)) return false;
        if (field.kind == KnownField::kMessage) {
          if (!KnownOnly({at_, value}).Look(*field.shape)) return false;
        } else if (field.kind != KnownField::kBytes && !field.may_be_packed) {
          return false;
        }
        return Skip(value);
      case 5:
        return field.kind == KnownField::kFixed32 && Skip(4);
      default:
        return false;
    }
  }
  bool Varint(std::uint64_t* value) {
    if (at_ != end_ && static_cast<unsigned char>(*at_) < 0x80) {  // nearly always
      *value = static_cast<unsigned char>(*at_++);
      return true;
    }
    *value = 0;
    for (int shift = 0; shift < 64 && at_ != end_; shift += 7) {
      const auto byte = static_cast<unsigned char>(*at_++);
      *value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return true;
    }
    return false;
  }
  bool Skip(std::uint64_t bytes) {
    if (bytes > static_cast<std::size_t>(end_ - at_)) return false;
    at_ += bytes;
    return true;
  }

  const char* at_;
  const char* end_;
};

bool IsUnread(std::string_view message, int field) {
  return std::any_of(std::begin(kUnread), std::end(kUnread), [&](const Unread& row) {
    return row.message == message && row.first <= field && field <= row.last;
  });
}

class Search {
 public:
  Search(const ImageReader& at, const std::string& prefix, Diagnostics& diag)
      : at_(at), prefix_(prefix), diag_(diag) {}

  void Look(const Message& message, const Shape& shape) {
    const Reflection* reflection = shape.reflection;
    const UnknownFieldSet& unknown = reflection->GetUnknownFields(message);
    if (!unknown.empty()) Report(unknown, shape.descriptor->name(), shape.deciding);
    // A file_entry has one of twenty parts: to list what is there is less than to ask for each.
    std::vector<const FieldDescriptor*> there;
    if (shape.mostly_parts) reflection->ListFields(message, &there);
    for (const Shape::Part& part : shape.parts) {
      if (shape.mostly_parts && std::ranges::find(there, part.field) == there.end()) continue;
      if (!part.field->is_repeated()) {
        if (shape.mostly_parts || reflection->HasField(message, part.field)) {
          Look(reflection->GetMessage(message, part.field), *part.shape);
        }
        continue;
      }
      const auto list = reflection->GetRepeatedFieldRef<Message>(message, part.field);
      for (int i = 0; i < list.size(); ++i) Look(list.Get(i, nullptr), *part.shape);
    }
  }

 private:
  void Report(const UnknownFieldSet& unknown, const std::string& message, bool deciding) {
    for (int i = 0; i < unknown.field_count(); ++i) {
      const int number = unknown.field(i).number();
      if (IsUnread(message, number)) continue;
      const std::string field = "field " + std::to_string(number) + " of " + message;
      diag_.AddCounted(
          field, {deciding ? Severity::kUnsupported : Severity::kWarning,
                  prefix_ + at_.Where(),
                  deciding ? field + ", which this crgen does not know; the message decides where "
                                     "bytes lie, what is mapped or who gets which rights"
                           : field + " is not known to this crgen: what it says is not planned",
                  {},
                  {},
                  deciding});
    }
  }

  const ImageReader& at_;
  const std::string& prefix_;
  Diagnostics& diag_;
};

}  // namespace

void ReportUnknownFields(const Message& message, std::string_view bytes, const ImageReader& at,
                         const std::string& prefix, Diagnostics& diag) {
  const Shape& shape = ShapeOf(message.GetDescriptor());
  if (!KnownOnly(bytes).Look(shape)) Search(at, prefix, diag).Look(message, shape);
}

std::string UnknownFieldsReference() {
  std::string text =
      "\n## Fields, values and images that are newer than crgen\n\n"
      "A field that crgen does not know is a warning with its message, its number and how often "
      "it\n"
      "occurs. In a message that decides where bytes lie, what is mapped or who gets which rights "
      "the\ndump is refused, also with `--partial`:\n";
  for (std::string_view message : kDeciding) {
    text += (message == kDeciding[0] ? "`" : ", `") + std::string(message) + "`";
  }
  text +=
      ".\nLikewise an unknown number or flag bit: where it decides so, it is refused by name. A "
      "file\n`*.img` with CRIU's magic that no row matches is refused, one without it is a "
      "warning.\n\n"
      "Known fields of CRIU that nothing reads:\n\n| field | why |\n|---|---|\n";
  for (const Unread& row : kUnread) {
    text += "| `" + std::string(row.message) + "` " + std::to_string(row.first) +
            (row.last == row.first ? "" : " to " + std::to_string(row.last)) + " | " +
            std::string(row.why) + " |\n";
  }
  text +=
      "\nNewer than CRIU 4.2:\n\n| field | what becomes of it |\n|---|---|\n"
      "| `thread_core_entry` 17 | the timer slack: planned |\n"
      "| `pagemap_entry` 6 and more | pages that are compressed (LZ4) do not lie where crgen would "
      "look: refused |\n";
  return text;
}

}  // namespace crgen
