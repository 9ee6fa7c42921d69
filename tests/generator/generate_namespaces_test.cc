// SPDX-License-Identifier: Apache-2.0
// Namespaces of the root: said once, before anything else of it, and held against the dump.
#include <gtest/gtest.h>

#include <functional>

#include "checker/check.h"
#include "generator/generate.h"
#include "tests/support/lines.h"
#include "tests/support/namespace_images.h"

namespace crgen::test {
namespace {

Dump WithNamespaces() {
  Dump dump;
  dump.AddProcess(11, 10);
  for (const char* kind : {"uts", "ipc", "net", "mnt"}) {
    AddOwnNamespace(dump, kind, 13);
    const auto* field = dump.ids[11].GetDescriptor()->FindFieldByName(std::string(kind) + "_ns_id");
    dump.ids[11].GetReflection()->SetUInt32(&dump.ids[11], field, 13);
  }
  dump.uts[13].set_nodename("host");
  for (const std::uint32_t limit : {1, 2, 3, 4}) dump.ipcs[13].add_sem_ctls(limit);
  dump.nets[13].set_ext_key("extRootNetNS");
  AddMount(dump, 13, {31, 30, 1, 8, "/", "/proc"});
  AddMount(dump, 13, {30, 9, 17, 7, "/", "/"});
  return dump;
}

bool HasNamespaces(const Attributes& it) {
  return it.uts || it.ipc || it.net || !it.mounts.empty();
}

class GenerateNamespacesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    source_ = OpenMemory(WithNamespaces().Build());
    Diagnostics diag;
    ASSERT_EQ(LoadDump(*source_, &snapshot_, diag), Result::kOk);
    ASSERT_EQ(GradedLines(diag), std::vector<std::string>());
    ASSERT_EQ(GenerateProgram(snapshot_, {}, PageReaderOf(*source_), &program_, diag),
              GenerateOutcome::kOk);
  }

  /// All that is wrong with a program that `change` has made of the root's first SET_ATTR.
  std::vector<std::string> Wrong(const std::function<void(Attributes&)>& change) {
    Program changed = program_;
    auto& set = std::get<SetAttr>(changed[1].body);
    auto attributes = std::make_shared<Attributes>(*set.attributes);
    change(*attributes);
    set.attributes = attributes;
    SimulatedState state;
    Diagnostics diag;
    EXPECT_EQ(CheckProgram(changed, &state, diag), Result::kOk);
    [[maybe_unused]] const Result same =
        CompareWithSnapshot(state, snapshot_, PageReaderOf(*source_), diag);
    return test::Lines(diag);
  }

  std::unique_ptr<ImageSource> source_;
  Snapshot snapshot_;
  Program program_;
};

TEST_F(GenerateNamespacesTest, ComeFirstAndOnce) {
  ASSERT_GT(program_.size(), 2u);
  const auto* set = std::get_if<SetAttr>(&program_[1].body);
  ASSERT_NE(set, nullptr);
  EXPECT_EQ(program_[1].pid, 10);
  EXPECT_TRUE(set->attributes->uts && set->attributes->ipc && set->attributes->net);
  EXPECT_EQ(set->attributes->mounts.size(), 2u);
  for (std::size_t i = 2; i < program_.size(); ++i) {
    const auto* other = std::get_if<SetAttr>(&program_[i].body);
    EXPECT_FALSE(other != nullptr && HasNamespaces(*other->attributes)) << i;
  }
  EXPECT_EQ(Wrong([](Attributes&) {}), std::vector<std::string>());
}

TEST_F(GenerateNamespacesTest, AreHeldAgainstTheDump) {
  using Lines = std::vector<std::string>;
  EXPECT_EQ(Wrong([](Attributes& it) { it.uts.reset(); }),
            Lines{"process 10: attributes.uts: expected, not set"});
  EXPECT_EQ(Wrong([](Attributes& it) { it.uts->nodename = {"other"}; }),
            Lines{"process 10: attributes.uts.nodename: expected \"host\", found \"other\""});
  EXPECT_EQ(Wrong([](Attributes& it) { it.ipc->sysctls.sem_opm = 9; }),
            Lines{"process 10: attributes.ipc.sysctls.sem_opm: expected 3, found 9"});
  EXPECT_EQ(Wrong([](Attributes& it) { it.net->external.reset(); }),
            Lines{"process 10: attributes.net.external: expected, not set"});
  EXPECT_EQ(Wrong([](Attributes& it) { it.mounts.pop_back(); }),
            Lines{"process 10: attributes.mounts: expected 2 entries, found 1 entries"});
  EXPECT_EQ(Wrong([](Attributes& it) { it.mounts[1].flags.bits = 1; }),
            Lines{"process 10: attributes.mounts[1].flags: expected none, found MS_RDONLY"});
}

}  // namespace
}  // namespace crgen::test
