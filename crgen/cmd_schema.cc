// SPDX-License-Identifier: Apache-2.0
// crgen schema
#include "crgen/cli.h"
#include "crgen/look.h"
#include "crgen/program_manual.h"
#include "dsl/reference.h"
#include "dsl/schema.h"
#include "images/image_table.h"
#include "policy/policy.h"
#include "preflight/host_facts.h"

namespace crgen {

std::function<ExitCode()> AddSchema(CLI::App& app) {
  auto commands = std::make_shared<bool>(false);
  auto images = std::make_shared<bool>(false);
  auto man = std::make_shared<bool>(false);
  auto policy = std::make_shared<bool>(false);
  auto check = std::make_shared<bool>(false);
  auto facts = std::make_shared<bool>(false);
  app.description("Print the JSON Schema (draft-07) of restore programs");
  auto* commands_flag =
      app.add_flag("--commands", *commands, "Print the reference page of the commands instead");
  app.add_flag("--images", *images, "Print what becomes of every image instead")
      ->excludes(commands_flag);
  app.add_flag("--man", *man, "Print the manual page restore-program(5) instead");
  app.add_flag("--policy", *policy, "Print the schema of policies (`crgen check`) instead");
  app.add_flag("--check", *check, "Print the schema of what `crgen check --json` prints instead");
  app.add_flag("--host-facts", *facts,
               "Print the schema of what `crgen host-facts` prints instead");
  app.footer(
      "Examples:\n"
      "  crgen schema > restore-program.schema.json\n"
      "  crgen schema --commands");
  return [commands, images, man, policy, check, facts] {
    return PrintView(*commands ? CommandReference()
                     : *images ? ImageReference()
                     : *man    ? ProgramManual()
                     : *policy ? PolicySchema()
                     : *check  ? CheckSchema()
                     : *facts  ? HostFactsSchema()
                               : ProgramSchema());
  };
}

}  // namespace crgen
