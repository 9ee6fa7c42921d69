// SPDX-License-Identifier: Apache-2.0
#include "generator/tree_answers.h"

#include <linux/sched.h>

#include "dsl/json/writer.h"
#include "generator/tree_commands.h"
#include "model/printable.h"
#include "model/tree_text.h"

namespace crgen {
Command ProgramCommand(const TreeOp& op) {
  Command command = TreeCommand(op);
  if (auto* fork = std::get_if<Fork>(&command.body); fork != nullptr && fork->child_pid == 1) {
    fork->flags.bits |= CLONE_NEWPID;
  }
  return command;
}

void WriteTreeRefusal(const TreeRefusal& refusal, std::string* out) {
  JsonWriter json(out, JsonWriter::Style::kLine);
  json.BeginObject();
  json.Key("error");
  json.String(Printable(refusal.reason));
  json.Key("pid");
  json.Number(std::int64_t{refusal.pid});
  json.EndObject();
  out->append("\n");
}

void WriteTreeProgram(const TreeSnapshot& tree, const TreePlan& plan, Layout layout,
                      std::string* out) {
  ProgramWriter writer(layout);
  writer.Begin(out);
  for (const TreeOp& op : plan.ops) writer.Add(ProgramCommand(op), out);
  for (const TreeNode& node : tree.nodes) {
    if (node.zombie) continue;
    for (const Pid tid : node.tids) writer.Add({node.pid, CreateThread{tid}}, out);
  }
  writer.End(out);
}

void AnswerTree(std::string_view text, std::size_t line, std::string* out) {
  TreeSnapshot parsed, tree;
  Diagnostics diag;
  if (Failed(ParseTree(text, &parsed, diag, line))) {
    const Diagnostic& first = diag.entries().front();
    return WriteTreeRefusal({0, first.where + ": " + first.what}, out);
  }
  TreePlan plan;
  TreeRefusal refusal;
  if (Failed(PrepareTree(parsed, &tree, &refusal)) || Failed(AnalyzeTree(tree, &plan, &refusal))) {
    return WriteTreeRefusal(refusal, out);
  }
  WriteTreeProgram(tree, plan, Layout::kCompact, out);
}

}  // namespace crgen
