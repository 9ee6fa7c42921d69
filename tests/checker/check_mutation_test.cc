// SPDX-License-Identifier: Apache-2.0
// Mutants of the programs of all real dumps, and of those in made_dumps.txt: each is refused, or
// ends in the same state. CRGEN_THOROUGH=1 tries all of them instead of a sample.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <iostream>

#include "generator/generate.h"
#include "images/dump.h"
#include "tests/support/dump_edit.h"
#include "tests/support/mutator.h"
#include "tests/support/state_text.h"

namespace crgen {
namespace {

using namespace test;  // NOLINT: the vocabulary of these tests
namespace fs = std::filesystem;

constexpr unsigned kSeed = 20240704;
constexpr std::size_t kStride = 14;
constexpr std::size_t kRandomMutants = 200;

/// What no dump has, or not in this place.
constexpr const char* kMoreCommands = R"([
  {"command": "FORK", "pid": 0, "child_pid": 1, "about": {"version": "1.0", "machine": "x86_64",
   "dump": {"id": "run", "images": [{"name": "pages-1.img", "size": 4096, "digest":
    "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"}]},
   "cpu": {"xsave": "0x7", "features": ["sse2"]},
   "vdso": {"size": 8192, "build_id": "00ff", "symbols": [{"name": "time", "offset": "0x10"}]}}},
  {"command": "EXIT", "pid": 1, "status": {"signal": "SIGSEGV", "core_dumped": true}},
  {"command": "RESUME", "pid": 1, "stopped": "SIGTSTP"},
  {"command": "OPEN_FILE", "pid": 1, "fd": 70, "cloexec": true,
   "file": {"type": "PIPE", "id": 70, "flags": ["O_RDONLY"], "pipe_id": 3, "capacity": 4096,
            "data": {"image": "pipes-data.img", "offset": 20, "bytes": 5}},
   "peer": {"fd": 71, "file": {"type": "PIPE", "id": 71, "flags": ["O_WRONLY", "O_NONBLOCK"],
                               "pipe_id": 3}, "cloexec": true}},
  {"command": "OPEN_FILE", "pid": 1, "fd": 74, "file": {"type": "PIPE", "id": 73,
   "flags": ["O_WRONLY"], "pipe_id": 4, "external": "pipe:[4]"}},
  {"command": "OPEN_FILE", "pid": 1, "fd": 75, "file": {"type": "FIFO", "id": 74,
   "flags": ["O_RDWR"], "pipe_id": 5, "path": "/f", "capacity": 8192}},
  {"command": "OPEN_FILE", "pid": 1, "fd": 72, "file": {"type": "REG", "id": 72, "path": "/x",
   "flags": ["O_WRONLY", "O_APPEND", "0x200"], "pos": 7, "size": 7, "mode": 33188, "build_id": "AAAA",
   "owner": {"type": "F_OWNER_PID", "pid": 1, "signal": "SIGIO", "uid": 0, "euid": 0}}},
  {"command": "DUP_FD", "pid": 1, "old_fd": 0, "new_fd": 73, "cloexec": true},
  {"command": "MAP_REGION", "pid": 1, "start": "0x1000", "end": "0x2000", "prot": ["PROT_EXEC"],
   "flags": ["MAP_SHARED", "MAP_LOCKED", "MAP_NORESERVE", "MAP_GROWSDOWN"], "special": "aio",
   "nr_req": 3, "madvise": ["MADV_DONTFORK", "MADV_HUGEPAGE"]},
  {"command": "MAP_REGION", "pid": 1, "start": "0x1000", "end": "0x2000", "prot": [],
   "flags": ["MAP_SHARED"], "special": "sysvipc", "shmid": 3, "shm_offset": 4096},
  {"command": "FORK", "pid": 0, "child_pid": 1, "flags": ["CLONE_NEWUSER"],
   "uid_map": [{"inside": 0, "outside": 5, "count": 3}],
   "gid_map": [{"inside": 0, "outside": 7, "count": 9}]},
  {"command": "PROTECT_REGION", "pid": 1, "start": "0x1000", "end": "0x2000",
   "madvise": ["MADV_DONTNEED", "MADV_WIPEONFORK", "MADV_DONTDUMP"]}
])";

bool IsThorough() { return std::getenv("CRGEN_THOROUGH") != nullptr; }

const std::vector<DumpCase>& MadeDumps() {
  static const std::vector<DumpCase> dumps =
      ReadDumpCases(CRGEN_SOURCE "/tests/checker/made_dumps.txt");
  return dumps;
}

/// One dump and its good program.
struct Fixture {
  std::unique_ptr<ImageSource> source;
  PageReader read_page;
  Snapshot snapshot;
  Program program;

  bool Load(const std::string& name) {
    Diagnostics diag;
    const GenerateOptions options;
    source = Open(name, diag);
    if (source == nullptr || Failed(LoadDump(*source, &snapshot, diag))) {
      for (const Diagnostic& entry : diag.entries()) {
        ADD_FAILURE() << name << ": " << entry.where << ": " << entry.what;
      }
      return false;
    }
    read_page = PageReaderOf(*source);
    return GenerateProgram(snapshot, options, read_page, &program, diag) == GenerateOutcome::kOk &&
           Succeeded(PrepareTree(snapshot.tree, &snapshot.tree, diag));
  }

 private:
  static std::unique_ptr<ImageSource> Open(const std::string& name, Diagnostics& diag) {
    for (const DumpCase& made : MadeDumps()) {
      if (made.name != name) continue;
      Dump dump;
      made.change(dump);
      return OpenMemory(dump.Build());
    }
    return OpenFolder(CRGEN_FIXTURES "/dumps/" + name, diag);
  }
};

