// SPDX-License-Identifier: Apache-2.0
// What a restore needs, in words for people, shells and machines.
#include <algorithm>
#include <cstdint>
#include <set>

#include "crgen/needs.h"
#include "dsl/json/writer.h"
#include "model/printable.h"

namespace crgen {
namespace {

bool IsPlain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("_@%+=:,./-").find(c) != std::string_view::npos;
}

/// $'…': whatever is no plain text, as octal numbers.
std::string Escaped(const std::string& word) {
  std::string text = "$'";
  for (const char c : word) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\'' || c == '\\') {
      text += '\\';
      text += c;
    } else if (byte < 0x20 || byte >= 0x7f) {
      text += '\\';
      for (const int shift : {6, 3, 0}) text += static_cast<char>('0' + (byte >> shift) % 8);
    } else {
      text += c;
    }
  }
  return text + "'";
}

std::string Quoted(const std::string& word) {
  if (!word.empty() && std::ranges::all_of(word, IsPlain)) return word;
  if (Printable(word) != word) return Escaped(word);
  std::string text = "'";
  for (const char c : word) text += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return text + "'";
}

std::vector<std::string> WordsOf(const RestoreOption& option) {
  if (option.value.empty()) return {option.name};
  return {option.name, option.value};
}

void WriteText(JsonWriter& json, const std::string& name, const std::string& text) {
  const bool utf8 = IsUtf8(text);
  json.Key(utf8 ? name : name + "_base64");
  if (utf8) {
    json.String(text);
  } else {
    json.Base64(text);
  }
}

void WriteOption(JsonWriter& json, const RestoreOption& option) {
  json.BeginObject();
  WriteText(json, "name", option.name);
  if (!option.value.empty()) WriteText(json, "value", option.value);
  json.EndObject();
}

}  // namespace

std::string ShellQuoted(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : " ") + Quoted(word);
  return text;
}

std::vector<std::string> RestoreCommand(const std::vector<Need>& needs, const std::string& plan,
                                        const std::string& images) {
  std::vector<std::string> command = {"crrestore", plan, "--images", images};
  std::set<std::string> once;  // options that are consent, and of which one does for all
  for (const Need& need : needs) {
    if (need.optional) continue;
    if (need.key.empty() && !once.insert(need.option.name).second) continue;
    for (std::string& word : WordsOf(need.option)) command.push_back(std::move(word));
  }
  return command;
}

std::string NeedsText(const std::vector<Need>& needs, const std::vector<std::string>& command) {
  std::string text;
  for (const Need& need : needs) {
    text += need.kind + (need.key.empty() ? "" : " " + Printable(need.key)) + ": " +
            Printable(need.what) + (need.optional ? " (may be given): " : ": ") +
            ShellQuoted(WordsOf(need.option));
    for (const RestoreOption& option : need.instead) text += " or " + ShellQuoted(WordsOf(option));
    text += "\n";
  }
  return text + (needs.empty() ? "" : "\n") + ShellQuoted(command) + "\n";
}

std::string NeedsJson(const std::vector<Need>& needs, const std::vector<std::string>& command) {
  std::string text;
  JsonWriter json(&text, JsonWriter::Style::kIndented);
  json.BeginObject();
  json.Key("needs");
  json.BeginArray();
  for (const Need& need : needs) {
    json.BeginObject();
    json.Key("kind");
    json.String(need.kind);
    if (!need.key.empty()) WriteText(json, "key", need.key);
    json.Key("what");
    json.String(Printable(need.what));
    json.Key("optional");
    json.Bool(need.optional);
    json.Key("options");
    json.BeginArray();
    WriteOption(json, need.option);
    for (const RestoreOption& option : need.instead) WriteOption(json, option);
    json.EndArray();
    json.EndObject();
  }
  json.EndArray();
  json.Key("command");
  json.String(Printable(ShellQuoted(command)));
  json.EndObject();
  return text + "\n";
}

}  // namespace crgen
