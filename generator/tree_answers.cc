#include "generator/tree_answers.h"

#include "dsl/json/writer.h"
#include "generator/tree_commands.h"
#include "model/tree_text.h"

namespace crgen {
namespace {

void WriteRefusal(const TreeRefusal& refusal, std::string* out) {
  JsonWriter json(out, JsonWriter::Style::kLine);
  json.BeginObject();
  json.Key("error");
  json.String(refusal.reason);
  json.Key("pid");
  json.Number(std::int64_t{refusal.pid});
  json.EndObject();
  out->append("\n");
}

}  // namespace

void WriteTreeProgram(const TreePlan& plan, Layout layout, std::string* out) {
  ProgramWriter writer(layout);
  writer.Begin(out);
  for (const TreeOp& op : plan.ops) writer.Add(TreeCommand(op), out);
  writer.End(out);
}

void AnswerTree(std::string_view text, std::size_t line, const GenerateOptions& options,
                std::string* out) {
  TreeSnapshot parsed, tree;
  Diagnostics diag;
  if (Failed(ParseTree(text, &parsed, diag, line))) {
    const Diagnostic& first = diag.entries().front();
    return WriteRefusal({0, first.where + ": " + first.what}, out);
  }
  TreePlan plan;
  TreeRefusal refusal;
  if (Failed(PrepareTree(parsed, options, &tree, &refusal)) ||
      Failed(AnalyzeTree(tree, &plan, &refusal))) {
    return WriteRefusal(refusal, out);
  }
  WriteTreeProgram(plan, Layout::kCompact, out);
}

}  // namespace crgen
