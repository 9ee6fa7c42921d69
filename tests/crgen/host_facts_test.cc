// SPDX-License-Identifier: Apache-2.0
// `crgen host-facts`, and what `crgen why --host-facts` makes of it: the facts of this host give
// the verdict of this host, facts that were changed give the cause by name, and nothing is guessed.
#include <algorithm>
#include <functional>
#include <nlohmann/json.hpp>

#include "tests/support/cli_fixture.h"

namespace crgen::test {
namespace {

using Json = nlohmann::json;

class HostFactsTest : public CliTest {
 protected:
  /// Of this host, for `dump`; "": in general.
  Json FactsFor(const std::string& dump) {
    const Ran told = Crgen("host-facts " + dump);
    EXPECT_EQ(told.code, 0) << told.err;
    return Json::parse(told.out);
  }

  Ran Why(const std::string& text, const std::string& dump) {
    std::ofstream(folder_ / "facts.json", std::ios::binary) << text;
    return Crgen("why --json --host-facts " + (folder_ / "facts.json").string() + " " + dump);
  }
  Json HostBy(const Json& facts, const std::string& dump) {
    const Ran ran = Why(facts.dump(), dump);
    EXPECT_EQ(ran.code, 0) << ran.err;
    return Json::parse(ran.out)["host"];
  }
  Json HostHere(const std::string& dump) {
    return Json::parse(Crgen("why --json " + dump).out)["host"];
  }

  /// What the causes say, a line each.
  static std::string Causes(const Json& host) {
    std::string text;
    for (const Json& cause : host["causes"]) text += cause["what"].get<std::string>() + "\n";
    return text;
  }

  using Change = std::function<void(Json&)>;

  /// `change` makes `cause` one of the causes for which that host cannot restore `dump`. It is none
  /// of another host, which `other` makes of this one where that is needed.
  void Gives(const std::string& dump, const Change& change, const std::string& cause,
             const Change& other = nullptr) {
    Json facts = FactsFor(Dump(dump));
    if (other) other(facts["facts"]);
    EXPECT_EQ(Causes(HostBy(facts, Dump(dump))).find(cause), std::string::npos) << cause;
    change(facts["facts"]);
    const Json host = HostBy(facts, Dump(dump));
    EXPECT_EQ(host["answer"], "no");
    EXPECT_NE(Causes(host).find(cause), std::string::npos) << cause << "\n" << Causes(host);
  }

