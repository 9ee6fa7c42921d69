// SPDX-License-Identifier: Apache-2.0
// crrestore --trace, --gantt: what is measured of real restores.
#include <sys/stat.h>

#include <set>

#include "tests/support/restorer_support.h"
#include "tests/support/trace_schema.h"

namespace crgen::test {
namespace {

class TraceTest : public RestorerTest {
 protected:
  /// A root with children of which each joins the group of the first, which first does `works`.
  static PlanBuilder Group(int children, int works = 0) {
    PlanBuilder plan;
    plan.Fork(0, Pid(0));
    plan.Add("SET_SID", Pid(0));
    plan.MapProgram(Pid(0));
    for (int i = 1; i <= children; ++i) plan.Fork(Pid(0), Pid(i));
    for (int i = 0; i < works; ++i) {
      plan.Map(Pid(1), kData, 1, {"PROT_READ"});
      plan.Add("UNMAP_REGION", Pid(1),
               {{"start", PlanBuilder::Hex(kData)}, {"end", PlanBuilder::Hex(kData + 4096)}});
    }
    plan.Add("SET_PGID", Pid(1), {{"pgid", Pid(1)}});
    for (int i = 2; i <= children; ++i) plan.Add("SET_PGID", Pid(i), {{"pgid", Pid(1)}});
    for (int i = 0; i <= children; ++i) plan.Resume(Pid(i));
    return plan;
  }
  std::string FileText(const std::string& name) const {
    std::ifstream file(folder_ + "/" + name);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
  }
  Json Trace() const { return Json::parse(FileText("trace.json")); }
};

TEST_F(TraceTest, HasEachCommandAndItsWaits) {
  const Outcome run = Run(Group(4, 5000), "--detach -v --trace trace.json --gantt gantt.svg");
  ASSERT_EQ(run.status, 0) << run.errors;
  EXPECT_EQ(Left().size(), 5U);
  std::map<std::string, int> names;
  std::map<int, double> from, to;  // of flows, by id
  std::set<int> waiting;
  std::string awaited;  // by the command that comes next
  const Json trace = Trace();
  EXPECT_EQ(WrongWithTrace(trace), "");
  for (const Json& event : trace["traceEvents"]) {
    const std::string kind = event["ph"];
    if (kind == "X") ++names[event["name"]];
    if (kind == "X" && event["name"] == "waits" && event["cat"] == "wait") {
      awaited = event["args"]["for"];
      EXPECT_TRUE(awaited.starts_with("commands[")) << event;
      EXPECT_GT(event["dur"].get<double>(), 0) << event;
    } else if (kind == "X") {
      if (event["name"] == "SET_PGID" && !awaited.empty()) {
        EXPECT_TRUE(awaited.ends_with("SET_PGID of " + std::to_string(Pid(1)))) << awaited;
        waiting.insert(event["pid"].get<int>());
      }
      awaited.clear();
    }
    if (kind == "s") from[event["id"]] = event["ts"];
    if (kind == "f") to[event["id"]] = event["ts"];
  }
  EXPECT_EQ(names["FORK " + std::to_string(Pid(3))], 1);
  EXPECT_EQ(names["SET_PGID"], 4);
  EXPECT_EQ(names["SET_SID"], 1);
  EXPECT_EQ(names["LOAD_PAGES"], 1);
  // Who is late has not waited, but not all are.
  EXPECT_FALSE(waiting.empty());
  EXPECT_EQ(from.size(), to.size());
  for (const auto& [id, time] : from) EXPECT_LE(time, to.at(id));
  const std::string picture = FileText("gantt.svg");
  EXPECT_TRUE(picture.ends_with("</svg>\n"));
  EXPECT_NE(picture.find("the longest chain of waits"), std::string::npos);
  EXPECT_NE(run.errors.find("the longest chain of waits"), std::string::npos) << run.errors;
  struct stat info;
  ASSERT_EQ(stat((folder_ + "/trace.json").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600U);
}

/// The processes of whose slices one does a command, by command: "LOAD_PAGES of 20".
std::map<std::size_t, std::string> CommandsOf(const Json& trace) {
  std::map<std::size_t, std::string> commands;
  for (const Json& event : trace["traceEvents"]) {
    if (event["ph"] != "X" || event["cat"] != "command") continue;
    const std::string name = event["name"];
    const std::string text =
        name.substr(0, name.find_first_of(", ")) + " of " + std::to_string(event["pid"].get<int>());
    commands[event["args"]["command"]] = text;
    const Json with = event["args"].value("with", Json::array());
    for (const Json& more : with) commands[more] = text;
    if (with.empty()) continue;
    EXPECT_EQ(event["args"]["more"], with.size());
    EXPECT_TRUE(name.ends_with(", with " + std::to_string(with.size()) + " more")) << name;
  }
  return commands;
}

TEST_F(TraceTest, HasEveryCommandOfThePlan) {
  constexpr int kLoads = 7;
  std::ofstream(folder_ + "/data.img") << std::string(std::size_t{4096} * kLoads, 'x');
  PlanBuilder plan = Group(3);
  const Json group = Json::parse(plan.Text());
  PlanBuilder all;
  for (const Json& command : group) {
    // One system call loads all of them; the name is set at once, the rest of SET_ATTR at the end.
    if (command["command"] == "SET_ATTR" && command["pid"] == Pid(2)) {
      all.Map(Pid(2), kData, 2 * kLoads, {"PROT_READ", "PROT_WRITE"});
      for (int i = 0; i < kLoads; ++i) {
        all.Add("LOAD_PAGES", Pid(2),
                {{"start", PlanBuilder::Hex(kData + 8192ull * static_cast<unsigned>(i))},
                 {"pages", 1},
                 {"source", {{"image", "data.img"}, {"offset", 4096 * i}}}});
      }
      all.Add("SET_ATTR", Pid(2), {{"attributes", {{"comm", "second"}}}});
    }
    all.Add(command["command"], command["pid"], command);
  }
  const Outcome run = Run(all, "--detach --trace trace.json --gantt gantt.svg");
  ASSERT_EQ(run.status, 0) << run.errors;
  const Json trace = Trace();
  EXPECT_EQ(WrongWithTrace(trace), "");
  const std::map<std::size_t, std::string> commands = CommandsOf(trace);
  const Json program = Json::parse(all.Text());
  const std::string picture = FileText("gantt.svg");
  for (std::size_t i = 0; i < program.size(); ++i) {
    ASSERT_TRUE(commands.contains(i)) << i << " " << program[i];
    if (program[i]["pid"] == 0) continue;  // the restorer has a number of the trace's own
    EXPECT_EQ(commands.at(i), program[i]["command"].get<std::string>() + " of " +
                                  std::to_string(program[i]["pid"].get<int>()));
  }
  std::map<int, double> ready, runs;
  double built = 0, last = 0;
  for (const Json& event : trace["traceEvents"]) {
    if (event["ph"] != "X") continue;
    const double from = event["ts"], to = from + event["dur"].get<double>();
    last = std::max(last, to);
    if (event["cat"] == "wait") continue;
    const std::string name = event["name"];
    if (name.starts_with("SET_PGID")) built = std::max(built, to);
    if (name.starts_with("SET_ATTR")) ready[event["pid"]] = to;
    if (name == "RESUME") runs[event["pid"]] = to;
    // Nobody resumes before all are built.
    if (name != "RESUME") continue;
    EXPECT_GE(from, built);
    EXPECT_GT(to, from) << event;
  }
  EXPECT_EQ(ready.size(), 4U);
  ASSERT_EQ(runs.size(), 4U);
  for (const auto& [pid, time] : runs) EXPECT_LE(ready[pid], time);
  double running = 0;
  for (const auto& [pid, time] : runs) running = std::max(running, time);
  EXPECT_EQ(last, running);
  EXPECT_NE(picture.find("LOAD_PAGES, with 6 more"), std::string::npos);
  EXPECT_NE(picture.find("] RESUME of "), std::string::npos);
}

TEST_F(TraceTest, SaysHowFarAFailureCame) {
  PlanBuilder plan;
  plan.Fork(0, Pid(0));
  plan.Add("SET_SID", Pid(0));
  plan.MapProgram(Pid(0));
  plan.Fork(Pid(0), Pid(1));
  plan.Resume(Pid(0));
  plan.Resume(Pid(1));
  // The call that fails is one of those that come late.
  for (int call = 3; call < 12; call += 4) {
    const Outcome run =
        Run(plan, "--detach --trace trace.json", "CRRESTORE_FAILING_CALL=" + std::to_string(call),
            CRRESTORE_FAULTY_BINARY);
    ASSERT_EQ(run.status, 5) << run.errors;
    EXPECT_TRUE(Left().empty());
    EXPECT_FALSE(Trace()["traceEvents"].empty());
    for (const auto& [number, name] : CommandsOf(Trace())) EXPECT_FALSE(name.starts_with("RESUME"));
  }
}

TEST_F(TraceTest, IsRefusedBeforeAnythingIsMade) {
  const Outcome run = Run(Group(1), "--detach --trace missing/trace.json");
  EXPECT_EQ(run.status, 3);
  EXPECT_NE(run.errors.find("missing/trace.json"), std::string::npos) << run.errors;
  EXPECT_TRUE(Left().empty());
}

TEST_F(TraceTest, NothingIsWrittenUnasked) {
  ASSERT_EQ(Run(Group(2)).status, 0);
  EXPECT_EQ(FileText("trace.json"), "");
}

}  // namespace
}  // namespace crgen::test

int main(int argc, char** argv) { return crgen::test::MainInNewPidNamespace(argc, argv); }
