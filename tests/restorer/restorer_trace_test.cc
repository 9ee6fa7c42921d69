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
  /// A root with children of which each joins the group of the first.
  static PlanBuilder Group(int children) {
    PlanBuilder plan;
    plan.Fork(0, Pid(0));
    plan.Add("SET_SID", Pid(0));
    plan.MapProgram(Pid(0));
    for (int i = 1; i <= children; ++i) plan.Fork(Pid(0), Pid(i));
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
  const Outcome run = Run(Group(4), "--detach -v --trace trace.json --gantt gantt.svg");
  ASSERT_EQ(run.status, 0) << run.errors;
  EXPECT_EQ(Left().size(), 5U);
  std::map<std::string, int> names;
  std::map<int, double> from, to;  // of flows, by id
  std::set<int> waiting;
  const Json trace = Trace();
  EXPECT_EQ(WrongWithTrace(trace), "");
  for (const Json& event : trace["traceEvents"]) {
    const std::string kind = event["ph"];
    if (kind == "X") ++names[event["name"]];
    if (kind == "X" && event["name"] == "waits" && event["cat"] == "wait") {
      waiting.insert(event["pid"].get<int>());
      EXPECT_NE(event["args"]["for"].get<std::string>().find("of " + std::to_string(Pid(1))),
                std::string::npos)
          << event;
    }
    if (kind == "s") from[event["id"]] = event["ts"];
    if (kind == "f") to[event["id"]] = event["ts"];
  }
  EXPECT_EQ(names["FORK " + std::to_string(Pid(3))], 1);
  EXPECT_EQ(names["SET_PGID"], 4);
  EXPECT_EQ(names["SET_SID"], 1);
  EXPECT_EQ(names["LOAD_PAGES"], 1);
  EXPECT_EQ(waiting, (std::set<int>{Pid(2), Pid(3), Pid(4)}));
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
