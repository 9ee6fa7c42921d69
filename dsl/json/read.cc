// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <variant>

#include "dsl/attributes.h"
#include "dsl/commands.h"
#include "dsl/files/files.h"
#include "dsl/json/program_json.h"
#include "dsl/json/stream.h"
#include "dsl/json/writer.h"
#include "dsl/value_kinds.h"
#include "model/nearest.h"

namespace crgen {
namespace {

using nlohmann::json;

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

/// "; did you mean \"fd\"?", or nothing if no name is near `word`, and it is not the beginning of
/// one alone.
std::string DidYouMean(std::string_view word, const std::vector<std::string_view>& names) {
  constexpr std::size_t kEnough = 3;  // letters: with fewer it may be anything
  std::string nearest = Nearest(word, {names.begin(), names.end()});
  const auto begins = [&](std::string_view name) { return name.starts_with(word); };
  if (nearest.empty() && word.size() >= kEnough && std::ranges::count_if(names, begins) == 1) {
    nearest = *std::ranges::find_if(names, begins);
  }
  return nearest.empty() ? "" : "; did you mean \"" + nearest + "\"?";
}

/// Whether `key` is the name under which a Text that is not UTF-8 stands.
template <typename FieldType>
bool IsBase64Of(std::string_view key, const FieldType& field) {
  constexpr std::string_view kSuffix = "_base64";
  using Member = std::decay_t<decltype(std::declval<typename FieldType::Owner>().*field.member)>;
  return kIsText<Member> && key.size() == field.name.size() + kSuffix.size() &&
         key.starts_with(field.name) && key.ends_with(kSuffix);
}

/// "O_RDONLY, O_WRONLY, O_RDWR"
template <HasChoice Kind>
std::string ChoiceText() {
  std::string text;
  for (const FlagName& row : Kind::Names()) {
    if (row.mask != Kind::kChoice) continue;
    text += (text.empty() ? "" : ", ") + std::string(row.name);
  }
  return text;
}

/// Reads values out of a document; collects what does not fit.
class Reader {
 public:
  Reader(std::string_view name, Diagnostics& diag) : name_(name), diag_(diag) {}

  /// Reads the command that begins in `line`.
  bool Read(const json& in, std::size_t line, const Place& place, Command* out);
  /// The program says that it is in a language that is not known: no use to read on.
  bool other_language() const { return other_language_; }

 private:
  template <typename T>
  bool ReadValue(const json& in, const Place& place, T* out);
  template <typename Struct>
  bool ReadFields(const json& in, const Place& place, Struct* out,
                  std::initializer_list<std::string_view> also_known);
  template <typename Struct, typename FieldType>
  bool ReadField(const json& in, const Place& place, const FieldType& field, Struct* out,
                 std::size_t* seen);
  template <typename Kind>
  bool ReadFlags(const json& in, const Place& place, Flags<Kind>* out);
  bool ReadFile(const json& in, const Place& place, File* out);
  bool ReadDescriptorState(const json& in, const Place& place, DescriptorState* out);
  template <typename Integer>
  bool ReadInteger(const json& in, const Place& place, Integer* out);
  bool ReadHex(const json& in, const Place& place, std::uint64_t* out);
  bool IsWithin(const json& integer, const Place& place, const std::optional<Range>& range);

  bool Fail(const Place& place, std::string what) {
    std::string pointer = place.Pointer();
    Diagnostic entry = {Severity::kError, name_ + ":" + std::to_string(line_) + ": " + pointer,
                        std::move(what)};
    entry.line = line_;
    entry.pointer = std::move(pointer);
    diag_.Add(std::move(entry));
    return false;
  }
  bool Expected(const Place& place, std::string_view what, const json& found) {
    std::string text = found.dump(-1, ' ', true, json::error_handler_t::replace).substr(0, 60);
    return Fail(place, "expected " + std::string(what) + ", found " + text);
  }

  /// Of a name: with the one of `names` that may be meant.
  bool ExpectedName(const Place& place, std::string_view what, const json& found,
                    const std::vector<std::string_view>& names) {
    std::string text = found.dump(-1, ' ', true, json::error_handler_t::replace).substr(0, 60);
    if (found.is_string()) text += DidYouMean(found.get_ref<const std::string&>(), names);
    return Fail(place, "expected " + std::string(what) + ", found " + text);
  }

