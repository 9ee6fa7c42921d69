// SPDX-License-Identifier: Apache-2.0
#include "dsl/schema.h"

#include <limits>
#include <nlohmann/json.hpp>
#include <string>

#include "dsl/attributes.h"
#include "dsl/commands.h"
#include "dsl/files/files.h"
#include "dsl/json/writer.h"
#include "dsl/value_kinds.h"

namespace crgen {
namespace {

using nlohmann::ordered_json;

constexpr std::string_view kHexPattern = "^0x[0-9a-f]{1,16}$";
constexpr std::string_view kBase64Pattern =
    "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$";
/// Without the lowest two bits, which a choice has.
constexpr std::string_view kHexBesideChoicePattern = "^0x[0-9a-f]{0,15}[048c]$";

ordered_json StringMatching(std::string_view pattern) {
  return {{"type", "string"}, {"pattern", pattern}};
}

template <typename Kind>
ordered_json OneName() {
  ordered_json list = ordered_json::array();
  for (const FlagName& row : Kind::Names()) list.push_back(row.name);
  std::string_view hex = kHexPattern;
  if constexpr (HasChoice<Kind>) {
    static_assert(Kind::kChoice == 3);
    hex = kHexBesideChoicePattern;
  }
  return {{"anyOf", {{{"enum", std::move(list)}}, StringMatching(hex)}}};
}

/// The schemas of named parts, collected while the commands are walked.
class SchemaBuilder {
 public:
  template <typename T>
  ordered_json Value();

  /// Adds the fields of Struct to an object schema.
  template <typename Struct>
  void AddFields(ordered_json& object);

  ordered_json TakeDefinitions() { return std::move(definitions_); }

 private:
  ordered_json FileValue();
  ordered_json DescriptorStateValue();
  template <typename Body>
  ordered_json FileOfType();

  /// One definition for each kind of names, so that the schema stays readable.
  template <typename Kind>
  ordered_json Names() {
    const std::string name(Kind::kTitle);
    if (!definitions_.contains(name)) definitions_[name] = OneName<Kind>();
    return {{"$ref", "#/definitions/" + name}};
  }
  template <typename Kind>
  ordered_json NamesValue(const Flags<Kind>*) {
    ordered_json list = {{"type", "array"},
                         {"items", Names<Kind>()},
                         {"uniqueItems", true},
                         {"maxItems", MostNames<Kind>()}};
    if constexpr (HasChoice<Kind>) {
      for (const FlagName& row : Kind::Names()) {
        if (row.mask != Kind::kChoice) continue;
        list["oneOf"].push_back({{"contains", {{"const", row.name}}}});
      }
    }
    return list;
  }
  template <typename Kind>
  ordered_json NamesValue(const Named<Kind>*) {
    return Names<Kind>();
  }

