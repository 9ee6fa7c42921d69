// SPDX-License-Identifier: Apache-2.0
// Mutants of a program. A value is changed in the JSON of its command, so that every field of every
// command is reached without a list of them.
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <random>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "dsl/json/program_json.h"

namespace crgen::test {

using nlohmann::json;

/// The values that stand under one member name, and the members that objects in one place have,
/// in all programs: what a mutant may replace a value with, or add.
struct Vocabulary {
  std::map<std::string, std::set<json>> values;
  std::map<std::string, std::map<std::string, std::set<json>>> members;

  void Learn(const json& command) { Learn(command, "", command.at("command")); }

  void Learn(const json& at, const std::string& name, const std::string& place) {
    if (at.is_primitive()) {
      values[name].insert(at);
      values[place].insert(at);
    }
    if (at.is_array()) {
      for (const json& entry : at) Learn(entry, name, place + "[]");
    }
    if (!at.is_object()) return;
    for (const auto& [key, value] : at.items()) {
      members[place][key].insert(value);
      Learn(value, key, place + "." + key);
    }
  }
};

/// A program that differs from the good one.
struct Mutant {
  Program program;
  std::string what;
};

class Mutator {
 public:
  using Consumer = std::function<void(const std::string& what, const std::function<Mutant()>&)>;

  Mutator(const Program& program, const Vocabulary& all) : program_(program), all_(all) {
    const json document = json::parse(WriteProgram(program, Layout::kLines));
    for (const json& command : document) {
      commands_.push_back(command);
      own_.Learn(command);
    }
  }

  const std::vector<json>& commands() const { return commands_; }

  /// Calls `consume` for every systematic mutant; what it does not ask for is not made.
  void ForEach(const Consumer& consume) {
    for (std::size_t i = 0; i < commands_.size(); ++i) {
      Structure(i, consume);
      for (const json& changed : Changed(i)) {
        consume("change", [&, i] { return Replace(i, changed); });
      }
    }
    for (const auto& [name, rename] : Renames()) {
      consume(name, [&] { return RenameAll(rename.first, rename.second); });
    }
  }

  /// Two or three random changes at once.
  Mutant Random(std::mt19937* random) {
    Mutant mutant{program_, ""};
    const std::size_t edits = 2 + (*random)() % 2;
    for (std::size_t edit = 0; edit < edits && !mutant.program.empty(); ++edit) {
      const std::size_t i = (*random)() % mutant.program.size();
      const std::size_t to = (*random)() % mutant.program.size();
      const Command command = mutant.program[i];
      auto at = [&](std::size_t index) { return mutant.program.begin() + std::ptrdiff_t(index); };
      switch ((*random)() % 4) {
        case 0:
          mutant.program.erase(at(i));
          break;
        case 1:
          mutant.program.insert(at(to), command);
          break;
        case 2:
          mutant.program.erase(at(i));
          mutant.program.insert(at(std::min(to, mutant.program.size())), command);
          break;
        default:
          RandomChange(&mutant.program[i], random);
      }
    }
    mutant.what = "random";
    return mutant;
  }

 private:
  void Structure(std::size_t i, const Consumer& consume) {
    auto make = [this](const char* what, std::size_t at, auto edit) {
      return [this, what, at, edit] {
        Mutant mutant{program_, what + (" " + std::to_string(at)) + ": " + commands_[at].dump()};
        edit(&mutant.program);
        return mutant;
      };
    };
    const auto place = std::ptrdiff_t(i);
    consume("drop", make("drop", i, [=](Program* p) { p->erase(p->begin() + place); }));
    consume("duplicate", make("duplicate", i, [=](Program* p) {
              const Command command = (*p)[i];
              p->insert(p->begin() + place, command);
            }));
    consume("repeat", make("repeat", i, [=](Program* p) {
              const Command command = (*p)[i];
              p->insert(p->begin() + std::ptrdiff_t((i + p->size()) / 2 + 1), command);
            }));
    if (i + 1 < commands_.size()) {
      consume("swap", make("swap", i, [=](Program* p) { std::swap((*p)[i], (*p)[i + 1]); }));
    }
    for (std::size_t to : {i / 2, (i + commands_.size()) / 2}) {
      consume("move", make("move", i, [=](Program* p) {
                const Command command = (*p)[i];
                p->erase(p->begin() + place);
                p->insert(p->begin() + std::ptrdiff_t(to), command);
              }));
    }
  }

  /// Empty program: the reader refuses it.
  Mutant Replace(std::size_t i, const json& changed) const {
    Mutant mutant{{}, "change " + std::to_string(i) + ": " + changed.dump()};
    std::optional<Command> command = Read(changed);
    if (!command) return mutant;
    mutant.program = program_;
    mutant.program[i] = std::move(*command);
    return mutant;
  }

  static std::optional<Command> Read(const json& command) {
    Program program;
    Diagnostics diag;
    if (Failed(ReadProgram("[" + command.dump() + "]", "mutant", &program, diag))) return {};
    return program.front();
  }

  void RandomChange(Command* command, std::mt19937* random) const {
    const std::string text = WriteProgram({*command}, Layout::kLines);
    const std::vector<json> changed = ChangedForms(json::parse(text).front());
    if (changed.empty()) return;
    std::optional<Command> other = Read(changed[(*random)() % changed.size()]);
    if (other) *command = std::move(*other);
  }

  std::vector<json> Changed(std::size_t i) const { return ChangedForms(commands_[i]); }

