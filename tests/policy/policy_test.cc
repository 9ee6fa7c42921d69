// SPDX-License-Identifier: Apache-2.0
// Policies: what is planted in a dump is named, one by one, and nothing else is; what a program
// does is judged as the dump that it comes from.
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <valijson/adapters/nlohmann_json_adapter.hpp>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validator.hpp>

#include "generator/generate.h"
#include "model/printable.h"
#include "policy/report.h"
#include "tests/support/dump_edit.h"
#include "tests/support/image_support.h"

namespace crgen::test {
namespace {

using nlohmann::json;

const std::string kFolder = CRGEN_SOURCE "/tests/policy/";

/// A dump as a whole, and its program if it has one.
struct Judged {
  explicit Judged(Files files) : source(OpenMemory(std::move(files))), pages(*source) {
    LoadOptions options;
    options.unplanned = &unplanned;
    loaded = LoadDump(*source, &snapshot, diag, options);
  }
  Authority Of() const {
    TreeSnapshot tree;
    TreePlan plan;
    TreeRefusal refusal;
    (void)(Succeeded(PrepareTree(snapshot.tree, &tree, &refusal)) &&
           Succeeded(AnalyzeTree(tree, &plan, &refusal)));
    return AuthorityOf(snapshot, unplanned, diag, plan.invented.size());
  }
  /// False: there is none.
  bool Plan(Authority* authority) {
    if (Failed(loaded) || diag.Count(Severity::kUnsupported) != 0) return false;
    const PageReader reader = [this](const std::string& image, std::uint64_t offset,
                                     std::span<char> out,
                                     Diagnostics& d) { return pages.Read(image, offset, out, d); };
    auto about = std::make_shared<About>();
    about->version.text = LanguageVersion::kCurrent;
    about->network_lock = snapshot.network_lock;
    Program program;
    Diagnostics problems;
    if (GenerateProgram(snapshot, {about}, reader, &program, problems) != GenerateOutcome::kOk) {
      return false;
    }
    SimulatedState state;
    EXPECT_EQ(CheckProgram(program, &state, problems), Result::kOk) << Lines(problems).front();
    *authority = AuthorityOf(program, state);
    return true;
  }

  std::unique_ptr<ImageSource> source;
  PageImages pages;
  Snapshot snapshot;
  Unplanned unplanned;
  Diagnostics diag;
  Result loaded = Result::kError;
};

Policy Parsed(const std::string& text) {
  Policy policy;
  Diagnostics diag;
  EXPECT_EQ(ReadPolicy(text, "policy.json", &policy, diag), Result::kOk)
      << (diag.entries().empty() ? "" : diag.entries()[0].where + diag.entries()[0].what);
  return policy;
}

/// What is beyond a policy; `places`: and where.
std::vector<std::string> Causes(const Authority& authority, const Policy& policy, bool places) {
  std::vector<std::string> lines;
  const json told = json::parse(CheckJson(authority, Beyond(authority, policy)));
  EXPECT_EQ(told["verdict"], told["causes"].empty() ? "allowed" : "denied");
  for (const json& cause : told["causes"]) {
    const std::string where = cause["where"];
    lines.push_back(cause["what"].get<std::string>() +
                    (places && !where.empty() ? ": " + where : ""));
  }
  return lines;
}

Dump Confined() {
  Dump dump;
  for (const DumpCase& it : ReadDumpCases(kFolder + "confined.txt")) it.change(dump);
  return dump;
}

std::vector<DumpCase> Escalations() {
  std::vector<DumpCase> cases = ReadDumpCases(kFolder + "escalations.txt");
  for (DumpCase& it : ReadDumpCases(kFolder + "escalations_code.txt")) {
    cases.push_back(std::move(it));
  }
  return cases;
}

/// A validator that knows nothing but the schema.
class Validator {
 public:
  explicit Validator(const std::string& schema) : text_(json::parse(schema)) {
    valijson::SchemaParser(valijson::SchemaParser::kDraft7)
        .populateSchema(valijson::adapters::NlohmannJsonAdapter(text_), schema_);
  }
  bool Accepts(const std::string& document) {
    valijson::Validator validator(valijson::Validator::kStrongTypes);
    const json parsed = json::parse(document);
    return validator.validate(schema_, valijson::adapters::NlohmannJsonAdapter(parsed), nullptr);
  }