  ordered_json definitions_ = ordered_json::object();
};

template <typename T>
ordered_json SchemaBuilder::Value() {
  if constexpr (InnerOf<T>::kIsOptional || InnerOf<T>::kIsShared) {
    return Value<typename InnerOf<T>::Type>();
  } else if constexpr (InnerOf<T>::kIsVector) {
    return {{"type", "array"}, {"items", Value<typename InnerOf<T>::Type>()}};
  } else if constexpr (NamesOf<T>::kIsFlags || NamesOf<T>::kIsNamed) {
    return NamesValue(static_cast<const T*>(nullptr));
  } else if constexpr (std::is_same_v<T, bool>) {
    return {{"type", "boolean"}};
  } else if constexpr (std::is_same_v<T, std::uint64_t>) {
    return {{"anyOf",
             {{{"type", "integer"}, {"minimum", 0}, {"maximum", kLargestExactInteger}},
              StringMatching(kHexPattern)}}};
  } else if constexpr (std::is_integral_v<T>) {
    return {{"type", "integer"},
            {"minimum", std::numeric_limits<T>::min()},
            {"maximum", std::numeric_limits<T>::max()}};
  } else if constexpr (std::is_same_v<T, Hex>) {
    return StringMatching(kHexPattern);
  } else if constexpr (std::is_same_v<T, Bytes>) {
    return StringMatching(kBase64Pattern);
  } else if constexpr (std::is_same_v<T, LanguageVersion>) {
    return StringMatching(LanguageVersion::kPattern);
  } else if constexpr (std::is_same_v<T, Digest>) {
    return StringMatching(Digest::kPattern);
  } else if constexpr (std::is_same_v<T, std::string> || std::is_same_v<T, Text>) {
    return {{"type", "string"}};
  } else if constexpr (std::is_same_v<T, SpecialRegion>) {
    return {{"enum", kSpecialRegionNames}};
  } else if constexpr (std::is_same_v<T, PidReference> || kIsObjectId<T>) {
    return Value<decltype(T::value)>();
  } else if constexpr (std::is_same_v<T, File>) {
    return FileValue();
  } else if constexpr (std::is_same_v<T, DescriptorState>) {
    return DescriptorStateValue();
  } else {
    ordered_json object = {{"type", "object"}};
    AddFields<T>(object);
    return object;
  }
}

template <typename Struct>
void SchemaBuilder::AddFields(ordered_json& object) {
  ordered_json& properties = object["properties"];
  if (properties.is_null()) properties = ordered_json::object();
  ordered_json required = object.value("required", ordered_json::array());
  ordered_json alternatives = ordered_json::array();
  ForEachField<Struct>([&](const auto& field) {
    using Member = std::decay_t<decltype(std::declval<Struct>().*field.member)>;
    const std::string name(field.name);
    properties[name] = Value<Member>();
    if constexpr (Inheritable<std::decay_t<decltype(field)>>) {
      properties[name] = {{"anyOf", {{{"const", kInherit}}, std::move(properties[name])}}};
    }
    if (field.range) {
      properties[name]["minimum"] = field.range->least;
      properties[name]["maximum"] = field.range->most;
    }
    properties[name]["description"] = field.note;
    if constexpr (kIsText<Member>) {
      properties[name + "_base64"] = Value<Bytes>();
      properties[name + "_base64"]["description"] = "`" + name + "` where it is not UTF-8";
      if (field.required) {
        alternatives.push_back(
            {{"oneOf", {{{"required", {name}}}, {{"required", {name + "_base64"}}}}}});
      }
    } else if (field.required) {
      required.push_back(name);
    }
  });
  if (!required.empty()) object["required"] = std::move(required);
  if (!alternatives.empty()) object["allOf"] = std::move(alternatives);
  if constexpr (requires { Describe<Struct>::kTogether; }) {
    const auto [one, other] = Describe<Struct>::kTogether;
    object["dependencies"] = {{one, {other}}, {other, {one}}};
  }
  object["additionalProperties"] = false;
}

template <typename Body>
ordered_json SchemaBuilder::FileOfType() {
  ordered_json object = {{"properties", {{"type", true}, {"id", true}}}};
  if constexpr (kHasFlags<Body>) {
    object["properties"]["flags"] = Value<OpenFlags>();
    object["properties"]["flags"]["description"] = kFileFlagsNote;
    object["properties"]["external"] = true;
    object["required"] = {"flags"};
  }
  AddFields<Body>(object);
  return object;
}

ordered_json SchemaBuilder::FileValue() {
  if (definitions_.contains("file")) return {{"$ref", "#/definitions/file"}};
  definitions_["file"] = nullptr;  // its place is before its parts
  ordered_json cases = ordered_json::array();
  ordered_json described = ordered_json::array();
  ForEachAlternative<FileBody>([&]<typename Body>() {
    ordered_json of_type = {{"const", ""}};
    if constexpr (kHasFlags<Body>) {
      described.push_back(Body::kType);
      of_type["const"] = Body::kType;
    } else {
      of_type = {{"not", {{"enum", described}}}};
    }
    cases.push_back(
        {{"if", {{"properties", {{"type", std::move(of_type)}}}}}, {"then", FileOfType<Body>()}});
  });
  ordered_json common = {{"type", {{"enum", kFileTypes}}},
                         {"id", Value<std::uint64_t>()},
                         {"external", Value<std::string>()}};
  common["type"]["description"] = "what is open: the other members depend on it";
  common["id"]["description"] = "names the description, and no other one in the program";
  common["external"]["description"] = "the key of what the caller of a restore hands over instead";
  definitions_["file"] = {{"description", "An open file description, by type"},
                          {"type", "object"},
                          {"properties", std::move(common)},
                          {"required", {"type", "id"}},
                          {"allOf", std::move(cases)}};
  return {{"$ref", "#/definitions/file"}};
}

ordered_json SchemaBuilder::DescriptorStateValue() {
  if (definitions_.contains("descriptorState")) {
    return {{"$ref", "#/definitions/descriptorState"}};
  }
  definitions_["descriptorState"] = nullptr;
  ordered_json cases = ordered_json::array();
  ordered_json keys = ordered_json::array();
  ForEachLateKey([&]<typename Late>() {
    const std::string key(LateKey<Late>());
    keys.push_back({{"required", {key}}});
    ordered_json object = {{"properties", {{"fd", true}}}};
    AddFields<Late>(object);
    cases.push_back({{"if", {{"required", {key}}}}, {"then", std::move(object)}});
  });
  const ordered_json fd = {{"type", "integer"},
                           {"minimum", kFds.least},
                           {"maximum", kFds.most},
                           {"description", "of the process that executes the command"}};
  definitions_["descriptorState"] = {
      {"description", "Late state of the open file description at fd, of one kind"},
      {"type", "object"},
      {"properties", {{"fd", fd}}},
      {"required", {"fd"}},
      {"oneOf", std::move(keys)},
      {"allOf", std::move(cases)}};
  return {{"$ref", "#/definitions/descriptorState"}};
}

template <typename Body>
ordered_json CommandSchema(SchemaBuilder& builder) {
  ordered_json object = {{"type", "object"},
                         {"description", Body::kMeaning},
                         {"properties",
                          {{"command", {{"const", Body::kName}, {"description", Body::kMeaning}}},
                           {"pid",
                            {{"type", "integer"},
                             {"minimum", 0},
                             {"maximum", kPidLimit - 1},
                             {"description", "the process that executes it; 0 is the restorer"}}}}},
                         {"required", {"command", "pid"}}};
  builder.AddFields<Body>(object);
  return object;
}

}  // namespace

std::string ProgramSchema() {
  SchemaBuilder builder;
  ordered_json names = ordered_json::array();
  ordered_json cases = ordered_json::array();
  ordered_json commands = ordered_json::object();
  ForEachAlternative<CommandBody>([&]<typename Body>() {
    const std::string name(Body::kName);
    names.push_back(name);
    commands[name] = CommandSchema<Body>(builder);
    // A chain of conditions instead of oneOf: a validator then names the one field that is wrong.
    cases.push_back({{"if", {{"properties", {{"command", {{"const", name}}}}}}},
                     {"then", {{"$ref", "#/definitions/" + name}}}});
  });
  ordered_json definitions = std::move(commands);
  definitions.update(builder.TakeDefinitions());
  ordered_json schema = {
      {"$schema", "http://json-schema.org/draft-07/schema#"},
      {"$id", "urn:crgen:restore-program:" + std::string(LanguageVersion::kMajor)},
      {"title", "Restore program"},
      {"description", "The commands that rebuild a checkpointed process tree, in order."},
      {"type", "array"},
      {"items",
       {{"type", "object"},
        {"properties",
         {{"command",
           {{"enum", names}, {"description", "what is done: one system call or little more"}}}}},
        {"required", {"command", "pid"}},
        {"allOf", cases}}},
      {"definitions", std::move(definitions)}};
  return schema.dump(2) + "\n";
}

}  // namespace crgen
