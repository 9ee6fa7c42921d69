// SPDX-License-Identifier: Apache-2.0
#include "preflight/host_facts.h"

#include <sys/utsname.h>

#include <algorithm>
#include <charconv>
#include <functional>
#include <nlohmann/json.hpp>
#include <vector>

#include "dsl/json/writer.h"
#include "model/printable.h"
#include "preflight/question.h"

namespace crgen {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr std::uint64_t kVersion = 1;
constexpr const char* kIsTheForm = ": `crgen schema --host-facts` is the form";

/// The kinds in the order of FactKind: the form of the file, its schema, and the words for what it
/// does not say, "the WORDS NAME, NAME …".
constexpr struct {
  const char* name;
  const char* words;
  const char* note;
} kKinds[kFactKinds] = {
    {"system", "files of the kernel", "files of proc(5) and cgroups(7), by path"},
    {"limits", "limits", "of getrlimit(2), and nice"},
    {"kernel", "features of the kernel",
     "an errno, or 0, as the kernel answers who asks for one; of a sysctl or a system call 1: it "
     "is "
     "there"},
    {"machine", "processor and the kernel's own regions:",
     "XCR0, the flags of /proc/cpuinfo, the vdso and its symbols"},
    {"processes", "processes",
     "of this pid namespace, one a line: PID (NAME) STATE PARENT GROUP SESSION TID…"},
    {"tools", "programs", "1: it is in PATH"},
    {"network", "network devices", "interfaces, one a line: INDEX NAME"},
    {"files", "files", "stat(2), by path; locks, as proc_locks(5) has them"},
    {"access", "rights to files", "an errno, or 0, by path and use"},
    {"build_ids", "build ids of", "hexadecimal digits, by path"},
    {"file_systems", "file systems of", "flags, free bytes and free files of statvfs(3), by path"},
    {"watches", "watched files", "whether they are there"},
    {"sockets", "sockets", "an errno, or 0, of making them; who is in the way"},
    {"terminals", "terminals", "an errno, or 0; who has them"},
    {"cgroups", "cgroups", "an errno of reaching the hierarchy; 1: it is there, or frozen"},
};

/// Of names that are not UTF-8, and of those that begin so: what follows are their bytes.
constexpr std::string_view kEncoded = "base64:";

std::string EncodedName(const std::string& name) {
  if (IsUtf8(name) && !name.starts_with(kEncoded)) return name;
  std::string base64;  // in quotation marks
  JsonWriter(&base64, JsonWriter::Style::kLine).Base64(name);
  return std::string(kEncoded) + base64.substr(1, base64.size() - 2);
}

/// Nothing: it is no name.
std::optional<std::string> DecodedName(const std::string& name) {
  if (!name.starts_with(kEncoded)) return name;
  std::string bytes;
  if (!DecodeBase64(name.substr(kEncoded.size()), &bytes)) return std::nullopt;
  return bytes;
}

void WriteFact(JsonWriter& writer, const Fact& fact) {
  if (const auto* number = std::get_if<std::uint64_t>(&fact)) return writer.Number(*number);
  writer.BeginArray();
  std::istringstream lines(std::get<std::string>(fact));
  for (std::string line; std::getline(lines, line);)
    writer.String(IsUtf8(line) ? line : Printable(line));
  writer.EndArray();
}

/// Ends the parsing.
struct NotOfTheForm {
  std::string what;
};

/// A member that stands twice would be read as its last one; what is nested deep is memory.
class Screen {
 public:
  bool operator()(int depth, json::parse_event_t event, json& parsed) {
    constexpr int kDeepest = 4;
    if (depth == 0 && event == json::parse_event_t::array_start) {
      throw NotOfTheForm{"is a list, as programs are"};
    }
    if (depth > kDeepest) throw NotOfTheForm{"nested too deep"};
    if (event == json::parse_event_t::object_start) keys_.emplace_back();
    if (event == json::parse_event_t::object_end) keys_.pop_back();
    if (event == json::parse_event_t::key &&
        !keys_.back().insert(parsed.get<std::string>()).second) {
      throw NotOfTheForm{"\"" + Printable(parsed.get<std::string>()) +
                         "\" stands twice in an object"};
    }
    return true;
  }

