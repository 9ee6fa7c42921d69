// SPDX-License-Identifier: Apache-2.0
// Hard links that the dumper has left for files without a name.
#include "tests/support/restorer_support.h"

namespace crgen::test {
namespace {

using Plan = PlanBuilder;
namespace fs = std::filesystem;

class RestorerLinksTest : public RestorerTest {
 protected:
  Plan With(int links) const {
    Plan plan;
    plan.Fork(0, Pid(0));
    plan.MapProgram(Pid(0));
    for (int i = 0; i < links; ++i) {
      const std::string number = std::to_string(i), link = folder_ + "/link_remap." + number;
      std::ofstream(link) << "linked";
      fs::create_hard_link(link, folder_ + "/kept" + number);
      plan.Add("OPEN_FILE", Pid(0),
               {{"fd", 3 + i},
                {"file",
                 {{"type", "REG"},
                  {"id", 1 + i},
                  {"path", folder_ + "/gone" + number},
                  {"opened_by", link},
                  {"size", 6},
                  {"flags", {"O_RDWR"}}}}});
    }
    plan.Resume(Pid(0));
    return plan;
  }
};

/// What preflight has looked at is no longer held when the file is open under its old name.
TEST_F(RestorerLinksTest, TakeOneDescriptorEach) {
  const Outcome outcome = Run(With(120), "--detach", "ulimit -n 200 &&");
  ASSERT_EQ(outcome.status, 0) << outcome.errors;
  const std::string last = "/proc/" + std::to_string(Pid(0)) + "/fd/122";
  EXPECT_EQ(fs::read_symlink(last).string(), folder_ + "/gone119 (deleted)");
  EXPECT_FALSE(fs::exists(folder_ + "/link_remap.119"));
}

TEST_F(RestorerLinksTest, AreRefusedWhereTheyAreTooMany) {
  const Outcome refused = Run(With(180), "--detach", "ulimit -n 200 &&");
  EXPECT_EQ(refused.status, 3);
  EXPECT_NE(refused.errors.find("above RLIMIT_NOFILE, 200"), std::string::npos) << refused.errors;
  EXPECT_TRUE(Left().empty());
  EXPECT_TRUE(fs::exists(folder_ + "/link_remap.179"));
}

/// One that a process has open by its own name as well.
TEST_F(RestorerLinksTest, MayBeOpenByTheirOwnNames) {
  (void)With(1);  // makes it
  Plan more;
  more.Fork(0, Pid(0));
  more.MapProgram(Pid(0));
  for (const int fd : {3, 4}) {
    Json file = {{"type", "REG"}, {"id", fd}, {"size", 6}, {"flags", {"O_RDWR"}}};
    file["path"] = folder_ + (fd == 3 ? "/gone0" : "/link_remap.0");
    if (fd == 3) file["opened_by"] = folder_ + "/link_remap.0";
    more.Add("OPEN_FILE", Pid(0), {{"fd", fd}, {"file", file}});
  }
  more.Resume(Pid(0));
  const Outcome outcome = Run(more, "--detach");
  EXPECT_EQ(outcome.status, 0) << outcome.errors;
}

}  // namespace
}  // namespace crgen::test

int main(int argc, char** argv) { return crgen::test::MainInNewPidNamespace(argc, argv); }
