// SPDX-License-Identifier: Apache-2.0
// crrestore refuses images, a processor and a vdso that are not what the plan says, before anything
// is restored. Needs root.
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "model/digest.h"
#include "model/vdso.h"
#include "tests/support/restorer_support.h"

namespace crgen::test {
namespace {

constexpr std::uint64_t kVdso = 0x700100000, kVvar = 0x700000000;

struct OwnRegion {
  std::uint64_t start = 0, size = 0;
};
/// Of this process; several pieces that follow each other are one.
OwnRegion FindOwn(const std::string& name) {
  OwnRegion found;
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    const std::size_t at = line.find("[" + name);
    if (at == line.npos) continue;
    const std::uint64_t start = std::stoull(line, nullptr, 16);
    if (found.size == 0) found.start = start;
    found.size += std::stoull(line.substr(line.find('-') + 1), nullptr, 16) - start;
  }
  return found;
}

Vdso OwnVdso() {
  const OwnRegion own = FindOwn("vdso");
  return ParseVdso({reinterpret_cast<const char*>(own.start), own.size}).value_or(Vdso{});
}

Json VdsoJson(const Vdso& vdso) {
  Json symbols = Json::array();
  for (const VdsoSymbol& it : vdso.symbols) {
    symbols.push_back({{"name", it.name}, {"offset", PlanBuilder::Hex(it.offset.value)}});
  }
  return {{"size", vdso.size}, {"build_id", vdso.build_id}, {"symbols", symbols}};
}

class RestorerIdentityTest : public RestorerTest {
 protected:
  /// A process with its code out of code.img, and with the vdso.
  Outcome Restore(const Json& about, const std::string& arguments = "--detach") {
    PlanBuilder plan;
    Json fork = {{"child_pid", Pid(0)}, {"about", {{"version", "1.0"}}}};
    fork["about"].update(about);
    plan.Add("FORK", 0, fork);
    plan.MapProgram(Pid(0));
    for (const auto& [name, start] : {std::pair{"vvar", kVvar}, std::pair{"vdso", kVdso}}) {
      plan.Add("MAP_REGION", Pid(0),
               {{"start", PlanBuilder::Hex(start)},
                {"end", PlanBuilder::Hex(start + FindOwn(name).size)},
                {"prot", {"PROT_READ"}},
                {"flags", {"MAP_PRIVATE", "MAP_ANONYMOUS"}},
                {"special", name}});
    }
    plan.Resume(Pid(0));
    Outcome outcome = Run(plan, arguments);
    EXPECT_EQ(Left().empty(), outcome.status != 0);
    KillEverybody();
    return outcome;
  }
  static Json Image(const std::string& name, std::uint64_t size, const std::string& digest = "") {
    Json image = {{"name", name}, {"size", size}};
    if (!digest.empty()) image["digest"] = digest;
    return image;
  }
  static Json Dump(const std::vector<Json>& images) { return {{"dump", {{"images", images}}}}; }
  static std::string DigestOf(const std::string& bytes) {
    Sha256 sum;
    sum.Add(bytes);
    return sum.Finish().text;
  }
  void ExpectRefused(const Json& about, int status, const std::string& message) {
    const Outcome outcome = Restore(about);
    EXPECT_EQ(outcome.status, status) << outcome.errors;
    EXPECT_NE(outcome.errors.find(message), std::string::npos) << outcome.errors;
  }
};

TEST_F(RestorerIdentityTest, TakesTheImagesThatThePlanSays) {
  const std::string digest = DigestOf(CodePage());
  EXPECT_EQ(Restore(Dump({Image("code.img", 4096)})).status, 0);
  EXPECT_EQ(Restore(Dump({Image("code.img", 4096, digest)})).status, 0);
  ExpectRefused(Dump({Image("code.img", 8192)}), 3,
                "this plan is not of these images: code.img has 4096 bytes, expected 8192");
  std::string other = digest;
  other.back() = other.back() == '0' ? '1' : '0';
  ExpectRefused(Dump({Image("code.img", 4096, other)}), 3,
                "this plan is not of these images: code.img has " + digest + ", expected " + other);
  ExpectRefused(Dump({Image("code.img", 4096, "sha512:" + std::string(128, '0'))}), 4,
                "a digest of sha512, expected sha256");
}

TEST_F(RestorerIdentityTest, TellsRunsApartThatHaveTheSameSizes) {
  Json about = Dump({Image("code.img", 4096)});
  about["dump"]["id"] = "run-1";
  const Outcome unknown = Restore(about);
  EXPECT_EQ(unknown.status, 0) << unknown.errors;
  EXPECT_NE(unknown.errors.find("has no inventory.img"), std::string::npos) << unknown.errors;
  std::ofstream(folder_ + "/inventory.img", std::ios::binary) << "\x6a\x05run-1";
  EXPECT_EQ(Restore(about).status, 0);
  EXPECT_EQ(Restore(Dump({Image("code.img", 4096)})).status, 0);  // bound to none
  for (const char* inventory : {"", "\x6a\x05run-2", "\x6a\x06run-10"}) {
    std::ofstream(folder_ + "/inventory.img", std::ios::binary) << inventory;
    ExpectRefused(about, 3, "this plan is not of these images: inventory.img is not of the run");
  }
}

/// In one line, though the command that reads of them says the same again.
TEST_F(RestorerIdentityTest, SaysOnceThatThePlanIsNotOfTheseImages) {
  std::ofstream(folder_ + "/code.img", std::ios::binary) << "short";
  std::ofstream(folder_ + "/more.img", std::ios::binary) << "more";
  const Outcome outcome = Restore(Dump({Image("code.img", 4096), Image("more.img", 7)}));
  EXPECT_EQ(outcome.status, 3);
  EXPECT_NE(outcome.errors.find("code.img has 5 bytes, expected 4096; 1 more differ"),
            std::string::npos)
      << outcome.errors;
  EXPECT_EQ(outcome.errors.find("not 1 pages"), std::string::npos) << outcome.errors;
  ExpectRefused(Dump({Image("code.img", 5), Image("gone.img", 7)}), 3,
                "code.img has 5 bytes by about.dump");
}

/// The plan was made of the whole file: a byte of it that no command reads counts too.
TEST_F(RestorerIdentityTest, DigestsAreOfWholeFiles) {
  const std::string bytes = CodePage() + std::string(3 << 20, 'x');
  std::ofstream(folder_ + "/code.img", std::ios::binary) << bytes;
  EXPECT_EQ(Restore(Dump({Image("code.img", bytes.size(), DigestOf(bytes))})).status, 0);
  std::ofstream(folder_ + "/code.img", std::ios::binary) << bytes.substr(1) + "x";
  ExpectRefused(Dump({Image("code.img", bytes.size(), DigestOf(bytes))}), 3,
                "this plan is not of these images");
}

TEST_F(RestorerIdentityTest, TakesAVdsoWithEverythingInItsPlace) {
  const Vdso own = OwnVdso();
  ASSERT_FALSE(own.symbols.empty());
  EXPECT_EQ(Restore({{"vdso", VdsoJson(own)}}).status, 0);
  Vdso other = own;
  other.build_id = "00";
  EXPECT_EQ(Restore({{"vdso", VdsoJson(other)}}).status, 0);
  other.symbols.pop_back();  // the running kernel may have more
  EXPECT_EQ(Restore({{"vdso", VdsoJson(other)}}).status, 0);
  const std::string name = other.symbols[0].name;
  const std::uint64_t offset = other.symbols[0].offset.value;
  other.symbols[0].offset.value = offset + 16;
  ExpectRefused({{"vdso", VdsoJson(other)}}, 3,
                "the vdso differs: " + name + " is at " + PlanBuilder::Hex(offset + 16) +
                    " in the dump, at " + PlanBuilder::Hex(offset) + " of this kernel");
  other.symbols[0] = {"no_such_function", {16}};
  ExpectRefused(
      {{"vdso", VdsoJson(other)}}, 3,
      "the vdso differs: no_such_function is at 0x10 in the dump, nowhere of this kernel");
}

TEST_F(RestorerIdentityTest, NamesWhatTheProcessorLacks) {
  EXPECT_EQ(Restore({{"cpu", {{"xsave", "0x3"}}}}).status, 0);
  ExpectRefused({{"cpu", {{"xsave", "0x4000000000000003"}}}}, 4,
                "registers of XSAVE components 0x4000000000000000");
  const Outcome told = Restore({{"cpu", {{"features", {"sse2", "avx_9000"}}}}});
  EXPECT_EQ(told.status, 0);
  EXPECT_NE(told.errors.find("this processor has no avx_9000, which the dump's had"),
            std::string::npos)
      << told.errors;
}

}  // namespace
}  // namespace crgen::test

int main(int argc, char** argv) { return crgen::test::MainInNewPidNamespace(argc, argv); }
