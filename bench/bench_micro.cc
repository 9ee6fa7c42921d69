// SPDX-License-Identifier: Apache-2.0
// Times the parts that everything else consists of, one by one.
#include <benchmark/benchmark.h>

#include <cstring>
#include <map>
#include <string>

#include "bench/trees.h"
#include "checker/check.h"
#include "dsl/json/program_json.h"
#include "generator/generate.h"
#include "generator/tree/analyzer.h"
#include "images/dump.h"

namespace {

using namespace crgen;

void AnalyzeProfile(benchmark::State& state, const TreeProfile& profile) {
  const TreeSnapshot tree = profile.make(static_cast<int>(state.range(0)));
  TreePlan plan;
  TreeRefusal refusal;
  for (auto _ : state) {
    if (Failed(AnalyzeTree(tree, &plan, &refusal))) state.SkipWithError(refusal.reason.c_str());
  }
  state.counters["commands"] = static_cast<double>(plan.ops.size());
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(tree.nodes.size()));
}

/// A real dump with many kinds of state, and the program for it.
struct Sample {
  Sample() : source(OpenFolder(CRGEN_FIXTURES "/dumps/shared_fds", diag)) {
    PageImages pages(*source);
    const auto read_page = [&](const std::string& image, std::uint64_t offset, std::span<char> out,
                               Diagnostics& d) { return pages.Read(image, offset, out, d); };
    if (Failed(LoadDump(*source, &snapshot, diag)) ||
        GenerateProgram(snapshot, {}, read_page, &program, diag) != GenerateOutcome::kOk) {
      std::fprintf(stderr, "%s\n", diag.entries().front().what.c_str());
      std::exit(1);
    }
  }

  static const Sample& Get() {
    static const Sample sample;
    return sample;
  }

  Diagnostics diag;
  std::unique_ptr<ImageSource> source;
  Snapshot snapshot;
  Program program;
};

void CountCommands(benchmark::State& state) {
  state.SetItemsProcessed(state.iterations() *
                          static_cast<std::int64_t>(Sample::Get().program.size()));
}

void LoadImages(benchmark::State& state) {
  const Sample& sample = Sample::Get();
  Snapshot snapshot;
  Diagnostics diag;
  for (auto _ : state) {
    if (Failed(LoadDump(*sample.source, &snapshot, diag))) state.SkipWithError("not loaded");
  }
  state.SetItemsProcessed(state.iterations() *
                          static_cast<std::int64_t>(snapshot.processes.size()));
}

void WriteCommands(benchmark::State& state) {
  std::string text;
  for (auto _ : state) text = WriteProgram(Sample::Get().program, Layout::kLines);
  CountCommands(state);
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(text.size()));
}

void ReadCommands(benchmark::State& state) {
  const std::string text = WriteProgram(Sample::Get().program, Layout::kLines);
  Diagnostics diag;
  for (auto _ : state) {
    Program program;
    if (Failed(ReadProgram(text, "program", &program, diag))) state.SkipWithError("not read");
  }
  CountCommands(state);
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(text.size()));
}

void CheckCommands(benchmark::State& state) {
  Diagnostics diag;
  for (auto _ : state) {
    SimulatedState end;
    if (Failed(CheckProgram(Sample::Get().program, &end, diag))) state.SkipWithError("wrong");
  }
  CountCommands(state);
}

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  for (const TreeProfile& profile : TreeProfiles()) {
    auto* analyze = benchmark::RegisterBenchmark(
        ("AnalyzeTree/" + std::string(profile.name)).c_str(),
        [&profile](benchmark::State& state) { AnalyzeProfile(state, profile); });
    for (const int processes : {1024, 2048, 4096, 8192, 1000000}) analyze->Arg(processes);
    analyze->Unit(benchmark::kMillisecond);
  }
  benchmark::RegisterBenchmark("LoadDump", LoadImages);
  benchmark::RegisterBenchmark("WriteProgram", WriteCommands);
  benchmark::RegisterBenchmark("ReadProgram", ReadCommands);
  benchmark::RegisterBenchmark("CheckProgram", CheckCommands);
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