  std::string name_;
  Diagnostics& diag_;
  std::size_t line_ = 0;
  bool other_language_ = false;
};

template <typename Integer>
bool Reader::ReadInteger(const json& in, const Place& place, Integer* out) {
  constexpr bool kMayBeHex = std::is_same_v<Integer, std::uint64_t>;
  if (in.is_number_unsigned()) {
    const auto value = in.get<std::uint64_t>();
    if (std::in_range<Integer>(value) && (!kMayBeHex || value <= kLargestExactInteger)) {
      *out = static_cast<Integer>(value);
      return true;
    }
  } else if (in.is_number_integer()) {
    const auto value = in.get<std::int64_t>();
    if (std::in_range<Integer>(value)) {
      *out = static_cast<Integer>(value);
      return true;
    }
  } else if (kMayBeHex && in.is_string()) {
    std::uint64_t value = 0;
    if (ParseHex(in.get_ref<const std::string&>(), &value)) {
      *out = static_cast<Integer>(value);
      return true;
    }
  }
  const Integer most =
      kMayBeHex ? static_cast<Integer>(kLargestExactInteger) : std::numeric_limits<Integer>::max();
  return Expected(place,
                  "an integer from " + std::to_string(std::numeric_limits<Integer>::min()) +
                      " to " + std::to_string(most) +
                      (kMayBeHex ? ", or a string \"0x…\" of lower-case hex digits" : ""),
                  in);
}

bool Reader::IsWithin(const json& integer, const Place& place, const std::optional<Range>& range) {
  if (!range) return true;
  const auto value = integer.get<std::int64_t>();
  if (range->least <= value && value <= range->most) return true;
  return Expected(
      place,
      "an integer from " + std::to_string(range->least) + " to " + std::to_string(range->most),
      integer);
}

bool Reader::ReadHex(const json& in, const Place& place, std::uint64_t* out) {
  if (in.is_string() && ParseHex(in.get_ref<const std::string&>(), out)) return true;
  return Expected(place, "a string \"0x…\" of lower-case hex digits", in);
}

template <typename Kind>
bool Reader::ReadFlags(const json& in, const Place& place, Flags<Kind>* out) {
  if (!in.is_array() || in.size() > MostNames<Kind>()) {
    return Expected(place,
                    "an array of at most " + std::to_string(MostNames<Kind>()) + " flag names", in);
  }
  std::string chosen;
  for (std::size_t i = 0; i < in.size(); ++i) {
    const Place here{&place, {}, i};
    std::uint64_t bits = 0;
    if (!in[i].is_string() ||
        !AddFlagByName(Kind::Names(), in[i].get_ref<const std::string&>(), &bits)) {
      std::vector<std::string_view> names;
      for (const FlagName& row : Kind::Names()) names.push_back(row.name);
      return ExpectedName(here, "a flag name or \"0x…\"", in[i], names);
    }
    if (std::find(in.begin(), in.begin() + static_cast<std::ptrdiff_t>(i), in[i]) !=
        in.begin() + static_cast<std::ptrdiff_t>(i)) {
      return Fail(here, "stands twice");
    }
    out->bits |= bits;
    if constexpr (HasChoice<Kind>) {
      const std::string& name = in[i].get_ref<const std::string&>();
      const bool is_choice = std::any_of(
          Kind::Names().begin(), Kind::Names().end(),
          [&](const FlagName& row) { return row.mask == Kind::kChoice && row.name == name; });
      if (!is_choice && (bits & Kind::kChoice) != 0) return Fail(here, "has bits that have names");
      if (is_choice && !chosen.empty()) return Fail(here, "stands beside \"" + chosen + "\"");
      if (is_choice) chosen = name;
    }
  }
  if constexpr (HasChoice<Kind>) {
    if (chosen.empty()) return Fail(place, "lacks one of " + ChoiceText<Kind>());
  }
  return true;
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
    return ReadFlags(in, place, out);
  } else if constexpr (NamesOf<T>::kIsNamed) {
    std::uint64_t value = 0;
    if (!in.is_string() ||
        !AddFlagByName(NamesOf<T>::Names(), in.get_ref<const std::string&>(), &value) ||
        value > std::numeric_limits<std::uint32_t>::max()) {
      std::vector<std::string_view> names;
      for (const FlagName& row : NamesOf<T>::Names()) names.push_back(row.name);
      return ExpectedName(place, "a name such as \"" + std::string(names[0]) + "\"", in, names);
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
  } else if constexpr (std::is_same_v<T, LanguageVersion>) {
    if (in.is_string()) out->text = in.get<std::string>();
    if (out->IsKnown()) return true;
    other_language_ = true;
    return Expected(place, "a version 1.n of the language, which is what this program reads", in);
  } else if constexpr (std::is_same_v<T, Digest>) {
    if (in.is_string()) out->text = in.get<std::string>();
    if (out->IsWellFormed()) return true;
    return Expected(place, "a digest such as \"sha256:…\" of lower-case hex digits", in);
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
  } else if constexpr (std::is_same_v<T, DescriptorState>) {
    return ReadDescriptorState(in, place, out);
  } else if constexpr (std::is_same_v<T, PidReference> || kIsObjectId<T>) {
    return ReadValue(in, place, &out->value);
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
    if (encoded != in.end() && found != in.end()) {
      return Fail(Place{&place, base64_name}, "stands beside \"" + std::string(field.name) + "\"");
    }
    if (encoded != in.end()) {
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
    if constexpr (Inheritable<FieldType>) {
      out->*field.inherited = *found == kInherit;
      if (out->*field.inherited) return true;
    }
    const Place here{&place, field.name};
    return ReadValue(*found, here, &member) && IsWithin(*found, here, field.range);
  }
  return !field.required || Fail(place, "lacks \"" + std::string(field.name) + "\"");
}

template <typename Struct>
bool Reader::ReadFields(const json& in, const Place& place, Struct* out,
                        std::initializer_list<std::string_view> also_known) {
  if (!in.is_object()) return Expected(place, "an object", in);
  std::size_t seen = 0;
  for (const std::string_view key : also_known) seen += in.contains(key) ? 1 : 0;
  bool good = true;
  ForEachField<Struct>([&](const auto& field) { good &= ReadField(in, place, field, out, &seen); });
  if constexpr (requires { Describe<Struct>::kTogether; }) {
    const auto [one, other] = Describe<Struct>::kTogether;
    if (in.contains(one) != in.contains(other)) {
      good = Fail(
          place, "has only one of \"" + std::string(one) + "\" and \"" + std::string(other) + "\"");
    }
  }
  if (!good || seen == in.size()) return good;
  for (const auto& member : in.items()) {
    const std::string& key = member.key();
    std::vector<std::string_view> names(also_known);
    bool known = std::find(names.begin(), names.end(), key) != names.end();
    ForEachField<Struct>([&](const auto& field) {
      names.push_back(field.name);
      known |= key == field.name || IsBase64Of(key, field);
    });
    if (!known) good = Fail(Place{&place, key}, "no such member" + DidYouMean(key, names));
  }
  return good;
}

bool Reader::ReadFile(const json& in, const Place& place, File* out) {
  if (!in.is_object()) return Expected(place, "an object", in);
  const auto type = in.find("type");
  const auto id = in.find("id");
  if (type == in.end() || !type->is_string()) return Fail(place, "lacks \"type\"");
  if (id == in.end()) return Fail(place, "lacks \"id\"");
  if (!ReadValue(*id, Place{&place, "id"}, &out->id)) return false;
  const auto external = in.find("external");
  if (external != in.end() &&
      !ReadValue(*external, Place{&place, "external"}, &out->external.emplace())) {
    return false;
  }
  const std::string& name = type->get_ref<const std::string&>();
  bool known = false, good = false;
  ForEachAlternative<FileBody>([&]<typename Body>() {
    if constexpr (kHasFlags<Body>) {
      if (name != Body::kType) return;
      known = true;
      const auto flags = in.find("flags");
      good = flags == in.end() ? Fail(place, "lacks \"flags\"")
                               : ReadValue(*flags, Place{&place, "flags"}, &out->flags);
      good &=
          ReadFields(in, place, &out->body.emplace<Body>(), {"type", "id", "flags", "external"});
    }
  });
  if (known) return good;
  if (std::find(std::begin(kFileTypes), std::end(kFileTypes), name) == std::end(kFileTypes)) {
    return ExpectedName(Place{&place, "type"}, "a file type such as \"REG\"", *type,
                        {std::begin(kFileTypes), std::end(kFileTypes)});
  }
  return ReadFields(in, place, &out->body.emplace<OtherFile>(OtherFile{name}), {"type", "id"});
}

bool Reader::ReadDescriptorState(const json& in, const Place& place, DescriptorState* out) {
  if (!in.is_object()) return Expected(place, "an object", in);
  const auto fd = in.find("fd");
  if (fd == in.end()) return Fail(place, "lacks \"fd\"");
  const Place at{&place, "fd"};
  if (!ReadValue(*fd, at, &out->fd) || !IsWithin(*fd, at, kFds)) return false;
  bool known = false, good = false;
  std::string keys;
  ForEachLateKey([&]<typename Late>() {
    keys += (keys.empty() ? "\"" : ", \"") + std::string(LateKey<Late>()) + "\"";
    if (known || !in.contains(LateKey<Late>())) return;
    known = true;
    good = ReadFields(in, place, &out->state.emplace<Late>(), {"fd"});
  });
  if (known) SettleKind(out->state);
  return known ? good : Fail(place, "lacks one of " + keys);
}

bool Reader::Read(const json& in, std::size_t line, const Place& place, Command* out) {
  line_ = line;
  if (!in.is_object()) return Expected(place, "an object", in);
  const auto name = in.find("command");
  if (name == in.end() || !name->is_string()) return Fail(place, "lacks \"command\"");
  const auto pid = in.find("pid");
  if (pid == in.end()) return Fail(place, "lacks \"pid\"");
  if (!ReadValue(*pid, Place{&place, "pid"}, &out->pid)) return false;
  if (out->pid < 0 || out->pid >= kPidLimit) {
    return Expected(Place{&place, "pid"}, "a pid from 0 to " + std::to_string(kPidLimit - 1), *pid);
  }
  const std::string& wanted = name->get_ref<const std::string&>();
  bool known = false, good = false;
  std::vector<std::string_view> names;
  ForEachAlternative<CommandBody>([&]<typename Body>() {
    names.push_back(Body::kName);
    if (wanted != Body::kName) return;
    known = true;
    good = ReadFields(in, place, &out->body.emplace<Body>(), {"command", "pid"});
  });
  if (known) return good;
  return Fail(Place{&place, "command"},
              "there is no command \"" + wanted.substr(0, 60) + "\"" + DidYouMean(wanted, names));
}

}  // namespace

bool LanguageVersion::IsKnown() const {
  constexpr std::string_view kBegin = "1.";
  return text.starts_with(kBegin) && text.size() > kBegin.size() && text.size() <= 6 &&
         text.find_first_not_of("0123456789", kBegin.size()) == std::string::npos;
}

Result ReadProgram(const ByteReader& read, std::string_view name, Program* program,
                   std::vector<std::uint32_t>* lines, Diagnostics& diag) {
  bool empty = true;
  const ByteReader counted = [&](std::span<char> out) {
    const std::size_t got = read(out);
    if (got != 0) empty = false;
    return got;
  };
  Diagnostics problems;
  Reader reader(name, problems);
  const Place root;
  bool good = true;
  program->clear();
  lines->clear();
  auto element = [&](json& value, std::size_t line) {
    if (reader.other_language()) return;
    lines->push_back(static_cast<std::uint32_t>(line));
    program->emplace_back();
    good &= reader.Read(value, line, Place{&root, {}, program->size() - 1}, &program->back());
  };
  const Result parsed = StreamJsonArray(counted, name, JsonLimits{}, element, problems);
  if (empty) {
    return diag.Fail(std::string(name),
                     "is empty; where crgen was to write it, its own messages say why it did not");
  }
  diag.AddAll(problems);
  return good ? parsed : Result::kError;
}

Result ReadProgram(std::string_view text, std::string_view name, Program* program,
                   Diagnostics& diag) {
  std::vector<std::uint32_t> lines;
  return ReadProgram(ReadFrom(text), name, program, &lines, diag);
}

}  // namespace crgen