  /// Changes the line of `lines` that begins with `begin`.
  static void SetLine(Json& lines, const std::string& begin, const std::string& line) {
    for (Json& one : lines) {
      if (!one.get<std::string>().starts_with(begin)) continue;
      one = line;
      return;
    }
    ADD_FAILURE() << "no line begins with " << begin;
  }
};

TEST_F(HostFactsTest, OfThisHostGiveItsVerdict) {
  int dumps = 0;
  for (const auto& dump : fs::directory_iterator(CRGEN_FIXTURES "/dumps")) {
    const std::string path = dump.path().string();
    if (Crgen("-q " + path).code != 0) continue;  // there is no plan to ask for
    ++dumps;
    EXPECT_EQ(HostBy(FactsFor(path), path), HostHere(path)) << path;
  }
  EXPECT_GT(dumps, 10);
}

/// crgen confines itself; who shall restore is not.
TEST_F(HostFactsTest, HaveNoFilterOfCrgens) {
  std::string own;
  std::ifstream status("/proc/self/status");
  while (std::getline(status, own) && !own.starts_with("Seccomp_filters:")) continue;
  ASSERT_NE(own, "");
  const Json told = FactsFor("")["facts"]["system"]["/proc/self/status"];
  EXPECT_NE(std::find(told.begin(), told.end(), own), told.end()) << own << told;
}

TEST_F(HostFactsTest, OfAPlanAreThoseOfItsDump) {
  const std::string plan = (folder_ / "plan.json").string();
  ASSERT_EQ(Crgen("-o " + plan + " " + Dump("shared_fds")).code, 0);
  const Json of_plan = FactsFor(plan)["facts"]["files"];
  EXPECT_EQ(of_plan, FactsFor(Dump("shared_fds"))["facts"]["files"]);
  EXPECT_GT(of_plan.size(), 1U);
}

/// In general only what a dump alone can name is open; and that is said, in one line.
TEST_F(HostFactsTest, WithoutADumpSayWhatIsOpen) {
  const Json facts = FactsFor("");
  int dumps = 0;
  for (const auto& dump : fs::directory_iterator(CRGEN_FIXTURES "/dumps")) {
    const Json host = HostBy(facts, dump.path().string());
    if (host["causes"].empty()) continue;
    const Json& last = host["causes"].back();
    if (last["where"].get<std::string>().find("facts of ") == std::string::npos) continue;
    ++dumps;
    EXPECT_NE(host["answer"], "yes");
    EXPECT_EQ(last["what"].get<std::string>().find('\n'), std::string::npos);
    for (const char* general : {"files of the kernel", "limits", "features", "processor",
                                "processes", "programs", "network devices"}) {
      EXPECT_EQ(last["what"].get<std::string>().find(std::string("the ") + general),
                std::string::npos)
          << dump.path() << last["what"];
    }
  }
  EXPECT_GT(dumps, 10);
  const std::string open = Causes(HostBy(facts, Dump("shared_fds")));
  EXPECT_NE(open.find("they do not say: the files /"), std::string::npos) << open;
}

TEST_F(HostFactsTest, NameWhatIsTaken) {
  Gives(
      "shared_fds",
      [](Json& facts) {
        facts["processes"]["all"].push_back("31101 (intruder) S 1 31101 31101 31101");
      },
      "EEXIST: pid 31101 is taken on this system, by \"intruder\"");
  Gives(
      "shared_fds",
      [](Json& facts) { facts["processes"]["all"].push_back("7 (a (b) c) S 1 7 7 7 31101"); },
      "is taken on this system, by a thread, the group or the session of pid 7 \"a (b) c\"");
  Gives(
      "shared_fds", [](Json& facts) { facts["system"]["/proc/sys/kernel/pid_max"] = {"300"}; },
      "this system's pids are below 300");
  Gives(
      "shared_fds", [](Json& facts) { facts["system"]["/proc/sys/kernel/threads-max"] = {"2"}; },
      "6 processes and threads at once: kernel.threads-max leaves 2");
}

TEST_F(HostFactsTest, NameWhatTheMachineLacks) {
  const auto processor = [](std::uint64_t components) {
    return [components](Json& facts) { facts["machine"]["XCR0"] = components; };
  };
  Gives("shared_fds", processor(0), "which this processor has not", processor(0xffff));
  Gives(
      "shared_fds", [](Json& facts) { SetLine(facts["machine"]["vdso"], "vdso ", "vdso 1234"); },
      "1234 of this kernel");
  const auto guards = [](int error) {
    return [error](Json& facts) { facts["kernel"]["madvise 102"] = error; };
  };
  Gives("guard_areas", guards(22), "this kernel has no ", guards(0));
  Gives(
      "shared_fds",
      [](Json& facts) {
        SetLine(facts["system"]["/proc/self/status"], "CapEff:", "CapEff:\t0000000000000000");
      },
      "CAP_CHECKPOINT_RESTORE is missing",
      [](Json& facts) {
        SetLine(facts["system"]["/proc/self/status"], "CapEff:", "CapEff:\t000001ffffffffff");
      });
}

TEST_F(HostFactsTest, NameTheFile) {
  const Json files = FactsFor(Dump("shared_fds"))["facts"]["files"];
  ASSERT_TRUE(files.contains("/dev/null")) << files;
  Gives(
      "shared_fds", [](Json& facts) { facts["files"]["/dev/null"] = {"error 2"}; },
      "/dev/null: No such file or directory");
  Gives(
      "shared_fds", [](Json& facts) { facts["access"]["/dev/null, reading"] = 13; },
      "/dev/null cannot be opened for reading: Permission denied");
}

TEST_F(HostFactsTest, DoNotGuess) {
  const Json facts = FactsFor(Dump("shared_fds"));
  Json less = facts;
  less["facts"]["files"].erase("/dev/null");
  less["facts"]["kernel"].clear();
  less["facts"]["machine"]["XCR0"] = {"not", "a number"};
  const Json host = HostBy(less, Dump("shared_fds"));
  EXPECT_NE(Causes(host).find("the files /dev/null"), std::string::npos) << Causes(host);
  EXPECT_NE(Causes(host).find("XCR0"), std::string::npos) << Causes(host);
  EXPECT_NE(host["answer"], "yes");
  less["facts"].clear();
  EXPECT_NE(HostBy(less, Dump("shared_fds"))["answer"], "yes");
}

/// Whatever a file is called: the facts are JSON, say nothing else, and have it again.
TEST_F(HostFactsTest, HaveEveryName) {
  for (const std::string& name :
       {std::string("/tmp/x\": [\"error 2\"], \"/tmp/injected"), std::string("/tmp/a\nb\\c"),
        std::string("/tmp/\xc2\x9b"
                    "31m\xe2\x80\xae"),
        std::string("/tmp/\xff\xfe"), std::string("/tmp/base64:x")}) {
    const fs::path plan = folder_ / "plan.json";
    Json commands =
        Json::array({{{"command", "FORK"}, {"pid", 0}, {"child_pid", 7}},
                     {{"command", "OPEN_FILE"},
                      {"pid", 7},
                      {"fd", 3},
                      {"file", {{"type", "REG"}, {"id", 1}, {"flags", {"O_RDONLY"}}}}}});
    const bool utf8 = name.find('\xff') == name.npos;
    commands[1]["file"][utf8 ? "path" : "path_base64"] = utf8 ? name : "L3RtcC///g==";
    std::ofstream(plan) << commands.dump();
    const Ran told = Crgen("host-facts " + plan.string());
    ASSERT_EQ(told.code, 0) << told.err;
    EXPECT_EQ(told.out.find('\x9b'), told.out.npos);
    EXPECT_EQ(told.out.find("\xe2\x80\xae"), told.out.npos);
    const Json files = Json::parse(told.out)["facts"]["files"];
    const std::string key = !utf8            ? "base64:L3RtcC///g=="
                            : name[0] == 'b' ? "base64:YmFzZTY0Ong="
                                             : name;
    EXPECT_TRUE(files.contains(key) || name[0] == 'b') << files;
    EXPECT_FALSE(files.contains("/tmp/injected")) << files;
    EXPECT_EQ(Why(told.out, Dump("shared_fds")).code, 0);
  }
}

TEST_F(HostFactsTest, DoNotGuessRights) {
  Json facts = FactsFor(Dump("shared_fds"));
  const auto without = [&] {
    const Json host = HostBy(facts, Dump("shared_fds"));
    EXPECT_EQ(Causes(host).find("CAP_"), std::string::npos) << Causes(host);
    EXPECT_NE(Causes(host).find("/proc/self/status"), std::string::npos) << Causes(host);
  };
  facts["facts"]["system"]["/proc/self/status"] = Json::array();
  without();
  facts["facts"]["system"].erase("/proc/self/status");
  without();
}

TEST_F(HostFactsTest, RefuseWhatAreNoFacts) {
  const std::string form = ": `crgen schema --host-facts` is the form";
  const auto refused = [&](const std::string& text, const std::string& message) {
    const Ran ran = Why(text, Dump("shared_fds"));
    EXPECT_EQ(ran.code, 3) << text.substr(0, 100);
    EXPECT_TRUE(ran.out.starts_with("[\n  {\n    \"severity\": \"error\"")) << ran.out;
    EXPECT_NE(ran.err.find(message), std::string::npos) << ran.err;
    EXPECT_EQ(std::ranges::count(ran.err, '\n'), 1) << ran.err;
  };
  const auto with = [](const std::string& facts) {
    return R"({"version": 1, "host": "h", "kernel": "k", "facts": )" + facts + "}";
  };
  refused("", "no JSON");
  refused("{", "no JSON");
  refused("[]", "facts.json: is a list, as programs are" + form);
  refused("7", "facts.json: /: expected an object" + form);
  refused("{}", "/version: is missing");
  refused(R"({"version": 2, "host": "h", "kernel": "k", "facts": {}})",
          "/version: is 2, expected 1");
  refused(R"({"version": 1, "host": "h", "kernel": "k"})", "/facts: is missing");
  refused(R"({"version": 1, "host": 1, "kernel": "k", "facts": {}})", "/host: expected a string");
  refused(R"({"version": 1, "host": "h", "kernel": "k", "facts": {}, "more": 1})",
          "/more: there is no such member");
  refused(with("[]"), "/facts: expected an object");
  refused(R"([{"command": "FORK", "about": {"dump": {"images": [{"name": "x"}]}}}])",
          "is a list, as programs are");
  refused(with(R"({"moods": {}})"), "/facts/moods: there is no such kind of facts");
  refused(with(R"({"files": []})"), "/facts/files: expected an object");
  for (const char* wrong : {"-1", "1.5", "true", "null", "{}", "\"7\"", "\"0x\"", "\"0xg\"",
                            "\"0x10000000000000000\"", "[1]", "1e400", "99999999999999999999"}) {
    refused(with(R"({"files": {"/a~b": )" + std::string(wrong) + "}}"),
            std::string(wrong) == "1e400" ? "no JSON" : "/facts/files/~1a~0b: expected a number");
  }
  refused(with(R"({"files": {"/a": ["x"], "/a": ["y"]}})"), "\"/a\" stands twice");
  refused(with(R"({"files": {"/a": [[["x"]]]}})"), "nested too deep");
  refused(with(R"({"files": {"base64:x": ["x"]}})"), "is no base64");
  refused(with(R"({"files": {"/a": ["x"], "base64:L2E=": ["y"]}})"), "stands twice");
  refused(with(R"({"files": {"/a": )" + std::string(200'000, '[')), "nested too deep");
  refused(with(R"({"files": {"/a)") + "\x01", "no JSON");
  const fs::path large = folder_ / "large.json";
  std::ofstream(large) << "{";
  fs::resize_file(large, (64ULL << 20) + 10);
  const Ran ran = Crgen("why --host-facts " + large.string() + " " + Dump("shared_fds"));
  EXPECT_EQ(ran.code, 3);
  EXPECT_NE(ran.err.find("longer than 64 MiB: no facts of a host"), std::string::npos) << ran.err;
  EXPECT_EQ(Crgen("why --host-facts /nowhere " + Dump("shared_fds")).code, 3);
  EXPECT_EQ(Crgen("host-facts " + folder_.string()).code, 3);
  EXPECT_EQ(Crgen("host-facts " + WithUnsupported().string()).code, 4);
}

}  // namespace
}  // namespace crgen::test