 private:
  std::vector<std::set<std::string>> keys_;
};

/// RFC 6901.
std::string Escaped(const std::string& name) {
  std::string text;
  for (const char c : name) text += c == '~' ? "~0" : c == '/' ? "~1" : std::string(1, c);
  return text;
}

std::optional<Fact> FactOf(const json& value) {
  if (value.is_number_unsigned()) return value.get<std::uint64_t>();
  if (value.is_string()) {
    const std::string& text = value.get_ref<const std::string&>();
    constexpr std::size_t kMostCharacters = 18;
    if (!text.starts_with("0x") || text.size() == 2 || text.size() > kMostCharacters ||
        text.find_first_not_of("0123456789abcdef", 2) != text.npos) {
      return std::nullopt;
    }
    std::uint64_t number = 0;
    std::from_chars(text.data() + 2, text.data() + text.size(), number, 16);
    return number;
  }
  if (!value.is_array()) return std::nullopt;
  std::string text;
  for (const json& line : value) {
    if (!line.is_string()) return std::nullopt;
    if (&line != &value.front()) text += '\n';
    text += line.get_ref<const std::string&>();
  }
  return text;
}

class FactsReader {
 public:
  FactsReader(const std::string& name, Diagnostics& diag) : name_(name), diag_(diag) {}

  Result Read(const json& document, HostFacts* facts) {
    if (!document.is_object()) return Fail("/", "expected an object");
    const auto version = document.find("version");
    if (version == document.end()) return Fail("/version", "is missing");
    if (*version != kVersion) {
      return Fail("/version", "is " + version->dump() + ", expected " + std::to_string(kVersion));
    }
    for (const char* wanted : {"host", "kernel", "facts"}) {
      if (!document.contains(wanted)) return Fail("/" + std::string(wanted), "is missing");
    }
    for (const auto& [key, value] : document.items()) {
      const bool text = key == "host" || key == "kernel" || key == "$schema";
      if (text && !value.is_string()) return Fail("/" + key, "expected a string");
      if (key == "host") facts->host = value.get<std::string>();
      if (key == "kernel") facts->kernel = value.get<std::string>();
      if (text || key == "version") continue;
      if (key != "facts") return Fail("/" + Escaped(key), "there is no such member");
      if (Failed(ReadKinds(value, facts))) return Result::kError;
    }
    return Result::kOk;
  }

 private:
  Result Fail(const std::string& pointer, const std::string& what) {
    return diag_.Fail(name_ + ": " + pointer, what + kIsTheForm);
  }

  Result ReadKinds(const json& kinds, HostFacts* facts) {
    if (!kinds.is_object()) return Fail("/facts", "expected an object");
    for (const auto& [key, answers] : kinds.items()) {
      const std::string pointer = "/facts/" + Escaped(key);
      const auto* row = std::ranges::find(kKinds, key, [](const auto& one) { return one.name; });
      if (row == std::end(kKinds)) return Fail(pointer, "there is no such kind of facts");
      if (!answers.is_object()) return Fail(pointer, "expected an object");
      for (const auto& [name, answer] : answers.items()) {
        const std::optional<std::string> decoded = DecodedName(name);
        if (!decoded) return Fail(pointer + "/" + Escaped(name), "is no base64");
        std::optional<Fact> fact = FactOf(answer);
        if (!fact) {
          return Fail(pointer + "/" + Escaped(name),
                      "expected a number from 0 on, \"0x…\", or a list of lines");
        }
        auto& known = facts->answers[static_cast<std::size_t>(row - kKinds)];
        if (!known.emplace(*decoded, std::move(*fact)).second) {
          return Fail(pointer + "/" + Escaped(name), "stands twice");
        }
      }
    }
    return Result::kOk;
  }

  const std::string& name_;
  Diagnostics& diag_;
};

}  // namespace

HostFacts RecordHostFacts(const Program* program) {
  HostFacts facts;
  struct utsname system = {};
  uname(&system);
  facts.host = system.nodename;
  facts.kernel = system.release;
  Host host(&facts);
  using namespace preflight;
  for (const auto ask : {AskForAllNumbers, AskForAllRights, AskAllOfTheKernel, AskAllOfTheMachine,
                         AskForAllMemory, AskAllOfNamespaces, AskForAllFiles, AskAllOfTheNetwork,
                         AskForAllTerminals, AskForAllCgroups}) {
    ask(host);
  }
  if (program == nullptr) return facts;
  HostFiles files;
  Diagnostics findings;  // whoever reads the facts finds them
  PreflightOptions options;
  options.host = &host;
  (void)Preflight(*program, options, &files, findings);
  return facts;
}

