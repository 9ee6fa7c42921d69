// SPDX-License-Identifier: Apache-2.0
#include "crgen/tree_json.h"

#include "crgen/births.h"
#include "dsl/json/value_json.h"
#include "dsl/json/writer.h"
#include "generator/tree/rule_text.h"
#include "generator/tree_answers.h"
#include "model/printable.h"

namespace crgen {
namespace {

class TreeWriter {
 public:
  TreeWriter(const TreeSnapshot& tree, const TreePlan& plan)
      : tree_(tree), plan_(plan), json_(&out_, JsonWriter::Style::kIndented) {}

  std::string Write(const Derivations* others) {
    json_.BeginObject();
    Number("processes", tree_.nodes.size());
    List("births", BirthsOf(tree_, plan_), [this](const DrawnBirth& birth) { Birth(birth); });
    List("invented", plan_.invented, [this](const InventedProcess& invented) {
      Pid("pid", invented.pid);
      json_.Key("reason");
      json_.String(Printable(invented.reason));
    });
    Calls("commands", plan_.ops);
    if (others != nullptr) Alternatives(*others);
    json_.EndObject();
    return out_ + "\n";
  }

 private:
  void Number(std::string_view name, std::uint64_t value) {
    json_.Key(name);
    json_.Number(value);
  }
  void Pid(std::string_view name, crgen::Pid pid) {
    json_.Key(name);
    json_.Number(std::int64_t{pid});
  }
  void Bool(std::string_view name, bool value) {
    json_.Key(name);
    json_.Bool(value);
  }

  /// An object for each of `items`, whose members `write` writes.
  template <typename Items, typename Write>
  void List(std::string_view name, const Items& items, Write write) {
    json_.Key(name);
    json_.BeginArray();
    for (const auto& item : items) {
      json_.BeginObject();
      write(item);
      json_.EndObject();
    }
    json_.EndArray();
  }

  void Birth(const DrawnBirth& birth) {
    Pid("pid", birth.pid);
    Pid("creator", birth.creator);
    if (birth.adopter != 0) Pid("adopter", birth.adopter);
    Pid("pgid", birth.pgid);
    Pid("sid", birth.sid);
    Bool("invented", birth.invented);
    Bool("zombie", birth.zombie);
    Bool("subreaper", birth.subreaper);
    Number("threads", birth.threads);
  }

  void Calls(std::string_view name, const std::vector<TreeOp>& ops) {
    List(name, ops, [this](const TreeOp& op) {
      json_.Key("command");
      WriteCommandJson(json_, ProgramCommand(op));
      json_.Key("rule");
      json_.String(RuleText(op));
    });
  }

  void Alternatives(const Derivations& derivations) {
    const bool searched = derivations.commands != 0;
    json_.Key("alternatives");
    json_.BeginObject();
    Bool("searched", searched);
    if (searched) {
      Bool("whole", derivations.whole);
      Number("length", derivations.commands);
      List("derivations", OthersThan(tree_, plan_, derivations),
           [this](const std::vector<TreeOp>* ops) { Calls("commands", *ops); });
    }
    json_.EndObject();
  }

  const TreeSnapshot& tree_;
  const TreePlan& plan_;
  std::string out_;
  JsonWriter json_;
};

}  // namespace

std::string TreeJson(const TreeSnapshot& tree, const TreePlan& plan, const Derivations* others) {
  return TreeWriter(tree, plan).Write(others);
}

}  // namespace crgen
