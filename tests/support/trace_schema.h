// SPDX-License-Identifier: Apache-2.0
// Whether a trace is of the form that schema/trace.schema.json says.
#pragma once

#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <valijson/adapters/nlohmann_json_adapter.hpp>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validation_results.hpp>
#include <valijson/validator.hpp>

namespace crgen::test {

/// What is wrong with it; empty: nothing.
inline std::string WrongWithTrace(const nlohmann::json& trace) {
  std::ifstream file(CRGEN_SOURCE "/schema/trace.schema.json");
  const nlohmann::json text = nlohmann::json::parse(file);
  valijson::Schema schema;
  valijson::SchemaParser(valijson::SchemaParser::kDraft7)
      .populateSchema(valijson::adapters::NlohmannJsonAdapter(text), schema);
  valijson::ValidationResults results;
  valijson::Validator validator(valijson::Validator::kStrongTypes);
  if (validator.validate(schema, valijson::adapters::NlohmannJsonAdapter(trace), &results))
    return "";
  std::string wrong;
  for (valijson::ValidationResults::Error error; results.popError(error);) {
    for (const std::string& part : error.context) wrong += part;
    wrong += ": " + error.description + "\n";
  }
  return wrong.empty() ? "it is not of the schema" : wrong;
}

}  // namespace crgen::test
