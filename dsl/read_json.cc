#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <variant>

#include "dsl/commands.h"
#include "dsl/json_writer.h"
#include "dsl/objects.h"
#include "dsl/program_json.h"
#include "dsl/value_kinds.h"

namespace crgen {
namespace {

using nlohmann::json;

/// Deeper nesting than any command has; bounds the parser's recursion on hostile text.
constexpr int kMaxDepth = 32;

/// Where in the document a value stands, as a chain of stack frames: text is made on error only.
struct Place {
  const Place* parent = nullptr;
  std::string_view key;
  std::size_t index = 0;

  std::string Pointer() const {
    if (parent == nullptr) return "";
    return parent->Pointer() + "/" + (key.empty() ? std::to_string(index) : std::string(key));
  }
};

/// Reads values out of a document; collects what does not fit.
class Reader {
 public:
  Reader(std::string_view name, Diagnostics& diag) : name_(name), diag_(diag) {}

  bool Read(const json& in, const Place& place, Command* out);

 private:
  template <typename T>
  bool ReadValue(const json& in, const Place& place, T* out);
  template <typename Struct>
  bool ReadFields(const json& in, const Place& place, Struct* out,
                  std::initializer_list<std::string_view> also_known);
  template <typename Struct, typename FieldType>
  bool ReadField(const json& in, const Place& place, const FieldType& field, Struct* out,
                 std::size_t* seen);
  bool ReadFile(const json& in, const Place& place, File* out);
  template <typename Integer>
  bool ReadInteger(const json& in, const Place& place, Integer* out);
  bool ReadHex(const json& in, const Place& place, std::uint64_t* out);

  bool Fail(const Place& place, std::string what) {
    const std::string pointer = place.Pointer();
    (void)diag_.Error(name_ + ": " + (pointer.empty() ? "/" : pointer), std::move(what));
    return false;
  }
  bool Expected(const Place& place, std::string_view what, const json& found) {
    std::string text = found.dump(-1, ' ', true, json::error_handler_t::replace).substr(0, 60);
    return Fail(place, "expected " + std::string(what) + ", found " + text);
  }

