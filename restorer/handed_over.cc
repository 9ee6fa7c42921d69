// SPDX-License-Identifier: Apache-2.0
#include "restorer/handed_over.h"

#include "dsl/references.h"
#include "model/files/key_spelling.h"
#include "model/printable.h"

namespace crgen::restorer {

std::string SpellAsPlanned(const Program& program, std::map<std::string, int>* inherited) {
  if (inherited->empty()) return "";
  std::map<std::string, std::string> planned;  // by the plain spelling
  for (const Command& command : program) {
    const auto* open = std::get_if<OpenFile>(&command.body);
    if (open == nullptr) continue;
    ForEachOpened(*open, [&](Fd, const File& file, bool) {
      if (file.external) planned.emplace(PlainKey(*file.external), *file.external);
    });
  }
  std::map<std::string, int> spelt;
  for (const auto& [key, fd] : *inherited) {
    const auto known = planned.find(PlainKey(key));
    const std::string& name = known == planned.end() ? key : known->second;
    if (!spelt.emplace(name, fd).second) {
      return "--inherit-fd: " + Printable(name) + " is handed over twice";
    }
  }
  *inherited = std::move(spelt);
  return "";
}

}  // namespace crgen::restorer
