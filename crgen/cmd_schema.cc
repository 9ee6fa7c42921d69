// SPDX-License-Identifier: Apache-2.0
// crgen schema
#include <spdlog/spdlog.h>

#include "crgen/cli.h"
#include "crgen/look.h"
#include "crgen/program_manual.h"
#include "dsl/reference.h"
#include "dsl/schema.h"
#include "images/image_table.h"
#include "policy/policy.h"
#include "preflight/host_facts.h"

namespace crgen {

namespace {

struct Page {
  const char* option;
  const char* about;
  std::string (*text)();
};

constexpr Page kPages[] = {
    {"--commands", "Print the reference page of the commands instead", CommandReference},
    {"--images", "Print what becomes of every image instead", ImageReference},
    {"--man", "Print the manual page restore-program(5) instead", ProgramManual},
    {"--policy", "Print the schema of policies (`crgen check`) instead", PolicySchema},
    {"--check", "Print the schema of what `crgen check --json` prints instead", CheckSchema},
    {"--host-facts", "Print the schema of what `crgen host-facts` prints instead",
     HostFactsSchema}};

}  // namespace

std::function<ExitCode()> AddSchema(CLI::App& app) {
  app.description("Print the JSON Schema (draft-07) of restore programs");
  for (const Page& page : kPages) app.add_flag(page.option)->description(page.about);
  app.footer(
      "Examples:\n"
      "  crgen schema > restore-program.schema.json\n"
      "  crgen schema --commands");
  return [&app] {
    const Page* wanted = nullptr;
    for (const Page& page : kPages) {
      if (app.count(page.option) == 0) continue;
      if (wanted != nullptr) {
        spdlog::error("{} and {} exclude each other: each is a page", wanted->option, page.option);
        return ExitCode::kUsage;
      }
      wanted = &page;
    }
    return PrintView(wanted != nullptr ? wanted->text() : ProgramSchema());
  };
}

}  // namespace crgen