  std::string name_;
  Diagnostics& diag_;
};

template <typename Integer>
bool Reader::ReadInteger(const json& in, const Place& place, Integer* out) {
  if (in.is_number_unsigned()) {
    const auto value = in.get<std::uint64_t>();
    if (std::in_range<Integer>(value)) {
      *out = static_cast<Integer>(value);
      return true;
    }
  } else if (in.is_number_integer()) {
    const auto value = in.get<std::int64_t>();
    if (std::in_range<Integer>(value)) {
      *out = static_cast<Integer>(value);
      return true;
    }
  } else if (std::is_same_v<Integer, std::uint64_t> && in.is_string()) {
    std::uint64_t value = 0;
    if (ParseHex(in.get_ref<const std::string&>(), &value)) {
      *out = static_cast<Integer>(value);
      return true;
    }
  }
  return Expected(place,
                  "an integer from " + std::to_string(std::numeric_limits<Integer>::min()) +
                      " to " + std::to_string(std::numeric_limits<Integer>::max()),
                  in);
}

bool Reader::ReadHex(const json& in, const Place& place, std::uint64_t* out) {
  if (in.is_string() && ParseHex(in.get_ref<const std::string&>(), out)) return true;
  return Expected(place, "a string \"0x…\" of lower-case hex digits", in);
}

template <typename T>
bool Reader::ReadValue(const json& in, const Place& place, T* out) {
  if constexpr (InnerOf<T>::kIsOptional) {
    return ReadValue(in, place, &out->emplace());
  } else if constexpr (InnerOf<T>::kIsShared) {
    auto value = std::make_shared<typename InnerOf<T>::Type>();
    if (!ReadValue(in, place, value.get())) return false;
    *out = std::move(value);
    return true;
  } else if constexpr (InnerOf<T>::kIsVector) {
    if (!in.is_array()) return Expected(place, "an array", in);
    out->resize(in.size());
    bool good = true;
    for (std::size_t i = 0; i < in.size(); ++i) {
      good &= ReadValue(in[i], Place{&place, {}, i}, &(*out)[i]);
    }
    return good;
  } else if constexpr (NamesOf<T>::kIsFlags) {
    if (!in.is_array()) return Expected(place, "an array of flag names", in);
    for (std::size_t i = 0; i < in.size(); ++i) {
      if (!in[i].is_string() ||
          !AddFlagByName(NamesOf<T>::Names(), in[i].get_ref<const std::string&>(), &out->bits)) {
        return Expected(Place{&place, {}, i}, "a flag name or \"0x…\"", in[i]);
      }
    }
    return true;
  } else if constexpr (NamesOf<T>::kIsNamed) {
    std::uint64_t value = 0;
    if (!in.is_string() ||
        !AddFlagByName(NamesOf<T>::Names(), in.get_ref<const std::string&>(), &value) ||
        value > std::numeric_limits<std::uint32_t>::max()) {
      return Expected(place, "a name such as \"" + std::string(NamesOf<T>::Names()[0].name) + "\"",
                      in);
    }
    out->value = static_cast<std::uint32_t>(value);
    return true;
  } else if constexpr (std::is_same_v<T, bool>) {
    if (!in.is_boolean()) return Expected(place, "true or false", in);
    *out = in.get<bool>();
    return true;
  } else if constexpr (std::is_integral_v<T>) {
    return ReadInteger(in, place, out);
  } else if constexpr (std::is_same_v<T, Hex>) {
    return ReadHex(in, place, &out->value);
  } else if constexpr (std::is_same_v<T, Bytes>) {
    if (in.is_string() && DecodeBase64(in.get_ref<const std::string&>(), &out->bytes)) return true;
    return Expected(place, "a base64 string", in);
  } else if constexpr (std::is_same_v<T, std::string>) {
    if (!in.is_string()) return Expected(place, "a string", in);
    *out = in.get<std::string>();
    return true;
  } else if constexpr (std::is_same_v<T, SpecialRegion>) {
    for (std::size_t i = 0; i < std::size(kSpecialRegionNames); ++i) {
      if (in.is_string() && in.get_ref<const std::string&>() == kSpecialRegionNames[i]) {
        *out = static_cast<SpecialRegion>(i);
        return true;
      }
    }
    return Expected(place, "vdso, vvar, vsyscall, aio or sysvipc", in);
  } else if constexpr (std::is_same_v<T, File>) {
    return ReadFile(in, place, out);
  } else {
    return ReadFields(in, place, out, {});
  }
}

template <typename Struct, typename FieldType>
bool Reader::ReadField(const json& in, const Place& place, const FieldType& field, Struct* out,
                       std::size_t* seen) {
  auto& member = out->*field.member;
  auto found = in.find(field.name);
  if constexpr (kIsText<std::decay_t<decltype(member)>>) {
    const std::string base64_name = std::string(field.name) + "_base64";
    auto encoded = in.find(base64_name);
    if (encoded != in.end() && found == in.end()) {
      ++*seen;
      Bytes bytes;
      if (!ReadValue(*encoded, Place{&place, base64_name}, &bytes)) return false;
      member = Text{std::move(bytes.bytes)};
      return true;
    }
    if (found != in.end()) {
      ++*seen;
      std::string text;
      if (!ReadValue(*found, Place{&place, field.name}, &text)) return false;
      member = Text{std::move(text)};
      return true;
    }
  } else if (found != in.end()) {
    ++*seen;
    return ReadValue(*found, Place{&place, field.name}, &member);
  }
  return !field.required || Fail(place, "lacks \"" + std::string(field.name) + "\"");
}

template <typename Struct>
bool Reader::ReadFields(const json& in, const Place& place, Struct* out,
                        std::initializer_list<std::string_view> also_known) {
  if (!in.is_object()) return Expected(place, "an object", in);
  std::size_t seen = also_known.size();
  bool good = true;
  ForEachField<Struct>([&](const auto& field) { good &= ReadField(in, place, field, out, &seen); });
  if (!good || seen == in.size()) return good;
  for (const auto& [key, value] : in.items()) {
    bool known = std::find(also_known.begin(), also_known.end(), key) != also_known.end();
    ForEachField<Struct>([&](const auto& field) {
      known |= key == field.name || key == std::string(field.name) + "_base64";
    });
    if (!known) good = Fail(Place{&place, key}, "no such member");
  }
  return good;
}

bool Reader::ReadFile(const json& in, const Place& place, File* out) {
  if (!in.is_object()) return Expected(place, "an object", in);
  const auto type = in.find("type");
  const auto id = in.find("id");
  if (type == in.end() || !type->is_string()) return Fail(place, "lacks \"type\"");
  if (id == in.end()) return Fail(place, "lacks \"id\"");
  if (!ReadValue(*id, Place{&place, "id"}, &out->id.value)) return false;
  const std::string& name = type->get_ref<const std::string&>();
  if (name == RegularFile::kType) {
    return ReadFields(in, place, &out->body.emplace<RegularFile>(), {"type", "id"});
  }
  if (name == Memfd::kType) {
    return ReadFields(in, place, &out->body.emplace<Memfd>(), {"type", "id"});
  }
  if (std::find(std::begin(kFileTypes), std::end(kFileTypes), name) == std::end(kFileTypes)) {
    return Expected(Place{&place, "type"}, "a file type such as \"REG\"", *type);
  }
  out->body = OtherFile{name};
  return true;
}

bool Reader::Read(const json& in, const Place& place, Command* out) {
  if (!in.is_object()) return Expected(place, "an object", in);
  const auto name = in.find("command");
  if (name == in.end() || !name->is_string()) return Fail(place, "lacks \"command\"");
  const auto pid = in.find("pid");
  if (pid == in.end()) return Fail(place, "lacks \"pid\"");
  if (!ReadValue(*pid, Place{&place, "pid"}, &out->pid)) return false;
  bool known = false, good = false;
  [&]<std::size_t... kIndex>(std::index_sequence<kIndex...>) {
    (void)((name->get_ref<const std::string&>() ==
                std::variant_alternative_t<kIndex, CommandBody>::kName &&
            (known = true,
             good = ReadFields(in, place, &out->body.emplace<kIndex>(), {"command", "pid"}),
             true)) ||
           ...);
  }
  (std::make_index_sequence<std::variant_size_v<CommandBody>>{});
  if (!known) return Expected(Place{&place, "command"}, "one of the 16 commands", *name);
  return good;
}

}  // namespace

Result ReadProgram(std::string_view text, std::string_view name, Program* program,
                   Diagnostics& diag) {
  json document;
  try {
    auto limit_depth = [](int depth, json::parse_event_t event, json&) {
      if (depth > kMaxDepth && event != json::parse_event_t::key) {
        throw std::runtime_error("nested deeper than " + std::to_string(kMaxDepth));
      }
      return true;
    };
    document = json::parse(text, limit_depth);
  } catch (const std::exception& error) {
    return diag.Error(std::string(name), error.what());
  }
  Reader reader(name, diag);
  const Place root;
  if (!document.is_array()) {
    return diag.Error(std::string(name) + ": /", "expected an array of commands");
  }
  program->clear();
  program->resize(document.size());
  bool good = true;
  for (std::size_t i = 0; i < document.size(); ++i) {
    good &= reader.Read(document[i], Place{&root, {}, i}, &(*program)[i]);
  }
  return good ? Result::kOk : Result::kError;
}

}  // namespace crgen