std::vector<std::string> FixtureNames() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(CRGEN_FIXTURES "/dumps")) {
    names.push_back(entry.path().filename());
  }
  for (const DumpCase& made : MadeDumps()) names.push_back(made.name);
  std::sort(names.begin(), names.end());
  return names;
}

/// What all programs together are made of.
const Vocabulary& AllWords() {
  static const Vocabulary words = [] {
    Vocabulary all;
    for (const json& command : json::parse(kMoreCommands)) all.Learn(command);
    for (const FlagName& flag : CloneFlagKind::Names()) {
      const Command fork = {0, Fork{1, CloneFlags{flag.mask}}};
      all.Learn(json::parse(WriteProgram({fork}, Layout::kLines)).front());
    }
    for (const std::string& name : FixtureNames()) {
      Fixture fixture;
      if (!fixture.Load(name)) continue;
      for (const json& command : json::parse(WriteProgram(fixture.program, Layout::kLines))) {
        all.Learn(command);
      }
    }
    return all;
  }();
  return words;
}

struct Counts {
  std::size_t made = 0;
  std::size_t by_reader = 0;
  std::size_t by_check = 0;
  std::size_t by_comparison = 0;
  std::size_t equal = 0;
  std::size_t survivors = 0;
  std::size_t false_alarms = 0;

  void Add(const Counts& other) {
    made += other.made;
    by_reader += other.by_reader;
    by_check += other.by_check;
    by_comparison += other.by_comparison;
    equal += other.equal;
    survivors += other.survivors;
    false_alarms += other.false_alarms;
  }
  void Print(const std::string& name) const {
    std::cout << name << ": " << made << " mutants; refused by reader " << by_reader
              << ", by CheckProgram " << by_check << ", by CompareWithSnapshot " << by_comparison
              << "; equal " << equal << "; wrong survivors " << survivors << ", false alarms "
              << false_alarms << "\n";
  }
};

Counts& Total() {
  static Counts total;
  return total;
}

class MutationTest : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    ASSERT_TRUE(fixture_.Load(GetParam()));
    Diagnostics diag;
    ASSERT_EQ(CheckProgram(fixture_.program, &good_, diag), Result::kOk);
    ASSERT_EQ(CompareWithSnapshot(good_, fixture_.snapshot, fixture_.read_page, diag), Result::kOk);
    text_ = TextOf(good_, PageReader());
    content_ = TextOf(good_, fixture_.read_page);
    lines_ = WriteProgram(fixture_.program, Layout::kLines);
  }

  void Judge(const Mutant& mutant) {
    ++counts_.made;
    if (mutant.program.empty()) {
      ++counts_.by_reader;
      return;
    }
    SimulatedState state;
    Diagnostics violations, differences;
    if (Failed(CheckProgram(mutant.program, &state, violations))) {
      ++counts_.by_check;
      return;
    }
    const Result compared =
        CompareWithSnapshot(state, fixture_.snapshot, fixture_.read_page, differences);
    const bool same = TextOf(state, PageReader()) == text_;
    if (Failed(compared) && same) {
      ++counts_.false_alarms;
      ADD_FAILURE() << mutant.what
                    << "\nends in the same state, but: " << differences.entries().front().where
                    << ": " << differences.entries().front().what;
    } else if (Failed(compared)) {
      ++counts_.by_comparison;
    } else if (same || TextOf(state, fixture_.read_page) == content_) {
      ++counts_.equal;
      if (std::getenv("CRGEN_SHOW_EQUAL") != nullptr) std::cout << "= " << mutant.what << "\n";
    } else {
      ++counts_.survivors;
      ADD_FAILURE() << "wrong, and not found: " << mutant.what << "\n" << Difference(state);
    }
  }

  /// The lines in which the final states differ.
  std::string Difference(const SimulatedState& state) const {
    std::istringstream good(content_), bad(TextOf(state, fixture_.read_page));
    std::multiset<std::string> lost, gained;
    for (std::string line; std::getline(good, line);) lost.insert(line);
    for (std::string line; std::getline(bad, line);) {
      auto at = lost.find(line);
      at == lost.end() ? void(gained.insert(line)) : void(lost.erase(at));
    }
    std::string text;
    for (const std::string& line : lost) text += "  good: " + line + "\n";
    for (const std::string& line : gained) text += "  has:  " + line + "\n";
    return text;
  }

  Fixture fixture_;
  SimulatedState good_;
  std::string text_;
  std::string content_;
  std::string lines_;
  Counts counts_;
};

TEST_P(MutationTest, NoWrongMutantSurvives) {
  Mutator mutator(fixture_.program, AllWords());
  const std::size_t stride = IsThorough() ? 1 : kStride;
  std::size_t next = kSeed % stride;
  mutator.ForEach([&](const std::string& kind, const std::function<Mutant()>& make) {
    // Structure is always tried.
    if ((kind == "change" || kind == "rename") && next++ % stride != 0) return;
    Judge(make());
  });
  std::mt19937 random(kSeed);
  const std::size_t wanted = IsThorough() ? 10 * kRandomMutants : kRandomMutants;
  for (std::size_t i = 0; i < wanted; ++i) Judge(mutator.Random(&random));
  counts_.Print(GetParam() + ", seed " + std::to_string(kSeed));
  Total().Add(counts_);
  EXPECT_GT(counts_.made, 500u);
}

INSTANTIATE_TEST_SUITE_P(Fixtures, MutationTest, ::testing::ValuesIn(FixtureNames()),
                         [](const auto& param_info) { return param_info.param; });

class PrintTotal : public ::testing::Environment {
  void TearDown() override { Total().Print("all"); }
};
const auto* const kPrintTotal = ::testing::AddGlobalTestEnvironment(new PrintTotal);

}  // namespace
}  // namespace crgen