std::string HostFactsJson(const HostFacts& facts) {
  std::string text;
  JsonWriter writer(&text, JsonWriter::Style::kIndented);
  writer.BeginObject();
  writer.Key("version");
  writer.Number(kVersion);
  writer.Key("host");
  writer.String(Printable(facts.host));
  writer.Key("kernel");
  writer.String(Printable(facts.kernel));
  writer.Key("facts");
  writer.BeginObject();
  for (std::size_t kind = 0; kind < kFactKinds; ++kind) {
    if (facts.answers[kind].empty()) continue;
    writer.Key(kKinds[kind].name);
    writer.BeginObject();
    for (const auto& [name, fact] : facts.answers[kind]) {
      writer.Key(EncodedName(name));
      WriteFact(writer, fact);
    }
    writer.EndObject();
  }
  writer.EndObject();
  writer.EndObject();
  return text + "\n";
}

Result ReadHostFacts(std::string_view text, const std::string& name, HostFacts* facts,
                     Diagnostics& diag) {
  if (text.size() > kMostFactsBytes) {
    return diag.Fail(name, "more than " + std::to_string(kMostFactsBytes) + " bytes of facts");
  }
  Screen screen;
  json document;
  try {
    document = json::parse(text, std::ref(screen));
  } catch (const json::exception& error) {
    const std::string what = error.what();
    return diag.Fail(name, "no JSON: " + what.substr(what.find("] ") + 2));
  } catch (const NotOfTheForm& problem) {
    return diag.Fail(name, problem.what + kIsTheForm);
  }
  return FactsReader(name, diag).Read(document, facts);
}

std::string HostFactsSchema() {
  const ordered_json fact = {{"type", {"integer", "string", "array"}},
                             {"minimum", 0},
                             {"maximum", ~std::uint64_t{0}},
                             {"pattern", "^0x[0-9a-f]{1,16}$"},
                             {"items", {{"type", "string"}}},
                             {"description", "a number, or the lines of a text"}};
  ordered_json kinds = ordered_json::object();
  for (const auto& row : kKinds) {
    kinds[row.name] = {{"type", "object"},
                       {"additionalProperties", {{"$ref", "#/definitions/fact"}}},
                       {"description", row.note}};
  }
  const ordered_json string = {{"type", "string"}};
  ordered_json properties = {{"version", {{"const", kVersion}, {"description", "of this form"}}},
                             {"$schema", {{"type", "string"}, {"description", "for editors"}}},
                             {"host", {{"type", "string"}, {"description", "its name"}}},
                             {"kernel", {{"type", "string"}, {"description", "its release"}}},
                             {"facts",
                              {{"type", "object"},
                               {"properties", kinds},
                               {"additionalProperties", false},
                               {"description", "by kind, and by the name of the question"}}}};
  const ordered_json schema = {{"$schema", "http://json-schema.org/draft-07/schema#"},
                               {"$id", "urn:crgen:host-facts:1"},
                               {"title", "What a machine says of itself: crgen host-facts"},
                               {"type", "object"},
                               {"required", {"version", "host", "kernel", "facts"}},
                               {"properties", std::move(properties)},
                               {"additionalProperties", false},
                               {"definitions", {{"fact", fact}}}};
  return schema.dump(2) + "\n";
}

std::string UnansweredText(const Host& host) {
  constexpr std::size_t kNamed = 3;
  std::string text;
  for (std::size_t kind = 0; kind < kFactKinds; ++kind) {
    const std::set<std::string>& names = host.unanswered()[kind];
    if (names.empty()) continue;
    text += std::string(text.empty() ? "" : "; ") + "the " + kKinds[kind].words;
    std::size_t named = 0;
    for (const std::string& name : names) {
      if (named == kNamed) break;
      text += (named++ == 0 ? " " : ", ") + name;
    }
    if (names.size() > kNamed) text += " and " + std::to_string(names.size() - kNamed) + " more";
  }
  return text;
}

}  // namespace crgen
