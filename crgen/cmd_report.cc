// SPDX-License-Identifier: Apache-2.0
// crgen report DUMP -o FILE
#include "crgen/losses.h"
#include "crgen/needs.h"
#include "crgen/verdicts.h"
#include "generator/generate.h"
#include "policy/report.h"
#include "views/plan.h"
#include "views/report.h"
#include "views/show.h"

namespace crgen {
namespace {

struct ReportArguments {
  std::string dump;
  std::string output;
};

/// What is shown of a dump, as the subcommands of the same names print it with --json. All of it is
/// made when it is written: the largest is in memory once.
std::vector<ReportSection> SectionsOf(const Look& look, const std::vector<Verdict>& verdicts,
                                      const Program& program, const std::string& path) {
  std::vector<ReportSection> sections;
  for (std::size_t i = 0; i < TopicNames().size(); ++i) {
    const auto topic = static_cast<Topic>(i);
    sections.push_back({TopicNames()[i].name,
                        [&look, topic] { return ShowJson(look.Dump(), {topic}, std::nullopt); }});
  }
  sections.push_back({"why", [&verdicts] { return WhyJson(verdicts); }});
  if (!program.empty()) sections.push_back({"plan", [&program] { return PlanJson(program, {}); }});
  sections.push_back({"check", [&look] {
                        return CheckJson(AuthorityOf(look.snapshot, look.unplanned, look.findings,
                                                     InventedIn(look)),
                                         std::nullopt);
                      }});
  if (!look.whole) return sections;  // what is not there may need something, too
  sections.push_back({"needs", [&look, path] {
                        const std::vector<Need> needs = NeedsOf(look.snapshot);
                        return NeedsJson(needs, RestoreCommand(needs, "plan.json", path));
                      }});
  return sections;
}

ExitCode Report(const ReportArguments& arguments) {
  Diagnostics diag;
  Output output(arguments.output);
  ThisHost host;
  if (Failed(output.Open(diag)) || Failed(host.Begin(ImagesToAsk(arguments.dump), "", diag))) {
    PrintDiagnostics(diag);
    return ExitCode::kBadInput;
  }
  ConfineToReading({arguments.dump});
  Look look;
  OpenLook(arguments.dump, &look);
  SayWhatIsMissing(look, arguments.dump);
  if (look.snapshot.processes.empty()) return ExitCode::kBadInput;
  Program program;
  const std::vector<Verdict> verdicts =
      AskAll(look, arguments.dump, "", AskedHost{.live = &host}, &program);
  const auto sink = [&](std::string_view text, Diagnostics& d) { return output.Write(text, d); };
  const bool written =
      Succeeded(WriteReport(arguments.dump, SectionsOf(look, verdicts, program, arguments.dump),
                            sink, diag)) &&
      Succeeded(output.Commit(diag));
  if (!output.ReaderGone()) PrintDiagnostics(diag);
  return (written || output.ReaderGone()) && look.whole ? ExitCode::kOk : ExitCode::kBadInput;
}

}  // namespace

std::function<ExitCode()> AddReport(CLI::App& app) {
  auto arguments = std::make_shared<ReportArguments>();
  app.description("Write all that is in a dump as one page for a browser");
  app.add_option("DUMP", arguments->dump, "A dump: a folder, or an archive")->required();
  app.add_option("-o,--output", arguments->output, "Where the page goes")
      ->type_name("FILE")
      ->required()
      ->check(IsFileName);
  AddFindingsFlag(app);
  app.footer(
      "Processes, descriptors, memory, sockets, authority, what a restore needs, why it is "
      "refused, "
      "and\n"
      "the plan, with links between them. The page is one file and asks no network; it has "
      "environments\n"
      "and command lines, and a new one is readable for its owner alone.\n\n"
      "Example:\n"
      "  crgen report dump/ -o report.html");
  return [arguments] { return Report(*arguments); };
}

}  // namespace crgen
