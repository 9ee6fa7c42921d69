// SPDX-License-Identifier: Apache-2.0
// Differences for people, and for machines.
#include <algorithm>
#include <unordered_map>

#include "dsl/json/writer.h"
#include "model/printable.h"
#include "views/diff.h"
#include "views/table.h"
#include "views/words.h"

namespace crgen {
namespace {

constexpr std::string_view kAspects[] = {"dump",       "process", "thread", "attribute",
                                         "descriptor", "region",  "pages",  "cgroup"};

/// What people call it.
std::string Word(const std::string& field) {
  static const std::unordered_map<std::string_view, std::string_view> kWords = {
      {"pos", "position"},    {"pgid", "group"},     {"sid", "session"},
      {"prot", "protection"}, {"madvise", "advice"}, {"child_subreaper", "subreaper"}};
  const auto word = kWords.find(field);
  return word == kWords.end() ? field : std::string(word->second);
}

std::string PagesText(const Difference& it) {
  constexpr std::size_t kNamed = 3;
  std::string text = Count(it.pages, "page", "pages") + " changed: ";
  for (std::size_t i = 0; i < std::min(it.ranges.size(), kNamed); ++i) {
    text += (i == 0 ? "" : ", ") + HexText(it.ranges[i].start).substr(2) + "-" +
            HexText(it.ranges[i].end).substr(2);
  }
  if (it.ranges.size() <= kNamed) return text;
  return text + " and " + Count(it.ranges.size() - kNamed, "more range", "more ranges");
}

std::string LineOf(const Difference& it) {
  std::string text = it.pid ? std::to_string(*it.pid) + ": " : "";
  if (!it.where.empty()) text += it.where + ": ";
  if (it.aspect == Aspect::kPages) return text + PagesText(it);
  if (!it.field.empty()) text += Word(it.field) + " ";
  text += it.before + ", then " + it.after;
  if (it.more != 0) text += ", and " + Count(it.more, "entry more", "entries more");
  return text;
}

}  // namespace

std::string DiffText(const Differences& differences, const ViewOptions& options) {
  std::string text;
  if (differences.list.empty()) {
    WriteLine(
        differences.not_compared.empty() ? "no difference" : "no difference in what was compared",
        Ink::kPlain, options, &text);
  }
  for (const Difference& it : differences.list) WriteLine(LineOf(it), Ink::kPlain, options, &text);
  for (const std::string& what : differences.not_compared)
    WriteLine("not compared: " + what, Ink::kMissing, options, &text);
  return text;
}

std::string DiffJson(const Differences& differences) {
  std::string text;
  JsonWriter json(&text, JsonWriter::Style::kIndented);
  const auto words = [&](std::string_view name, std::string_view value) {
    json.Key(name);
    json.String(Printable(value));
  };
  json.BeginObject();
  json.Key("equal");
  json.Bool(differences.list.empty());
  json.Key("differences");
  json.BeginArray();
  for (const Difference& it : differences.list) {
    json.BeginObject();
    words("kind", kAspects[static_cast<std::size_t>(it.aspect)]);
    if (it.pid) {
      json.Key("pid");
      json.Number(std::int64_t{*it.pid});
    }
    if (!it.where.empty()) words("where", it.where);
    if (it.aspect == Aspect::kPages) {
      json.Key("pages");
      json.Number(it.pages);
      json.Key("ranges");
      json.BeginArray();
      for (const AddressRange& range : it.ranges) {
        json.BeginObject();
        json.Key("start");
        json.HexNumber(range.start);
        json.Key("end");
        json.HexNumber(range.end);
        json.EndObject();
      }
      json.EndArray();
    } else {
      if (!it.field.empty()) words("field", it.field);
      words("before", it.before);
      words("after", it.after);
      if (it.more != 0) {
        json.Key("more");
        json.Number(std::uint64_t{it.more});
      }
    }
    json.EndObject();
  }
  json.EndArray();
  json.Key("not_compared");
  json.BeginArray();
  for (const std::string& what : differences.not_compared) json.String(Printable(what));
  json.EndArray();
  json.EndObject();
  return text + "\n";
}

}  // namespace crgen
