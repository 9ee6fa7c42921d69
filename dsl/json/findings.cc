// SPDX-License-Identifier: Apache-2.0
#include "dsl/json/findings.h"

#include <algorithm>
#include <cctype>
#include <cstring>
#include <string>
#include <unordered_map>

#include "model/printable.h"

namespace crgen {
namespace {

/// "ENOENT" of " No such file or directory", with which the text of a call that failed ends.
std::string_view NameOfText(std::string_view text) {
  constexpr int kLast = 133;  // EHWPOISON
  static const auto kNames = [] {
    std::unordered_map<std::string, std::string_view> names;
    for (int error = 1; error <= kLast; ++error) {
      if (const char* name = strerrorname_np(error)) names.emplace(std::strerror(error), name);
    }
    return names;
  }();
  const auto known =
      text.starts_with(' ') ? kNames.find(std::string(text.substr(1))) : kNames.end();
  return known == kNames.end() ? std::string_view() : known->second;
}

bool IsErrno(std::string_view name) {
  return name.size() > 2 && name[0] == 'E' &&
         std::all_of(name.begin(), name.end(),
                     [](unsigned char c) { return std::isupper(c) != 0 || std::isdigit(c) != 0; });
}

/// "EPERM" of "EPERM: there is no group 101", "ENOENT" of "/x: No such file or directory"; empty:
/// there is none.
std::string_view ErrnoOf(std::string_view what) {
  const std::string_view name = what.substr(0, what.find(": "));
  const bool good = name.size() < what.size() && IsErrno(name);
  if (good) return name;
  // "mmap: ENOMEM (Cannot allocate memory)".
  for (std::size_t at = what.find(": E"); at != what.npos; at = what.find(": E", at + 1)) {
    const std::string_view word = what.substr(at + 2, what.find(" (", at) - at - 2);
    if (IsErrno(word)) return word;
  }
  return NameOfText(what.substr(what.rfind(": ") + 1));
}

void WriteFinding(const Diagnostic& entry, const Program& program, JsonWriter& json) {
  constexpr const char* kNames[] = {"error", "unsupported", "warning"};
  const auto number = [&](std::string_view key, std::uint64_t value) {
    json.Key(key);
    json.Number(value);
  };
  const auto text = [&](std::string_view key, std::string_view value) {
    if (value.empty()) return;
    json.Key(key);
    json.String(Printable(value));
  };
  json.BeginObject();
  text("severity", kNames[static_cast<int>(entry.severity)]);
  text("where", entry.where);
  text("what", entry.what);
  if (entry.line != 0) number("line", entry.line);
  if (entry.command) {
    number("command", *entry.command);
    if (*entry.command < program.size()) {
      json.Key("pid");
      json.Number(std::int64_t{program[*entry.command].pid});
    }
  }
  text("errno", ErrnoOf(entry.what));
  text("pointer", entry.pointer);
  text("advice", entry.advice);
  if (entry.more != 0) number("more", entry.more);
  json.EndObject();
}

}  // namespace

Diagnostic PlacedIn(std::string_view name, const std::vector<std::uint32_t>& lines,
                    Diagnostic finding) {
  if (finding.command && *finding.command < lines.size()) {
    finding.line = lines[*finding.command];
    finding.where = std::string(name) + ":" + std::to_string(finding.line) + ": " + finding.where;
  }
  return finding;
}

void WriteFindings(const Diagnostics& diag, const Program& program, JsonWriter& json) {
  json.BeginArray();
  for (const Diagnostic& entry : diag.entries()) WriteFinding(entry, program, json);
  for (const Severity severity : {Severity::kError, Severity::kUnsupported, Severity::kWarning}) {
    const std::size_t dropped = diag.Dropped(severity);
    if (dropped == 0) continue;
    Diagnostic rest = {severity, "elsewhere", "more than are listed"};
    rest.more = dropped - 1;
    WriteFinding(rest, program, json);
  }
  json.EndArray();
}

}  // namespace crgen