 private:
  json text_;
  valijson::Schema schema_;
};

TEST(Policy, AllThatIsPlantedIsNamed) {
  const Policy policy = Parsed(DerivePolicy(Judged(Confined().Build()).Of()));
  EXPECT_EQ(Causes(Judged(Confined().Build()).Of(), policy, true), std::vector<std::string>{});
  std::set<std::string> named;
  std::string text;
  for (const DumpCase& it : Escalations()) {
    Dump dump = Confined();
    it.change(dump);
    const std::vector<std::string> causes = Causes(Judged(dump.Build()).Of(), policy, true);
    EXPECT_EQ(causes, it.expected) << it.name;
    EXPECT_FALSE(causes.empty()) << it.name;
    text += it.name + "\n";
    for (const std::string& cause : causes) {
      named.insert(cause.substr(0, cause.find_first_of(" :")));
      text += "  > " + cause + "\n";
    }
  }
  if (std::getenv("CRGEN_REBASE") != nullptr) std::cout << text;
  for (const Member& member : Members()) {
    const bool asked = member.group != Group::kHost && member.form != Form::kNever;
    EXPECT_TRUE(!asked || named.contains(std::string(member.name)))
        << member.name << " is in no escalation";
  }
}

TEST(Policy, ProgramsAreJudgedAsTheirDumps) {
  const Policy policy = Parsed(DerivePolicy(Judged(Confined().Build()).Of()));
  Authority planned;
  ASSERT_TRUE(Judged(Confined().Build()).Plan(&planned));
  EXPECT_EQ(Causes(planned, policy, true), std::vector<std::string>{});
  std::size_t plans = 0;
  for (const DumpCase& it : Escalations()) {
    Dump dump = Confined();
    it.change(dump);
    Judged judged(dump.Build());
    if (!judged.Plan(&planned)) continue;
    ++plans;
    EXPECT_EQ(Causes(planned, policy, false), Causes(judged.Of(), policy, false)) << it.name;
  }
  EXPECT_GT(plans, 40U);
}

TEST(Policy, DerivedOnesAllowJustThat) {
  Validator policies(PolicySchema()), checks(CheckSchema());
  const Policy nothing = Parsed(R"({"version": 1})");
  for (const std::string& name : FixtureNames()) {
    Judged dump(ReadFixture(name));
    const Authority authority = dump.Of();
    const std::string derived = DerivePolicy(authority);
    EXPECT_TRUE(policies.Accepts(derived)) << name;
    EXPECT_EQ(Causes(authority, Parsed(derived), true), std::vector<std::string>{}) << name;
    EXPECT_EQ(Beyond(authority, nothing).size(), authority.claims().size()) << name;
    EXPECT_TRUE(checks.Accepts(CheckJson(authority, Beyond(authority, nothing)))) << name;
    EXPECT_TRUE(checks.Accepts(CheckJson(authority, std::nullopt))) << name;
    // Without any one of its members it is denied.
    const json whole = json::parse(derived);
    for (const auto& [member, value] : whole.items()) {
      if (member == "version") continue;
      json without = whole;
      without.erase(member);
      const auto causes = Causes(authority, Parsed(without.dump()), false);
      ASSERT_FALSE(causes.empty()) << name << " " << member;
      for (const std::string& cause : causes) EXPECT_TRUE(cause.starts_with(member)) << cause;
    }
  }
}

TEST(Policy, ProgramsOfFixturesAreAllowedByTheirDumps) {
  for (const std::string& name : FixtureNames()) {
    Judged dump(ReadFixture(name));
    Authority planned;
    ASSERT_TRUE(dump.Plan(&planned)) << name;
    EXPECT_EQ(Causes(planned, Parsed(DerivePolicy(dump.Of())), true), std::vector<std::string>{})
        << name;
  }
}

TEST(Policy, AnyAllowsAll) {
  json policy = {{"version", 1}};
  for (const Member& member : Members()) {
    if (member.form == Form::kNever) continue;
    policy[std::string(member.name)] = "any";
    if (member.form == Form::kFlag) policy[std::string(member.name)] = true;
  }
  for (const std::string& name : FixtureNames()) {
    EXPECT_EQ(Causes(Judged(ReadFixture(name)).Of(), Parsed(policy.dump()), true),
              std::vector<std::string>{})
        << name;
  }
  // But not what nobody knows.
  Dump dump = Confined();
  EXPECT_EQ(ApplyEdit("drop fs-10.img", &dump), "");
  EXPECT_EQ(Causes(Judged(dump.Build()).Of(), Parsed(policy.dump()), false).size(), 1U);
}

TEST(Policy, WhatIsNoPolicyIsRefused) {
  const std::pair<const char*, const char*> kCases[] = {
      {R"([])", "policy.json"},
      {R"(7)", "policy.json: /"},
      {R"({})", "policy.json: /"},
      {R"({"version": 2})", "policy.json: /version"},
      {R"({"version": 1, "uid": [0]})", "policy.json: /"},
      {R"({"version": 1, "uids": [0], "uids": "any"})", "policy.json"},
      {R"({"version": 1, "uids": "all"})", "policy.json: /uids"},
      {R"({"version": 1, "uids": [-1]})", "policy.json: /uids/0"},
      {R"({"version": 1, "uids": ["5-4"]})", "policy.json: /uids"},
      {R"({"version": 1, "uids": ["1-99999999999"]})", "policy.json: /uids/0"},
      {R"({"version": 1, "dumpable": "any"})", "policy.json: /dumpable"},
      {R"({"version": 1, "processes": -1})", "policy.json: /processes"},
      {R"({"version": 1, "processes": 1.5})", "policy.json: /processes"},
      {R"({"version": 1, "paths": [{"path": "/x"}]})", "policy.json: /paths/0"},
      {R"({"version": 1, "paths": [{"path": "/x", "access": ["reed"]}]})",
       "policy.json: /paths/0/access/0"},
      {R"({"version": 1, "paths": [{"path": "/x", "access": [], "mode": 1}]})",
       "policy.json: /paths/0"},
      {R"({"version": 1, "setuid": ["/x\\"]})", "policy.json: /setuid"},
      {R"({"version": 1, "setuid": ["/x\\xg0"]})", "policy.json: /setuid"},
      {R"({"version": 1,)", "policy.json"},
      {R"({"version": 1} {})", "policy.json"},
  };
  for (const auto& [text, where] : kCases) {
    Policy policy;
    Diagnostics diag;
    EXPECT_EQ(ReadPolicy(text, "policy.json", &policy, diag), Result::kError) << text;
    ASSERT_EQ(diag.entries().size(), 1U) << text;
    EXPECT_EQ(diag.entries()[0].where, where) << text << diag.entries()[0].what;
    EXPECT_NE(diag.entries()[0].what, "") << text;
  }
  Policy policy;
  Diagnostics diag;
  EXPECT_EQ(ReadPolicy(std::string(1000000, '['), "deep", &policy, diag), Result::kError);
}

TEST(Policy, SchemasAreWritten) {
  const std::pair<const char*, std::string> kFiles[] = {{"policy", PolicySchema()},
                                                        {"check", CheckSchema()}};
  for (const auto& [name, text] : kFiles) {
    const std::string path = CRGEN_SOURCE "/schema/" + std::string(name) + ".schema.json";
    std::ifstream file(path);
    EXPECT_EQ(std::string(std::istreambuf_iterator<char>(file), {}), text)
        << "crgen schema --" << name << " > schema/" << name << ".schema.json";
  }
}

TEST(Policy, TheirPageHasAllMembers) {
  std::ifstream file(CRGEN_SOURCE "/docs/policy.md");
  const std::string page(std::istreambuf_iterator<char>(file), {});
  for (const Member& member : Members()) {
    if (member.form == Form::kNever) continue;
    const std::size_t row = page.find("| `" + std::string(member.name) + "` | ");
    ASSERT_NE(row, page.npos) << member.name;
    const std::string line = page.substr(row, page.find('\n', row) - row);
    EXPECT_TRUE(line.ends_with("| " + std::string(member.note) + " |")) << line;
    for (const std::string_view word : member.words) {
      EXPECT_NE(line.find(word), line.npos) << line;
    }
  }
}

TEST(PolicyGlob, Matches) {
  const std::tuple<const char*, const char*, bool> kCases[] = {{"/a/b", "/a/b", true},
                                                               {"/a/b", "/a/bc", false},
                                                               {"/a/*", "/a/b", true},
                                                               {"/a/*", "/a/b/c", false},
                                                               {"/a/*", "/a/", false},
                                                               {"/a/*/", "/a/b/", true},
                                                               {"/a/**", "/a/../b", false},
                                                               {"/a/*", "/a/..", false},
                                                               {"/a/*", "/a/.", false},
                                                               {"/a/*.", "/a/..", false},
                                                               {"/a/??", "/a/..", false},
                                                               {"/a/**/../c", "/a/b/../c", true},
                                                               {"/a/*", "/a/...", true},
                                                               {"/a/*", "/a/..b", true},
                                                               {"/a/**", "/a/./b", false},
                                                               {"/a/**", "/a//b", false},
                                                               {"/a/**/b", "/a//b", false},
                                                               {"/a//*", "/a//b", true},
                                                               {"/a/**", "/a/b/", false},
                                                               {"**", "//dev/mem", false},
                                                               {"**", "../x", false},
                                                               {"../*", "../x", true},
                                                               {"**", "/", true},
                                                               {"/a/**", "/a/b/c", true},
                                                               {"/a/**", "/a", false},
                                                               {"/a/**/c", "/a/b/b/c", true},
                                                               {"/a/**/c", "/a/c", false},
                                                               {"/a/?", "/a/b", true},
                                                               {"/a?b", "/a/b", false},
                                                               {"/a\\*", "/a*", true},
                                                               {"/a\\*", "/ab", false},
                                                               {"/a\\x0a", "/a\n", true},
                                                               {"/\\\\", "/\\", true},
                                                               {"*.so", "lib.so", true},
                                                               {"*.so", "lib.so.1", false},
                                                               {"**", "", true},
                                                               {"", "", true},
                                                               {"", "a", false},
                                                               {"*a*a*b", "aaaaaaaaaab", true},
                                                               {"*a*a*b", "aaaaaaaaaaa", false}};
  for (const auto& [pattern, text, matches] : kCases) {
    EXPECT_EQ(Glob::Parse(pattern)->Matches(text), matches) << pattern << " " << text;
  }
}

TEST(PolicyGlob, StandsForAnyBytes) {
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all += static_cast<char>(byte);
  for (const std::string& bytes :
       {all, std::string("/a*b?c\\d"), std::string("/\xc3\xa4/\xe2\x80\xae"),
        std::string("\xff\xc3"), std::string("\xe2\x80"), std::string()}) {
    const std::string glob = GlobOf(bytes);
    EXPECT_TRUE(IsUtf8(glob));
    EXPECT_EQ(Glob::Parse(glob)->Literal(), bytes) << glob;
    EXPECT_TRUE(Glob::Parse(glob)->Matches(bytes)) << glob;
  }
}

}  // namespace
}  // namespace crgen::test
