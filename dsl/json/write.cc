// SPDX-License-Identifier: Apache-2.0
#include <string>
#include <variant>

#include "dsl/attributes.h"
#include "dsl/commands.h"
#include "dsl/files/files.h"
#include "dsl/json/program_json.h"
#include "dsl/json/value_json.h"
#include "dsl/json/writer.h"
#include "model/printable.h"

namespace crgen {
namespace {

template <typename T>
void WriteValue(JsonWriter& json, const T& value);

template <typename Struct>
void WriteFields(JsonWriter& json, const Struct& value);

template <typename Kind>
void WriteFlags(JsonWriter& json, const Flags<Kind>& flags) {
  json.BeginArray();
  ForEachFlagName(Kind::Names(), flags.bits, [&](std::string_view name) { json.String(name); });
  json.EndArray();
}

void WriteFile(JsonWriter& json, const File& file) {
  json.BeginObject();
  json.Key("type");
  json.String(TypeOf(file));
  json.Key("id");
  json.Number(file.id.value);
  std::visit(
      [&](const auto& body) {
        if constexpr (kHasFlags<std::decay_t<decltype(body)>>) {
          json.Key("flags");
          WriteFlags(json, file.flags);
        }
        WriteFields(json, body);
      },
      file.body);
  if (file.external) {
    json.Key("external");
    json.String(*file.external);
  }
  json.EndObject();
}

void WriteDescriptorState(JsonWriter& json, const DescriptorState& late) {
  json.BeginObject();
  json.Key("fd");
  json.Number(std::int64_t{late.fd});
  std::visit([&](const auto& state) { WriteFields(json, state); }, late.state);
  json.EndObject();
}

// One overload for each kind of value that a table can name.
void WriteOne(JsonWriter& json, bool value) { json.Bool(value); }
void WriteOne(JsonWriter& json, std::int32_t value) { json.Number(std::int64_t{value}); }
void WriteOne(JsonWriter& json, std::uint32_t value) { json.Number(std::uint64_t{value}); }
void WriteOne(JsonWriter& json, std::uint64_t value) { json.Number(value); }
void WriteOne(JsonWriter& json, Hex value) { json.HexNumber(value.value); }
void WriteOne(JsonWriter& json, const Bytes& value) { json.Base64(value.bytes); }
void WriteOne(JsonWriter& json, const std::string& value) { json.String(value); }
void WriteOne(JsonWriter& json, const LanguageVersion& value) { json.String(value.text); }
void WriteOne(JsonWriter& json, const Digest& value) { json.String(value.text); }
void WriteOne(JsonWriter& json, const File& value) { WriteFile(json, value); }
void WriteOne(JsonWriter& json, const DescriptorState& value) { WriteDescriptorState(json, value); }
void WriteOne(JsonWriter& json, PidReference value) { json.Number(std::int64_t{value.value}); }
template <typename Tag>
void WriteOne(JsonWriter& json, ObjectId<Tag> value) {
  json.Number(value.value);
}
void WriteOne(JsonWriter& json, SpecialRegion value) {
  json.String(kSpecialRegionNames[static_cast<int>(value)]);
}
template <typename Kind>
void WriteOne(JsonWriter& json, const Flags<Kind>& value) {
  WriteFlags(json, value);
}
template <typename Kind>
void WriteOne(JsonWriter& json, Named<Kind> value) {
  json.String(ValueName(Kind::Names(), value.value));
}
template <typename T>
void WriteOne(JsonWriter& json, const std::optional<T>& value) {
  WriteValue(json, *value);
}
template <typename T>
void WriteOne(JsonWriter& json, const Rare<T>& value) {
  WriteValue(json, *value);
}
template <typename T>
void WriteOne(JsonWriter& json, const Seldom<T>& value) {
  WriteValue(json, *value);
}
template <typename T>
void WriteOne(JsonWriter& json, const std::shared_ptr<const T>& value) {
  WriteValue(json, *value);
}
template <typename T>
void WriteOne(JsonWriter& json, const std::vector<T>& values) {
  json.BeginArray();
  for (const T& value : values) WriteValue(json, value);
  json.EndArray();
}

template <typename T>
void WriteValue(JsonWriter& json, const T& value) {
  if constexpr (Described<T>) {
    json.BeginObject();
    WriteFields(json, value);
    json.EndObject();
  } else {
    WriteOne(json, value);
  }
}

void WriteMember(JsonWriter& json, std::string_view name, const Text& text) {
  if (IsUtf8(text.bytes)) {
    json.Key(name);
    json.String(text.bytes);
  } else {
    json.Key(std::string(name) + "_base64");
    json.Base64(text.bytes);
  }
}
void WriteMember(JsonWriter& json, std::string_view name, const std::optional<Text>& text) {
  WriteMember(json, name, *text);
}
void WriteMember(JsonWriter& json, std::string_view name, const Rare<Text>& text) {
  WriteMember(json, name, *text);
}
template <typename T>
void WriteMember(JsonWriter& json, std::string_view name, const T& value) {
  json.Key(name);
  WriteValue(json, value);
}

template <typename T>
bool IsDefault(const T& value) {
  if constexpr (requires { value == T{}; }) return value == T{};
  return false;
}
template <typename T>
bool IsDefault(const std::optional<T>& value) {
  return !value.has_value();
}
template <typename T>
bool IsDefault(const Rare<T>& value) {
  return !value.has_value();
}
template <typename T>
bool IsDefault(const Seldom<T>& value) {
  return !value;
}
template <typename T>
bool IsDefault(const std::shared_ptr<const T>& value) {
  return value == nullptr;
}
template <typename T>
bool IsDefault(const std::vector<T>& value) {
  return value.empty();
}

template <typename Struct>
void WriteFields(JsonWriter& json, const Struct& value) {
  ForEachField<Struct>([&](const auto& field) {
    if constexpr (Inheritable<std::decay_t<decltype(field)>>) {
      if (value.*field.inherited) {
        json.Key(field.name);
        return json.String(kInherit);
      }
    }
    const auto& member = value.*field.member;
    if (field.required || !IsDefault(member)) WriteMember(json, field.name, member);
  });
}

}  // namespace

// value_json.h: parts of programs, for whoever writes them elsewhere.
void WriteFileJson(JsonWriter& json, const File& file) { WriteFile(json, file); }

void WriteAttributesJson(JsonWriter& json, const Attributes& attributes) {
  WriteValue(json, attributes);
}

void WriteLateStateJson(JsonWriter& json, const LateState& state) {
  json.BeginObject();
  std::visit([&](const auto& one) { WriteFields(json, one); }, state);
  json.EndObject();
}

void WriteTextJson(JsonWriter& json, std::string_view name, const Text& text) {
  WriteMember(json, name, text);
}

void WriteCommandJson(JsonWriter& json, const Command& command) {
  json.BeginObject();
  std::visit(
      [&](const auto& body) {
        json.Key("command");
        json.String(std::decay_t<decltype(body)>::kName);
        json.Key("pid");
        json.Number(std::int64_t{command.pid});
        WriteFields(json, body);
      },
      command.body);
  json.EndObject();
}

void ProgramWriter::Begin(std::string* out) { out->append("["); }

void ProgramWriter::Add(const Command& command, std::string* out) {
  if (layout_ == Layout::kCompact) {
    out->append(first_ ? "" : ", ");
  } else {
    out->append(first_ ? "\n  " : ",\n  ");
  }
  first_ = false;
  const auto style =
      layout_ == Layout::kPretty ? JsonWriter::Style::kIndented : JsonWriter::Style::kLine;
  JsonWriter json(out, style, 1);
  WriteCommandJson(json, command);
}

void ProgramWriter::End(std::string* out) {
  out->append(first_ || layout_ == Layout::kCompact ? "]\n" : "\n]\n");
}

std::string WriteProgram(const Program& program, Layout layout) {
  std::string out;
  ProgramWriter writer(layout);
  writer.Begin(&out);
  for (const Command& command : program) writer.Add(command, &out);
  writer.End(&out);
  return out;
}

}  // namespace crgen
