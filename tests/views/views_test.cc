// SPDX-License-Identifier: Apache-2.0
// Views of the fixtures: what they show is what the snapshot has, at any width, and also of dumps
// that are damaged.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/resource.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "checker/check.h"
#include "generator/generate.h"
#include "images/dump.h"
#include "model/printable.h"
#include "tests/support/image_mutator.h"
#include "tests/support/image_support.h"
#include "views/plan.h"
#include "views/show.h"
#include "views/table.h"
#include "views/why.h"

namespace crgen {
namespace {

using namespace test;  // NOLINT: the vocabulary of these tests
using nlohmann::json;

std::vector<Topic> AllTopics() {
  std::vector<Topic> topics;
  EXPECT_TRUE(AddTopic("all", &topics));
  return topics;
}

/// A dump in memory, as far as it can be read.
struct Loaded {
  explicit Loaded(Files files) : source(OpenMemory(std::move(files))), pages(*source) {
    LoadOptions options;
    options.unplanned = &unplanned;
    result = LoadDump(*source, &snapshot, diag, options);
  }
  PageReader Reader() {
    return [this](const std::string& image, std::uint64_t offset, std::span<char> out,
                  Diagnostics& d) { return pages.Read(image, offset, out, d); };
  }
  LookedAt Dump() { return {snapshot, unplanned, Reader()}; }