  /// `command` with one value changed, one member or entry taken away or added.
  std::vector<json> ChangedForms(const json& command) const {
    std::vector<json> forms;
    json copy = command;
    Visit(&copy, "", command.at("command"), [&] {
      if (copy != command) forms.push_back(copy);
    });
    return forms;
  }

  /// Changes `*at` in place, calls `emit`, and undoes it.
  template <typename Emit>
  void Visit(json* at, const std::string& name, const std::string& place, const Emit& emit) const {
    const json before = *at;
    if (at->is_object()) VisitObject(at, place, emit);
    if (at->is_array()) {
      for (std::size_t i = 0; i < before.size(); ++i) {
        at->erase(i);
        emit();
        *at = before;
        Visit(&(*at)[i], name, place + "[]", emit);
      }
      for (const json& value : Others(all_, place + "[]", Limit(place))) {
        at->push_back(value);
        emit();
        *at = before;
      }
    }
    if (!at->is_primitive()) return;
    for (const json& value : Alternatives(before, name)) {
      *at = value;
      emit();
    }
    *at = before;
  }

  template <typename Emit>
  void VisitObject(json* at, const std::string& place, const Emit& emit) const {
    const json before = *at;
    for (const auto& [key, value] : before.items()) {
      if (key == "command") continue;
      at->erase(key);
      emit();
      *at = before;
      Visit(&(*at)[key], key, place + "." + key, emit);
    }
    auto known = all_.members.find(place);
    if (known == all_.members.end()) return;
    for (const auto& [key, values] : known->second) {
      if (before.contains(key)) continue;
      for (const json& value : Spread(values, Limit(place + "." + key))) {
        (*at)[key] = value;
        emit();
        *at = before;
      }
    }
  }

  static std::string Moved(const std::string& hex, std::uint64_t by) {
    std::ostringstream text;
    text << "0x" << std::hex << std::stoull(hex, nullptr, 16) + by;
    return text.str();
  }

  std::vector<json> Others(const Vocabulary& words, const std::string& name,
                           std::size_t limit) const {
    auto known = words.values.find(name);
    return known == words.values.end() ? std::vector<json>() : Spread(known->second, limit);
  }

  /// All clone(2) flags, few of everything else.
  static std::size_t Limit(const std::string& place) { return place == "FORK.flags" ? 99 : 2; }

  static std::vector<json> Spread(const std::set<json>& values, std::size_t limit) {
    std::vector<json> others;
    const std::size_t step = std::max<std::size_t>(1, values.size() / limit);
    std::size_t i = 0;
    for (const json& value : values) {
      if (i++ % step == 0 && others.size() < limit) others.push_back(value);
    }
    return others;
  }

  std::vector<json> Alternatives(const json& value, const std::string& name) const {
    std::vector<json> others;
    auto add = [&others](auto other) { others.emplace_back(std::move(other)); };
    if (value.is_boolean()) {
      add(!value.get<bool>());
      return others;
    }
    others = Others(own_, name, 3);
    if (value.is_number()) {
      for (int by : {1, -1, 4096}) add(value.get<std::int64_t>() + by);
    } else if (value.is_string() && value.get<std::string>().starts_with("0x")) {
      for (std::uint64_t by : {1ULL, 4096ULL, -4096ULL}) add(Moved(value.get<std::string>(), by));
    } else if (value.is_string()) {
      add(value.get<std::string>() + "x");
      for (const json& other : Others(all_, name, 2)) others.push_back(other);
    }
    return others;
  }

  // ---- one value, wherever it stands

  using Rename = std::pair<std::pair<std::set<std::string>, json>, json>;

  std::vector<std::pair<std::string, Rename>> Renames() const {
    std::vector<std::pair<std::string, Rename>> renames;
    const std::set<std::string> classes[] = {{"pid", "child_pid", "pgid", "tid"},
                                             {"fd", "old_fd", "new_fd"},
                                             {"id"},
                                             {"inode_id"},
                                             {"start", "end", "to"},
                                             {"path"},
                                             {"image"}};
    for (const std::set<std::string>& names : classes) {
      std::set<json> values;
      for (const std::string& name : names) {
        auto known = own_.values.find(name);
        if (known != own_.values.end()) values.insert(known->second.begin(), known->second.end());
      }
      for (const json& value : values) {
        for (const json& other : Alternatives(value, *names.begin())) {
          if (other == value) continue;
          renames.push_back({"rename", {{names, value}, other}});
        }
      }
    }
    return renames;
  }

  static void RenameIn(json* at, const std::set<std::string>& names, const json& from,
                       const json& to) {
    if (at->is_array()) {
      for (json& entry : *at) RenameIn(&entry, names, from, to);
    }
    if (!at->is_object()) return;
    for (auto& [key, value] : at->items()) {
      if (names.count(key) != 0 && value == from) {
        value = to;
      } else {
        RenameIn(&value, names, from, to);
      }
    }
  }

  Mutant RenameAll(const std::pair<std::set<std::string>, json>& what, const json& to) const {
    json document = json::array();
    for (const json& command : commands_) document.push_back(command);
    for (json& command : document) RenameIn(&command, what.first, what.second, to);
    Mutant mutant{{},
                  "rename " + *what.first.begin() + " " + what.second.dump() + ": " + to.dump()};
    Diagnostics diag;
    if (Failed(ReadProgram(document.dump(), "mutant", &mutant.program, diag))) {
      mutant.program.clear();
    }
    return mutant;
  }

  const Program& program_;
  const Vocabulary& all_;
  Vocabulary own_;
  std::vector<json> commands_;
};

}  // namespace crgen::test
