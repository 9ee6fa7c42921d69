#include "dsl/validate.h"

#include <nlohmann/json.hpp>
#include <valijson/adapters/nlohmann_json_adapter.hpp>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validation_results.hpp>
#include <valijson/validator.hpp>

#include "dsl/program_json.h"
#include "dsl/schema.h"

namespace crgen {
namespace {

/// "<root>[11][child_pid]" of the library as the pointer "/11/child_pid".
std::string PointerOf(const std::vector<std::string>& context) {
  std::string pointer;
  for (const std::string& part : context) {
    if (part.size() > 2 && part.front() == '[') pointer += "/" + part.substr(1, part.size() - 2);
  }
  return pointer.empty() ? "/" : pointer;
}

Result ValidateDocument(const nlohmann::json& document, std::string_view name, Diagnostics& diag) {
  using valijson::adapters::NlohmannJsonAdapter;
  const nlohmann::json schema_text = nlohmann::json::parse(ProgramSchema());
  valijson::Schema schema;
  valijson::SchemaParser(valijson::SchemaParser::kDraft7)
      .populateSchema(NlohmannJsonAdapter(schema_text), schema);
  valijson::ValidationResults results;
  valijson::Validator validator(valijson::Validator::kStrongTypes);
  if (validator.validate(schema, NlohmannJsonAdapter(document), &results)) return Result::kOk;
  // Each violation is followed by one line for every level around it, which says nothing new.
  valijson::ValidationResults::Error error;
  while (results.popError(error)) {
    if (error.description.starts_with("Failed to validate ")) continue;
    (void)diag.Error(std::string(name) + ": " + PointerOf(error.context), error.description);
  }
  return Result::kError;
}

}  // namespace

Result ValidateText(std::string_view text, std::string_view name, Program* program,
                    Diagnostics& diag) {
  // The reader knows the same table and says more of what is wrong; the schema has the last word.
  if (Failed(ReadProgram(text, name, program, diag))) return Result::kError;
  return ValidateDocument(nlohmann::json::parse(text), name, diag);
}

}  // namespace crgen