  std::unique_ptr<ImageSource> source;
  PageImages pages;
  Snapshot snapshot;
  Unplanned unplanned;
  Diagnostics diag;
  Result result = Result::kOk;
};

std::size_t Width(const std::string& line) {
  return static_cast<std::size_t>(
      std::ranges::count_if(line, [](char byte) { return (byte & 0xc0) != 0x80; }));
}

class ViewsTest : public ::testing::TestWithParam<std::string> {};

TEST_P(ViewsTest, ShowWhatTheSnapshotHas) {
  Loaded dump(ReadFixture(GetParam()));
  ASSERT_EQ(dump.result, Result::kOk);
  const json shown = json::parse(ShowJson(dump.Dump(), AllTopics(), std::nullopt));
  const Snapshot& snapshot = dump.snapshot;
  ASSERT_EQ(shown["processes"].size(), snapshot.processes.size());
  std::size_t living = 0, regions = 0, shown_regions = 0, slots = 0, shown_slots = 0, in_dump = 0;
  for (std::size_t i = 0; i < snapshot.processes.size(); ++i) {
    const Process& process = snapshot.processes[i];
    EXPECT_EQ(shown["processes"][i]["pid"], snapshot.tree.nodes[i].pid);
    living += process.state != ProcessState::kZombie;
    regions += process.memory.regions.size();
    std::size_t pages = 0;
    for (const PageRun& run : process.memory.pages) pages += run.nr_pages;
    EXPECT_EQ(shown["processes"][i]["in_dump"], pages * kPageSize);
    in_dump += pages * kPageSize;
  }
  std::size_t private_in_dump = 0;
  for (const json& process : shown["memory"]) {
    for (const json& region : process["regions"]) {
      shown_regions += !region.contains("unplanned");
      if (!region.contains("object")) private_in_dump += region.value("in_dump", std::size_t{0});
    }
  }
  for (const DescriptorTable& table : snapshot.tables) slots += table.slots.size();
  for (const json& table : shown["fds"]) shown_slots += table["descriptors"].size();
  EXPECT_EQ(shown["memory"].size(), living);
  EXPECT_EQ(shown_regions, regions);
  EXPECT_EQ(private_in_dump, in_dump);
  EXPECT_EQ(shown_slots, slots + dump.unplanned.descriptors.size());
  EXPECT_GE(shown["files"].size(), snapshot.files.size());
  std::size_t threads = 0;
  for (const Process& process : snapshot.processes) threads += process.threads.size();
  EXPECT_EQ(shown["credentials"].size(), living + threads);
  EXPECT_EQ(shown["settings"].size(), living + threads);
}

TEST_P(ViewsTest, FitTheWidth) {
  Loaded dump(ReadFixture(GetParam()));
  for (const std::size_t columns : {std::size_t{20}, std::size_t{72}}) {
    std::istringstream text(ShowText(dump.Dump(), AllTopics(), {columns, false, {}}));
    std::size_t cut = 0;
    for (std::string line; std::getline(text, line);) {
      EXPECT_LE(Width(line), columns) << line;
      EXPECT_EQ(Printable(line), line);
      cut += line.find("…") != line.npos;
    }
    EXPECT_GT(cut, 0U);
  }
  const std::string whole = ShowText(dump.Dump(), AllTopics(), {});
  EXPECT_EQ(whole.find("…"), whole.npos);
  EXPECT_EQ(whole.find('\033'), whole.npos);
  EXPECT_NE(ShowText(dump.Dump(), AllTopics(), {0, true, {}}).find("\033[1m"), whole.npos);
}

/// Nobody is in the view of one process but whom it shares something with.
TEST_P(ViewsTest, KeepToOneProcess) {
  Loaded dump(ReadFixture(GetParam()));
  for (const TreeNode& node : dump.snapshot.tree.nodes) {
    const json shown = json::parse(ShowJson(dump.Dump(), AllTopics(), node.pid));
    ASSERT_EQ(shown["processes"].size(), 1U);
    EXPECT_EQ(shown["processes"][0]["pid"], node.pid);
    EXPECT_LE(shown["fds"].size(), 1U);
    for (const char* topic : {"memory", "signals", "credentials", "settings", "env"}) {
      for (const json& entry : shown[topic]) EXPECT_EQ(entry["pid"], node.pid);
    }
  }
}

TEST_P(ViewsTest, TellEveryCommandOnce) {
  Loaded dump(ReadFixture(GetParam()));
  Program program;
  Diagnostics diag;
  ASSERT_EQ(GenerateProgram(dump.snapshot, {}, dump.Reader(), &program, diag),
            GenerateOutcome::kOk);
  const json told = json::parse(PlanJson(program, {}));
  EXPECT_EQ(told["processes"], dump.snapshot.processes.size());
  EXPECT_EQ(told["commands"], program.size());
  std::vector<int> times(program.size());
  std::size_t invented = 0;
  for (const json& actor : told["actors"]) {
    invented += actor.value("invented", false);
    for (const json& step : actor["steps"]) {
      const std::size_t index = step["command"];
      ASSERT_LT(index, program.size());
      EXPECT_EQ(program[index].pid, actor["pid"]);
      EXPECT_FALSE(step["does"].get<std::string>().empty());
      ++times[index];
    }
  }
  EXPECT_EQ(invented, told["invented"]);
  EXPECT_EQ(times, std::vector<int>(program.size(), 1));
  std::istringstream text(PlanText(program, {60, false, {}}, true));
  for (std::string line; std::getline(text, line);) EXPECT_LE(Width(line), 60U) << line;
}

/// Whatever a damaged dump still has can be looked at.
TEST_P(ViewsTest, LookAtDamagedDumps) {
  ImageMutator mutator(ReadFixture(GetParam()), 7);
  std::size_t errors = 0, shown = 0;
  for (int i = 0; i < 60; ++i) {
    std::string what;
    Loaded dump(mutator.Next(&what));
    SCOPED_TRACE(what);
    const std::string text = ShowText(dump.Dump(), AllTopics(), {80, true, {}});
    const json parsed = json::parse(ShowJson(dump.Dump(), AllTopics(), std::nullopt));
    EXPECT_EQ(parsed["processes"].size(), dump.snapshot.processes.size());
    EXPECT_TRUE(json::accept(WhyJson({AskCriu(dump.snapshot)})));
    errors += Failed(dump.result);
    shown += Failed(dump.result) && !dump.snapshot.processes.empty();
  }
  EXPECT_GT(errors, 0U);
  EXPECT_GT(shown, 0U);
}

INSTANTIATE_TEST_SUITE_P(Fixtures, ViewsTest, ::testing::ValuesIn(FixtureNames()),
                         [](const auto& param_info) { return param_info.param; });

/// A process whose every image is gone is still in the tree, and the others are whole.
TEST(Views, ShowTheTreeOfADumpThatLacksImages) {
  Files files = ReadFixture("shared_fds");
  files.erase("mm-31101.img");
  files.erase("fs-31101.img");
  files.erase("core-31102.img");
  Loaded dump(std::move(files));
  EXPECT_EQ(dump.result, Result::kError);
  const json shown = json::parse(ShowJson(dump.Dump(), AllTopics(), std::nullopt));
  ASSERT_EQ(shown["processes"].size(), 6U);
  EXPECT_EQ(shown["processes"][0]["comm"], "program");
  EXPECT_GT(shown["fds"][1]["descriptors"].size(), 0U);  // of 31101, whose memory is lost
}

std::string Shown(const Snapshot& snapshot, const char* topic, std::size_t columns = 0) {
  std::vector<Topic> topics;
  EXPECT_TRUE(AddTopic(topic, &topics));
  ViewOptions options;
  options.columns = columns;
  return ShowText({snapshot, {}, {}}, topics, options);
}

std::shared_ptr<const File> Opened(std::uint32_t id, const std::string& path) {
  RegularFile file;
  file.path.bytes = path;
  return std::make_shared<File>(File{{id}, {}, file});
}

Snapshot WithFiles(std::vector<std::shared_ptr<const File>> files) {
  Snapshot snapshot;
  snapshot.tree.nodes = {{10, 10, 10, {}, false, false, {}}};
  snapshot.files = std::move(files);
  snapshot.tables.resize(1);
  Process& process = snapshot.processes.emplace_back();
  process.table = TableIndex(0);
  process.attributes = std::make_shared<Attributes>();
  return snapshot;
}

TEST(Views, NameWhoHasWhatNoDescriptorIs) {
  UnixSocket socket;
  socket.state.value = 1;
  Snapshot snapshot =
      WithFiles({std::make_shared<File>(File{{1}, {}, socket}), Opened(2, "/in-flight"),
                 Opened(3, "/lib.so"), Opened(4, "/home")});
  snapshot.tables[0].slots = {{3, false, FileIndex(0)}};
  snapshot.socket_queues.emplace_back().file = FileIndex(0);
  snapshot.socket_queues[0].messages.emplace_back().rights = {FileIndex(1)};
  Region region;
  region.range = {0x10000, 0x11000};
  region.kind = RegionKind::kPrivateFile;
  region.file = FileIndex(2);
  snapshot.processes[0].memory.regions = {region};
  auto attributes = std::make_shared<Attributes>();
  attributes->fs.emplace().cwd.bytes = "/home";
  snapshot.processes[0].attributes = attributes;
  const std::string files = Shown(snapshot, "files");
  for (const char* held : {"in flight in socket 1, fd 3 of 10", "mapped by 10",
                           "working directory of 10", " connected"}) {
    EXPECT_NE(files.find(held), files.npos) << held << "\n" << files;
  }
  EXPECT_EQ(files.find("TCP_"), files.npos) << files;
}

TEST(Views, NameCapabilities) {
  Snapshot snapshot = WithFiles({});
  auto attributes = std::make_shared<Attributes>();
  Creds& creds = attributes->creds.emplace();
  creds.cap_eff.value = 1 << 7 | 1 << 5;
  creds.cap_prm.value = 0x1ffffffffff & ~(std::uint64_t{1} << 21);
  snapshot.processes[0].attributes = attributes;
  const std::string text = Shown(snapshot, "credentials");
  EXPECT_NE(text.find("CAP_KILL CAP_SETUID  all but CAP_SYS_ADMIN  none"), text.npos) << text;
}

TEST(Views, NameWhatIsUnusual) {
  Snapshot snapshot = WithFiles({});
  auto attributes = std::make_shared<Attributes>();
  attributes->fs = FsAttributes{{"/home"}, {"/srv"}, 022, UnlinkedId{1}, {}};
  attributes->rlimits = {{{RLIMIT_NOFILE}, 1024, 4096},
                         {{RLIMIT_CPU}, RLIM_INFINITY, RLIM_INFINITY},
                         {{RLIMIT_CORE}, 0, RLIM_INFINITY},
                         {{RLIMIT_NPROC}, 7, 7}};
  attributes->oom_score_adj = -5;
  attributes->dumpable = 1;
  attributes->timer_slack = 50'000;
  auto thread = std::make_shared<Attributes>();
  thread->sched = Sched{{SCHED_OTHER}, false, 10, 0};
  thread->timer_slack = 1;
  snapshot.processes[0].attributes = attributes;
  snapshot.processes[0].threads = {{11, thread}};
  EXPECT_EQ(Shown(snapshot, "settings"),
            "10 \n"
            "  working directory: /home (deleted)\n"
            "  root: /srv\n"
            "  umask: 0022\n"
            "  limits: RLIMIT_NOFILE 1024 of 4096, RLIMIT_CORE 0 of unlimited, RLIMIT_NPROC 7\n"
            "  oom_score_adj: -5\n"
            "  scheduling of thread 11: SCHED_OTHER, nice 10\n"
            "  timer slack of thread 11: 1 ns\n");
}

/// Flags give way before paths do.
TEST(Views, KeepPathsWhole) {
  RegularFile file;
  file.path.bytes = "/srv/application/data/file-with-a-name";
  Snapshot snapshot = WithFiles({std::make_shared<File>(
      File{{1}, OpenFlags{O_RDWR | O_APPEND | O_NONBLOCK | O_DIRECT | O_NOATIME}, file})});
  snapshot.tables[0].slots = {{3, false, FileIndex(0)}};
  const std::string text = Shown(snapshot, "fds", 96);
  EXPECT_NE(text.find(file.path.bytes), text.npos) << text;
  EXPECT_NE(text.find("…"), text.npos) << text;
}

/// What CRIU 4.2.1 says when it is asked to restore these dumps.
TEST(Views, KnowWhichTreesCriuRefuses) {
  const auto message = [](const std::string& fixture) {
    const Verdict verdict = AskCriu(Loaded(ReadFixture(fixture)).snapshot);
    return verdict.answer == Answer::kNo ? verdict.causes.front().message : "";
  };
  for (const std::string& fixture : FixtureNames()) {
    const std::string expected = fixture == "deep_tree" ? "Can't find a session leader for 31791"
                                 : fixture == "shell_script"
                                     ? "Can't find a session leader for 32190"
                                     : "";
    EXPECT_EQ(message(fixture), expected) << fixture;
  }
}

TEST(Views, KnowProcessesThatCriuCannotTellTheBirthOf) {
  Snapshot snapshot;
  // 3 leads a session below the root's; 4 and 5 are left from sessions of above: 2's and 1's.
  snapshot.tree.nodes = {{1, 1, 1, {}, false, false, {}},
                         {2, 2, 2, ProcessIndex(0), false, false, {}},
                         {3, 3, 3, ProcessIndex(1), false, false, {}},
                         {4, 4, 2, ProcessIndex(2), false, false, {}},
                         {5, 5, 1, ProcessIndex(2), false, false, {}}};
  const Verdict verdict = AskCriu(snapshot);
  EXPECT_EQ(verdict.answer, Answer::kNo);
  EXPECT_EQ(verdict.causes.front().message,
            "Can't figure out which sid (2 or 1)the process 3 was born with");
}

/// 4 is in the group of 2, and 2 is not: "Can't restore pgid (4/1->2): Operation not permitted"
/// says CRIU 4.2.
TEST(Views, KnowGroupsThatTheirFounderHasLeft) {
  Snapshot snapshot;
  snapshot.tree.nodes = {{1, 1, 1, {}, false, false, {}},
                         {2, 1, 1, ProcessIndex(0), false, false, {}},
                         {4, 2, 1, ProcessIndex(0), false, false, {}}};
  const Verdict verdict = AskCriu(snapshot);
  ASSERT_EQ(verdict.answer, Answer::kNo);
  EXPECT_EQ(verdict.causes.front().message, "Can't restore pgid (4/1->2): Operation not permitted");
  snapshot.tree.nodes[1].pgid = 2;
  EXPECT_EQ(AskCriu(snapshot).answer, Answer::kYes);
}

TEST(Views, KnowWhatCriuWantsFromOutside) {
  Snapshot snapshot;
  snapshot.tree.nodes = {{1, 1, 1, {}, false, false, {}}};
  Tty slave;
  slave.driver = kPtySlave;
  slave.tty_id = TtyId{7};
  slave.index = 3;
  snapshot.files.push_back(std::make_shared<File>(File{{1}, {}, slave}));
  Mount mount;
  mount.id = 5;
  mount.mountpoint.bytes = "/data";
  mount.external.emplace().bytes = "KEY";
  auto root = std::make_shared<Attributes>();
  root->mounts.push_back(mount);
  snapshot.processes.emplace_back().attributes = root;
  const Verdict verdict = AskCriu(snapshot);
  EXPECT_EQ(verdict.answer, Answer::kOnlyWith);
  ASSERT_EQ(verdict.causes.size(), 2U);
  EXPECT_EQ(verdict.causes[0].message, "Found slave peer index 3 without correspond master peer");
  EXPECT_EQ(verdict.causes[1].message, "No mapping for 5:/data mountpoint");
}

TEST(Views, SayWhichOptionsARestoreTakes) {
  Verdict host = {"host", Answer::kOnlyWith, {{"filelocks.img", "1 file lock"}}};
  EXPECT_TRUE(WhyText({host}, {}).starts_with("host   yes, with 1 condition\n"));
  host.options = {"--file-locks", "--shell-job"};
  EXPECT_TRUE(WhyText({host}, {}).starts_with("host   yes, with --file-locks, --shell-job\n"));
}

/// CRIU has an entry for each way in which a file is open.
TEST(Views, KnowAFileByItsPath) {
  Snapshot snapshot;
  RegularFile file;
  file.path.bytes = "/shared";
  for (std::uint32_t i = 0; i < 2; ++i) {
    snapshot.files.push_back(std::make_shared<File>(File{{i + 1}, {}, file}));
    snapshot.tree.nodes.push_back({static_cast<Pid>(i + 71),
                                   71,
                                   71,
                                   i == 0 ? ProcessIndex() : ProcessIndex(0),
                                   false,
                                   false,
                                   {}});
    Region region;
    region.kind = RegionKind::kSharedFile;
    region.range = {0x1000, 0x2000};
    region.file = FileIndex(i);
    snapshot.processes.emplace_back().memory.regions.push_back(region);
  }
  Unplanned nothing;
  std::istringstream text(ShowText({snapshot, nothing, {}}, {Topic::kMemory}, {}));
  std::size_t regions = 0;
  for (std::string line; std::getline(text, line);) {
    if (line.find("/shared") == line.npos) continue;
    EXPECT_NE(line.find(++regions == 1 ? " 72 " : " 71 "), line.npos) << line;
  }
  EXPECT_EQ(regions, 2U);
  const auto shown =
      nlohmann::json::parse(ShowJson({snapshot, nothing, {}}, {Topic::kMemory}, std::nullopt));
  EXPECT_EQ(shown["memory"][0]["regions"][0]["object"], shown["memory"][1]["regions"][0]["object"]);
}

/// Characters of East Asian scripts take two places, those that stand over others none.
TEST(Views, MeasureCharacters) {
  std::string out;
  WriteLine("漢字かな", Ink::kPlain, {5, false, {}}, &out);
  EXPECT_EQ(out, "漢字…\n");
  out.clear();
  WriteLine("e\u0301e\u0301e\u0301", Ink::kPlain, {3, false, {}}, &out);
  EXPECT_EQ(out, "e\u0301e\u0301e\u0301\n");
  out.clear();
  Table table({{"A"}, {"B"}});
  table.Add({"漢", "x"});
  table.Add({"abc", "y"});
  table.Write(0, {}, &out);
  EXPECT_EQ(out, "A    B\n漢   x\nabc  y\n");
}

/// The widest column is cut inside, so that the others are there.
TEST(Views, KeepEveryColumn) {
  std::string out;
  Table table({{"FD"}, {"WHAT"}, {"SAME AS"}});
  table.Add({"3", "/a/very/long/path/to/some/file.txt", "fd 4 of 7"});
  table.Write(0, {35, false, {}}, &out);
  EXPECT_EQ(out, "FD  WHAT                  SAME AS\n3   /a/very/l…e/file.txt  fd 4 of 7\n");
  out.clear();
  WriteWrapped("  one two three four", 4, {12, false, {}}, &out);
  EXPECT_EQ(out, "  one two\n    three\n    four\n");
  out.clear();
  WriteWrapped("  one two three four", 4, {}, &out);
  EXPECT_EQ(out, "  one two three four\n");
}

TEST(Views, EscapeAndCutInOnePlace) {
  std::string out;
  WriteLine("a\033[31mb\n", Ink::kPlain, {}, &out);
  EXPECT_EQ(out, "a\\x1b[31mb\\x0a\n");
  out.clear();
  WriteLine("abcdef", Ink::kHeading, {4, true, {}}, &out);
  EXPECT_EQ(out, "\033[1mabc…\033[0m\n");
  out.clear();
  WriteLine("äöü", Ink::kPlain, {3, false, {}}, &out);
  EXPECT_EQ(out, "äöü\n");
  out.clear();
  Table table({{"N", Table::Align::kRight}, {"NAME"}, {"MORE"}});
  table.Add({"7", "x\ny", ""});
  table.Add({"100", "ü", "end"});
  table.Write(2, {}, &out);
  EXPECT_EQ(out, "    N  NAME    MORE\n    7  x\\x0ay\n  100  ü       end\n");
}

/// Ten thousand processes that share one table's descriptions: the others are counted, not listed.
TEST(Views, NameAFewOfMany) {
  Snapshot snapshot;
  constexpr int kMany = 10000;
  RegularFile path;
  path.path.bytes = "/a";
  snapshot.files.push_back(std::make_shared<File>(File{{1}, {}, path}));
  for (int i = 0; i < kMany; ++i) {
    snapshot.tree.nodes.push_back(
        {i + 1, 1, 1, i == 0 ? ProcessIndex() : ProcessIndex(i - 1), false, false, {}});
    Process process;
    process.table = TableIndex(i);
    snapshot.processes.push_back(std::move(process));
    snapshot.tables.push_back({{{0, false, FileIndex(0)}}});
  }
  Unplanned nothing;
  const std::string text = ShowText({snapshot, nothing, {}},
                                    {Topic::kProcesses, Topic::kDescriptors, Topic::kFiles}, {});
  EXPECT_NE(text.find("fd 0 of 1, fd 0 of 2, fd 0 of 3 and 9996 more"), text.npos);
  EXPECT_NE(text.find("(9999 deep)"), text.npos);
  EXPECT_LT(text.size(), std::size_t{kMany} * 400);
}

}  // namespace
}  // namespace crgen
