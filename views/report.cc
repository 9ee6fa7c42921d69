// SPDX-License-Identifier: Apache-2.0
#include "views/report.h"

#include "dsl/json/writer.h"
#include "model/digest.h"
#include "model/printable.h"
#include "views/report_page.h"

namespace crgen {
namespace {

std::string Escaped(std::string_view text) {
  std::string escaped;
  for (const char character : text) {
    switch (character) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      default:
        escaped += character;
    }
  }
  return escaped;
}

/// The same JSON without blanks, and without what HTML knows: inside of strings it is said
/// otherwise, outside there is none.
std::string ForScript(std::string_view json) {
  std::string text;
  text.reserve(json.size());
  bool in_string = false;
  for (std::size_t i = 0; i < json.size(); ++i) {
    const char character = json[i];
    if (!in_string && (character == ' ' || character == '\n')) continue;
    if (character == '"') in_string = !in_string;
    if (character == '<') {
      text += "\\u003c";
    } else if (character == '>') {
      text += "\\u003e";
    } else if (character == '&') {
      text += "\\u0026";
    } else {
      text += character;
    }
    if (in_string && character == '\\' && i + 1 < json.size()) text += json[++i];
  }
  return text;
}

/// As a policy names what it allows: Content Security Policy Level 3, hash-source.
std::string HashSource(std::string_view content) {
  Sha256 sum;
  sum.Add(content);
  const std::string digest = sum.Finish().text;
  std::string bytes;
  for (std::size_t at = digest.find(':') + 1; at + 1 < digest.size(); at += 2)
    bytes += static_cast<char>(std::stoi(digest.substr(at, 2), nullptr, 16));
  std::string quoted;
  JsonWriter(&quoted, JsonWriter::Style::kLine).Base64(bytes);
  return "'sha256-" + quoted.substr(1, quoted.size() - 2) + "'";
}

}  // namespace

Result WriteReport(std::string_view title, const std::vector<ReportSection>& sections,
                   const std::function<Result(std::string_view text, Diagnostics& diag)>& sink,
                   Diagnostics& diag) {
  const std::string policy = "default-src 'none'; base-uri 'none'; form-action 'none'; style-src " +
                             HashSource(kReportStyle) + "; script-src " + HashSource(kReportScript);
  const std::string name = Escaped(Printable(title));
  std::string_view rest(kReportPage);
  while (!rest.empty()) {
    const std::size_t at = rest.find('@'), end = at == rest.npos ? at : rest.find('@', at + 1);
    if (Failed(sink(rest.substr(0, at), diag))) return Result::kError;
    if (end == rest.npos) break;
    const std::string_view place = rest.substr(at + 1, end - at - 1);
    rest.remove_prefix(end + 1);
    if (place == "data") {
      for (const ReportSection& section : sections) {
        const std::string block = "<script type=\"application/json\" id=\"data-" +
                                  std::string(section.name) + "\">" + ForScript(section.json()) +
                                  "</script>\n";
        if (Failed(sink(block, diag))) return Result::kError;
      }
      continue;
    }
    const std::string_view text = place == "policy"  ? std::string_view(policy)
                                  : place == "title" ? std::string_view(name)
                                  : place == "style" ? std::string_view(kReportStyle)
                                                     : std::string_view(kReportScript);
    if (Failed(sink(text, diag))) return Result::kError;
  }
  return Result::kOk;
}

}  // namespace crgen
